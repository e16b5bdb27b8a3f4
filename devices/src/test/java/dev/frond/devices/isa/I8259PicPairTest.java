// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.Random;

class I8259PicPairTest extends DeviceContract<I8259PicPair.State> {
    private static final int NON_SPECIFIC_EOI = 0x20;

    private final RecordingLine intr = new RecordingLine();
    private final I8259PicPair pic = new I8259PicPair(intr);

    @Override
    protected Rig<I8259PicPair.State> newRig() {
        RecordingLine wire = new RecordingLine();
        I8259PicPair device = new I8259PicPair(wire);
        IoHandler inta =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return device.acknowledge();
                    }

                    @Override
                    public void write(long offset, int size, long value) {}
                };
        // ICW1 with and without ICW4, ICW4 kinds, all OCW2 commands, OCW3 kinds, masks
        return new Rig<>(device, new ManualClock(), wire)
                .region(device.masterRegisters())
                .region(device.slaveRegisters())
                .region(device.elcrRegisters())
                .region(new Region.Io(inta, 1, AccessWidths.BYTE, device.lock()))
                .favourites(
                        0x11, 0x13, 0x10, 0x01, 0x03, 0x11, 0x20, 0x60, 0xA0, 0xE3, 0xC5, 0x80,
                        0x0A, 0x0B, 0x0C, 0x68, 0x48, 0)
                .stimulus(random -> flip(device, random))
                .stimulus(random -> flip(device, random));
    }

    private static void flip(I8259PicPair device, Random random) {
        int irq = random.nextInt(16);
        device.input(irq == 2 ? 9 : irq).set(random.nextBoolean());
    }

    @BeforeEach
    void initialise() {
        initialise(0x01);
    }

    /** As Linux does: vectors 30h and 38h, the given ICW4, nothing masked. */
    private void initialise(int icw4) {
        out(0x20, 0x11);
        out(0x21, 0x30);
        out(0x21, 0x04);
        out(0x21, icw4);
        out(0xA0, 0x11);
        out(0xA1, 0x38);
        out(0xA1, 0x02);
        out(0xA1, icw4 & 0x01);
        out(0x21, 0x00);
        out(0xA1, 0x00);
    }

    private void out(int port, int value) {
        handler(port).write(port & 1, 1, value);
    }

    private int in(int port) {
        return (int) handler(port).read(port & 1, 1);
    }

    private IoHandler handler(int port) {
        return switch (port & ~1) {
            case 0x20 -> pic.masterRegisters().handler();
            case 0xA0 -> pic.slaveRegisters().handler();
            default -> pic.elcrRegisters().handler();
        };
    }

    private void raise(int irq) {
        pic.input(irq).set(true);
    }

    private void lower(int irq) {
        pic.input(irq).set(false);
    }

    private int irr(int port) {
        out(port, 0x0A);
        return in(port);
    }

    private int isr(int port) {
        out(port, 0x0B);
        return in(port);
    }

    // Requests and acknowledge

    @Test
    void anEdgeInterruptsWithItsVector() {
        raise(4);
        assertThat(intr.isActive()).isTrue();
        assertThat(irr(0x20)).isEqualTo(0x10);
        assertThat(pic.acknowledge()).isEqualTo(0x34);
        assertThat(intr.isActive()).isFalse();
        assertThat(irr(0x20)).isZero();
        assertThat(isr(0x20)).isEqualTo(0x10);
    }

    @Test
    void theSlavesInterruptComesThroughIr2() {
        raise(12);
        assertThat(intr.isActive()).isTrue();
        assertThat(irr(0x20)).isEqualTo(0x04);
        assertThat(pic.acknowledge()).isEqualTo(0x3C);
        assertThat(isr(0x20)).isEqualTo(0x04);
        assertThat(isr(0xA0)).isEqualTo(0x10);
    }

    @Test
    void anEdgeIsTakenOnceHoweverLongTheLineStaysHigh() {
        raise(4);
        pic.acknowledge();
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(intr.isActive()).isFalse();
        lower(4);
        raise(4);
        assertThat(intr.isActive()).isTrue();
    }

    @Test
    void anEdgeDuringServiceInterruptsAgainAfterEoi() {
        raise(4);
        pic.acknowledge();
        lower(4);
        raise(4);
        assertThat(intr.isActive()).isFalse();
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(intr.isActive()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x34);
    }

    @Test
    void anEdgeWhoseLineFallsBeforeTheAcknowledgeIsSpurious() {
        raise(4);
        lower(4);
        assertThat(intr.isActive()).isFalse();
        assertThat(pic.acknowledge()).isEqualTo(0x37);
        assertThat(isr(0x20)).isZero();
    }

    @Test
    void aSlaveRequestThatVanishesBeforeTheAcknowledgeIsSpuriousAtTheMaster() {
        raise(12);
        lower(12);
        assertThat(pic.acknowledge()).isEqualTo(0x37);
        raise(12);
        out(0xA1, 0x10);
        assertThat(intr.isActive()).as("masked at the slave").isFalse();
        assertThat(pic.acknowledge()).isEqualTo(0x37);
        assertThat(isr(0x20)).isZero();
        assertThat(isr(0xA0)).isZero();
    }

    @Test
    void aMaskedRequestWaits() {
        out(0x21, 0x10);
        raise(4);
        assertThat(intr.isActive()).isFalse();
        assertThat(irr(0x20)).isEqualTo(0x10);
        out(0x21, 0x00);
        assertThat(intr.isActive()).isTrue();
    }

    @Test
    void nothingIsLetThroughBeforeInitialisation() {
        RecordingLine wire = new RecordingLine();
        I8259PicPair fresh = new I8259PicPair(wire);
        fresh.input(0).set(true);
        assertThat(wire.isActive()).isFalse();
    }

    @Test
    void onlyRealInputsCanBeWired() {
        assertThatThrownBy(() -> pic.input(2)).hasMessage("irq 2: accepted are 0, 1 and 3..15");
        assertThatThrownBy(() -> pic.input(16)).isInstanceOf(IllegalArgumentException.class);
    }

    // Priorities

    @Test
    void theLowerNumberGoesFirstAndNests() {
        raise(5);
        raise(3);
        raise(10);
        assertThat(pic.acknowledge()).isEqualTo(0x3A);
        assertThat(intr.isActive()).as("3 is behind the slave at IR2").isFalse();
        raise(0);
        assertThat(intr.isActive()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x30);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(isr(0x20)).isEqualTo(0x04);
        out(0xA0, NON_SPECIFIC_EOI);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(pic.acknowledge()).isEqualTo(0x33);
        assertThat(isr(0x20)).isEqualTo(0x08);
        out(0x20, 0x63);
        assertThat(pic.acknowledge()).isEqualTo(0x35);
    }

    @Test
    void aSecondSlaveRequestInterruptsAfterTheFirstIsEnded() {
        raise(12);
        raise(14);
        assertThat(pic.acknowledge()).isEqualTo(0x3C);
        out(0xA0, NON_SPECIFIC_EOI);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(intr.isActive()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x3E);
    }

    @Test
    void aSpecialFullyNestedMasterLetsAHigherSlaveRequestThrough() {
        raise(14);
        pic.acknowledge();
        raise(8);
        assertThat(intr.isActive()).isFalse();
        initialise(0x11);
        lower(14);
        lower(8);
        raise(14);
        pic.acknowledge();
        raise(8);
        assertThat(intr.isActive()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x38);
        raise(3);
        assertThat(intr.isActive()).isFalse();
    }

    @Test
    void rotationOnEoiGivesTheServedLevelTheLowestPriority() {
        raise(4);
        raise(5);
        assertThat(pic.acknowledge()).isEqualTo(0x34);
        out(0x20, 0xA0);
        lower(4);
        raise(4);
        assertThat(pic.acknowledge()).isEqualTo(0x35);
        out(0x20, 0xE5);
        raise(0);
        raise(6);
        assertThat(pic.acknowledge()).isEqualTo(0x36);
    }

    @Test
    void thePriorityCanBeSet() {
        out(0x20, 0xC5);
        raise(5);
        raise(7);
        assertThat(pic.acknowledge()).isEqualTo(0x37);
    }

    @Test
    void automaticEoiLeavesNothingInServiceAndMayRotate() {
        initialise(0x03);
        raise(4);
        raise(5);
        assertThat(pic.acknowledge()).isEqualTo(0x34);
        assertThat(isr(0x20)).isZero();
        assertThat(intr.isActive()).isTrue();
        lower(4);
        raise(4);
        assertThat(pic.acknowledge()).isEqualTo(0x34);
        out(0x20, 0x80);
        lower(4);
        raise(4);
        assertThat(pic.acknowledge()).isEqualTo(0x34);
        lower(4);
        raise(4);
        assertThat(pic.acknowledge()).as("4 has the lowest priority now").isEqualTo(0x35);
        out(0x20, 0x00);
        assertThat(pic.save().master().rotateOnAutoEoi()).isFalse();
    }

    @Test
    void theSpecialMaskLetsLowerLevelsInterruptAMaskedOne() {
        raise(3);
        pic.acknowledge();
        raise(6);
        assertThat(intr.isActive()).isFalse();
        out(0x21, 0x08);
        assertThat(intr.isActive()).isFalse();
        out(0x20, 0x68);
        assertThat(intr.isActive()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x36);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(isr(0x20)).as("the masked level is not ended unspecifically").isEqualTo(0x08);
        out(0x20, 0x63);
        assertThat(isr(0x20)).isZero();
        out(0x20, 0x48);
        assertThat(pic.save().master().specialMask()).isFalse();
    }

    // Poll

    @Test
    void aPollAcknowledgesAndNamesTheLevel() {
        raise(5);
        out(0x20, 0x0C);
        assertThat(in(0x20)).isEqualTo(0x85);
        assertThat(intr.isActive()).isFalse();
        assertThat(isr(0x20)).isEqualTo(0x20);
        out(0x20, 0x0C);
        assertThat(in(0x21)).as("nothing more").isZero();
        assertThat(in(0x21)).as("the next read is of IMR again").isZero();
    }

    // Level triggering

    @Test
    void aLevelInterruptsUntilItIsGone() {
        out(0x4D1, 0x02);
        raise(9);
        assertThat(pic.acknowledge()).isEqualTo(0x39);
        out(0xA0, NON_SPECIFIC_EOI);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(intr.isActive()).isTrue();
        assertThat(irr(0xA0)).isEqualTo(0x02);
        lower(9);
        assertThat(intr.isActive()).isFalse();
        assertThat(pic.acknowledge()).isEqualTo(0x37);
    }

    @Test
    void someInputsAreAlwaysEdges() {
        out(0x4D0, 0xFF);
        out(0x4D1, 0xFF);
        assertThat(in(0x4D0)).isEqualTo(0xF8);
        assertThat(in(0x4D1)).isEqualTo(0xDE);
    }

    @Test
    void anInputMadeLevelTriggeredForgetsItsEdge() {
        raise(4);
        lower(4);
        raise(4);
        out(0x4D0, 0x10);
        lower(4);
        assertThat(irr(0x20)).isZero();
    }

    // Initialisation

    @Test
    void icw1ForgetsRequestsAndAHighLineNeedsANewEdge() {
        raise(4);
        raise(5);
        pic.acknowledge();
        initialise();
        assertThat(isr(0x20)).isZero();
        assertThat(irr(0x20)).isZero();
        assertThat(intr.isActive()).isFalse();
        lower(5);
        raise(5);
        assertThat(pic.acknowledge()).isEqualTo(0x35);
    }

    @Test
    void aSingleChipHasNoIcw3AndNoSlave() {
        out(0x20, 0x13);
        out(0x21, 0x40);
        out(0x21, 0x01);
        out(0x21, 0x00);
        raise(12);
        assertThat(pic.acknowledge()).isEqualTo(0x42);
        assertThat(isr(0xA0)).isZero();
    }

    @Test
    void withoutIc4TheSequenceEndsAfterIcw3() {
        out(0x20, 0x10);
        out(0x21, 0x45);
        out(0x21, 0x04);
        out(0x21, 0xFB);
        assertThat(in(0x21)).isEqualTo(0xFB);
        assertThat(pic.save().master().base()).as("only T7 to T3 count").isEqualTo(0x40);
    }

    @Test
    void nothingInterruptsInTheMiddleOfTheSequence() {
        out(0x20, 0x11);
        out(0x21, 0x30);
        raise(4);
        assertThat(intr.isActive()).isFalse();
        out(0x21, 0x04);
        out(0x21, 0x01);
        assertThat(intr.isActive()).isTrue();
    }

    @Test
    void linuxFindsTheChips() {
        // probe_8259A: IMR holds what is written
        out(0xA1, 0xFF);
        out(0x21, 0xFB);
        assertThat(in(0x21)).isEqualTo(0xFB);
        // mask_and_ack_8259A of IRQ 8 to 15: is it real?
        out(0xA1, 0x00);
        out(0x21, 0x00);
        raise(15);
        assertThat(pic.acknowledge()).isEqualTo(0x3F);
        assertThat(isr(0xA0) & 0x80).isEqualTo(0x80);
        out(0xA0, 0x0A);
        out(0xA1, 0x80);
        out(0xA0, 0x67);
        out(0x20, 0x62);
        assertThat(isr(0x20)).isZero();
        assertThat(isr(0xA0)).isZero();
    }

    @Test
    void aWireThatIsHighInTheSavedStateGivesNoNewEdge() {
        raise(4);
        pic.acknowledge();
        I8259PicPair.State state = pic.save();
        pic.reset();
        pic.load(state);
        pic.settle();
        raise(4);
        out(0x20, NON_SPECIFIC_EOI);
        assertThat(intr.isActive()).isFalse();
    }

    @Test
    void aStateThatNoChipCanHaveIsRefused() {
        I8259PicPair.Chip chip = pic.save().master();
        I8259PicPair.Chip level =
                new I8259PicPair.Chip(
                        chip.lines(),
                        0,
                        0,
                        0,
                        0x01,
                        0,
                        7,
                        chip.expects(),
                        false,
                        false,
                        false,
                        false,
                        false,
                        false,
                        false,
                        false);
        assertThatThrownBy(() -> new I8259PicPair.State(level, chip))
                .hasMessage("master elcr 1h: accepted are the bits in F8h");
    }
}
