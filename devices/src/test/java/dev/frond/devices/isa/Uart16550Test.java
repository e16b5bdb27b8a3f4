// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingCharBackend;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.List;

class Uart16550Test extends DeviceContract<Uart16550.State> {
    private static final int THR = 0;
    private static final int RBR = 0;
    private static final int DLL = 0;
    private static final int IER = 1;
    private static final int DLM = 1;
    private static final int IIR = 2;
    private static final int FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;
    private static final int SCR = 7;

    private static final int OUT2 = 0x08;
    private static final int LOOP = 0x10;

    /** Four characters of 10 bits at 115,200 baud. */
    private static final long TIMEOUT = 40L * 1_000_000_000 / 115_200;

    private final ManualClock clock = new ManualClock();
    private final RecordingLine intr = new RecordingLine();
    private final RecordingCharBackend line = new RecordingCharBackend();
    private final Uart16550 uart = new Uart16550(Uart16550.Spec.PC, clock, intr, line);

    @Override
    protected Rig<Uart16550.State> newRig() {
        ManualClock benchClock = new ManualClock();
        RecordingLine benchIntr = new RecordingLine();
        RecordingCharBackend benchLine = new RecordingCharBackend();
        Uart16550 device = new Uart16550(Uart16550.Spec.PC, benchClock, benchIntr, benchLine);
        // FIFOs on and off, 8N1, DLAB, OUT2, loopback, all interrupts
        return new Rig<>(device, benchClock, benchIntr, benchLine)
                .region(device.registers())
                .favourites(0x00, 0x01, 0x03, 0x07, 0x08, 0x0F, 0x1B, 0x83, 0xC1, 0x41)
                .stimulus(random -> benchLine.offer(random.nextInt(256)))
                .stimulus(_ -> device.receiveBreak());
    }

    private int in(int register) {
        return (int) uart.read(register, 1);
    }

    private void out(int register, int value) {
        uart.write(register, 1, value);
    }

    /**
     * As a driver leaves it: 115,200 baud 8N1, FIFOs with the given FCR, OUT2 on, interrupts of
     * IER.
     */
    private void open(int fcr, int ier) {
        out(LCR, 0x83);
        out(DLL, 1);
        out(DLM, 0);
        out(LCR, 0x03);
        out(FCR, fcr);
        out(MCR, OUT2 | 0x03);
        out(IER, ier);
    }

    // Transmitting

    @Test
    void aByteWrittenToThrIsTransmitted() {
        for (char c : "Hello\n".toCharArray()) {
            out(THR, c);
        }
        assertThat(line.sent()).isEqualTo("Hello\n");
    }

    @Test
    void theTransmitterIsAlwaysEmpty() {
        assertThat(in(LSR)).isEqualTo(0x60);
        out(THR, 'x');
        assertThat(in(LSR)).isEqualTo(0x60);
    }

