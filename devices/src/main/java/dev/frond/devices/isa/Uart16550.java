// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.machine.backend.CharBackend;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.clock.Frequency;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A serial port: one PC16550D (National Semiconductor, PC16550D, June 1995), as COM1 of a PC has
 * it.
 *
 * <p>The line is as fast as its far end: a character leaves the moment it is written to THR, so
 * THRE and TEMT always read 1, and one that comes finds room or waits outside. Only the character
 * timeout (8.10) takes the time that the divisor and the character's length give it.
 */
public final class Uart16550 implements Device<Uart16550.State>, IoHandler {
    /**
     * The choices that a board has.
     *
     * @param out2GatesInterrupt whether OUT2 enables the interrupt's driver, as on the PC's serial
     *     adapter
     * @param patient whether the far end sends only while somebody listens: while RTS is asserted;
     *     before RTS was ever asserted, while the received data interrupt has been enabled for some
     *     time or LSR is polled. What is typed before a system is up then waits for it, and a
     *     system that drops RTS while its buffers are full loses nothing
     */
    public record Spec(boolean out2GatesInterrupt, boolean patient) {
        /** A serial port of a PC. */
        public static final Spec PC = new Spec(true, false);

        /** One that a person or a program is connected to. */
        public static final Spec CONSOLE = new Spec(true, true);
    }

    /**
     * The registers.
     *
     * @param fcr FIFO enable, DMA mode and trigger level; the reset bits do not stay
     * @param lsr OE, PE, FE and BI: what LSR will show beside the state of the FIFOs
     * @param msr the delta bits DCTS, DDSR, TERI, DDCD
     * @param thrEmptied whether the THRE interrupt is pending
     * @param receiver RBR or the receiver FIFO, oldest first
     * @param timeoutAt when the character timeout strikes, in virtual nanoseconds, if characters
     *     wait
     * @param rtsSeen whether RTS was asserted since power-on
     */
    public record State(
            int ier,
            int fcr,
            int lcr,
            int mcr,
            int lsr,
            int msr,
            int scr,
            int divisor,
            boolean thrEmptied,
            List<Received> receiver,
            long timeoutAt,
            boolean rtsSeen) {
        /** After the MR pin was high (table I), with the divisor of 9600 baud. */
        public static final State RESET =
                new State(0, 0, 0, 0, 0, 0, 0, 12, false, List.of(), NEVER, false);

        public State {
            Checks.bits("ier", ier, IER_MASK);
            Checks.bits("fcr", fcr, FCR_MASK);
            Checks.bits("lcr", lcr, 0xFF);
            Checks.bits("mcr", mcr, MCR_MASK);
            Checks.bits("lsr", lsr, LSR_ERRORS);
            Checks.bits("msr", msr, MSR_DELTAS);
            Checks.bits("scr", scr, 0xFF);
            Checks.bits("divisor", divisor, 0xFFFF);
            Checks.range(
                    "receiver length",
                    receiver.size(),
                    0,
                    (fcr & FIFO_ENABLE) != 0 ? FIFO_SIZE : 1);
            receiver = List.copyOf(receiver);
        }
    }

    /**
     * A character in the receiver with what LSR shows of it when it comes to the top: PE, FE, BI.
     */
    public record Received(int data, int errors) {
        public Received {
            Checks.bits("data", data, 0xFF);
            Checks.bits("errors", errors, CHARACTER_ERRORS);
        }
    }

    // Register addresses (table II); with DLAB set the first two are the divisor latch.
    private static final int RBR_THR_DLL = 0;
    private static final int IER_DLM = 1;
    private static final int IIR_FCR = 2;
    private static final int LCR = 3;
    private static final int MCR = 4;
    private static final int LSR = 5;
    private static final int MSR = 6;
    private static final int SCR = 7;

    // IER (8.6)
    private static final int ERBFI = 1 << 0;
    private static final int ETBEI = 1 << 1;
    private static final int ELSI = 1 << 2;
    private static final int EDSSI = 1 << 3;
    private static final int IER_MASK = ERBFI | ETBEI | ELSI | EDSSI;

