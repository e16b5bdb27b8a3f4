// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.machine.clock.Clock;
import dev.frond.machine.clock.Frequency;
import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.time.Instant;
import java.time.LocalDate;
import java.time.YearMonth;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The real-time clock and CMOS RAM of a PC: a Motorola MC146818A (its datasheet, "Registers") with
 * a crystal of 32.768 kHz, 128 bytes behind ports 70h and 71h, and a century byte at 32h that
 * counts along. A battery keeps time and RAM through every reset.
 *
 * <p>Nothing ticks inside: the time bytes are those of the last update that was looked at, and each
 * access first makes up for the updates and periodic ticks that the clock's time of day has brought
 * since. Bytes that are no time of day count on from the nearest one that is.
 */
public final class Mc146818Rtc implements Device<Mc146818Rtc.State>, IoHandler {
    /**
     * The chip.
     *
     * @param index the register that port 71h reaches
     * @param nmiMasked bit 7 of port 70h
     * @param a register A without UIP
     * @param b register B
     * @param c the flags PF, AF and UF
     * @param time registers 0 to 9: time, calendar and alarm
     * @param ram registers 0Eh to 7Fh; the century is at 32h
     * @param second the second since 1970 of the divider chain, which is the clock's time of day
     *     and {@code phase}, that {@code time} and {@code c} account for
     * @param phase how far the divider chain is ahead of the clock's seconds, in nanoseconds
     * @param ticks the periodic ticks of the divider chain that {@code c} accounts for
     */
    public record State(
            int index,
            boolean nmiMasked,
            int a,
            int b,
            int c,
            Bytes time,
            Bytes ram,
            long second,
            int phase,
            long ticks) {
        /** Set to the clock's time of day, which was Thursday, 1970-01-01 at its second 0. */
        public static final State RESET =
                new State(
                        0,
                        true,
                        DV_32768_HZ | RS_1024_HZ,
                        MODE_24_HOURS,
                        0,
                        Bytes.of(new byte[] {0, 0, 0, 0, 0, 0, 5, 1, 1, 0x70}),
                        ramOfCentury(0x19),
                        0,
                        0,
                        0);

        public State {
            Checks.bits("index", index, INDEX_MASK);
            Checks.bits("a", a, DV | RS);
            Checks.bits("b", b, 0xFF);
            Checks.bits("c", c, FLAGS);
            Checks.range("time length", time.length(), REGISTER_A, REGISTER_A);
            Checks.range("ram length", ram.length(), RAM_SIZE, RAM_SIZE);
            Checks.range("second", second, -SECOND_LIMIT, SECOND_LIMIT);
            Checks.range("phase", phase, 0, Frequency.SECOND - 1);
        }
    }

    // Ports
    private static final int INDEX_PORT = 0;
    private static final int INDEX_MASK = 0x7F;
    private static final int NMI_MASK = 1 << 7;

    // Address map
    private static final int SECONDS = 0;
    private static final int SECONDS_ALARM = 1;
    private static final int MINUTES = 2;
    private static final int MINUTES_ALARM = 3;
    private static final int HOURS = 4;
    private static final int HOURS_ALARM = 5;
    private static final int DAY_OF_WEEK = 6;
    private static final int DATE_OF_MONTH = 7;
    private static final int MONTH = 8;
    private static final int YEAR = 9;
    private static final int REGISTER_A = 10;
    private static final int REGISTER_B = 11;
    private static final int REGISTER_C = 12;
    private static final int REGISTER_D = 13;
    private static final int RAM = 14;
    private static final int RAM_SIZE = 128 - RAM;
    private static final int CENTURY = 0x32 - RAM;

    // Register A
    private static final int RS = 0b1111 << 0;
    private static final int RS_1024_HZ = 0b0110 << 0;
    private static final int DV = 0b111 << 4;
    private static final int DV_32768_HZ = 0b010 << 4;
    private static final int UIP = 1 << 7;

