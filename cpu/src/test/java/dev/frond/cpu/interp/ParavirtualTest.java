// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.time.Instant;
import java.util.EnumSet;
import java.util.Set;

/** The paravirtual devices that KVM has. */
final class ParavirtualTest {
    private static final int IA32_TSC = 0x10;
    private static final int WALL_CLOCK = 0x4B56_4D00;
    private static final int SYSTEM_TIME = 0x4B56_4D01;
    private static final int STEAL_TIME = 0x4B56_4D03;
    private static final int PV_EOI = 0x4B56_4D04;
    private static final int POLL_CONTROL = 0x4B56_4D05;
    private static final long RECORD = 0x9040;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    private int wrmsr(SystemRig on, int index, long value) {
        on.enter(0);
        on.cpu.r[Cpu.RCX] = index;
        on.cpu.r[Cpu.RAX] = value & 0xFFFF_FFFFL;
        on.cpu.r[Cpu.RDX] = value >>> 32;
        on.execute("0f30");
        return on.handling();
    }

    /** The time that a guest reads, as the record says to compute it. */
    private long time(SystemRig on, long record) {
        assertThat(on.load(record, 4) & 1).as("version").isZero();
        long difference = on.cpu.msrs.tsc() - on.load(record + 8, 8);
        int shift = (byte) on.load(record + 28, 1);
        long shifted = shift < 0 ? difference >>> -shift : difference << shift;
        return on.load(record + 16, 8)
                + (Math.multiplyHigh(shifted, on.load(record + 24, 4)) << 32)
                + (shifted * on.load(record + 24, 4) >>> 32);
    }

    private static boolean stable(SystemRig on, long record) {
        return (on.load(record + 29, 1) & 1) != 0;
    }

    // --- clock ----------------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(ints = {0x12, SYSTEM_TIME})
    void theClockReadsVirtualTime(int msr) {
        rig.clock.advance(123_456_789);
        assertThat(wrmsr(rig, msr, RECORD | 1)).isEqualTo(-1);
        assertThat(cpu.msrs.read(msr)).isEqualTo(RECORD | 1);
        assertThat(time(rig, RECORD)).isEqualTo(123_456_789);
        rig.clock.advance(5_000_000_000L);
        assertThat(time(rig, RECORD)).isEqualTo(5_123_456_789L);
        assertThat(stable(rig, RECORD)).isTrue();
    }

    @Test
    void aGuestThatSetsItsCounterGetsANewRecord() {
        wrmsr(rig, SYSTEM_TIME, RECORD | 1);
        long version = rig.load(RECORD, 4);
        rig.clock.advance(1000);
        cpu.msrs.write(IA32_TSC, 1L << 50);
        assertThat(rig.load(RECORD, 4)).isEqualTo(version + 2);
        assertThat(time(rig, RECORD)).isEqualTo(1000);
    }

    @Test
    void aDisabledClockIsNotWritten() {
        wrmsr(rig, SYSTEM_TIME, RECORD | 1);
        wrmsr(rig, SYSTEM_TIME, RECORD);
        long version = rig.load(RECORD, 4);
        cpu.msrs.write(IA32_TSC, 5);
        assertThat(rig.load(RECORD, 4)).isEqualTo(version);
    }