    // IIR (8.5, table IV), highest priority first
    private static final int RECEIVER_LINE_STATUS = 0b0110;
    private static final int RECEIVED_DATA_AVAILABLE = 0b0100;
    private static final int CHARACTER_TIMEOUT = 0b1100;
    private static final int THR_EMPTY = 0b0010;
    private static final int MODEM_STATUS = 0b0000;
    private static final int NO_INTERRUPT = 0b0001;
    private static final int FIFOS_ENABLED = 0b11 << 6;

    // FCR (8.4)
    private static final int FIFO_ENABLE = 1 << 0;
    private static final int RCVR_FIFO_RESET = 1 << 1;
    private static final int DMA_MODE = 1 << 3;
    private static final int RCVR_TRIGGER = 0b11 << 6;
    private static final int FCR_MASK = FIFO_ENABLE | DMA_MODE | RCVR_TRIGGER;
    private static final int[] TRIGGER_LEVELS = {1, 4, 8, 14};
    private static final int FIFO_SIZE = 16;

    // LCR (8.1)
    private static final int WLS = 0b11 << 0;
    private static final int STB = 1 << 2;
    private static final int PEN = 1 << 3;
    private static final int DLAB = 1 << 7;

    // MCR (8.7)
    private static final int DTR = 1 << 0;
    private static final int RTS = 1 << 1;
    private static final int OUT1 = 1 << 2;
    private static final int OUT2 = 1 << 3;
    private static final int LOOP = 1 << 4;
    private static final int MCR_MASK = DTR | RTS | OUT1 | OUT2 | LOOP;

    // LSR (8.3)
    private static final int DR = 1 << 0;
    private static final int OE = 1 << 1;
    private static final int PE = 1 << 2;
    private static final int FE = 1 << 3;
    private static final int BI = 1 << 4;
    private static final int THRE = 1 << 5;
    private static final int TEMT = 1 << 6;
    private static final int ERROR_IN_RCVR_FIFO = 1 << 7;
    private static final int CHARACTER_ERRORS = PE | FE | BI;
    private static final int LSR_ERRORS = OE | CHARACTER_ERRORS;

    // MSR (8.8)
    private static final int DCTS = 1 << 0;
    private static final int DDSR = 1 << 1;
    private static final int TERI = 1 << 2;
    private static final int DDCD = 1 << 3;
    private static final int CTS = 1 << 4;
    private static final int DSR = 1 << 5;
    private static final int RI = 1 << 6;
    private static final int DCD = 1 << 7;
    private static final int MSR_DELTAS = DCTS | DDSR | TERI | DDCD;
    private static final int MSR_LINES = CTS | DSR | RI | DCD;

    /**
     * The PC's crystal; the receiver and the transmitter take 16 cycles of its divided clock for a
     * bit.
     */
    private static final long XIN = 1_843_200;

    /** So many readings of LSR in a row are no accident: a program waits for input. */
    private static final int POLLED = 4;

    /**
     * A received data interrupt that is enabled for so long, in nanoseconds, without RTS belongs to
     * a driver that knows no RTS; others try the bits of IER, or enable the FIFOs, which drops what
     * came, and assert RTS at once.
     */
    private static final long SETTLED = 500_000_000;

    private static final long NEVER = Long.MAX_VALUE;

    private final ReentrantLock lock = new ReentrantLock();
    private final Spec spec;
    private final Clock clock;
    private final IrqLine intr;
    private final CharBackend line;
    private final Clock.Timer timeoutTimer;
    private long timerArmedFor = NEVER;
    private boolean refusedInput;
    private int modemPins = CTS | DSR | DCD;

    private int ier;
    private int fcr;
    private int lcr;
    private int mcr;
    private int lsr;
    private int msr;
    private int scr;
    private int divisor;
    private boolean thrEmptied;
    private final Deque<Received> receiver = new ArrayDeque<>(FIFO_SIZE);
    private long timeoutAt;
    private boolean rtsSeen;
    private int polls;

