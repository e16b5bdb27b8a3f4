// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import dev.frond.machine.MachineControl;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.clock.Frequency;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.util.concurrent.locks.ReentrantLock;

/**
 * The power management registers of ACPI's fixed hardware (ACPI Specification 6.5, 4.8.3 and
 * 4.8.4): PM1a event and control block, PM timer, one general-purpose event block, and the SCI
 * wire. The machine is in ACPI mode from power-on: SCI_EN reads 1 and there is no SMI command port.
 * The only sleep state is S5, soft off.
 */
public final class AcpiPm implements Device<AcpiPm.State>, IoHandler {
    /**
     * What the board's ACPI tables state of this block.
     *
     * @param s5SleepType the SLP_TYP value of {@code _S5}, 0..7
     * @param timer32 whether the PM timer has 32 bits (FADT flag TMR_VAL_EXT), not 24
     */
    public record Spec(int s5SleepType, boolean timer32) {
        public Spec {
            if (s5SleepType < 0 || s5SleepType > 7) {
                throw new IllegalArgumentException(
                        "ACPI PM: sleep type " + s5SleepType + " of S5: accepted is 0 to 7");
            }
        }
    }

    /**
     * The registers.
     *
     * @param pm1Control without SCI_EN, which is fixed, and the write-only bits
     * @param timerToggles how often the PM timer's highest bit had changed since power-on when
     *     TMR_STS last took notice
     */
    public record State(
            int pm1Status,
            int pm1Enable,
            int pm1Control,
            int gpe0Status,
            int gpe0Enable,
            long timerToggles) {
        public State {
            check("PM1_STS", pm1Status, PM1_STS_BITS);
            check("PM1_EN", pm1Enable, PM1_EN_BITS);
            check("PM1_CNT", pm1Control, PM1_CNT_BITS);
            check("GPE0_STS", gpe0Status, 0xFFFF);
            check("GPE0_EN", gpe0Enable, 0xFFFF);
            if (timerToggles < 0) {
                throw new IllegalArgumentException(
                        "ACPI PM state: timerToggles " + timerToggles + " is negative");
            }
        }

        private static void check(String register, int value, int bits) {
            if ((value & ~bits) != 0) {
                throw new IllegalArgumentException(
                        "ACPI PM state: %s 0x%x: accepted are the bits 0x%x"
                                .formatted(register, value, bits));
            }
        }
    }

    /** The PM timer's frequency (4.8.2.1). */
    public static final Frequency TIMER = new Frequency(3_579_545);

    /** Bytes of I/O space that the block takes. */
    public static final int SIZE = 0x24;

    /** Offset of the PM1a event block: status and enable register, 4 bytes. */
    public static final int PM1A_EVT = 0x00;

    /** Offset of the PM1a control block, 2 bytes. */
    public static final int PM1A_CNT = 0x04;

    /** Offset of the PM timer, 4 bytes. */
    public static final int PM_TMR = 0x08;

    /** Offset of the general-purpose event block 0: status and enable register, 4 bytes. */
    public static final int GPE0 = 0x20;

    /** The number of general-purpose events in block 0. */
    public static final int GPE0_EVENTS = 16;

    // PM1_STS and PM1_EN (tables 4.11 and 4.12).
    private static final int TMR_STS = 1 << 0;
    private static final int BM_STS = 1 << 4;
    private static final int GBL_STS = 1 << 5;
    private static final int PWRBTN_STS = 1 << 8;
    private static final int SLPBTN_STS = 1 << 9;
    private static final int RTC_STS = 1 << 10;
    private static final int WAK_STS = 1 << 15;
    private static final int PM1_EN_BITS = TMR_STS | GBL_STS | PWRBTN_STS | SLPBTN_STS | RTC_STS;
    private static final int PM1_STS_BITS = PM1_EN_BITS | BM_STS | WAK_STS;

    // PM1_CNT (table 4.13).
    private static final int SCI_EN = 1 << 0;
    private static final int BM_RLD = 1 << 1;
    private static final int SLP_TYP_SHIFT = 10;
    private static final int SLP_TYP = 7 << SLP_TYP_SHIFT;
    private static final int SLP_EN = 1 << 13;
    private static final int PM1_CNT_BITS = BM_RLD | SLP_TYP;

    private final ReentrantLock lock = new ReentrantLock();
    private final Spec spec;
    private final Clock clock;
    private final IrqLine sci;
    private final MachineControl machine;
    private final Clock.Timer alarm;
    private final int toggleShift;
    private int pm1Status;
    private int pm1Enable;
    private int pm1Control;
    private int gpe0Status;
    private int gpe0Enable;
    private long timerToggles;

    /** The block in its power-on state, interrupting by {@code sci}, a level-triggered wire. */
    public AcpiPm(Spec spec, Clock clock, IrqLine sci, MachineControl machine) {
        this.spec = spec;
        this.clock = clock;
        this.sci = sci;
        this.machine = machine;
        toggleShift = spec.timer32 ? 31 : 23;
        alarm = clock.timer(this::alarm);
        load(resetState());
    }

