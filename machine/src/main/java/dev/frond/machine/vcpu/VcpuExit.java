// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

/** Why {@link Vcpu#run} returned. */
public sealed interface VcpuExit {
    /** {@link Vcpu#kick} was called. */
    record Kicked() implements VcpuExit {}

    /** A triple fault: the CPU is in the shutdown state and the board decides what follows. */
    record Shutdown() implements VcpuExit {}

    /** Why a CPU stopped for a debugger. */
    enum DebugCause {
        /** An instruction of a single step was executed. */
        STEP,
        /** An INT3 is next; it was not executed. */
        BREAKPOINT,
        /** A place that is watched was reached. */
        WATCHPOINT
    }

    /**
     * The CPU stopped as a {@link DebugRequest} asked for, with the instruction at linear address
     * {@code rip} next.
     */
    record Debug(long rip, DebugCause cause) implements VcpuExit {}

    /**
     * The engine cannot go on; {@code reason} says why to a person. The state can still be saved.
     */
    record Fault(String reason) implements VcpuExit {}

    Kicked KICKED = new Kicked();
    Shutdown SHUTDOWN = new Shutdown();
}