    @ParameterizedTest
    @ValueSource(longs = {0x9FF1, 0x9043, 0x10_0001, 0xFFFF_FFFF_FFFF_F001L, 0xFFFFF0000001L})
    void aRecordThatIsNotWholeInMemoryIsNotWritten(long value) {
        byte[] before = rig.memory();
        assertThat(wrmsr(rig, SYSTEM_TIME, value)).isEqualTo(-1);
        assertThat(wrmsr(rig, WALL_CLOCK, value)).isEqualTo(-1);
        assertThat(wrmsr(rig, PV_EOI, value & ~3L | 1)).isEqualTo(-1);
        assertThat(wrmsr(rig, STEAL_TIME, value & ~0x3FL | 1)).isEqualTo(-1);
        byte[] after = rig.memory();
        // The instruction itself and the stack of nothing.
        System.arraycopy(before, (int) SystemRig.CODE, after, (int) SystemRig.CODE, 16);
        assertThat(after).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(ints = {0x11, WALL_CLOCK})
    void theWallClockIsTheTimeOfDayAtTheStart(int msr) {
        rig.clock.advance(2_500_000_000L);
        rig.store(RECORD, 4, 6);
        assertThat(wrmsr(rig, msr, RECORD)).isEqualTo(-1);
        Instant start = rig.clock.wallTime().minusNanos(rig.clock.now());
        assertThat(rig.load(RECORD, 4)).isEqualTo(8);
        assertThat(rig.load(RECORD + 4, 4)).isEqualTo(start.getEpochSecond());
        assertThat(rig.load(RECORD + 8, 4)).isEqualTo(start.getNano());
    }

    @Test
    void theClockGoesOnInARestoredCpu() {
        rig.clock.advance(777);
        wrmsr(rig, SYSTEM_TIME, RECORD | 1);
        wrmsr(rig, WALL_CLOCK, RECORD + 0x100);
        cpu.msrs.write(IA32_TSC, 12_345);
        rig.clock.advance(1000);
        CpuState state = rig.vcpu.save();
        SystemRig other = new SystemRig();
        other.restore(rig.memory());
        other.store(RECORD + 0x100, 8, 0x1234);
        other.clock.advance(1777);
        other.vcpu.load(state);
        assertThat(time(other, RECORD)).isEqualTo(1777);
        other.clock.advance(100);
        assertThat(time(other, RECORD)).isEqualTo(1877);
        assertThat(other.cpu.msrs.tsc()).isEqualTo(13_445);
        assertThat(other.load(RECORD + 0x100, 8)).as("written once").isEqualTo(0x1234);
        assertThat(other.vcpu.save().msrs()).containsAll(state.msrs());
    }

    @Test
    void oneRecordServesAllCpusWhileTheirCountersAgree() throws Exception {
        CpuModel model = CpuModel.X86_64_V3;
        try (SmpRig smp = new SmpRig(2, new Interpreter(), model)) {
            for (int i = 0; i < 2; i++) {
                smp.cpu(i).msrs.write(SYSTEM_TIME, SmpRig.DATA + 64L * i | 1);
            }
            assertThat(flags(smp, 0)).isEqualTo(1);
            assertThat(flags(smp, 1)).isEqualTo(1);
            // WRMSR TSC, 5.
            String set = "b910000000 b805000000 31d2 0f30";
            smp.program(0, "90" + SmpRig.END);
            smp.program(1, set + SmpRig.END);
            smp.clock.advance(50);
            smp.start(1);
            smp.join(1);
            smp.start(0);
            smp.join(0);
            assertThat(flags(smp, 0)).isZero();
            assertThat(flags(smp, 1)).isZero();
            smp.program(0, set + SmpRig.END);
            smp.program(1, "90" + SmpRig.END);
            smp.start(0);
            smp.join(0);
            smp.start(1);
            smp.join(1);
            assertThat(flags(smp, 0)).isEqualTo(1);
            assertThat(flags(smp, 1)).isEqualTo(1);
        }
    }

    private static long flags(SmpRig smp, int cpu) {
        return smp.load(SmpRig.DATA + 64L * cpu + 29, 1);
    }

    @Test
    void initEndsEverything() {
        wrmsr(rig, SYSTEM_TIME, RECORD | 1);
        wrmsr(rig, POLL_CONTROL, 0);
        rig.clock.advance(10);
        rig.vcpu.init();
        // A CPU that waits for its start-up IPI sleeps.
        rig.vcpu.kick();
        rig.step();
        assertThat(cpu.msrs.read(SYSTEM_TIME)).isZero();
        assertThat(cpu.msrs.read(POLL_CONTROL)).isEqualTo(1);
        assertThat(cpu.msrs.tsc()).isEqualTo(10);
    }

    // --- steal time -----------------------------------------------------------------------------

    @Test
    void whatTheHostTookIsStolen() throws InterruptedException {
        wrmsr(rig, STEAL_TIME, RECORD | 1);
        // Threads that keep every processor of the host busy.
        boolean[] stop = new boolean[1];
        Thread[] busy = new Thread[2 * Runtime.getRuntime().availableProcessors()];
        for (int i = 0; i < busy.length; i++) {
            busy[i] =
                    Thread.ofPlatform()
                            .daemon()
                            .start(() -> {
                                while (!stop[0]) {
                                    Thread.onSpinWait();
                                }
                            });
        }
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (rig.load(RECORD, 8) == 0 && System.nanoTime() < deadline) {
            rig.clock.advance(10_000_000);
            cpu.paravirtual.updateSteal();
        }
        stop[0] = true;
        for (Thread thread : busy) {
            thread.join();
        }
        assertThat(rig.load(RECORD, 8)).isPositive();
        assertThat(rig.load(RECORD + 8, 4) & 1).as("version").isZero();
    }

    // --- rules ----------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        STEAL_TIME + ", 0x9043",
        PV_EOI + ", 0x9043",
        POLL_CONTROL + ", 2",
    })
    void reservedBitsFault(int msr, String value) {
        assertThat(wrmsr(rig, msr, Long.decode(value))).isEqualTo(CpuFault.GP);
    }

    @ParameterizedTest
    @ValueSource(ints = {0x11, 0x12, WALL_CLOCK, SYSTEM_TIME, STEAL_TIME, PV_EOI, POLL_CONTROL})
    void whatIsNotOfferedFaults(int msr) {
        Set<CpuFeature> features = EnumSet.copyOf(CpuModel.X86_64_V3.features());
        features.removeIf(CpuFeature::isKvm);
        SystemRig without = new SystemRig(CpuModel.X86_64_V3.within(features));
        assertThat(wrmsr(without, msr, 0)).isEqualTo(CpuFault.GP);
        assertThat(wrmsr(rig, msr, 0)).isEqualTo(-1);
    }
}
