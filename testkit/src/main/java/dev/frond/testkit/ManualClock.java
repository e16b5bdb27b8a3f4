// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.clock.Clock;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Virtual time that moves only when a test steps it. Due timers run on the stepping thread, in the
 * order of their deadlines (equal ones in the order in which the timers were made), each at its own
 * time.
 */
public final class ManualClock implements Clock {
    /** More runs of one timer within a single nanosecond than any device may need. */
    private static final int STORM = 10_000;

    private final Instant wallAtZero;
    private final List<ManualTimer> timers = new ArrayList<>();
    private long now;
    private int calls;

    /** A clock at 0 ns on 2026-01-01. */
    public ManualClock() {
        this(0, Instant.parse("2026-01-01T00:00:00Z"));
    }

    /** A clock at {@code now} ns of a machine whose day began at {@code wallAtZero}. */
    public ManualClock(long now, Instant wallAtZero) {
        this.now = now;
        this.wallAtZero = wallAtZero;
    }

    @Override
    public long now() {
        return now;
    }

    @Override
    public Instant wallTime() {
        return wallAtZero.plusNanos(now);
    }

    @Override
    public Timer timer(Runnable action) {
        ManualTimer timer = new ManualTimer(action);
        timers.add(timer);
        return timer;
    }

    /** Steps by {@code nanos}, 0 or more, and runs what falls due. */
    public void advance(long nanos) {
        advanceTo(now + nanos);
    }

    /**
     * Steps to {@code time} and runs what falls due until then; a timer due in the past runs now.
     */
    public void advanceTo(long time) {
        if (time < now) {
            throw new IllegalArgumentException(
                    "time cannot go back from " + now + " to " + time + " ns");
        }
        long instant = now;
        int runs = 0;
        while (true) {
            Optional<ManualTimer> next = next().filter(t -> t.deadline <= time);
            if (next.isEmpty()) {
                now = time;
                return;
            }
            ManualTimer timer = next.get();
            now = Math.max(now, timer.deadline);
            runs = now == instant ? runs + 1 : 0;
            instant = now;
            if (runs > STORM) {
                throw new AssertionError(
                        "a timer is armed again and again for "
                                + timer.deadline
                                + " ns at "
                                + now
                                + " ns");
            }
            timer.armed = false;
            timer.action.run();
        }
    }

    /** The earliest deadline of an armed timer. */
    public OptionalLong nextDeadline() {
        return next().map(t -> OptionalLong.of(t.deadline)).orElse(OptionalLong.empty());
    }

    /** How often any timer was armed or cancelled so far. */
    public int calls() {
        return calls;
    }

    private Optional<ManualTimer> next() {
        Optional<ManualTimer> first = Optional.empty();
        for (ManualTimer timer : timers) {
            if (timer.armed && (first.isEmpty() || timer.deadline < first.get().deadline)) {
                first = Optional.of(timer);
            }
        }
        return first;
    }

    private final class ManualTimer implements Timer {
        final Runnable action;
        boolean armed;
        long deadline;

        ManualTimer(Runnable action) {
            this.action = action;
        }

        @Override
        public void arm(long time) {
            calls++;
            armed = true;
            deadline = time;
        }

        @Override
        public void cancel() {
            calls++;
            armed = false;
        }
    }
}
