// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.guest.GuestCatalog;

import java.io.PrintWriter;
import java.io.StringWriter;

/**
 * Executes commands of {@code frond} in this process, with a runner of the test, and keeps what
 * they print.
 */
final class CommandRun {
    private final MachineRunner runner;
    private StringWriter out = new StringWriter();
    private StringWriter err = new StringWriter();

    /** Without machines: a test that starts one fails. */
    CommandRun() {
        this((spec, serial, ended) -> {
            throw new AssertionError("started " + spec);
        });
    }

    CommandRun(MachineRunner runner) {
        this.runner = runner;
    }

    int execute(String... args) {
        out = new StringWriter();
        err = new StringWriter();
        return Main.commandLine(runner, GuestCatalog::ofUser)
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(args);
    }

    String out() {
        return out.toString();
    }

    String err() {
        return err.toString();
    }
}
