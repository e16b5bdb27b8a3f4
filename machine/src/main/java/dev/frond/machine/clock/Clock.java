// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

import java.time.Instant;

/**
 * Virtual time of one machine, in nanoseconds since its power-on. Stands still while the machine is
 * paused. The only time that a device may know.
 */
public interface Clock {
    /** Nanoseconds since power-on; never goes back. */
    long now();

    /** The time of day that the guest should believe in, moving with {@link #now}. */
    Instant wallTime();

    /**
     * A timer that runs {@code action} once each time it is armed and its deadline has passed, on a
     * thread of the clock, with no device lock held.
     */
    Timer timer(Runnable action);

    /** A one-shot alarm that can be armed again. */
    interface Timer {
        /** Arms for {@code deadline} in virtual nanoseconds, replacing an earlier deadline. */
        void arm(long deadline);

        /** Disarms; an action that already started may still run. */
        void cancel();
    }
}
