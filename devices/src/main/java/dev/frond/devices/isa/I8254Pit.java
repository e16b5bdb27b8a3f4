// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.devices.irq.Keeper;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.clock.Frequency;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.EngineChips;
import dev.frond.machine.vcpu.EngineKept;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The interval timer of a PC: one 8254 (Intel, 8254 Programmable Interval Timer, 231164) and, at
 * port 61h, system control port B, which gates counter 2 (IBM, PC AT Technical Reference).
 *
 * <p>Nothing runs per clock pulse. Each counter knows its state at some past pulse and is brought
 * up to date when it is looked at; a timer is armed only for the next rise of OUT 0, the one edge
 * that the interrupt controller sees. All pulses are counted from virtual time 0, so no period ever
 * drifts.
 */
public final class I8254Pit implements Device<I8254Pit.State>, IoHandler {
    /** The CLK inputs: a twelfth of 14.31818 MHz. */
    public static final Frequency CLK = new Frequency(1_193_182);

    /**
     * The counters and port B.
     *
     * @param counters counter 0, 1 and 2
     * @param portB bits 3:0 of port 61h
     * @param irq0 the level of the wire from OUT 0. It rises with OUT; it falls when a write takes
     *     OUT low, but when OUT only counts down, not before OUT is about to rise again
     */
    public record State(List<CounterState> counters, int portB, boolean irq0) {
        /** Mode 0 and no count; the chip itself leaves all this undefined. */
        public static final State RESET =
                new State(
                        List.of(CounterState.RESET, CounterState.RESET, CounterState.RESET),
                        0,
                        false);

        public State {
            Checks.range("number of counters", counters.size(), 3, 3);
            Checks.bits("portB", portB, PORT_B_MASK);
            counters = List.copyOf(counters);
        }
    }

    /**
     * One counter as it was right after pulse number {@code pulse} of CLK; while it is idle, since
     * then.
     *
     * @param control RW, M and BCD as the last control word had them
     * @param cr the count register
     * @param crLow the low byte written while the high one is awaited
     * @param writeHigh whether the next write is the high byte
     * @param readHigh whether the next read is the high byte
     * @param countLatch what OL holds if {@code countLatched}
     * @param statusLatch what the status latch holds if {@code statusLatched}
     * @param nullCount whether CR holds a count that CE has not taken
     * @param ce the counting element: 0..65535, or in BCD 0..9999
     * @param loaded the count that CE was last loaded with: 1..65536, or in BCD 1..10000
     */
    public record CounterState(
            int control,
            int cr,
            int crLow,
            boolean writeHigh,
            boolean readHigh,
            boolean countLatched,
            int countLatch,
            boolean statusLatched,
            int statusLatch,
            boolean nullCount,
            Phase phase,
            int ce,
            int loaded,
            boolean out,
            long pulse) {
        /** Mode 0, both bytes, no count. */
        public static final CounterState RESET =
                new CounterState(
                        RW_BOTH,
                        0,
                        0,
                        false,
                        false,
                        false,
                        0,
                        false,
                        0,
                        true,
                        Phase.IDLE,
                        0,
                        1,
                        false,
                        0);

        public CounterState {
            Checks.bits("control", control, RW | M | BCD);
            Checks.bits("cr", cr, 0xFFFF);
            Checks.bits("crLow", crLow, 0xFF);
            Checks.bits("countLatch", countLatch, 0xFFFF);
            Checks.bits("statusLatch", statusLatch, 0xFF);
            Checks.range("read/write", control & RW, RW_LOW, RW_BOTH);
            Checks.range("ce", ce, 0, modulus(control) - 1);
            Checks.range("loaded", loaded, 1, modulus(control));
            Checks.range("pulse", pulse, 0, Long.MAX_VALUE / 2);
        }
    }

    /** What the next pulse of CLK does to a counter. */
    public enum Phase {
        /** Nothing: no count was written, or modes 1 and 5 have not been triggered. */
        IDLE,
        /** Loads CE from CR. */
        LOAD,
        /** Counts down (if GATE lets it) towards the next change of OUT. */
        COUNT,
        /** Ends the strobe of modes 4 and 5. */
        STROBE,
        /** Counts on after the count has expired; OUT stays. */
        SPENT
    }

