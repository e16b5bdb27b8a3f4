// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

/**
 * The exit statuses of {@code frond}. A debug-exit write of v ends it with {@code (v << 1) | 1},
 * reduced to 8 bits by the operating system: an odd number. So all other failures are even, as far
 * as custom leaves a choice: the statuses of signals are 128 and the signal's number, as in a
 * shell; 129, 141 and 143 are therefore also those of the debug-exit values 64, 70 and 71.
 */
enum ExitStatus {
    /**
     * The command did its work; of {@code run}: the guest powered off, or was left with Ctrl-A x.
     */
    SUCCESS(0, "success; the guest powered off, or Ctrl-A x was pressed"),
    /** The command line was not understood, or a value in it is not accepted. */
    USAGE(64, "bad command line: the message names the option, the value and what is accepted"),
    /** A file of the user is missing, not readable, or not what it should be. */
    NO_INPUT(66, "a file is missing, not readable, or not what it should be"),
    /** A named guest cannot be had. */
    NO_GUEST(68, "a named guest cannot be obtained"),
    /**
     * Frond failed: the engine, the host's memory, a device's file; or {@code ./frond} could not
     * build it.
     */
    FAILURE(70, "Frond itself failed, or could not be built"),
    /** The guest's processor shut down. */
    TRIPLE_FAULT(72, "the guest's CPU shut down (triple fault)"),
    /** {@code --timeout} has passed; the number is that of timeout(1). */
    TIMEOUT(124, "the time of --timeout has passed"),
    /** The terminal was closed. */
    HANGUP(129, "ended by SIGHUP"),
    /** Interrupted from outside of the guest. */
    INTERRUPTED(130, "ended by SIGINT"),
    /**
     * Nobody reads standard output any longer; the number is that of a program that SIGPIPE ends.
     */
    BROKEN_PIPE(141, "standard output was closed"),
    /** Asked to end. */
    TERMINATED(143, "ended by SIGTERM");

    private final int number;
    private final String meaning;

    ExitStatus(int number, String meaning) {
        this.number = number;
        this.meaning = meaning;
    }

    /** The status, 0 to 255. */
    int number() {
        return number;
    }

    /** One line for the help. */
    String meaning() {
        return meaning;
    }

    /** The status of a guest that wrote this value to the debug-exit port. */
    static int ofDebugExit(long value) {
        return (int) ((value << 1 | 1) & 0xFF);
    }
}