    /** The block of {@link #SIZE} ports. */
    public Region.Io registers() {
        return new Region.Io(this, SIZE, AccessWidths.UP_TO_DWORD, lock);
    }

    /** The user presses the power button: the guest is asked to shut down. */
    public void pressPowerButton() {
        lock.lock();
        try {
            pm1Status |= PWRBTN_STS;
            driveSci();
        } finally {
            lock.unlock();
        }
    }

    /** Raises general-purpose event {@code number}, 0..15, as hot-plug parts of a board do. */
    public void raiseEvent(int number) {
        if (number < 0 || number >= GPE0_EVENTS) {
            throw new IllegalArgumentException("GPE " + number + ": accepted is 0 to 15");
        }
        lock.lock();
        try {
            gpe0Status |= 1 << number;
            driveSci();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    /** The timer runs through a reset; its overflows until now are past. */
    @Override
    public State resetState() {
        return new State(0, 0, 0, 0, 0, toggles(clock.now()));
    }

    @Override
    public State save() {
        return new State(pm1Status, pm1Enable, pm1Control, gpe0Status, gpe0Enable, timerToggles);
    }

    @Override
    public void load(State state) {
        pm1Status = state.pm1Status;
        pm1Enable = state.pm1Enable;
        pm1Control = state.pm1Control;
        gpe0Status = state.gpe0Status;
        gpe0Enable = state.gpe0Enable;
        timerToggles = state.timerToggles;
    }

    @Override
    public void settle() {
        noticeTimer();
    }

    @Override
    public long read(long offset, int size) {
        noticeTimer();
        long timer = timer();
        long value = 0;
        for (int i = 0; i < size; i++) {
            value |= (long) readByte((int) offset + i, timer) << (8 * i);
        }
        return value;
    }

    @Override
    public void write(long offset, int size, long value) {
        noticeTimer();
        for (int i = 0; i < size; i++) {
            writeByte((int) offset + i, (int) (value >>> (8 * i)) & 0xFF);
        }
        settle();
    }

    private int readByte(int offset, long timer) {
        int shift = 8 * (offset & 1);
        return switch (offset & ~1) {
            case PM1A_EVT -> pm1Status >> shift & 0xFF;
            case PM1A_EVT + 2 -> pm1Enable >> shift & 0xFF;
            case PM1A_CNT -> (pm1Control | SCI_EN) >> shift & 0xFF;
            case PM_TMR, PM_TMR + 2 -> (int) (timer >> (8 * (offset - PM_TMR))) & 0xFF;
            case GPE0 -> gpe0Status >> shift & 0xFF;
            case GPE0 + 2 -> gpe0Enable >> shift & 0xFF;
            default -> 0;
        };
    }

    /** All registers may be written by the byte: no meaning spans two of them. */
    private void writeByte(int offset, int value) {
        int shift = 8 * (offset & 1);
        int kept = ~(0xFF << shift);
        int bits = value << shift;
        switch (offset & ~1) {
            case PM1A_EVT -> pm1Status &= ~bits;
            case PM1A_EVT + 2 -> pm1Enable = (pm1Enable & kept) | (bits & PM1_EN_BITS);
            case PM1A_CNT -> {
                pm1Control = (pm1Control & kept) | (bits & PM1_CNT_BITS);
                if ((bits & SLP_EN) != 0) {
                    sleep();
                }
            }
            case GPE0 -> gpe0Status &= ~bits;
            case GPE0 + 2 -> gpe0Enable = (gpe0Enable & kept) | bits;
            default -> {}
        }
    }

    /**
     * SLP_EN was written: goes to the state that SLP_TYP names, if it is one that the tables name.
     */
    private void sleep() {
        if ((pm1Control & SLP_TYP) >> SLP_TYP_SHIFT == spec.s5SleepType) {
            machine.powerOff();
        }
    }

    private void alarm() {
        lock.lock();
        try {
            noticeTimer();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Sets TMR_STS if the timer's highest bit has changed, and waits for the next time if asked.
     */
    private void noticeTimer() {
        long toggles = toggles(clock.now());
        if (toggles != timerToggles) {
            timerToggles = toggles;
            pm1Status |= TMR_STS;
        }
        if ((pm1Enable & ~pm1Status & TMR_STS) != 0) {
            alarm.arm(TIMER.nanos((toggles + 1) << toggleShift));
        } else {
            alarm.cancel();
        }
        driveSci();
    }

    private void driveSci() {
        sci.set((pm1Status & pm1Enable) != 0 || (gpe0Status & gpe0Enable) != 0);
    }

    private long timer() {
        long mask = spec.timer32 ? 0xFFFF_FFFFL : 0xFF_FFFFL;
        return TIMER.ticks(clock.now()) & mask;
    }

    /** How often bit 23 or 31 has changed: the timer value without the bits below it. */
    private long toggles(long now) {
        return TIMER.ticks(now) >> toggleShift;
    }
}
