// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.backend.CharBackend;

import java.util.function.Consumer;

/** What the command line needs of the virtual machine monitor. */
interface MachineRunner {
    /**
     * Builds the machine and starts it.
     *
     * @param serial the far end of its first serial line
     * @param ended is told once, from any thread, that the machine has ended by itself
     * @throws CliException if it cannot be built; nothing is left running or open
     */
    Running start(RunSpec spec, CharBackend serial, Consumer<Outcome> ended) throws CliException;

    /** A machine that was started; its parts are the caller's to release. */
    interface Running {
        /**
         * Stops the machine if it still runs, makes everything that it wrote durable, and lets go
         * of its disks. Returns when that is done; again it does nothing.
         *
         * @throws CliException if something that the guest wrote could not be made durable
         */
        void stop() throws CliException;

        /** What it has done so far; allowed at any time, also after {@link #stop}. */
        RunStats stats();
    }

    /** How a machine ended by itself. */
    sealed interface Outcome {
        /** The guest switched it off. */
        record PoweredOff() implements Outcome {}

        /** The guest reset it, where that is its end. */
        record Reset() implements Outcome {}

        /** The guest wrote this value to the debug-exit port, 0..2^32-1. */
        record DebugExit(long value) implements Outcome {}

        /** A CPU shut down; {@code where} says which and at what address. */
        record TripleFault(String where) implements Outcome {}

        /** Frond or the host failed; {@code reason} is one line for the user. */
        record Failed(String reason) implements Outcome {}
    }
}
