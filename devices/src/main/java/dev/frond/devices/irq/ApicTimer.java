// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.clock.Clock;

/**
 * The timer of a local APIC (SDM Vol. 3A, 12.5.4), counting at 1 GHz before the divider. Nothing
 * ticks: the current count is computed from the clock, and one host timer is armed for the next
 * interrupt, if the LVT lets it through. Everything here runs under the lock of the APIC.
 */
final class ApicTimer {
    /** Bits 18:17 of the LVT timer register. */
    private enum Mode {
        ONE_SHOT,
        PERIODIC,
        TSC_DEADLINE,
        RESERVED;

        boolean counts() {
            return this == ONE_SHOT || this == PERIODIC;
        }
    }

    /** The bits that the divide configuration register has: 0, 1 and 3. */
    static final int DIVIDE_BITS = 0b1011;

    /**
     * The shortest time in nanoseconds between two interrupts of a periodic timer: below it they
     * coalesce, as they do in the IRR, so that no guest can keep the clock's thread busy.
     */
    private static final long SHORTEST_PERIOD = 50_000;

    private static final Mode[] MODES = Mode.values();

    private final Clock clock;
    private final Clock.Timer alarm;
    private final Runnable interrupt;
    private Mode mode = Mode.ONE_SHOT;
    private boolean masked = true;
    private int initialCount;
    private int divideConfiguration;
    private long count;
    private long since;
    private long deadline;
    private long tscOffset;
    private boolean elsewhere;

    /**
     * @param alarm runs {@link #expireAndArm} under the APIC's lock
     * @param interrupt called when the timer expires and is not masked
     */
    ApicTimer(Clock clock, Clock.Timer alarm, Runnable interrupt) {
        this.clock = clock;
        this.alarm = alarm;
        this.interrupt = interrupt;
    }

    ApicTimerState save() {
        return new ApicTimerState(
                initialCount, divideConfiguration, (int) count, since, deadline, tscOffset);
    }

    /** Takes on {@code state} and the LVT register that goes with it; arms nothing. */
    void load(ApicTimerState state, int lvt) {
        initialCount = state.initialCount();
        divideConfiguration = state.divideConfiguration();
        count = Integer.toUnsignedLong(state.count());
        since = state.since();
        deadline = state.deadline();
        tscOffset = state.tscOffset();
        mode = MODES[lvt >>> 17 & 3];
        masked = (lvt & ApicRegisters.LVT_MASKED) != 0;
    }

    /** Zeroes the registers; the offset belongs to the CPU's TSC and stays. */
    void reset() {
        load(new ApicTimerState(0, 0, 0, 0, 0, tscOffset), ApicRegisters.LVT_MASKED);
        alarm.cancel();
    }

    /** The LVT timer register was written. */
    void lvt(int lvt) {
        expire();
        Mode next = MODES[lvt >>> 17 & 3];
        masked = (lvt & ApicRegisters.LVT_MASKED) != 0;
        if (next != mode) {
            // Between one-shot and periodic the counter goes on; any other change disarms.
            if (!mode.counts() || !next.counts()) {
                initialCount = 0;
                count = 0;
                deadline = 0;
            }
            mode = next;
        }
        arm();
    }

    int initialCount() {
        return initialCount;
    }

    /** Starts the counter, or stops it with 0; has no effect in TSC-deadline mode. */
    void initialCount(int value) {
        if (!mode.counts()) {
            return;
        }
        expire();
        initialCount = value;
        count = Integer.toUnsignedLong(value);
        since = clock.now();
        arm();
    }

    /** The current-count register; 0 in TSC-deadline mode. */
    int currentCount() {
        if (!mode.counts() || count == 0) {
            return 0;
        }
        long ticks = ticks(clock.now());
        if (ticks < count) {
            return (int) (count - ticks);
        }
        if (mode == Mode.ONE_SHOT || initialCount == 0) {
            return 0;
        }
        long period = Integer.toUnsignedLong(initialCount);
        return (int) (period - (ticks - count) % period);
    }

