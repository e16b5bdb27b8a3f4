// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.machine.device.Bytes;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.EngineApic.Registers;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;

/** The timer of a local APIC that a kernel of the test's own keeps. */
class KvmApicTest {
    private static final int IRR = 0x200;
    private static final int LVT_TIMER = 0x320;
    private static final int INITIAL_COUNT = 0x380;
    private static final int CURRENT_COUNT = 0x390;

    private static final int ONCE = 0x41;
    private static final int PERIODIC = 0x2_0041;
    private static final int MASKED = 0x1_0041;

    private final Arena arena = Arena.ofShared();
    private final ControlFile kvm = ControlFile.open(new FakeKvm(), Path.of("/dev/kvm"));
    private final ControlFile vm = kvm.create("a machine", Kvm.CREATE_VM, 0);
    private final ControlFile cpu = vm.create("a CPU", Kvm.CREATE_VCPU, 0);
    private final KvmMessages messages = new KvmMessages(vm, true);
    private final KvmApic apic =
            new KvmApic(
                    cpu,
                    new KvmMsrs(cpu, new Cpuid(CpuModel.X86_64_V2, 0, 1), true, arena),
                    messages,
                    arena);

    @AfterEach
    void close() {
        messages.close();
        cpu.close();
        vm.close();
        kvm.close();
        arena.close();
    }

    private static byte[] page(int lvt, int initial, int current) {
        return ByteBuffer.allocate(Registers.PAGE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(LVT_TIMER, lvt)
                .putInt(INITIAL_COUNT, initial)
                .putInt(CURRENT_COUNT, current)
                .array();
    }

    private void load(int lvt, int initial, int current) {
        apic.load(new Registers(0xFEE0_0900L, Bytes.of(page(lvt, initial, current)), 0));
    }

    /** What the kernel's registers become while the CPU is in the guest, which stops then. */
    private void run(byte[] page) {
        cpu.call(
                Kvm.SET_LAPIC,
                arena.allocate(Registers.PAGE).copyFrom(MemorySegment.ofArray(page)));
        apic.suspend();
    }

    private int kernels(int register) {
        MemorySegment page = arena.allocate(Registers.PAGE, 8);
        cpu.call(Kvm.GET_LAPIC, page);
        return page.get(JAVA_INT, register);
    }

    private int saved(int register) {
        byte[] page = apic.save().page().toArray();
        return ByteBuffer.wrap(page).order(ByteOrder.LITTLE_ENDIAN).getInt(register);
    }

    @Test
    void aTimerThatEndsWhileTheCpuStopsStillInterrupts() {
        load(ONCE, 1000, 600);
        run(page(ONCE, 1000, 0));
        assertThat(saved(CURRENT_COUNT)).as("it ends at once where it goes to").isEqualTo(1);
        assertThat(saved(INITIAL_COUNT)).isEqualTo(1000);
    }

    @Test
    void aTimerWhoseInterruptWaitsHasEnded() {
        byte[] page = page(ONCE, 1000, 0);
        page[IRR + 0x20] = 2;
        run(page);
        assertThat(saved(CURRENT_COUNT)).isZero();
    }

    @Test
    void aTimerThatIsMaskedOrWasNeverSetDoesNotInterrupt() {
        run(page(MASKED, 1000, 0));
        assertThat(saved(CURRENT_COUNT)).isZero();
        run(page(ONCE, 0, 0));
        assertThat(saved(CURRENT_COUNT)).isZero();
        assertThat(saved(INITIAL_COUNT)).isZero();
    }

    @Test
    void aTimerThatCountsGoesOnFromWhereItWas() {
        run(page(ONCE, 1000, 300));
        assertThat(saved(CURRENT_COUNT)).isEqualTo(300);
        run(page(PERIODIC, 1000, 0));
        assertThat(saved(CURRENT_COUNT)).isZero();
    }

    @Test
    void aTimerThatHasEndedIsNotSetInTheKernel() {
        // A kernel that gets a one-shot timer at 0 lets it end anew.
        load(ONCE, 1000, 0);
        assertThat(kernels(INITIAL_COUNT)).isZero();
        apic.suspend();
        assertThat(saved(INITIAL_COUNT)).isEqualTo(1000);
        assertThat(saved(CURRENT_COUNT)).isZero();
        load(PERIODIC, 1000, 0);
        assertThat(kernels(INITIAL_COUNT)).isEqualTo(1000);
    }
}