    // Register B; DSE is kept and has no function, as in the Intel ICH9 (datasheet, 13.6.2.2)
    private static final int MODE_24_HOURS = 1 << 1;
    private static final int DM = 1 << 2;
    private static final int SQWE = 1 << 3;
    private static final int UIE = 1 << 4;
    private static final int AIE = 1 << 5;
    private static final int PIE = 1 << 6;
    private static final int SET = 1 << 7;

    // Register C; each flag stands where register B has its enable bit
    private static final int UF = 1 << 4;
    private static final int AF = 1 << 5;
    private static final int PF = 1 << 6;
    private static final int IRQF = 1 << 7;
    private static final int FLAGS = UF | AF | PF;

    // Register D
    private static final int VRT = 1 << 7;

    private static final int PM = 1 << 7;
    private static final int DONT_CARE = 0b11 << 6;

    /**
     * UIP is up for t_BUC before and t_UC during an update (table 6), which ends with the second.
     */
    private static final int UPDATE_NANOS = 244_000 + 1_984_000;

    /** The first update comes this long after the divider chain is released from its reset. */
    private static final int FIRST_UPDATE_NANOS = 500_000_000;

    private static final int DAY = 86_400;

    /** More than 9999 years either way, which is all that the bytes can tell apart. */
    private static final long SECOND_LIMIT = 1L << 40;

    private static final long NEVER = Long.MAX_VALUE;

    private final ReentrantLock lock = new ReentrantLock();
    private final Clock clock;
    private final IrqLine irq;
    private final Clock.Timer timer;
    private boolean timerArmed;

    /** The clock's time of day at the access at hand, in seconds and nanoseconds. */
    private long wallSecond;

    private int wallNano;

    private int index;
    private boolean nmiMasked;
    private int a;
    private int b;
    private int c;
    private byte[] time = {};
    private byte[] ram = {};
    private long second;
    private int phase;
    private long ticks;

    /** A chip that shows the time of day of {@code clock} and whose IRQ pin is {@code irq}. */
    public Mc146818Rtc(Clock clock, IrqLine irq) {
        this.clock = clock;
        this.irq = irq;
        timer = clock.timer(this::alarm);
        load(State.RESET);
        load(resetState());
    }

    /** The index and the data port, 70h and 71h on a PC. */
    public Region.Io registers() {
        return new Region.Io(this, 2, AccessWidths.BYTE, lock);
    }