    // Control word (figure 7)
    private static final int CONTROL = 3;
    private static final int SC = 6;
    private static final int READ_BACK = 3;
    private static final int RW = 0b11 << 4;
    private static final int RW_LATCH = 0b00 << 4;
    private static final int RW_LOW = 0b01 << 4;
    private static final int RW_HIGH = 0b10 << 4;
    private static final int RW_BOTH = 0b11 << 4;
    private static final int M = 0b111 << 1;
    private static final int BCD = 1 << 0;

    // Read-back command (figure 10); both are active low
    private static final int COUNT_N = 1 << 5;
    private static final int STATUS_N = 1 << 4;

    // Status byte (figure 11)
    private static final int OUTPUT = 1 << 7;
    private static final int NULL_COUNT = 1 << 6;

    // Port 61h
    private static final int TIMER_2_GATE = 1 << 0;
    private static final int REFRESH_DETECT = 1 << 4;
    private static final int TIMER_2_OUT = 1 << 5;
    private static final int PORT_B_MASK = 0x0F;

    /** The memory refresh of an AT comes every 18 pulses, 15 µs; port B shows which one it is. */
    private static final long REFRESH = 18;

    private static final long NEVER = Long.MAX_VALUE;

    private final ReentrantLock lock = new ReentrantLock();
    private final Clock clock;
    private final IrqLine wire;
    private final Clock.Timer timer;
    private long timerArmedFor = NEVER;

    private final Counter[] counters = {new Counter(), new Counter(), new Counter()};
    private int portB;
    private boolean irq0;
    private final Keeper keeper = new Keeper(lock, this::take, this::settle);

    /** A timer whose OUT 0 is {@code irq0}. */
    public I8254Pit(Clock clock, IrqLine irq0) {
        this.clock = clock;
        wire = irq0;
        timer = clock.timer(this::timerElapsed);
        load(State.RESET);
    }

    /** Ports 40h to 43h. */
    public Region.Io registers() {
        return new Region.Io(this, 4, AccessWidths.BYTE, lock);
    }

    /** Port 61h. */
    public Region.Io portB() {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return readPortB();
                    }

