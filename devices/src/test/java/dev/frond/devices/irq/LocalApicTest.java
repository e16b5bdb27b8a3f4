// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRig.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Longs;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** One CPU and its local APIC: registers, priorities, pins, modes. */
class LocalApicTest extends DeviceContract<LocalApicState> {
    private final ApicRig rig = new ApicRig(1);
    private final LocalApic apic = rig.apic(0);

    private static final int SELF = 1 << 18;

    /** All MSRs of the controller, 8 bytes apart; one that faults reads as "faults". */
    private record Msrs(LocalApic apic) implements IoHandler {
        private static final int SIZE = 0x102 * 8;
        private static final long FAULTS = 0xFA17_FA17_FA17_FA17L;

        private static int index(long offset) {
            int number = (int) (offset >> 3);
            return switch (number) {
                case 0x100 -> IA32_APIC_BASE;
                case 0x101 -> IA32_TSC_DEADLINE;
                default -> 0x800 + number;
            };
        }

        @Override
        public long read(long offset, int size) {
            return apic.readable(index(offset)) ? apic.readMsr(index(offset)) : FAULTS;
        }

        @Override
        public void write(long offset, int size, long value) {
            if (!apic.writeMsr(index(offset), value)) {
                assertThat(index(offset)).isNotEqualTo(IA32_TSC_DEADLINE);
            }
        }
    }

    @Override
    protected Rig<LocalApicState> newRig() {
        ApicRig one = new ApicRig(1);
        LocalApic device = one.apic(0);
        TakingCpu cpu = new TakingCpu(one);
        device.connect(cpu);
        return new Rig<>(device, one.clock, cpu)
                .region(new Region.Io(device.registers(), 0x400, AccessWidths.DWORD, device.lock()))
                .region(
                        new Region.Io(
                                new Msrs(device), Msrs.SIZE, new AccessWidths(8, 8), device.lock()))
                .stimulus(random -> device.lint0().set(random.nextBoolean()))
                .stimulus(random -> device.lint1().set(random.nextBoolean()))
                .stimulus(_ -> cpu.take())
                .stimulus(_ -> one.write(0, EOI, 0))
                .stimulus(random -> device.setTaskPriority(random.nextInt(16)))
                .stimulus(random -> device.tscOffset(random.nextInt(1 << 20)))
                .stimulus(_ -> one.enabled())
                .stimulus(random -> {
                    boolean known = random.nextBoolean();
                    one.bus.send(0xFEE0_0000L, known ? 0x40 : random.nextInt());
                })
                .stimulus(random -> {
                    long[] modes = {0xFEE0_0900L, 0xFEE0_0D00L, 0xFEE0_0100L};
                    long base = modes[random.nextInt(modes.length)];
                    cpu.note(device.writeMsr(IA32_APIC_BASE, base) ? "mode" : "#GP");
                })
                .favourites(0x1FF, 0x11FF, 0x40, 0x2_0041, 0x4_0042, 0x700, 0x8043, 0xB, 1000);
    }

    @Override
    protected LocalApicState randomState(LocalApicState reset, Random random) {
        List<Integer> lvt = new ArrayList<>();
        for (int register = 0x32; register <= 0x37; register++) {
            int bits = ApicRegisters.lvtBits(register) | (register == 0x35 ? 1 << 14 : 0);
            lvt.add(random.nextInt() & bits);
        }
        long[] modes = {0, 0x800, 0x800, 0xC00};
        return new LocalApicState(
                (random.nextLong() & (1L << 46) - 0x1000) | modes[random.nextInt(modes.length)],
                random.nextInt(256) << 24,
                random.nextInt(256),
                random.nextInt(256) << 24,
                random.nextInt() | 0x0FFF_FFFF,
                random.nextInt() & 0x13FF,
                vectors(random),
                vectors(random),
                vectors(random),
                random.nextLong() & 0xFFFF_FFFF_000C_CFFFL,
                random.nextInt() & 0xE0,
                random.nextInt() & 0xE0,
                lvt,
                new ApicTimerState(
                        random.nextInt() >>> random.nextInt(32),
                        random.nextInt() & 0xB,
                        random.nextInt() >>> random.nextInt(32),
                        random.nextLong(1L << 62) >>> random.nextInt(62),
                        random.nextLong() >>> random.nextInt(64),
                        random.nextLong() >>> random.nextInt(64)),
                random.nextBoolean(),
                random.nextBoolean(),
                random.nextBoolean());
    }

    private static Longs vectors(Random random) {
        long one = 1L << random.nextInt(16, 64);
        return Longs.of(one | 0x8000_0000L, 0, random.nextInt(3), random.nextLong() & 1L << 63);
    }

