// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRig.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Longs;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.Random;

/** The I/O APIC with two CPUs behind it. */
class IoApicTest extends DeviceContract<IoApic.State> {
    private static final int LEVEL = 1 << 15;
    private static final int REMOTE_IRR = 1 << 14;
    private static final int ACTIVE_LOW = 1 << 13;
    private static final int LOGICAL = 1 << 11;
    private static final int EXT_INT = 7 << 8;
    private static final int NMI = 4 << 8;
    private static final int SUPPRESS_EOI = 0x11FF;

    private final ApicRig rig = new ApicRig(2).enabled();
    private final IoApic io = rig.ioApic;

    /** The bus has one CPU that takes every interrupt at once; EOIs come from the test. */
    @Override
    protected Rig<IoApic.State> newRig() {
        ApicRig cpu = new ApicRig(1);
        IoApic device = new IoApic(cpu.bus, 3, 0xFF_0000);
        return new Rig<>(device, cpu.clock, new GreedyCpu(cpu))
                .region(new Region.Io(device, 0x44, AccessWidths.DWORD, device.lock()))
                .stimulus(r -> device.pin(r.nextInt(IoApic.PINS)).set(r.nextBoolean()))
                .stimulus(random -> {
                    device.write(0x00, 4, 0x10 + random.nextInt(2 * IoApic.PINS));
                    device.write(0x10, 4, random.nextInt(0x1_0000) & 0x0001_A8FF);
                })
                .stimulus(random -> cpu.bus.endOfInterrupt(random.nextInt(256)))
                .favourites(0, 0x10, 0x12, 0x13, 0x20, 0x1_0000, 0x8050, 0xA051);
    }

    @Override
    protected IoApic.State randomState(IoApic.State reset, Random random) {
        long[] entries = new long[IoApic.PINS];
        for (int i = 0; i < entries.length; i++) {
            entries[i] = random.nextLong() & 0xFF00_0000_0001_EFFFL;
            if ((entries[i] & LEVEL) == 0) {
                entries[i] &= ~REMOTE_IRR;
            }
        }
        return new IoApic.State(
                random.nextInt(16) << 24,
                random.nextInt(256),
                Longs.of(entries),
                random.nextInt(1 << IoApic.PINS));
    }

    private int entry(int pin) {
        return rig.io(0x10 + 2 * pin);
    }

    @Test
    void afterPowerOnAllPinsAreMasked() {
        assertThat(rig.io(0)).isZero();
        assertThat(rig.io(1)).isEqualTo(0x0017_0020);
        for (int pin = 0; pin < IoApic.PINS; pin++) {
            assertThat(entry(pin)).isEqualTo(MASKED);
            assertThat(rig.io(0x11 + 2 * pin)).isZero();
        }
        assertThat(rig.io(0x40)).as("behind the table").isZero();
        rig.io(0x40, -1);
        assertThat(rig.io(0x40)).isZero();
    }

    @Test
    void theIdIsFourBitsAndTheArbitrationIdFollows() {
        rig.io(0, -1);
        assertThat(rig.io(0)).isEqualTo(0x0F00_0000);
        assertThat(rig.io(2)).isEqualTo(0x0F00_0000);
        io.reset();
        assertThat(rig.io(0)).isZero();
        assertThat(new IoApic(rig.bus, 5).resetState().id()).isEqualTo(0x0500_0000);
    }

    @Test
    void readOnlyBitsOfAnEntryStayClear() {
        rig.io(0x11, -1);
        rig.io(0x10, -1);
        assertThat(rig.io(0x11)).isEqualTo(0xFF00_0000);
        assertThat(entry(0)).isEqualTo(0x1_AFFF);
    }

    @Test
    void aRisingEdgeInterruptsOnce() {
        rig.redirect(4, 1, 0x34);
        io.pin(4).set(true);
        io.pin(4).set(true);
        assertThat(rig.takers(0x34)).containsExactly(1);
        io.pin(4).set(false);
        assertThat(rig.takers(0x34)).isEmpty();
        io.pin(4).pulse();
        assertThat(rig.takers(0x34)).containsExactly(1);
        assertThat(entry(4)).isEqualTo(0x34);
    }

    @Test
    void anEdgeAtAMaskedPinIsLost() {
        rig.redirect(4, 0, MASKED | 0x34);
        io.pin(4).pulse();
        rig.redirect(4, 0, 0x34);
        assertThat(rig.takers(0x34)).isEmpty();
    }