                    @Override
                    public void write(long offset, int size, long value) {
                        writePortB((int) value);
                    }
                };
        return new Region.Io(handler, 1, AccessWidths.BYTE, lock);
    }

    @Override
    public long read(long offset, int size) {
        if (offset == CONTROL) {
            // Reading the control word register leaves the data bus floating (figure 6).
            return 0xFF;
        }
        Counter counter = counters[(int) offset];
        counter.advance(now());
        int value = counter.read();
        drive();
        return value;
    }

    @Override
    public void write(long offset, int size, long value) {
        int data = (int) value & 0xFF;
        if (offset != CONTROL) {
            counters[(int) offset].advance(now());
            counters[(int) offset].writeCount(data, now());
            followFall((int) offset);
        } else if (data >>> SC == READ_BACK) {
            readBack(data);
        } else if ((data & RW) == RW_LATCH) {
            counters[data >>> SC].advance(now());
            counters[data >>> SC].latchCount();
        } else {
            counters[data >>> SC].advance(now());
            counters[data >>> SC].writeControl(data & (RW | M | BCD));
            followFall(data >>> SC);
        }
        drive();
    }

    /** The wire follows OUT 0 down when a write took it there; see {@link State}. */
    private void followFall(int written) {
        if (written == 0 && !counters[0].out) {
            irq0 = false;
        }
    }

    private void readBack(int data) {
        for (int i = 0; i < 3; i++) {
            if ((data & 2 << i) != 0) {
                counters[i].advance(now());
                if ((data & COUNT_N) == 0) {
                    counters[i].latchCount();
                }
                if ((data & STATUS_N) == 0) {
                    counters[i].latchStatus();
                }
            }
        }
    }

    private int readPortB() {
        long pulse = now();
        counters[2].advance(pulse);
        return portB
                | ((pulse / REFRESH & 1) != 0 ? REFRESH_DETECT : 0)
                | (counters[2].out ? TIMER_2_OUT : 0);
    }

    private void writePortB(int data) {
        boolean gate = (data & TIMER_2_GATE) != 0;
        counters[2].advance(now());
        counters[2].setGate(gate, now());
        portB = data & PORT_B_MASK;
    }

    /** The number of the last pulse of CLK. */
    private long now() {
        return CLK.ticks(clock.now());
    }

    private static int modulus(int control) {
        return (control & BCD) != 0 ? 10_000 : 0x1_0000;
    }

    // Interrupt

    private void timerElapsed() {
        lock.lock();
        try {
            timerArmedFor = NEVER;
            if (keeper.engine().isEmpty()) {
                drive();
            }
        } finally {
            lock.unlock();
        }
    }

    /** The timer as an engine may keep it; the wire is not driven then. */
    public EngineKept kept() {
        return keeper;
    }

    private void take(EngineChips engine) {
        EngineChips.Pit kept = engine.pit();
        for (int i = 0; i < 3; i++) {
            counters[i].take(kept.counters().get(i), clock.now());
        }
        portB = kept.portB() & PORT_B_MASK;
        counters[2].gate = (portB & TIMER_2_GATE) != 0;
        irq0 = false;
    }

    @Override
    public void settle() {
        Optional<EngineChips> engine = keeper.engine();
        if (engine.isEmpty()) {
            drive();
            return;
        }
        timerArmedFor = NEVER;
        timer.cancel();
        wire.set(false);
        long pulse = now();
        for (Counter counter : counters) {
            counter.advance(pulse);
        }
        engine.get()
                .load(
                        new EngineChips.Pit(
                                Arrays.stream(counters).map(Counter::give).toList(), portB));
    }

    /** Brings counter 0 up to date, drives its wire and arms the timer for its next rise. */
    private void drive() {
        Counter counter = counters[0];
        wire.set(irq0);
        counter.advance(now());
        if (counter.risen) {
            counter.risen = false;
            wire.set(false);
            wire.set(true);
            irq0 = true;
        }
        long pulses = counter.pulsesToRise();
        long deadline = pulses == NEVER ? NEVER : CLK.nanos(counter.pulse + pulses);
        if (deadline != timerArmedFor) {
            timerArmedFor = deadline;
            if (deadline == NEVER) {
                timer.cancel();
            } else {
                timer.arm(deadline);
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
        keeper.fetch();
        return new State(
                List.of(counters[0].save(), counters[1].save(), counters[2].save()), portB, irq0);
    }

    @Override
    public void load(State state) {
        for (int i = 0; i < 3; i++) {
            counters[i].load(state.counters().get(i));
        }
        portB = state.portB();
        // GATE 0 and GATE 1 are tied high.
        counters[2].gate = (portB & TIMER_2_GATE) != 0;
        irq0 = state.irq0();
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    /** One of the three counters (figure 5). */
    private static final class Counter {
        private boolean gate = true;

        /** Whether OUT rose since someone asked. */
        private boolean risen;

        private int control;
        private int cr;
        private int crLow;
        private boolean writeHigh;
        private boolean readHigh;
        private boolean countLatched;
        private int countLatch;
        private boolean statusLatched;
        private int statusLatch;
        private boolean nullCount;
        private Phase phase = Phase.IDLE;
        private int ce;
        private int loaded;
        private boolean out;
        private long pulse;

        /** 0 to 5; M2 does not matter where M1 is set (figure 7). */
        private int mode() {
            int m = (control & M) >>> 1;
            return (m & 0b010) != 0 ? m & 0b011 : m;
        }

        void writeControl(int word) {
            control = word;
            cr = 0;
            writeHigh = false;
            readHigh = false;
            countLatched = false;
            statusLatched = false;
            nullCount = true;
            phase = Phase.IDLE;
            // CE is undefined now; it must stay within the modulus that may have become smaller.
            ce %= modulus(control);
            loaded = 1;
            setOut(mode() != 0);
        }

        void writeCount(int data, long now) {
            switch (control & RW) {
                case RW_LOW -> writeCr(data, now);
                case RW_HIGH -> writeCr(data << 8, now);
                default -> {
                    if (writeHigh) {
                        writeHigh = false;
                        writeCr(data << 8 | crLow, now);
                    } else {
                        writeHigh = true;
                        crLow = data;
                        if (mode() == 0) {
                            // The first byte stops the old count (mode 0).
                            phase = Phase.IDLE;
                            setOut(false);
                        }
                    }
                }
            }
        }

        private void writeCr(int count, long now) {
            cr = count;
            nullCount = true;
            switch (mode()) {
                case 0 -> {
                    setOut(false);
                    loadAfter(now);
                }
                case 4 -> loadAfter(now);
                case 2, 3 -> {
                    // A running counter takes the new count at the end of its (half) cycle.
                    if (phase == Phase.IDLE) {
                        loadAfter(now);
                    }
                }
                // Modes 1 and 5 wait for a trigger.
                default -> {}
            }
        }

        void setGate(boolean level, long now) {
            boolean rises = level && !gate;
            gate = level;
            boolean triggers =
                    switch (mode()) {
                        case 1, 5 -> rises;
                        case 2, 3 -> rises && phase != Phase.IDLE;
                        default -> false;
                    };
            if (triggers) {
                loadAfter(now);
            }
            if (mode() == 2 || mode() == 3) {
                setOut(out || !gate);
            }
        }

        private void loadAfter(long now) {
            phase = Phase.LOAD;
            pulse = Math.max(pulse, now);
        }

        int read() {
            if (statusLatched) {
                statusLatched = false;
                return statusLatch;
            }
            int count = countLatched ? countLatch : shownCount();
            boolean high =
                    switch (control & RW) {
                        case RW_LOW -> false;
                        case RW_HIGH -> true;
                        default -> readHigh;
                    };
            if ((control & RW) == RW_BOTH) {
                readHigh = !readHigh;
                countLatched &= readHigh;
            } else {
                countLatched = false;
            }
            return high ? count >>> 8 : count & 0xFF;
        }

        void latchCount() {
            if (!countLatched) {
                countLatched = true;
                countLatch = shownCount();
            }
        }

        void latchStatus() {
            if (!statusLatched) {
                statusLatched = true;
                statusLatch = (out ? OUTPUT : 0) | (nullCount ? NULL_COUNT : 0) | control;
            }
        }

        private int shownCount() {
            if ((control & BCD) == 0) {
                return ce;
            }
            return (ce / 1000) << 12 | (ce / 100 % 10) << 8 | (ce / 10 % 10) << 4 | ce % 10;
        }

        /** What CR stands for: 0 is the modulus, and the smallest count of modes 2 and 3 is 2. */
        private int count() {
            int count = cr;
            if ((control & BCD) != 0) {
                count =
                        (cr >>> 12) * 1000
                                + (cr >>> 8 & 15) * 100
                                + (cr >>> 4 & 15) * 10
                                + (cr & 15);
                count %= 10_000;
            }
            int least = mode() == 2 || mode() == 3 ? 2 : 1;
            return count == 0 ? modulus(control) : Math.max(count, least);
        }

        private void setOut(boolean level) {
            risen |= level && !out;
            out = level;
        }

        /** Whether GATE lets the count go on; in modes 1 and 5 it only triggers. */
        private boolean counts() {
            return gate || mode() == 1 || mode() == 5;
        }

        /** Lives through all pulses up to number {@code now}. */
        void advance(long now) {
            while (pulse < now) {
                switch (phase) {
                    case IDLE -> {
                        return;
                    }
                    case LOAD -> {
                        pulse++;
                        phase = Phase.COUNT;
                        reload(mode() != 0 && mode() != 1);
                    }
                    case STROBE -> {
                        ce = counts() ? minus(1) : ce;
                        pulse++;
                        phase = Phase.SPENT;
                        setOut(true);
                    }
                    case SPENT -> {
                        ce = counts() ? minus(now - pulse) : ce;
                        pulse = now;
                    }
                    case COUNT -> {
                        if (counts()) {
                            count(now);
                        } else {
                            pulse = now;
                        }
                    }
                }
            }
        }

        private int minus(long pulses) {
            return (int) Math.floorMod(ce - pulses, (long) modulus(control));
        }

        private void reload(boolean level) {
            nullCount = false;
            loaded = count();
            ce = loaded % modulus(control);
            if (mode() == 3) {
                ce &= ~1;
            }
            setOut(level);
        }

        /** Counts to the next change of OUT, or to {@code now} if that comes first. */
        private void count(long now) {
            if (mode() == 2 || mode() == 3) {
                skipPeriods(now);
            }
            long left = pulsesToChange();
            long step = Math.min(left, now - pulse);
            pulse += step;
            if (step < left) {
                ce = minus(mode() == 3 ? 2 * step : step);
                return;
            }
            switch (mode()) {
                case 0, 1 -> {
                    ce = 0;
                    phase = Phase.SPENT;
                    setOut(true);
                }
                case 2 -> {
                    if (out) {
                        ce = 1;
                        setOut(false);
                    } else {
                        reload(true);
                    }
                }
                case 3 -> reload(!out);
                default -> {
                    ce = 0;
                    phase = Phase.STROBE;
                    setOut(false);
                }
            }
        }

        /**
         * A long time holds many equal periods: one is left, so that each edge in it is still seen.
         */
        private void skipPeriods(long now) {
            long periods = (now - pulse) / loaded - 1;
            if (periods > 0 && loaded == count()) {
                pulse += periods * loaded;
            }
        }

        /** In phase COUNT: how many pulses until OUT changes. */
        private long pulsesToChange() {
            int left = ce == 0 ? modulus(control) : ce;
            return switch (mode()) {
                case 2 -> out ? Math.max(left - 1, 0) : 1;
                // An even count goes N, N-2 .. 2. An odd one starts at N-1, and goes on to 0 while
                // OUT is high.
                case 3 -> loaded % 2 == 0 ? left / 2 : out ? ce / 2 + 1 : Math.max(ce / 2, 1);
                default -> left;
            };
        }

        /** How many pulses until OUT rises, as far as it is known now. */
        long pulsesToRise() {
            return switch (phase) {
                case IDLE, SPENT -> NEVER;
                case STROBE -> 1;
                case LOAD -> counts() ? 1 + pulsesFromLoadToRise() : NEVER;
                case COUNT -> counts() ? pulsesToChange() + pulsesFromChangeToRise() : NEVER;
            };
        }

        private long pulsesFromLoadToRise() {
            return mode() == 4 || mode() == 5 ? count() + 1L : count();
        }

        private long pulsesFromChangeToRise() {
            return switch (mode()) {
                case 2 -> out ? 1 : 0;
                case 3 -> out ? count() / 2 : 0;
                case 4, 5 -> 1;
                default -> 0;
            };
        }

        /**
         * For an engine: one that counts once goes on from what is left, one that counts in periods
         * begins one anew. Engines count on after the end, which comes as late as it can then.
         */
        EngineChips.Counter give() {
            boolean once = mode() != 2 && mode() != 3;
            int left = ce == 0 ? modulus(control) : ce;
            int from =
                    switch (phase) {
                        case LOAD -> count();
                        case COUNT -> once ? left : count();
                        case STROBE -> 1;
                        case IDLE, SPENT -> modulus(control);
                    };
            return new EngineChips.Counter(
                    control,
                    from,
                    phase == Phase.IDLE && nullCount && control == CounterState.RESET.control(),
                    0,
                    crLow,
                    writeHigh,
                    readHigh,
                    countLatched,
                    countLatch,
                    statusLatched,
                    statusLatch);
        }

        /** From an engine, at virtual time {@code now}: it was loaded some time ago. */
        void take(EngineChips.Counter kept, long now) {
            if (kept.idle()) {
                load(CounterState.RESET);
                return;
            }
            control = kept.control();
            int most = modulus(control);
            loaded = Math.clamp(kept.count(), mode() == 2 || mode() == 3 ? 2 : 1, most);
            int value = loaded % most;
            cr =
                    (control & BCD) == 0
                            ? value
                            : (value / 1000) << 12
                                    | (value / 100 % 10) << 8
                                    | (value / 10 % 10) << 4
                                    | value % 10;
            crLow = kept.writeLatch();
            writeHigh = kept.writeHigh();
            readHigh = kept.readHigh();
            countLatched = kept.countLatched();
            countLatch = kept.latchedCount();
            statusLatched = kept.statusLatched();
            statusLatch = kept.latchedStatus();
            nullCount = false;
            phase = Phase.COUNT;
            ce = mode() == 3 ? value & ~1 : value;
            out = mode() != 0 && mode() != 1;
            pulse = Math.max(0, CLK.ticks(now) - CLK.ticks(Math.max(0, kept.age())));
            risen = false;
        }

        CounterState save() {
            return new CounterState(
                    control,
                    cr,
                    crLow,
                    writeHigh,
                    readHigh,
                    countLatched,
                    countLatch,
                    statusLatched,
                    statusLatch,
                    nullCount,
                    phase,
                    ce,
                    loaded,
                    out,
                    pulse);
        }

        void load(CounterState state) {
            control = state.control();
            cr = state.cr();
            crLow = state.crLow();
            writeHigh = state.writeHigh();
            readHigh = state.readHigh();
            countLatched = state.countLatched();
            countLatch = state.countLatch();
            statusLatched = state.statusLatched();
            statusLatch = state.statusLatch();
            nullCount = state.nullCount();
            phase = state.phase();
            ce = state.ce();
            loaded = state.loaded();
            out = state.out();
            pulse = state.pulse();
            risen = false;
        }
    }
}
