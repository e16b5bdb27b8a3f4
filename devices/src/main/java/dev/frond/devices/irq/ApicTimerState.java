// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

/**
 * The timer's part of {@link LocalApicState}. The counter held {@code count} at virtual time {@code
 * since}, 0 meaning that it stands.
 *
 * @param initialCount the initial-count register, unsigned
 * @param divideConfiguration the divide configuration register: bits 0, 1 and 3
 * @param deadline IA32_TSC_DEADLINE, 0 when disarmed
 * @param tscOffset what the CPU's time-stamp counter is ahead of virtual time
 */
public record ApicTimerState(
        int initialCount,
        int divideConfiguration,
        int count,
        long since,
        long deadline,
        long tscOffset) {
    /** The latest start of a timer, 146 years after power-on: deadlines do not overflow. */
    private static final long LATEST = 1L << 62;

    public ApicTimerState {
        if ((divideConfiguration & ~ApicTimer.DIVIDE_BITS) != 0) {
            throw new IllegalArgumentException(
                    "local APIC state: divide configuration 0x%x has reserved bits"
                            .formatted(divideConfiguration));
        }
        if (since < 0 || since > LATEST) {
            throw new IllegalArgumentException(
                    "local APIC state: the timer was started at %d ns: accepted is 0 to %d"
                            .formatted(since, LATEST));
        }
    }
}