    /** Whether bit 7 of the index port keeps NMI from the CPUs. */
    public boolean nmiMasked() {
        lock.lock();
        try {
            return nmiMasked;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long read(long offset, int size) {
        if (offset == INDEX_PORT) {
            // The index port can only be written.
            return 0xFF;
        }
        catchUp();
        int value = readRegister();
        update();
        return value;
    }

    @Override
    public void write(long offset, int size, long value) {
        int data = (int) value & 0xFF;
        if (offset == INDEX_PORT) {
            index = data & INDEX_MASK;
            nmiMasked = (data & NMI_MASK) != 0;
            return;
        }
        catchUp();
        writeRegister(data);
        update();
    }

    private int readRegister() {
        return switch (index) {
            case REGISTER_A -> a | (updateInProgress() ? UIP : 0);
            case REGISTER_B -> b;
            case REGISTER_C -> {
                int flags = c | (interrupts() ? IRQF : 0);
                c = 0;
                yield flags;
            }
            case REGISTER_D -> VRT;
            default -> (index < REGISTER_A ? time[index] : ram[index - RAM]) & 0xFF;
        };
    }

    private void writeRegister(int data) {
        switch (index) {
            case REGISTER_A -> writeA(data);
            case REGISTER_B -> {
                // SET going high also clears UIE.
                boolean setRises = (data & ~b & SET) != 0;
                b = setRises ? data & ~UIE : data;
            }
            case REGISTER_C, REGISTER_D -> {}
            default -> {
                if (index < REGISTER_A) {
                    time[index] = (byte) data;
                } else {
                    ram[index - RAM] = (byte) data;
                }
            }
        }
    }

    // Divider chain and periodic ticks

    private void writeA(int data) {
        boolean held = !dividing();
        a = data & (DV | RS);
        if (held && dividing()) {
            phase = (int) Math.floorMod(FIRST_UPDATE_NANOS - (long) wallNano, Frequency.SECOND);
            second = chainSecond();
        }
        ticks = chainTicks();
    }

    /** With a crystal of 32.768 kHz all other values of DV hold or starve the divider chain. */
    private boolean dividing() {
        return (a & DV) == DV_32768_HZ;
    }

    private long chainSecond() {
        return wallSecond + ((long) wallNano + phase) / Frequency.SECOND;
    }

    private long chainNanos() {
        return ((long) wallNano + phase) % Frequency.SECOND;
    }

    /** Periodic ticks a second (table 5), 0 for none. */
    private int rate() {
        int rs = a & RS;
        if (rs == 0 || !dividing()) {
            return 0;
        }
        return rs <= 2 ? 512 >> rs : 65_536 >> rs;
    }

    /** The periodic ticks until now; only their change means something. */
    private long chainTicks() {
        int rate = rate();
        return chainSecond() * rate + chainNanos() * rate / Frequency.SECOND;
    }

    private long nanosToTick() {
        int rate = rate();
        long next = chainNanos() * rate / Frequency.SECOND + 1;
        return Math.ceilDiv(next * Frequency.SECOND, rate) - chainNanos();
    }

    // Updates

    private boolean updating() {
        return dividing() && (b & SET) == 0;
    }

    private boolean updateInProgress() {
        return updating() && chainNanos() >= Frequency.SECOND - UPDATE_NANOS;
    }

    /** Does what the chip has done since the last access, at one look at the clock. */
    private void catchUp() {
        look();
        long updates = chainSecond() - second;
        if (updating() && updates != 0) {
            if (updates > 0) {
                int alarm = updatesToAlarm();
                c |= UF | (alarm != 0 && alarm <= updates ? AF : 0);
            }
            advance(updates);
        }
        second = chainSecond();
        long now = chainTicks();
        if (now != ticks && rate() != 0) {
            c |= PF;
        }
        ticks = now;
    }

    private void look() {
        Instant wall = clock.wallTime();
        wallSecond = wall.getEpochSecond();
        wallNano = wall.getNano();
    }

    private void advance(long seconds) {
        int century = Math.min(decode(ram[CENTURY]), 99);
        int year = century * 100 + Math.min(decode(time[YEAR]), 99);
        YearMonth month = YearMonth.of(year, Math.clamp(decode(time[MONTH]), 1, 12));
        LocalDate date =
                month.atDay(Math.clamp(decode(time[DATE_OF_MONTH]), 1, month.lengthOfMonth()));

        long sum = secondOfDay() + seconds;
        int newTime = (int) Math.floorMod(sum, (long) DAY);
        long days = Math.floorDiv(sum, (long) DAY);
        LocalDate newDate = date.plusDays(days);
        int newYear = Math.floorMod(newDate.getYear(), 10_000);

        time[SECONDS] = encode(newTime % 60);
        time[MINUTES] = encode(newTime / 60 % 60);
        time[HOURS] = encodeHour(newTime / 3600);
        time[DATE_OF_MONTH] = encode(newDate.getDayOfMonth());
        time[MONTH] = encode(newDate.getMonthValue());
        time[YEAR] = encode(newYear % 100);
        ram[CENTURY] = encode(newYear / 100);
        // The day of the week is counted, not worked out; guests that do not use it leave 0 there.
        int weekday = time[DAY_OF_WEEK];
        if (weekday >= 1 && weekday <= 7) {
            time[DAY_OF_WEEK] = (byte) (Math.floorMod(weekday - 1 + days, 7L) + 1);
        }
    }

    private int secondOfDay() {
        int seconds = Math.min(decode(time[SECONDS]), 59);
        int minutes = Math.min(decode(time[MINUTES]), 59);
        int hours;
        if ((b & MODE_24_HOURS) != 0) {
            hours = Math.min(decode(time[HOURS]), 23);
        } else {
            int hour = Math.clamp(decode((byte) (time[HOURS] & ~PM)), 1, 12);
            hours = hour % 12 + ((time[HOURS] & PM) != 0 ? 12 : 0);
        }
        return (hours * 60 + minutes) * 60 + seconds;
    }

    private int decode(byte value) {
        return (b & DM) != 0 ? value & 0xFF : (value >> 4 & 0xF) * 10 + (value & 0xF);
    }

    private byte encode(int value) {
        return (byte) ((b & DM) != 0 ? value : value / 10 << 4 | value % 10);
    }

    private byte encodeHour(int hour) {
        if ((b & MODE_24_HOURS) != 0) {
            return encode(hour);
        }
        return (byte) (encode((hour + 11) % 12 + 1) | (hour >= 12 ? PM : 0));
    }

    // Alarm

    /** How many updates make the time that of the alarm bytes, 1 to 86,400; 0 if none does. */
    private int updatesToAlarm() {
        int from = secondOfDay();
        int then = from + 1;
        while (then <= from + DAY) {
            int candidate = then % DAY;
            if (!matches(HOURS_ALARM, encodeHour(candidate / 3600))) {
                then += 3600 - candidate % 3600;
            } else if (!matches(MINUTES_ALARM, encode(candidate / 60 % 60))) {
                then += 60 - candidate % 60;
            } else if (!matches(SECONDS_ALARM, encode(candidate % 60))) {
                then++;
            } else {
                return then - from;
            }
        }
        return 0;
    }

    private boolean matches(int alarm, byte value) {
        return (time[alarm] & DONT_CARE) == DONT_CARE || time[alarm] == value;
    }

    // Interrupts

    private boolean interrupts() {
        return (b & c & FLAGS) != 0;
    }

    /** Drives IRQ, and arms the timer for the moment at which that would change by itself. */
    private void update() {
        boolean active = interrupts();
        irq.set(active);
        long wait = active ? NEVER : nanosToInterrupt();
        // The clock is read after the time of day: the timer may be late by what lies between, but
        // never early. The chain knows no such lateness, so that nothing adds up.
        long now = clock.now();
        if (wait >= NEVER - now) {
            if (timerArmed) {
                timerArmed = false;
                timer.cancel();
            }
        } else {
            timerArmed = true;
            timer.arm(now + wait);
        }
    }

    private long nanosToInterrupt() {
        long wait = NEVER;
        if ((b & PIE) != 0 && rate() != 0) {
            wait = nanosToTick();
        }
        if (updating()) {
            int updates = (b & UIE) != 0 ? 1 : (b & AIE) != 0 ? updatesToAlarm() : 0;
            if (updates != 0) {
                wait = Math.min(wait, updates * Frequency.SECOND - chainNanos());
            }
        }
        return wait;
    }

    private void alarm() {
        lock.lock();
        try {
            timerArmed = false;
            catchUp();
            update();
        } finally {
            lock.unlock();
        }
    }

    // State

    private static Bytes ramOfCentury(int century) {
        byte[] ram = new byte[RAM_SIZE];
        ram[CENTURY] = (byte) century;
        return Bytes.of(ram);
    }

    /**
     * What the RESET pin leaves: time, calendar, alarm and RAM go on with the battery, and so do
     * the divider chain and the modes; interrupts, their flags and the square wave are off.
     */
    @Override
    public State resetState() {
        lock.lock();
        try {
            State kept = save();
            catchUp();
            b &= ~(PIE | AIE | UIE | SQWE);
            c = 0;
            index = State.RESET.index();
            nmiMasked = State.RESET.nmiMasked();
            State state = save();
            load(kept);
            return state;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public State save() {
        return new State(
                index, nmiMasked, a, b, c, Bytes.of(time), Bytes.of(ram), second, phase, ticks);
    }

    @Override
    public void load(State state) {
        index = state.index();
        nmiMasked = state.nmiMasked();
        a = state.a();
        b = state.b();
        c = state.c();
        time = state.time().toArray();
        ram = state.ram().toArray();
        second = state.second();
        phase = state.phase();
        ticks = state.ticks();
    }

    @Override
    public void settle() {
        catchUp();
        update();
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