    /** The received data interrupt has been enabled for {@link #SETTLED}. */
    private boolean interruptSettled;

    private final Clock.Timer settleTimer;

    /** A port whose INTR pin is {@code intr} and whose SIN and SOUT lead to {@code line}. */
    public Uart16550(Spec spec, Clock clock, IrqLine intr, CharBackend line) {
        this.spec = spec;
        this.clock = clock;
        this.intr = intr;
        this.line = line;
        timeoutTimer = clock.timer(this::timeoutElapsed);
        settleTimer = clock.timer(this::interruptSettled);
        load(State.RESET);
        line.connect(this::offer);
    }

    /** The eight registers. */
    public Region.Io registers() {
        return new Region.Io(this, 8, AccessWidths.BYTE, lock);
    }

    @Override
    public long read(long offset, int size) {
        if ((int) offset != LSR) {
            polls = 0;
        }
        return switch ((int) offset) {
            case RBR_THR_DLL -> dlab() ? divisor & 0xFF : readRbr();
            case IER_DLM -> dlab() ? divisor >>> 8 : ier;
            case IIR_FCR -> readIir();
            case LCR -> lcr;
            case MCR -> mcr;
            case LSR -> readLsr();
            case MSR -> readMsr();
            case SCR -> scr;
            default -> 0xFF;
        };
    }

    @Override
    public void write(long offset, int size, long value) {
        int data = (int) value & 0xFF;
        polls = 0;
        switch ((int) offset) {
            case RBR_THR_DLL -> {
                if (dlab()) {
                    divisor = (divisor & 0xFF00) | data;
                } else {
                    writeThr(data);
                }
            }
            case IER_DLM -> {
                if (dlab()) {
                    divisor = data << 8 | (divisor & 0xFF);
                } else {
                    writeIer(data);
                }
            }
            case IIR_FCR -> writeFcr(data);
            case LCR -> lcr = data;
            case MCR -> writeMcr(data);
            case SCR -> scr = data;
            // LSR is for reading; writes are for factory testing (8.3), and MSR has no bit to
            // write.
            default -> {}
        }
    }

    private boolean dlab() {
        return (lcr & DLAB) != 0;
    }

    // Transmitter

    private void writeThr(int data) {
        if (loop()) {
            receive(new Received(data & (1 << wordLength()) - 1, 0));
        } else {
            // All eight bits, whatever the word length: the far end is no UART that has to agree on
            // one.
            line.send(data);
        }
        thrEmptied = true;
        update();
    }

    // Receiver

