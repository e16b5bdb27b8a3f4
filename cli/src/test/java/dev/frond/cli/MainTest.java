// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MainTest {
    private final CommandRun frond = new CommandRun();

    @Test
    void versionPrintsTheVersionsOfFrondAndOfJava() {
        assertThat(frond.execute("version")).isZero();
        assertThat(frond.out().lines().toList())
                .satisfiesExactly(
                        frond -> assertThat(frond).matches("frond \\d+\\.\\d+\\.\\d+(-SNAPSHOT)?"),
                        java -> assertThat(java).startsWith("java " + Runtime.version()));
        assertThat(frond.err()).isEmpty();
    }

    @Test
    void helpFitsOneScreenAndShowsExamplesAndCommands() {
        assertThat(frond.execute("help")).isZero();
        assertThat(frond.out())
                .contains("frond run  ", "--memory 2G", "--disk", "guest list", "Ctrl-A x")
                .contains("  run  ", "  guest  ", "  version  ", "  help  ");
        assertThat(frond.out().lines())
                .hasSizeLessThan(24)
                .allSatisfy(line -> assertThat(line).hasSizeLessThan(81));
        String byCommand = frond.out();
        assertThat(frond.execute("--help")).isZero();
        assertThat(frond.out()).isEqualTo(byCommand);
    }

    @Test
    void helpOfRunNamesEveryOptionAndEveryStatus() {
        assertThat(frond.execute("help", "run")).isZero();
        assertThat(frond.out())
                .contains(
                        "--kernel",
                        "--initrd",
                        "--append",
                        "--memory",
                        "--cpus",
                        "--cpu=",
                        "--engine",
                        "--disk")
                .contains(
                        "--serial",
                        "--board",
                        "--debug-exit",
                        "--no-reboot",
                        "--timeout",
                        "--stats");
        for (ExitStatus status : ExitStatus.values()) {
            assertThat(frond.out()).containsPattern("(?m)^ +" + status.number() + " ");
        }
    }

    @Test
    void everyCommandHasHelp() {
        for (String command : new String[] {"run", "guest", "engines", "version"}) {
            assertThat(frond.execute(command, "--help")).isZero();
            assertThat(frond.out()).startsWith("Usage: frond " + command);
        }
    }

    @Test
    void enginesAreListedWithWhatKeepsThemFromRunningHere() {
        assertThat(frond.execute("engines")).isZero();
        assertThat(frond.out().lines().filter(line -> !line.startsWith(" ")))
                .extracting(line -> line.split(" ", 2)[0])
                .containsExactly("interpreter", "translator", "kvm", "auto");
        assertThat(frond.out().lines().filter(line -> line.startsWith(" ")))
                .allMatch(line ->
                        line.matches(
                                "    (here|here, with limits: .+|not here: .+"
                                        + "|(kvm|translator|interpreter): .+)"))
                .hasSize(4);
    }

    @Test
    void noCommandShowsTheHelpAsForAMistake() {
        assertThat(frond.execute()).isEqualTo(64);
        assertThat(frond.out()).isEmpty();
        assertThat(frond.err()).contains("frond run", "Commands");
    }

    @Test
    void anUnknownCommandIsNamedInOneLine() {
        assertThat(frond.execute("rnu")).isEqualTo(64);
        assertThat(frond.err()).matches("frond: .*'rnu'.*\n");
    }

    @Test
    void anUnknownOptionIsNamedInOneLine() {
        assertThat(frond.execute("run", "--memry", "1G")).isEqualTo(64);
        assertThat(frond.err()).matches("frond: .*'--memry'.*\n");
        assertThat(frond.execute("version", "--loud")).isEqualTo(64);
        assertThat(frond.err()).matches("frond: .*'--loud'.*\n");
    }

    @Test
    void anArgumentThatBeginsWithAtIsNoFileOfArguments() {
        assertThat(frond.execute("run", "@/etc/passwd")).isEqualTo(64);
        assertThat(frond.err()).contains("'@/etc/passwd'");
    }

    @Test
    void aMistakeOfFrondItselfIsOneLineWithoutATrace() {
        CommandRun broken =
                new CommandRun((spec, serial, ended) -> {
                    throw new IllegalStateException("a bug\nwith two lines");
                });
        assertThat(broken.execute("run", "--serial=none", "--kernel", "/bin/sh")).isEqualTo(70);
        assertThat(broken.err())
                .matches(
                        "frond: internal error: .*IllegalStateException: a bug with two lines at"
                                + " .*MainTest.*\n");
    }
}
