// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

/** Why {@link Vcpu#run} returned. */
public sealed interface VcpuExit {
    /** {@link Vcpu#kick} was called. */
    record Kicked() implements VcpuExit {}

    /** A triple fault: the CPU is in the shutdown state and the board decides what follows. */
    record Shutdown() implements VcpuExit {}

    /**
     * The guest reached a breakpoint or finished a step of the debugger at linear address {@code
     * rip}.
     */
    record Debug(long rip) implements VcpuExit {}

    /**
     * The engine cannot go on; {@code reason} says why to a person. The state can still be saved.
     */
    record Fault(String reason) implements VcpuExit {}

    Kicked KICKED = new Kicked();
    Shutdown SHUTDOWN = new Shutdown();
}