    @Test
    void aLevelInterruptsAgainAfterEachEoiWhileItLasts() {
        rig.redirect(9, 0, LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(entry(9)).isEqualTo(LEVEL | REMOTE_IRR | 0x39);
        assertThat(rig.take(0)).isEqualTo(0x39);
        assertThat(rig.read(0, TMR + 0x10)).isEqualTo(1 << 0x19);
        io.pin(9).set(false);
        io.pin(9).set(true);
        assertThat(rig.take(0)).as("not before the EOI").isEqualTo(-1);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(0x39);
        io.pin(9).set(false);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
        assertThat(entry(9)).isEqualTo(LEVEL | 0x39);
    }

    @Test
    void aLevelAtAMaskedPinInterruptsWhenUnmasked() {
        rig.redirect(9, 0, MASKED | LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(rig.takers(0x39)).isEmpty();
        rig.redirect(9, 0, LEVEL | 0x39);
        assertThat(rig.takers(0x39)).containsExactly(0);
    }

    @Test
    void maskedBetweenInterruptAndEoiItWaitsForTheUnmask() {
        // As Linux handles a threaded level interrupt: mask, EOI, serve, unmask.
        rig.redirect(9, 0, LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(rig.take(0)).isEqualTo(0x39);
        rig.io(0x10 + 18, MASKED | LEVEL | 0x39);
        assertThat(entry(9)).isEqualTo(MASKED | LEVEL | REMOTE_IRR | 0x39);
        rig.eoi(0);
        assertThat(entry(9)).isEqualTo(MASKED | LEVEL | 0x39);
        assertThat(rig.take(0)).isEqualTo(-1);
        rig.io(0x10 + 18, LEVEL | 0x39);
        assertThat(rig.take(0)).isEqualTo(0x39);
    }

    @Test
    void anEoiIsForAllPinsOfItsVectorAndForNoOther() {
        rig.redirect(10, 0, LEVEL | 0x50);
        rig.redirect(11, 0, LEVEL | 0x50);
        rig.redirect(12, 1, LEVEL | 0x51);
        io.pin(10).set(true);
        io.pin(11).set(true);
        io.pin(12).set(true);
        io.pin(10).set(false);
        io.pin(11).set(false);
        assertThat(rig.take(0)).isEqualTo(0x50);
        rig.eoi(0);
        assertThat(entry(10)).isEqualTo(LEVEL | 0x50);
        assertThat(entry(11)).isEqualTo(LEVEL | 0x50);
        assertThat(entry(12)).isEqualTo(LEVEL | REMOTE_IRR | 0x51);
    }

    @Test
    void withBroadcastsSuppressedTheEoiRegisterEndsALevelInterrupt() {
        rig.write(0, SVR, SUPPRESS_EOI);
        rig.redirect(9, 0, LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(rig.take(0)).isEqualTo(0x39);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
        assertThat(entry(9) & REMOTE_IRR).isNotZero();
        io.write(0x40, 4, 0x38);
        assertThat(entry(9) & REMOTE_IRR).isNotZero();
        io.write(0x40, 4, 0x39);
        assertThat(rig.take(0)).isEqualTo(0x39);
    }

    @Test
    void anEdgeInterruptsEoiIsNotBroadcast() {
        rig.redirect(9, 0, LEVEL | 0x39);
        io.pin(9).set(true);
        io.pin(9).set(false);
        rig.ipi(1, 0, 0x39);
        assertThat(rig.take(0)).isEqualTo(0x39);
        rig.eoi(0);
        assertThat(entry(9) & REMOTE_IRR).as("the edge took the vector over").isNotZero();
    }

    @Test
    void goingByWayOfEdgeClearsRemoteIrr() {
        rig.redirect(9, 0, LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(rig.take(0)).isEqualTo(0x39);
        rig.io(0x10 + 18, MASKED | 0x39);
        rig.io(0x10 + 18, MASKED | LEVEL | 0x39);
        assertThat(entry(9)).isEqualTo(MASKED | LEVEL | 0x39);
    }

    @Test
    void aLevelThatNobodyAcceptsIsSentAgainWhenTheEntryIsWritten() {
        rig.redirect(9, 7, LEVEL | 0x39);
        io.pin(9).set(true);
        assertThat(entry(9)).isEqualTo(LEVEL | 0x39);
        rig.redirect(9, 1, LEVEL | 0x39);
        assertThat(rig.takers(0x39)).containsExactly(1);
    }

    @Test
    void anActiveLowEntryTakesALowPinForActive() {
        rig.redirect(9, 0, LEVEL | ACTIVE_LOW | 0x39);
        assertThat(rig.take(0)).isEqualTo(0x39);
        io.pin(9).set(true);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
    }

    @Test
    void anActiveLowWireIsLowWhenItsDeviceDrivesIt() {
        IoApic pci = new IoApic(rig.bus, 1, 1 << 16);
        pci.write(0x00, 4, 0x30);
        pci.write(0x10, 4, LEVEL | ACTIVE_LOW | 0x61);
        assertThat(rig.take(0)).isEqualTo(-1);
        pci.pin(16).set(true);
        assertThat(rig.take(0)).isEqualTo(0x61);
        pci.pin(16).set(false);
        rig.eoi(0);
        assertThat(rig.take(0)).isEqualTo(-1);
    }

    @Test
    void aLogicalDestinationWithLowestPriorityPicksOneCpu() {
        rig.write(0, LDR, 1 << 24);
        rig.write(1, LDR, 2 << 24);
        rig.write(0, TPR, 0x20);
        rig.redirect(4, 3, LOGICAL | 1 << 8 | 0x34);
        io.pin(4).pulse();
        assertThat(rig.takers(0x34)).containsExactly(1);
        rig.redirect(4, 3, LOGICAL | 0x34);
        io.pin(4).pulse();
        assertThat(rig.takers(0x34)).containsExactly(0, 1);
    }

    @Test
    void anNmiPinSignalsEdgesWhateverItsTriggerMode() {
        rig.redirect(2, 1, LEVEL | NMI);
        io.pin(2).pulse();
        io.pin(2).pulse();
        assertThat(rig.cpu(1).heard).containsExactly("nmi", "nmi");
        assertThat(entry(2)).isEqualTo(LEVEL | NMI);
    }

    @Test
    void anExtIntPinLetsTheCpuFetchTheVectorFromThe8259() {
        rig.redirect(0, 0, EXT_INT);
        rig.picVectors.add(0x20);
        io.pin(0).pulse();
        assertThat(rig.take(0)).isEqualTo(0x20);
        assertThat(rig.apic(0).pending()).isFalse();
        io.pin(0).pulse();
        assertThat(rig.apic(0).pending()).isTrue();
        rig.ipi(1, 0, 5 << 8 | 1 << 14);
        assertThat(rig.apic(0).pending()).as("INIT forgets the request").isFalse();
    }

    @Test
    void linuxFindsItsTimerAtPin2() {
        // timer_irq_works: pin 2, edge, vector 30h, counted while the PIT ticks at 1 kHz.
        rig.redirect(2, 0, 0x30);
        int ticks = 0;
        for (int i = 0; i < 10; i++) {
            io.pin(2).set(true);
            rig.clock.advance(500_000);
            if (rig.take(0) == 0x30) {
                ticks++;
                rig.eoi(0);
            }
            io.pin(2).set(false);
            rig.clock.advance(500_000);
        }
        assertThat(ticks).isEqualTo(10);
    }

    @Test
    void aRestoredPinThatIsDrivenToItsOldLevelMakesNoEdge() {
        rig.redirect(4, 0, 0x34);
        io.pin(4).set(true);
        assertThat(rig.takers(0x34)).containsExactly(0);
        IoApic.State state = io.save();
        ApicRig other = new ApicRig(2).enabled();
        other.ioApic.load(state);
        other.ioApic.settle();
        other.ioApic.pin(4).set(true);
        assertThat(other.takers(0x34)).isEmpty();
    }

    @Test
    void whatTheChipCannotHoldIsRefused() {
        Longs table = io.resetState().redirection();
        assertThatThrownBy(() -> new IoApic.State(1, 0, table, 0)).hasMessageContaining("ID");
        assertThatThrownBy(() -> new IoApic.State(0, 256, table, 0))
                .hasMessageContaining("IOREGSEL");
        assertThatThrownBy(() -> new IoApic.State(0, 0, table, 1 << 24))
                .hasMessageContaining("pins");
        assertThatThrownBy(() -> new IoApic.State(0, 0, Longs.zeros(23), 0))
                .hasMessageContaining("redirection");
        long[] entries = table.toArray();
        entries[3] = REMOTE_IRR;
        assertThatThrownBy(() -> new IoApic.State(0, 0, Longs.of(entries), 0))
                .hasMessageContaining("entry 3");
    }

    @Test
    void aBoardsMistakeIsNamed() {
        assertThatThrownBy(() -> io.pin(24)).hasMessageContaining("pin 24: accepted is 0 to 23");
        assertThatThrownBy(() -> new IoApic(rig.bus, 16)).hasMessageContaining("ID 16");
        assertThatThrownBy(() -> new IoApic(rig.bus, 0, 1 << 24)).hasMessageContaining("0x1000000");
    }
}
