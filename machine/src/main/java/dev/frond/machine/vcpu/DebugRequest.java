// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import java.util.List;

/**
 * When a CPU is to stop for a debugger that the guest knows nothing of.
 *
 * @param singleStep after each instruction
 * @param breakpoints at each INT3 (opcode CCh), which then is the debugger's and not the guest's
 * @param watchpoints up to {@value #MOST_WATCHPOINTS}; the guest's own in DR0 to DR3 rest meanwhile
 */
public record DebugRequest(boolean singleStep, boolean breakpoints, List<Watchpoint> watchpoints) {
    /** As many as the processor has debug-address registers (SDM Vol. 3B, 18.2.1). */
    public static final int MOST_WATCHPOINTS = 4;

    /** Nothing: the CPU runs as if there were no debugger. */
    public static final DebugRequest NONE = new DebugRequest(false, false, List.of());

    /** What an instruction does at the place. */
    public enum Access {
        /** Is executed: before it is. */
        EXECUTE,
        /** Writes: after it did. */
        WRITE,
        /** Reads or writes: after it did. */
        READ_WRITE
    }

    /**
     * A place that is watched.
     *
     * @param address linear, a multiple of {@code length}
     * @param length bytes: 1, 2, 4 or 8; 1 for {@link Access#EXECUTE}
     */
    public record Watchpoint(long address, int length, Access access) {
        public Watchpoint {
            boolean valid = access == Access.EXECUTE ? length == 1 : length <= 8;
            if (length < 1 || Integer.bitCount(length) != 1 || !valid) {
                throw new IllegalArgumentException(
                        "watchpoint of "
                                + length
                                + " bytes: accepted are 1, 2, 4 and 8, for instructions 1");
            }
            if ((address & length - 1) != 0) {
                throw new IllegalArgumentException(
                        "watchpoint of %d bytes at 0x%x: accepted are multiples of its length"
                                .formatted(length, address));
            }
        }
    }

    public DebugRequest {
        watchpoints = List.copyOf(watchpoints);
        if (watchpoints.size() > MOST_WATCHPOINTS) {
            throw new IllegalArgumentException(
                    watchpoints.size() + " watchpoints: accepted are up to " + MOST_WATCHPOINTS);
        }
    }
}
