// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

/**
 * A rate of {@code hertz} ticks a second, 1 to 4,000,000,000, counted from virtual time 0. Exact
 * integer arithmetic: {@code ticks(nanos(n)) == n}, and nothing drifts however long a machine runs.
 */
public record Frequency(long hertz) {
    /** Nanoseconds in a second. */
    public static final long SECOND = 1_000_000_000L;

    public Frequency {
        if (hertz < 1 || hertz > 4 * SECOND) {
            throw new IllegalArgumentException(
                    "frequency of " + hertz + " Hz: accepted are 1 to 4000000000");
        }
    }

    /** How many ticks have happened at virtual time {@code nanos}. */
    public long ticks(long nanos) {
        return Math.floorDiv(nanos, SECOND) * hertz + Math.floorMod(nanos, SECOND) * hertz / SECOND;
    }

    /**
     * The first nanosecond at which {@link #ticks} is {@code ticks} or more; the end of time for
     * one that lies beyond it.
     */
    public long nanos(long ticks) {
        long seconds = Math.floorDiv(ticks, hertz);
        if (seconds >= Long.MAX_VALUE / SECOND) {
            return Long.MAX_VALUE;
        }
        return seconds * SECOND + Math.ceilDiv(Math.floorMod(ticks, hertz) * SECOND, hertz);
    }
}