    @Test
    void enablingEtbeiInterruptsAtOnce() {
        open(0, 0);
        assertThat(intr.isActive()).isFalse();
        out(IER, 0x02);
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0x02);
    }

    @Test
    void readingIirClearsTheThreInterruptAndWritingThrBringsItBack() {
        open(0, 0x02);
        assertThat(in(IIR)).isEqualTo(0x02);
        assertThat(in(IIR)).isEqualTo(0x01);
        assertThat(intr.isActive()).isFalse();
        out(THR, 'x');
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0x02);
    }

    @Test
    void togglingEtbeiReassertsThreAsTheLinuxThreTestExpects() {
        open(0, 0);
        out(IER, 0x02);
        int iir1 = in(IIR);
        out(IER, 0x00);
        out(IER, 0x02);
        int iir = in(IIR);
        out(IER, 0x00);
        assertThat(iir1 & 1).isZero();
        assertThat(iir & 1).isZero();
    }

    @Test
    void writingIerWithEtbeiAlreadySetReassertsNothing() {
        open(0, 0x02);
        assertThat(in(IIR)).isEqualTo(0x02);
        out(IER, 0x03);
        assertThat(in(IIR)).isEqualTo(0x01);
    }

    @Test
    void changingTheFifoModeInterruptsAtOnce() {
        open(0, 0x02);
        assertThat(in(IIR)).isEqualTo(0x02);
        out(FCR, 0x01);
        assertThat(in(IIR)).isEqualTo(0xC2);
    }

    // Receiving without FIFOs

    @Test
    void aByteFromTheFarEndIsReadFromRbr() {
        line.type("a");
        assertThat(in(LSR) & 0x01).isEqualTo(1);
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(in(LSR) & 0x01).isZero();
        assertThat(in(RBR)).isZero();
    }

    @Test
    void aSecondByteWaitsOutsideUntilTheFirstIsRead() {
        line.type("abc");
        assertThat(line.waiting()).isEqualTo(2);
        assertThat(line.readies()).isZero();
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(line.readies()).isEqualTo(1);
        line.pump();
        assertThat(in(RBR)).isEqualTo('b');
        assertThat(line.readies()).isEqualTo(2);
        line.pump();
        assertThat(in(RBR)).isEqualTo('c');
        assertThat(line.readies()).as("nothing was refused since").isEqualTo(2);
    }

    @Test
    void receivedDataInterruptsUntilItIsRead() {
        open(0, 0x01);
        line.type("a");
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0x04);
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(intr.isActive()).isFalse();
        assertThat(in(IIR)).isEqualTo(0x01);
    }

    // Receiving with FIFOs

    @Test
    void theFifoHoldsSixteenBytes() {
        open(0x01, 0);
        line.type("0123456789abcdefgh");
        assertThat(line.waiting()).isEqualTo(2);
        for (char c : "0123456789abcdef".toCharArray()) {
            assertThat(line.readies()).isZero();
            assertThat(in(RBR)).isEqualTo(c);
        }
        assertThat(line.readies()).isEqualTo(1);
    }

    @Test
    void theFifoInterruptsAtItsTriggerLevelAndEndsBelowIt() {
        int[] levels = {1, 4, 8, 14};
        for (int i = 0; i < 4; i++) {
            open(0, 0);
            open(0x01 | i << 6, 0x01);
            line.type("0123456789abcd".substring(1, levels[i]));
            assertThat(intr.isActive()).as("below %d", levels[i]).isFalse();
            line.type("x");
            assertThat(intr.isActive()).as("at %d", levels[i]).isTrue();
            assertThat(in(IIR)).isEqualTo(0xC4);
            in(RBR);
            assertThat(intr.isActive()).isFalse();
            out(FCR, 0x03);
        }
    }

    @Test
    void charactersBelowTheTriggerLevelInterruptAfterFourCharacterTimes() {
        open(0xC1, 0x01);
        line.type("ab");
        clock.advance(TIMEOUT - 1);
        assertThat(intr.isActive()).isFalse();
        clock.advance(1);
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0xCC);
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(intr.isActive()).isFalse();
        clock.advance(TIMEOUT);
        assertThat(in(IIR)).isEqualTo(0xCC);
        assertThat(in(RBR)).isEqualTo('b');
        assertThat(in(IIR)).isEqualTo(0xC1);
        assertThat(clock.nextDeadline()).isEmpty();
    }

    @Test
    void aNewCharacterRestartsTheTimeoutUnlessItStruck() {
        open(0xC1, 0x01);
        line.type("a");
        clock.advance(TIMEOUT - 1);
        line.type("b");
        clock.advance(TIMEOUT - 1);
        assertThat(intr.isActive()).isFalse();
        clock.advance(1);
        assertThat(intr.isActive()).isTrue();
        line.type("c");
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0xCC);
    }

    @Test
    void theTimeoutFollowsTheBaudRateAndTheCharactersLength() {
        open(0xC1, 0x01);
        out(LCR, 0x8F);
        out(DLL, 12);
        out(LCR, 0x0F);
        line.type("a");
        // 9600 baud: start, 8 data, parity, 2 stop bits
        clock.advance(4 * 12 * 1_000_000_000L / 9600 - 1);
        assertThat(intr.isActive()).isFalse();
        clock.advance(1);
        assertThat(intr.isActive()).isTrue();
    }

    @Test
    void noTimerIsArmedWhileNobodyWouldSeeTheTimeout() {
        open(0xC1, 0);
        line.type("a");
        assertThat(clock.nextDeadline()).isEmpty();
        clock.advance(TIMEOUT);
        out(IER, 0x01);
        assertThat(in(IIR)).isEqualTo(0xCC);
        assertThat(clock.nextDeadline()).isEmpty();
    }

    @Test
    void aTimeoutThatIsPendingWhenSavedStrikesAfterTheRestore() {
        open(0xC1, 0x01);
        line.type("a");
        Uart16550.State state = uart.save();
        uart.reset();
        assertThat(clock.nextDeadline()).isEmpty();
        uart.load(state);
        uart.settle();
        clock.advance(TIMEOUT);
        assertThat(intr.isActive()).isTrue();
        assertThat(in(IIR)).isEqualTo(0xCC);
    }

    @Test
    void resettingTheReceiverFifoEmptiesItAndInvitesInput() {
        open(0x01, 0x01);
        line.type("0123456789abcdefg");
        out(FCR, 0x03);
        assertThat(in(LSR)).isEqualTo(0x60);
        assertThat(intr.isActive()).isFalse();
        assertThat(line.readies()).isEqualTo(1);
        line.pump();
        assertThat(in(RBR)).isEqualTo('g');
    }

    @Test
    void aResetBitWithoutTheEnableBitIsNotProgrammed() {
        line.type("a");
        out(FCR, 0x02);
        assertThat(in(RBR)).isEqualTo('a');
    }

    @Test
    void switchingTheFifosEmptiesThem() {
        open(0x01, 0);
        line.type("abc");
        out(FCR, 0x00);
        assertThat(in(LSR)).isEqualTo(0x60);
        line.type("a");
        out(FCR, 0x01);
        assertThat(in(LSR)).isEqualTo(0x60);
    }

    // Line errors

    @Test
    void aBreakIsOneZeroCharacterWithBiAndFe() {
        open(0x01, 0x05);
        uart.receiveBreak();
        assertThat(in(IIR)).isEqualTo(0xC6);
        assertThat(in(LSR)).isEqualTo(0xF9);
        assertThat(in(IIR)).isEqualTo(0xC4);
        assertThat(in(LSR)).isEqualTo(0x61);
        assertThat(in(RBR)).isZero();
    }

    @Test
    void anErrorShowsInLsrWhenItsCharacterComesToTheTop() {
        open(0x01, 0x04);
        line.type("a");
        uart.receiveBreak();
        line.type("b");
        assertThat(in(LSR)).as("in the FIFO, not at its top").isEqualTo(0xE1);
        assertThat(intr.isActive()).isFalse();
        assertThat(in(RBR)).isEqualTo('a');
        assertThat(intr.isActive()).isTrue();
        assertThat(in(LSR)).isEqualTo(0xF9);
        assertThat(in(RBR)).isZero();
        assertThat(in(LSR)).isEqualTo(0x61);
        assertThat(in(RBR)).isEqualTo('b');
    }

    @Test
    void anOverrunWithoutFifosReplacesTheCharacter() {
        out(LCR, 0x03);
        out(MCR, LOOP);
        out(IER, 0x04);
        out(THR, 'a');
        out(THR, 'b');
        assertThat(in(IIR)).isEqualTo(0x06);
        assertThat(in(LSR)).isEqualTo(0x63);
        assertThat(in(LSR)).isEqualTo(0x61);
        assertThat(in(RBR)).isEqualTo('b');
    }

    @Test
    void anOverrunWithFifosLosesTheNewCharacter() {
        open(0x01, 0);
        out(MCR, LOOP);
        for (int i = 0; i < 17; i++) {
            out(THR, 'a' + i);
        }
        assertThat(in(LSR)).isEqualTo(0x63);
        for (int i = 0; i < 16; i++) {
            assertThat(in(RBR)).isEqualTo('a' + i);
        }
        assertThat(in(LSR)).isEqualTo(0x60);
    }

    // Loopback and the modem

    @Test
    void loopbackReturnsWhatIsSentAndDisconnectsTheLine() {
        open(0x01, 0);
        out(MCR, LOOP);
        out(THR, 'z');
        assertThat(line.sent()).isEmpty();
        line.type("far");
        assertThat(line.waiting()).isEqualTo(3);
        assertThat(in(RBR)).isEqualTo('z');
        assertThat(line.readies()).isZero();
        out(MCR, 0);
        assertThat(line.readies()).isEqualTo(1);
        line.pump();
        assertThat(in(RBR)).isEqualTo('f');
    }

    @Test
    void loopbackShortensACharacterToTheWordLength() {
        out(MCR, LOOP);
        out(LCR, 0x00);
        out(THR, 0xFF);
        assertThat(in(RBR)).isEqualTo(0x1F);
        out(LCR, 0x02);
        out(THR, 0xFF);
        assertThat(in(RBR)).isEqualTo(0x7F);
    }

    @Test
    void loopbackShowsTheModemOutputsAsInputs() {
        int[][] pairs = {{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}};
        for (int[] pair : pairs) {
            out(MCR, LOOP | pair[0]);
            assertThat(in(MSR) & 0xF0).as("MCR bit %x", pair[0]).isEqualTo(pair[1]);
        }
    }

    @Test
    void aFarEndIsThereAndReady() {
        assertThat(in(MSR)).isEqualTo(0xB0);
    }

    @Test
    void changesOfTheModemPinsShowAsDeltasAndInterrupt() {
        open(0, 0x08);
        uart.modemPins(0x40);
        assertThat(in(IIR)).isEqualTo(0x00);
        assertThat(in(MSR)).as("RI only rose, which is no trailing edge").isEqualTo(0x4B);
        assertThat(in(MSR)).isEqualTo(0x40);
        assertThat(intr.isActive()).isFalse();
        uart.modemPins(0);
        assertThat(intr.isActive()).isTrue();
        assertThat(in(MSR)).isEqualTo(0x04);
        assertThat(in(IIR)).isEqualTo(0x01);
    }

    // Interrupts

    @Test
    void interruptsAreIdentifiedByPriority() {
        open(0x41, 0x0F);
        uart.modemPins(0);
        line.type("abc");
        clock.advance(TIMEOUT);
        uart.receiveBreak();
        out(THR, 'x');
        assertThat(in(IIR)).as("four characters").isEqualTo(0xC4);
        in(RBR);
        clock.advance(TIMEOUT);
        assertThat(in(IIR)).isEqualTo(0xCC);
        in(RBR);
        in(RBR);
        assertThat(in(IIR)).as("the break came to the top").isEqualTo(0xC6);
        in(LSR);
        assertThat(in(IIR)).isEqualTo(0xC2);
        assertThat(in(IIR)).isEqualTo(0xC0);
        in(MSR);
        assertThat(in(IIR)).isEqualTo(0xC1);
        assertThat(intr.isActive()).isFalse();
    }

    @Test
    void theInterruptReachesTheBusOnlyThroughOut2() {
        open(0, 0x02);
        assertThat(intr.isActive()).isTrue();
        out(MCR, 0x03);
        assertThat(intr.isActive()).isFalse();
        assertThat(in(IIR)).as("the chip interrupts all the same").isEqualTo(0x02);
        out(MCR, OUT2 | LOOP);
        out(THR, 'x');
        assertThat(intr.isActive()).as("in loopback the pin is inactive").isFalse();
    }

    @Test
    void aBoardMayConnectTheInterruptWithoutOut2() {
        RecordingLine wire = new RecordingLine();
        Uart16550 plain =
                new Uart16550(
                        new Uart16550.Spec(false, false), clock, wire, new RecordingCharBackend());
        plain.write(IER, 1, 0x02);
        assertThat(wire.isActive()).isTrue();
    }

    // Registers as drivers probe them

    @Test
    void theDivisorLatchHidesBehindDlab() {
        out(LCR, 0x80);
        out(DLL, 0x34);
        out(DLM, 0x12);
        assertThat(in(DLL)).isEqualTo(0x34);
        assertThat(in(DLM)).isEqualTo(0x12);
        out(LCR, 0x00);
        assertThat(in(RBR)).isZero();
        assertThat(in(IER)).isZero();
        assertThat(line.sent()).isEmpty();
    }

    @Test
    void unusedBitsReadZeroAndScratchHoldsAnything() {
        out(IER, 0xFF);
        out(MCR, 0xFF);
        out(SCR, 0xA5);
        out(LSR, 0x00);
        out(MSR, 0x00);
        assertThat(in(IER)).isEqualTo(0x0F);
        assertThat(in(MCR)).isEqualTo(0x1F);
        assertThat(in(SCR)).isEqualTo(0xA5);
        assertThat(in(LSR)).isEqualTo(0x60);
    }

    @Test
    void linuxConfiguresItAsAPlain16550a() {
        // drivers/tty/serial/8250: a port is there
        out(IER, 0x00);
        assertThat(in(IER) & 0x0F).isZero();
        out(IER, 0x0F);
        assertThat(in(IER) & 0x0F).isEqualTo(0x0F);
        out(IER, 0x00);
        out(MCR, LOOP | 0x0A);
        assertThat(in(MSR) & 0xF0).isEqualTo(0x90);
        out(MCR, 0x00);
        // with FIFOs
        out(LCR, 0xBF);
        out(FCR, 0x00);
        out(LCR, 0x00);
        out(FCR, 0x01);
        assertThat(in(IIR) >> 6).isEqualTo(3);
        // none of the chips with an EFR behind LCR = 80h or BFh, no 16750, no National Super I/O,
        // no XScale
        out(LCR, 0x80);
        assertThat(in(IIR)).isEqualTo(0xC1);
        out(FCR, 0x21);
        assertThat(in(IIR) & 0x20).isZero();
        out(LCR, 0xBF);
        assertThat(in(IIR)).isEqualTo(0xC1);
        out(LCR, 0xE0);
        int before = in(IIR) & LOOP;
        out(LCR, 0x00);
        out(MCR, LOOP);
        out(LCR, 0xE0);
        assertThat(in(IIR) & LOOP).isEqualTo(before);
        out(LCR, 0x00);
        out(IER, 0x40);
        assertThat(in(IER) & 0x40).isZero();
    }

    // A far end that waits until somebody listens

    private final RecordingCharBackend typist = new RecordingCharBackend();
    private final Uart16550 console =
            new Uart16550(Uart16550.Spec.CONSOLE, clock, new RecordingLine(), typist);

    @Test
    void whatIsTypedBeforeASystemIsUpWaitsForRts() {
        typist.type("ab");
        assertThat(typist.waiting()).isEqualTo(2);
        console.write(FCR, 1, 0x07);
        console.write(MCR, 1, 0x1A);
        console.write(MCR, 1, 0x01);
        assertThat(typist.readies()).as("not for RTS in loopback either").isZero();
        console.write(MCR, 1, 0x0B);
        assertThat(typist.readies()).isEqualTo(1);
        typist.pump();
        assertThat(console.read(RBR, 1)).isEqualTo('a');
        assertThat(console.read(RBR, 1)).isEqualTo('b');
    }

    @Test
    void whileRtsIsDroppedNothingComes() {
        console.write(MCR, 1, 0x0B);
        console.write(IER, 1, 0x01);
        console.write(MCR, 1, 0x09);
        typist.type("a");
        assertThat(typist.waiting()).isEqualTo(1);
        Uart16550.State saved = console.save();
        console.load(saved);
        console.settle();
        typist.pump();
        assertThat(typist.waiting()).as("also after a restore").isEqualTo(1);
        console.write(MCR, 1, 0x0B);
        typist.pump();
        assertThat(console.read(RBR, 1)).isEqualTo('a');
    }

    @Test
    void aDriverThatKnowsNoRtsListensByItsInterrupt() {
        typist.type("a");
        console.write(IER, 1, 0x01);
        clock.advance(499_999_999);
        assertThat(typist.readies()).isZero();
        clock.advance(1);
        assertThat(typist.readies()).isEqualTo(1);
        typist.pump();
        assertThat(console.read(RBR, 1)).isEqualTo('a');
    }

    @Test
    void aDriverThatTriesTheBitsOfIerDoesNotListenYet() {
        typist.type("a");
        console.write(IER, 1, 0x0F);
        typist.pump();
        console.write(IER, 1, 0x00);
        console.read(RBR, 1);
        assertThat(typist.waiting()).as("nothing was taken only to be dropped").isEqualTo(1);
    }

    @Test
    void aDriverThatOnlyPollsListensByPolling() {
        typist.type("a");
        // Looking whether a character can be sent, and sending it, is no polling.
        for (int i = 0; i < 20; i++) {
            console.read(LSR, 1);
            console.read(LSR, 1);
            console.write(THR, 1, '.');
        }
        assertThat(typist.readies()).isZero();
        for (int i = 0; i < 4; i++) {
            console.read(LSR, 1);
        }
        assertThat(typist.readies()).isEqualTo(1);
        typist.pump();
        assertThat(console.read(RBR, 1)).isEqualTo('a');
    }

    // State

    @Test
    void aStateThatNoChipCanHaveIsRefused() {
        Uart16550.State r = Uart16550.State.RESET;
        assertThatThrownBy(() ->
                        new Uart16550.State(
                                0x10, 0, 0, 0, 0, 0, 0, 1, false, r.receiver(), 0, false))
                .hasMessage("ier 10h: accepted are the bits in Fh");
        List<Uart16550.Received> two =
                List.of(new Uart16550.Received('a', 0), new Uart16550.Received('b', 0));
        assertThatThrownBy(() -> new Uart16550.State(0, 0, 0, 0, 0, 0, 0, 1, false, two, 0, false))
                .hasMessage("receiver length 2: accepted are 0..1");
        assertThatThrownBy(() -> new Uart16550.Received(256, 0))
                .hasMessage("data 100h: accepted are the bits in FFh");
    }
}
