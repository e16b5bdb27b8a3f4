// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Msr;
import dev.frond.machine.vcpu.VcpuExit;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** KVM's paravirtual devices under this host's KVM: their registers, and time. */
class KvmParavirtualTest {
    private static final int SYSTEM_TIME = 0x4B56_4D01;
    private static final int STEAL_TIME = 0x4B56_4D03;
    private static final int PV_EOI = 0x4B56_4D04;
    private static final int POLL_CONTROL = 0x4B56_4D05;
    private static final int RECORD = 0x3000;
    private static final long SECOND = 1_000_000_000;

    private static final String END = "\n out 0xF4, al\n jmp $";

    private KvmRig rig;

    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    @BeforeEach
    void start() {
        rig = new KvmRig();
    }

    @AfterEach
    void stop() {
        rig.close();
    }

    private void needs(CpuFeature feature) {
        assumeThat(rig.engine.features()).contains(feature);
    }

    private static String write(int msr, long value) {
        return "mov ecx, " + msr + "\n mov eax, " + value + "\n xor edx, edx\n wrmsr\n";
    }

    /**
     * What the guest reads from its record right now (pvclock-abi.h), with a counter at {@code
     * tsc}.
     */
    private static long time(KvmRig rig, long tsc) {
        long record = RECORD;
        assertThat(rig.ram.load(record, 4) & 1).as("version").isZero();
        assertThat(rig.ram.load(record, 4)).as("version").isNotZero();
        long delta = tsc - rig.ram.load(record + 8, 8);
        int shift = (byte) rig.ram.load(record + 28, 1);
        delta = shift >= 0 ? delta << shift : delta >> -shift;
        long multiplier = rig.ram.load(record + 24, 4) & 0xFFFF_FFFFL;
        return rig.ram.load(record + 16, 8) + Math.multiplyHigh(delta, multiplier << 31) * 2;
    }

    private static long timeNow(KvmRig rig) {
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        return time(rig, rig.vcpu.save().gprs().at(3));
    }

    /** Reads its counter into RBX, leaves, and again. */
    private static final String READ_TSC =
            "again: rdtsc\n shl rdx, 32\n mov ebx, eax\n or rbx, rdx\n out 0xF4, al\n jmp again";

    @Test
    void theClockIsVirtualTime() throws Exception {
        needs(CpuFeature.KVM_CLOCKSOURCE2);
        rig.longMode(write(SYSTEM_TIME, RECORD + 1) + READ_TSC);
        long first = timeNow(rig);
        assertThat(first).isCloseTo(rig.clock.now(), within(SECOND));
        rig.clock.pause();
        Thread.sleep(1500);
        rig.clock.resume();
        long second = timeNow(rig);
        assertThat(second).isGreaterThan(first);
        assertThat(second - first).as("time that stood still").isLessThan(SECOND);
        Thread.sleep(300);
        assertThat(timeNow(rig) - second).isBetween(SECOND * 3 / 10, SECOND * 13 / 10);
    }

    @Test
    void theClockGoesOnInAnotherMachine() throws Exception {
        needs(CpuFeature.KVM_CLOCKSOURCE2);
        rig.longMode(write(SYSTEM_TIME, RECORD + 1) + READ_TSC);
        timeNow(rig);
        CpuState saved = rig.vcpu.save();
        assertThat(saved.msrs()).contains(new Msr(SYSTEM_TIME, RECORD + 1));
        try (KvmRig other = new KvmRig()) {
            other.ram.segment().copyFrom(rig.ram.segment());
            other.clock.pause();
            other.clock.set(1000 * SECOND);
            other.vcpu.load(saved);
            other.clock.resume();
            assertThat(timeNow(other) - 1000 * SECOND).isBetween(0L, SECOND);
        }
    }

    @Test
    void theRegistersAreSavedAndHeld() throws Exception {
        needs(CpuFeature.KVM_STEAL_TIME);
        needs(CpuFeature.KVM_POLL_CONTROL);
        rig.longMode(write(STEAL_TIME, 0x3041) + write(POLL_CONTROL, 0) + END).run();
        CpuState saved = rig.vcpu.save();
        assertThat(saved.msrs()).contains(new Msr(STEAL_TIME, 0x3041), new Msr(POLL_CONTROL, 0));
        rig.vcpu.load(rig.longState());
        assertThat(rig.vcpu.save().msrs())
                .contains(new Msr(STEAL_TIME, 0), new Msr(POLL_CONTROL, 1));
        rig.vcpu.load(saved);
        assertThat(rig.vcpu.save().msrs())
                .contains(new Msr(STEAL_TIME, 0x3041), new Msr(POLL_CONTROL, 0));
    }

    @Test
    void theEndOfInterruptsIsTheLocalApics() throws Exception {
        rig.longMode(write(PV_EOI, 0x3009) + "mov eax, 0\n rdmsr\n" + END).run();
        CpuState saved = rig.vcpu.save();
        assertThat(saved.gprs().at(0)).isEqualTo(0x3009);
        assertThat(saved.msrs()).contains(new Msr(PV_EOI, 0x3009));
        assertThat(rig.interrupts.pvEoi).isEqualTo(0x3008);
        rig.vcpu.load(rig.longState());
        assertThat(rig.interrupts.pvEoi).isEqualTo(-1);
        rig.vcpu.load(saved);
        assertThat(rig.interrupts.pvEoi).isEqualTo(0x3008);
    }

    @Test
    void guestsFindTheFeaturesThatTheirRegistersAreThereFor() throws Exception {
        needs(CpuFeature.KVM_CLOCKSOURCE2);
        rig.longMode(
                        "mov eax, 0x40000001\n cpuid\n mov edi, eax\n mov eax, 0x40000000\n cpuid"
                                + END)
                .run();
        CpuState state = rig.vcpu.save();
        assertThat(state.gprs().at(3)).as("KVMK").isEqualTo(0x4B4D_564B);
        long offered = state.gprs().at(7);
        for (CpuFeature feature : CpuFeature.values()) {
            if (feature.isKvm()) {
                assertThat(offered >>> feature.bit() & 1)
                        .as(feature.name())
                        .isEqualTo(rig.engine.features().contains(feature) ? 1 : 0);
            }
        }
    }
}
