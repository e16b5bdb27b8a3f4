// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import picocli.CommandLine;

import java.io.PrintWriter;
import java.io.StringWriter;

class MainTest {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final CommandLine commandLine =
            Main.commandLine(NO_MACHINES, GuestCatalog::ofUser).setOut(new PrintWriter(out)).setErr(new PrintWriter(err));

    @Test
    void versionPrintsTheVersionsOfFrondAndOfJava() {
        assertThat(commandLine.execute("version")).isZero();
        assertThat(out.toString().lines().toList())
                .satisfiesExactly(
                        frond -> assertThat(frond).matches("frond \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?"),
                        java -> assertThat(java).startsWith("java " + Runtime.version()));
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void helpListsTheCommands() {
        assertThat(commandLine.execute("help")).isZero();
        assertThat(out.toString()).contains("Usage: frond COMMAND", "version", "help");
    }

    @Test
    void anUnknownCommandIsNamedOnStandardErrorWithStatus2() {
        assertThat(commandLine.execute("rnu")).isEqualTo(2);
        assertThat(err.toString()).contains("'rnu'");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void noCommandSaysWhereTheCommandsAreListedWithStatus2() {
        assertThat(commandLine.execute()).isEqualTo(2);
        assertThat(err.toString()).contains("frond help");
    }
}