    /**
     * Takes a character from the far end if there is room; in loopback SIN is disconnected (8.7).
     */
    private boolean offer(int value) {
        lock.lock();
        try {
            if (loop() || receiver.size() >= capacity() || !listening()) {
                refusedInput = true;
                return false;
            }
            receive(new Received(value & 0xFF, 0));
            update();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * The far end holds the line at 0 for longer than a character: one zero character (8.3, BI).
     */
    public void receiveBreak() {
        lock.lock();
        try {
            if (!loop()) {
                receive(new Received(0, BI | FE));
                update();
            }
        } finally {
            lock.unlock();
        }
    }

    private void receive(Received character) {
        if (receiver.size() >= capacity()) {
            lsr |= OE;
            if (fifos()) {
                return;
            }
            receiver.clear();
        }
        if (!timedOut()) {
            timeoutAt = clock.now() + timeout();
        }
        receiver.addLast(character);
        if (receiver.size() == 1) {
            revealErrors();
        }
    }

    /** A character's errors show in LSR once it is at the top, until LSR is read. */
    private void revealErrors() {
        Received top = receiver.removeFirst();
        lsr |= top.errors();
        receiver.addFirst(new Received(top.data(), 0));
    }

    private int readRbr() {
        Received top = receiver.pollFirst();
        if (top == null) {
            return 0;
        }
        if (receiver.isEmpty()) {
            timeoutAt = NEVER;
        } else {
            timeoutAt = clock.now() + timeout();
            revealErrors();
        }
        update();
        inviteInput();
        return top.data();
    }

    /** Has the far end offer again what was refused, once all that came before is read. */
    private void inviteInput() {
        if (refusedInput && receiver.isEmpty() && !loop() && listening()) {
            refusedInput = false;
            line.ready();
        }
    }

    /** Whether the far end sees RTS; in loopback the modem control outputs are inactive (8.7). */
    private boolean rts() {
        return (mcr & (RTS | LOOP)) == RTS;
    }

    private boolean listening() {
        return !spec.patient()
                || rts()
                || (!rtsSeen && ((ier & ERBFI) != 0 && interruptSettled || polls >= POLLED));
    }

    private int capacity() {
        return fifos() ? FIFO_SIZE : 1;
    }

    private int triggerLevel() {
        return fifos() ? TRIGGER_LEVELS[fcr >>> 6] : 1;
    }

    /**
     * Four character times (8.10), in nanoseconds; a divisor of 0 is not specified and counts as 1.
     */
    private long timeout() {
        int stopBits = (lcr & STB) != 0 ? 2 : 1;
        int parityBits = (lcr & PEN) != 0 ? 1 : 0;
        long bits = 4L * (1 + wordLength() + parityBits + stopBits);
        return bits * 16 * Math.max(divisor, 1) * Frequency.SECOND / XIN;
    }

    private int wordLength() {
        return 5 + (lcr & WLS);
    }

    private boolean timedOut() {
        return fifos() && !receiver.isEmpty() && clock.now() >= timeoutAt;
    }

    private void timeoutElapsed() {
        lock.lock();
        try {
            timerArmedFor = NEVER;
            update();
        } finally {
            lock.unlock();
        }
    }

    // FIFO control

    private boolean fifos() {
        return (fcr & FIFO_ENABLE) != 0;
    }

    private void writeFcr(int data) {
        boolean enable = (data & FIFO_ENABLE) != 0;
        boolean change = enable != fifos();
        if (change || (enable && (data & RCVR_FIFO_RESET) != 0)) {
            receiver.clear();
            timeoutAt = NEVER;
        }
        // The transmitter's FIFO is always empty already; its interrupt follows a change at once
        // (8.10).
        thrEmptied |= change;
        fcr = enable ? data & FCR_MASK : 0;
        update();
        inviteInput();
    }

    // Line status

    private int readLsr() {
        boolean errors =
                (lsr & CHARACTER_ERRORS) != 0 || receiver.stream().anyMatch(c -> c.errors() != 0);
        int value =
                (receiver.isEmpty() ? 0 : DR)
                        | lsr
                        | THRE
                        | TEMT
                        | (fifos() && errors ? ERROR_IN_RCVR_FIFO : 0);
        if (lsr != 0) {
            lsr = 0;
            update();
        }
        if (receiver.isEmpty() && polls < POLLED) {
            polls++;
            inviteInput();
        }
        return value;
    }

    // Modem control and status

    private boolean loop() {
        return (mcr & LOOP) != 0;
    }

    private void writeMcr(int data) {
        int before = modemLines();
        mcr = data & MCR_MASK;
        rtsSeen |= rts();
        noteDeltas(before);
        update();
        inviteInput();
    }

    private int readMsr() {
        int value = modemLines() | msr;
        if (msr != 0) {
            msr = 0;
            update();
        }
        return value;
    }

    /**
     * Drives the pins CTS, DSR, RI and DCD: active high, at their places in MSR (bits 4 to 7). At
     * first they are those of a far end that is there and ready.
     */
    public void modemPins(int lines) {
        lock.lock();
        try {
            int before = modemLines();
            modemPins = lines & MSR_LINES;
            noteDeltas(before);
            update();
        } finally {
            lock.unlock();
        }
    }

    /** What MSR shows of the modem: its pins, or in loopback the modem control outputs (8.7). */
    private int modemLines() {
        if (!loop()) {
            return modemPins;
        }
        return ((mcr & RTS) != 0 ? CTS : 0)
                | ((mcr & DTR) != 0 ? DSR : 0)
                | ((mcr & OUT1) != 0 ? RI : 0)
                | ((mcr & OUT2) != 0 ? DCD : 0);
    }

    private void noteDeltas(int before) {
        int changed = before ^ modemLines();
        msr |=
                ((changed & CTS) != 0 ? DCTS : 0)
                        | ((changed & DSR) != 0 ? DDSR : 0)
                        | ((changed & before & RI) != 0 ? TERI : 0)
                        | ((changed & DCD) != 0 ? DDCD : 0);
    }

    // Interrupts

    private void writeIer(int data) {
        // Enabling ETBEI while THR is empty interrupts at once; drivers set the transmitter going
        // so.
        thrEmptied |= (data & ~ier & ETBEI) != 0;
        boolean enabled = (data & ~ier & ERBFI) != 0;
        ier = data & IER_MASK;
        if (enabled || (ier & ERBFI) == 0) {
            awaitSettling();
        }
        update();
        inviteInput();
    }

    private void awaitSettling() {
        interruptSettled = false;
        if (spec.patient() && !rtsSeen && (ier & ERBFI) != 0) {
            settleTimer.arm(clock.now() + SETTLED);
        } else {
            settleTimer.cancel();
        }
    }

    private void interruptSettled() {
        lock.lock();
        try {
            interruptSettled = true;
            inviteInput();
        } finally {
            lock.unlock();
        }
    }

    private int readIir() {
        int id = interruptId();
        if (id == THR_EMPTY) {
            thrEmptied = false;
            update();
        }
        return id | (fifos() ? FIFOS_ENABLED : 0);
    }

    private int interruptId() {
        if ((ier & ELSI) != 0 && lsr != 0) {
            return RECEIVER_LINE_STATUS;
        } else if ((ier & ERBFI) != 0 && receiver.size() >= triggerLevel()) {
            return RECEIVED_DATA_AVAILABLE;
        } else if ((ier & ERBFI) != 0 && timedOut()) {
            return CHARACTER_TIMEOUT;
        } else if ((ier & ETBEI) != 0 && thrEmptied) {
            return THR_EMPTY;
        } else if ((ier & EDSSI) != 0 && msr != 0) {
            return MODEM_STATUS;
        }
        return NO_INTERRUPT;
    }

    /** Drives INTR, and arms the timer if a timeout that is still to come would change it. */
    private void update() {
        boolean driven = !spec.out2GatesInterrupt() || ((mcr & OUT2) != 0 && !loop());
        intr.set(driven && interruptId() != NO_INTERRUPT);
        boolean awaited = fifos() && (ier & ERBFI) != 0 && !receiver.isEmpty() && !timedOut();
        long deadline = awaited ? timeoutAt : NEVER;
        if (deadline != timerArmedFor) {
            timerArmedFor = deadline;
            if (deadline == NEVER) {
                timeoutTimer.cancel();
            } else {
                timeoutTimer.arm(deadline);
            }
        }
    }

    // State

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(
                ier,
                fcr,
                lcr,
                mcr,
                lsr,
                msr,
                scr,
                divisor,
                thrEmptied,
                List.copyOf(receiver),
                timeoutAt,
                rtsSeen);
    }

    @Override
    public void load(State state) {
        ier = state.ier();
        fcr = state.fcr();
        lcr = state.lcr();
        mcr = state.mcr();
        lsr = state.lsr();
        msr = state.msr();
        scr = state.scr();
        divisor = state.divisor();
        thrEmptied = state.thrEmptied();
        receiver.clear();
        receiver.addAll(state.receiver());
        timeoutAt = state.timeoutAt();
        rtsSeen = state.rtsSeen();
        polls = 0;
        interruptSettled = false;
    }

    @Override
    public void settle() {
        awaitSettling();
        update();
        inviteInput();
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