    private void raise(int vector) {
        rig.write(0, ICR_LOW, SELF | vector);
    }

    @Test
    void afterPowerOnTheRegistersHoldTheManualsValues() {
        assertThat(apic.readMsr(IA32_APIC_BASE)).isEqualTo(0xFEE0_0900L);
        assertThat(apic.registerPage()).isEqualTo(0xFEE0_0000L);
        assertThat(rig.read(0, ID)).isZero();
        assertThat(rig.read(0, VERSION)).isEqualTo(0x0105_0014);
        assertThat(rig.read(0, SVR)).isEqualTo(0xFF);
        assertThat(rig.read(0, DFR)).isEqualTo(-1);
        assertThat(rig.read(0, LDR)).isZero();
        assertThat(rig.read(0, ICR_LOW)).isZero();
        for (int lvt = LVT_TIMER; lvt <= LVT_ERROR; lvt += 0x10) {
            assertThat(rig.read(0, lvt)).isEqualTo(MASKED);
        }
        assertThat(apic.pending()).isFalse();
        assertThat(apic.acknowledge()).isEqualTo(-1);
    }

    @Test
    void onlyCpu0IsTheBootstrapProcessorAndIdsCountUp() {
        ApicRig two = new ApicRig(2);
        assertThat(two.apic(1).readMsr(IA32_APIC_BASE)).isEqualTo(XAPIC);
        assertThat(two.read(1, ID)).isEqualTo(0x0100_0000);
        assertThatThrownBy(() -> new ApicRig(256))
                .hasMessage("local APIC of CPU 255: accepted are CPUs 0 to 254");
    }