    int divideConfiguration() {
        return divideConfiguration;
    }

    /** Sets the divider; a running counter goes on from where it is, at the new rate. */
    void divideConfiguration(int value) {
        expire();
        long now = clock.now();
        if (count != 0) {
            count -= Math.min(count, ticks(now));
            since = now;
        }
        divideConfiguration = value & DIVIDE_BITS;
        arm();
    }

    long deadline() {
        expire();
        return deadline;
    }

    /** Writes IA32_TSC_DEADLINE; has no effect in the other modes. */
    void deadline(long value) {
        if (mode == Mode.TSC_DEADLINE) {
            expire();
            deadline = value;
            expireAndArm();
        }
    }

    /** The CPU's time-stamp counter reads {@code clock.now() + offset} from now on. */
    void tscOffset(long offset) {
        if (offset != tscOffset) {
            expire();
            tscOffset = offset;
            expireAndArm();
        }
    }

    /** Whether the timer runs somewhere else, and nothing happens here. */
    void elsewhere(boolean is) {
        elsewhere = is;
        if (is) {
            alarm.cancel();
        }
    }

    /** Virtual time. */
    long now() {
        return clock.now();
    }

    /** Lets what is due happen, then arms for what follows; the alarm's action. */
    void expireAndArm() {
        expire();
        arm();
    }

    /** Lets every expiry until now happen; several of a periodic timer are one. */
    private void expire() {
        if (elsewhere) {
            return;
        }
        long now = clock.now();
        boolean due = false;
        if (mode == Mode.TSC_DEADLINE) {
            due = deadline != 0 && Long.compareUnsigned(now + tscOffset, deadline) >= 0;
            if (due) {
                deadline = 0;
            }
        } else if (mode.counts() && count != 0) {
            long ticks = ticks(now);
            due = ticks >= count;
            if (due && mode == Mode.PERIODIC && initialCount != 0) {
                long period = Integer.toUnsignedLong(initialCount);
                since += (ticks - (ticks - count) % period) * divisor();
                count = period;
            } else if (due) {
                count = 0;
            }
        }
        if (due && !masked) {
            interrupt.run();
        }
    }

    private void arm() {
        if (elsewhere) {
            return;
        }
        long now = clock.now();
        long wait = masked ? -1 : untilNext(now);
        if (wait < 0) {
            alarm.cancel();
        } else {
            alarm.arm(now + wait);
        }
    }

    /** Nanoseconds until the next interrupt, or -1 if none is ahead. */
    private long untilNext(long now) {
        if (mode == Mode.TSC_DEADLINE) {
            if (deadline == 0) {
                return -1;
            }
            long tsc = now + tscOffset;
            if (Long.compareUnsigned(tsc, deadline) >= 0) {
                return 0;
            }
            long wait = deadline - tsc;
            // Centuries ahead: never, as far as a clock of 63 bits can tell.
            return wait < 0 || wait > Long.MAX_VALUE - now ? -1 : wait;
        }
        if (!mode.counts() || count == 0) {
            return -1;
        }
        long wait = Math.max(0, since + count * divisor() - now);
        boolean tooFast =
                mode == Mode.PERIODIC
                        && Integer.toUnsignedLong(initialCount) * divisor() < SHORTEST_PERIOD;
        return tooFast ? Math.max(wait, SHORTEST_PERIOD) : wait;
    }

    /** Counter ticks between {@link #since} and {@code now}. */
    private long ticks(long now) {
        return Math.max(0, now - since) / divisor();
    }

    /**
     * 1, 2, 4 to 128 (SDM Vol. 3A, figure 12-10): bits 3, 1, 0 hold the exponent minus 1, mod 8.
     */
    private long divisor() {
        int code = (divideConfiguration & 8) >> 1 | (divideConfiguration & 3);
        return 1L << (code + 1 & 7);
    }
}
