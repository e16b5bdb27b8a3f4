// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

/** How a machine came to its end. */
public sealed interface MachineEnd {
    /** The guest powered it off. */
    record PoweredOff() implements MachineEnd {}

    /** The guest asked for a reset and the machine was told to end then. */
    record Reset() implements MachineEnd {}

    /** The guest wrote {@code value} to the debug-exit port. */
    record DebugExit(long value) implements MachineEnd {}

    /**
     * CPU number {@code cpu} had a triple fault at {@code rip}, and the machine was told to end
     * then.
     */
    record TripleFault(int cpu, long rip) implements MachineEnd {}

    /** The engine or the host could not go on; {@code reason} is for a person. */
    record Failed(String reason) implements MachineEnd {}

    /** It was stopped from outside. */
    record Stopped() implements MachineEnd {}
}