    @Test
    void aHigherClassInterruptsALowerOneAndEoiGoesBackToIt() {
        rig.enabled();
        raise(0x31);
        assertThat(rig.take(0)).isEqualTo(0x31);
        raise(0x35);
        assertThat(rig.take(0)).isEqualTo(-1);
        raise(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        assertThat(rig.read(0, ISR + 0x10)).isEqualTo(1 << 0x11);
        assertThat(rig.read(0, ISR + 0x20)).isEqualTo(1 << 0x01);
        assertThat(rig.read(0, IRR + 0x10)).isEqualTo(1 << 0x15);
        assertThat(rig.read(0, PPR)).isEqualTo(0x40);
        rig.eoi(0);
        assertThat(rig.read(0, PPR)).isEqualTo(0x30);
        assertThat(rig.take(0)).isEqualTo(-1);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(0x35);
        rig.eoi(0);
        assertThat(rig.read(0, PPR)).isZero();
    }

    @Test
    void theSameVectorTwiceIsHeldOnceBesideTheOneInService() {
        rig.enabled();
        raise(0x50);
        assertThat(rig.take(0)).isEqualTo(0x50);
        raise(0x50);
        raise(0x50);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(0x50);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
    }

    @Test
    void theTaskPriorityHoldsBackItsClassAndAllBelow() {
        rig.enabled();
        rig.write(0, TPR, 0x5F);
        assertThat(apic.taskPriority()).isEqualTo(5);
        assertThat(rig.read(0, PPR)).isEqualTo(0x5F);
        raise(0x5E);
        assertThat(apic.pending()).isFalse();
        assertThat(apic.acknowledge()).as("too late to take it").isEqualTo(-1);
        raise(0x60);
        assertThat(rig.take(0)).isEqualTo(0x60);
        rig.write(0, TPR, 0x63);
        assertThat(rig.read(0, PPR)).as("TPR of the class in service").isEqualTo(0x63);
        rig.eoi(0);
        apic.setTaskPriority(4);
        assertThat(rig.read(0, TPR)).isEqualTo(0x40);
        assertThat(rig.take(0)).isEqualTo(0x5E);
    }

    @Test
    void theCpuIsToldWhenAnInterruptBecomesDeliverableAndWhenItNoLongerIs() {
        rig.enabled();
        raise(0x40);
        raise(0x41);
        assertThat(rig.cpu(0).heard).containsExactly("irq");
        apic.setTaskPriority(15);
        assertThat(apic.pending()).isFalse();
        apic.setTaskPriority(0);
        assertThat(rig.cpu(0).heard).containsExactly("irq", "irq", "irq");
        assertThat(apic.acknowledge()).isEqualTo(0x41);
        rig.eoi(0);
        assertThat(rig.cpu(0).heard).hasSize(4);
    }

    @Test
    void disabledBySvrItRefusesInterruptsButKeepsThoseItHas() {
        rig.enabled();
        rig.write(0, LVT_TIMER, 0x40);
        raise(0x50);
        rig.write(0, SVR, 0xFF);
        assertThat(rig.read(0, LVT_TIMER)).isEqualTo(MASKED | 0x40);
        rig.write(0, LVT_TIMER, 0x40);
        assertThat(rig.read(0, LVT_TIMER)).isEqualTo(MASKED | 0x40);
        raise(0x60);
        assertThat(rig.take(0)).isEqualTo(0x50);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
    }

    @Test
    void anIllegalVectorIsAnErrorThatEsrShowsOnceLatched() {
        rig.enabled();
        rig.write(0, LVT_ERROR, 0xFE);
        raise(0x0F);
        assertThat(rig.read(0, ESR)).isZero();
        assertThat(rig.take(0)).isEqualTo(0xFE);
        rig.eoi(0);
        raise(0x0F);
        assertThat(rig.take(0)).as("once until ESR is written").isEqualTo(-1);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isEqualTo(1 << 5);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isZero();
    }

    @Test
    void aMessageWithAnIllegalVectorIsAReceiveError() {
        rig.enabled();
        rig.bus.send(0xFEE0_0000L, 0x08);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isEqualTo(1 << 6);
        assertThat(rig.read(0, IRR)).isZero();
    }

    @Test
    void anErrorEntryWithAnIllegalVectorDoesNotLoop() {
        rig.enabled();
        rig.write(0, LVT_ERROR, 0x05);
        raise(0x01);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isEqualTo(1 << 5 | 1 << 6);
    }

    @Test
    void aReservedRegisterIsAnErrorAndReadsZero() {
        rig.enabled();
        assertThat(rig.read(0, 0x040)).isZero();
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isEqualTo(1 << 7);
        rig.write(0, 0x3F0, 0x55);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isEqualTo(1 << 7);
    }

    @Test
    void registersAre32BitsWideEvery16Bytes() {
        rig.write(0, LDR, 0x8000_0000);
        assertThat(apic.registers().read(LDR + 3, 1)).isEqualTo(0x80);
        assertThat(apic.registers().read(LDR, 8)).isEqualTo(0x8000_0000L);
        assertThat(apic.registers().read(LDR + 4, 4)).isZero();
        apic.registers().write(LDR + 4, 4, 0x4000_0000);
        apic.registers().write(LDR + 3, 1, 0x40);
        assertThat(rig.read(0, LDR)).isEqualTo(0x8000_0000);
    }

    @Test
    void readOnlyAndReservedBitsStayAsTheyAre() {
        rig.enabled();
        rig.write(0, VERSION, -1);
        rig.write(0, PPR, -1);
        rig.write(0, ISR, -1);
        rig.write(0, LDR, -1);
        rig.write(0, DFR, 0);
        rig.write(0, LVT_LINT0, -1);
        rig.write(0, LVT_TIMER, -1);
        rig.write(0, DIVIDE, -1);
        assertThat(rig.read(0, VERSION)).isEqualTo(0x0105_0014);
        assertThat(rig.read(0, PPR)).isZero();
        assertThat(rig.read(0, ISR)).isZero();
        assertThat(rig.read(0, LDR)).isEqualTo(0xFF00_0000);
        assertThat(rig.read(0, DFR)).isEqualTo(0x0FFF_FFFF);
        assertThat(rig.read(0, LVT_LINT0)).isEqualTo(0x1_A7FF);
        assertThat(rig.read(0, LVT_TIMER)).isEqualTo(0x7_00FF);
        assertThat(rig.read(0, DIVIDE)).isEqualTo(0xB);
        rig.write(0, ESR, 0);
        assertThat(rig.read(0, ESR)).isZero();
    }

    // Pins

    @Test
    void inVirtualWireModeLint0FetchesItsVectorFromThe8259() {
        apic.programVirtualWire();
        rig.picVectors.add(0x08);
        rig.bus.lint0().set(true);
        assertThat(apic.pending()).isTrue();
        assertThat(apic.acknowledge()).isEqualTo(0x08);
        assertThat(apic.pending()).isFalse();
        assertThat(rig.read(0, ISR)).as("the 8259 keeps what is in service").isZero();
    }

    @Test
    void extIntGoesBeforeAllPrioritiesAndFollowsTheLevel() {
        apic.programVirtualWire();
        apic.setTaskPriority(15);
        apic.lint0().set(true);
        assertThat(apic.pending()).isTrue();
        apic.lint0().set(false);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void afterResetLint0IsMasked() {
        apic.lint0().set(true);
        assertThat(apic.pending()).isFalse();
        rig.enabled();
        rig.write(0, LVT_LINT0, 0x700);
        assertThat(apic.pending()).isTrue();
        rig.write(0, LVT_LINT0, MASKED | 0x700);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void anActiveLowLint0IsActiveWhileThePinIsLow() {
        rig.enabled();
        rig.write(0, LVT_LINT0, 1 << 13 | 0x700);
        assertThat(apic.pending()).isTrue();
        apic.lint0().set(true);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void withTheApicOffThePinsAreIntrAndNmi() {
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFEE0_0100L)).isTrue();
        rig.picVectors.add(0x70);
        apic.lint0().set(true);
        assertThat(rig.take(0)).isEqualTo(0x70);
        apic.lint1().set(true);
        apic.lint1().set(false);
        assertThat(rig.cpu(0).heard).containsOnlyOnce("nmi");
    }

    @Test
    void lint1AsNmiSignalsEachRisingEdge() {
        apic.programVirtualWire();
        rig.bus.lint1().pulse();
        rig.bus.lint1().set(true);
        rig.bus.lint1().set(true);
        assertThat(rig.cpu(0).heard).containsExactly("nmi", "nmi");
        rig.write(0, LVT_LINT1, MASKED | 0x400);
        rig.bus.lint1().set(false);
        rig.bus.lint1().set(true);
        assertThat(rig.cpu(0).heard).hasSize(2);
    }

    @Test
    void aFixedEdgeAtLint0InterruptsOnce() {
        rig.enabled();
        rig.write(0, LVT_LINT0, 0x44);
        apic.lint0().set(true);
        assertThat(rig.take(0)).isEqualTo(0x44);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
    }

    @Test
    void aFixedLevelAtLint0InterruptsAgainAfterEachEoiUntilItEnds() {
        rig.enabled();
        rig.write(0, LVT_LINT0, 1 << 15 | 0x44);
        apic.lint0().set(true);
        assertThat(rig.read(0, LVT_LINT0)).isEqualTo(3 << 14 | 0x44);
        assertThat(rig.read(0, TMR + 0x20)).isEqualTo(1 << 4);
        assertThat(rig.take(0)).isEqualTo(0x44);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(0x44);
        apic.lint0().set(false);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
        assertThat(rig.read(0, LVT_LINT0)).isEqualTo(1 << 15 | 0x44);
    }

    // IA32_APIC_BASE and x2APIC

    @Test
    void theRegisterPageMovesAndDisappears() {
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFED4_0900L)).isTrue();
        assertThat(apic.registerPage()).isEqualTo(0xFED4_0000L);
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFED4_0100L)).isTrue();
        assertThat(apic.registerPage()).isEqualTo(-1);
    }

    @Test
    void disablingResetsButCr8GoesOnWorking() {
        rig.enabled();
        rig.write(0, ID, 0x0500_0000);
        raise(0x40);
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFEE0_0100L)).isTrue();
        assertThat(apic.pending()).isFalse();
        apic.setTaskPriority(9);
        assertThat(apic.taskPriority()).isEqualTo(9);
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFEE0_0900L)).isTrue();
        assertThat(rig.read(0, ID)).isZero();
        assertThat(rig.read(0, SVR)).isEqualTo(0xFF);
        assertThat(rig.read(0, IRR + 0x20)).isZero();
        assertThat(rig.read(0, TPR)).isEqualTo(0x90);
    }

    @Test
    void theModeChangesThatTheManualForbidsFault() {
        long disabled = 0xFEE0_0100L;
        long invalid = disabled | 0x400;
        long xapic = disabled | 0x800;
        long x2apic = disabled | 0xC00;
        assertThat(apic.writeMsr(IA32_APIC_BASE, invalid)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, x2apic)).isTrue();
        assertThat(apic.writeMsr(IA32_APIC_BASE, x2apic)).isTrue();
        assertThat(apic.writeMsr(IA32_APIC_BASE, invalid)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, xapic)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, disabled)).isTrue();
        assertThat(apic.writeMsr(IA32_APIC_BASE, invalid)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, x2apic)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, xapic)).isTrue();
        assertThat(apic.readMsr(IA32_APIC_BASE)).isEqualTo(xapic);
    }

    @Test
    void reservedBitsOfApicBaseFault() {
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFEE0_0901L)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, 0xFEE0_0B00L)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, 1L << 46 | 0xFEE0_0900L)).isFalse();
        assertThat(apic.writeMsr(IA32_APIC_BASE, 1L << 45 | 0xFEE0_0900L)).isTrue();
    }

    @Test
    void aCpuWithoutX2apicOrTscDeadlineFaultsOnThem() {
        Set<CpuFeature> features = EnumSet.copyOf(CpuModel.X86_64_V2.features());
        features.remove(CpuFeature.X2APIC);
        features.remove(CpuFeature.TSC_DEADLINE);
        ApicRig old = new ApicRig(1, CpuModel.X86_64_V2.within(features)).enabled();
        assertThat(old.goX2apic(0)).isFalse();
        assertThat(old.apic(0).readable(IA32_TSC_DEADLINE)).isFalse();
        assertThat(old.apic(0).writeMsr(IA32_TSC_DEADLINE, 1)).isFalse();
        old.write(0, LVT_TIMER, 2 << 17 | 0x40);
        assertThat(old.read(0, LVT_TIMER)).isEqualTo(0x40);
    }

    @Test
    void x2apicMsrsExistOnlyInX2apicMode() {
        assertThat(apic.readable(0x802)).isFalse();
        assertThat(apic.writeMsr(0x80B, 0)).isFalse();
        assertThat(rig.goX2apic(0)).isTrue();
        assertThat(apic.registerPage()).isEqualTo(-1);
        assertThat(apic.readable(0x802)).isTrue();
        assertThat(apic.writeMsr(0x80B, 0)).isTrue();
    }

    @Test
    void inX2apicModeTheIdHas32BitsAndTheLogicalIdFollowsFromIt() {
        ApicRig many = new ApicRig(40);
        many.write(37, ID, 0x0100_0000);
        assertThat(many.goX2apic(37)).isTrue();
        assertThat(many.apic(37).readMsr(0x802)).isEqualTo(37);
        assertThat(many.apic(37).readMsr(0x80D)).isEqualTo(0x0002_0020);
        assertThat(many.apic(37).writeMsr(0x802, 5)).isFalse();
        assertThat(many.apic(37).writeMsr(0x80D, 5)).isFalse();
    }

    @Test
    void x2apicReadsFaultWhereTheManualsTableHasNoReadableRegister() {
        rig.goX2apic(0);
        for (int msr : new int[] {0x800, 0x809, 0x80B, 0x80C, 0x80E, 0x82F, 0x831, 0x83A, 0x83F}) {
            assertThat(apic.readable(msr)).as("%x", msr).isFalse();
        }
        for (int msr : new int[] {0x803, 0x808, 0x80A, 0x80F, 0x810, 0x827, 0x828, 0x830, 0x839}) {
            assertThat(apic.readable(msr)).as("%x", msr).isTrue();
        }
        assertThat(apic.readable(0x8FF)).isFalse();
    }

    @Test
    void x2apicWritesOfReservedBitsFaultAndChangeNothing() {
        rig.goX2apic(0);
        assertThat(apic.writeMsr(0x808, 0x100)).isFalse();
        assertThat(apic.writeMsr(0x80B, 1)).isFalse();
        assertThat(apic.writeMsr(0x828, 1)).isFalse();
        assertThat(apic.writeMsr(0x80F, 1L << 32)).isFalse();
        assertThat(apic.writeMsr(0x80F, 0x400)).isFalse();
        assertThat(apic.writeMsr(0x832, 1 << 19)).isFalse();
        assertThat(apic.writeMsr(0x835, 1 << 11)).isFalse();
        assertThat(apic.writeMsr(0x838, 1L << 32)).isFalse();
        assertThat(apic.writeMsr(0x83E, 4)).isFalse();
        assertThat(apic.writeMsr(0x830, 1 << 13)).isFalse();
        assertThat(apic.writeMsr(0x830, 1 << 20)).isFalse();
        assertThat(apic.writeMsr(0x83F, 0x100)).isFalse();
        assertThat(apic.readMsr(0x80F)).isEqualTo(0xFF);
        assertThat(apic.readMsr(0x830)).isZero();
    }

    @Test
    void theSelfIpiRegisterInterruptsItsOwnCpu() {
        rig.goX2apic(0);
        assertThat(apic.writeMsr(0x80F, 0x1FF)).isTrue();
        assertThat(apic.writeMsr(0x83F, 0x45)).isTrue();
        assertThat(rig.take(0)).isEqualTo(0x45);
        assertThat(apic.writeMsr(0x80B, 0)).isTrue();
        assertThat(apic.writeMsr(0x83F, 0x0A)).isTrue();
        assertThat(apic.writeMsr(0x828, 0)).isTrue();
        assertThat(apic.readMsr(0x828)).isEqualTo(1 << 5);
    }

    @Test
    void goingX2apicKeepsWhatIsPending() {
        rig.enabled();
        raise(0x66);
        rig.goX2apic(0);
        assertThat(apic.readMsr(0x823)).isEqualTo(1 << 6);
        assertThat(rig.take(0)).isEqualTo(0x66);
    }
}
