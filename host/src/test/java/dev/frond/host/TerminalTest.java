// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.BufferedReader;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
final class TerminalTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @Test
    void rawModePassesEveryKeyAndKeepsTheOutputSide() throws Exception {
        try (Pty pty = new Pty();
                Terminal _ = Terminal.raw(pty.slave)) {
            assertThat(pty.flags())
                    .containsAllEntriesOf(
                            Map.of(
                                    "icanon", false, "echo", false, "isig", false, "iexten", false,
                                    "icrnl", false, "ixon", false, "opost", true));
            assertThat(pty.settings()).contains("min = 1").contains("time = 0").contains("cs8");
        }
    }

    @Test
    void closingGivesTheTerminalBackExactly() throws Exception {
        try (Pty pty = new Pty()) {
            String before = pty.settings();
            Terminal terminal = Terminal.raw(pty.slave);
            assertThat(pty.settings()).isNotEqualTo(before);
            terminal.close();
            assertThat(pty.settings()).isEqualTo(before);
        }
    }

    @Test
    void closingTwiceDoesNotDisturbALaterUser() throws Exception {
        try (Pty pty = new Pty()) {
            Terminal first = Terminal.raw(pty.slave);
            first.close();
            try (Terminal _ = Terminal.raw(pty.slave)) {
                first.close();
                assertThat(pty.isRaw()).isTrue();
            }
            assertThat(pty.isRaw()).isFalse();
        }
    }

    @Test
    void aTerminalIsRawOnlyOnce() throws Exception {
        try (Pty pty = new Pty();
                Terminal _ = Terminal.raw(pty.slave)) {
            assertThatThrownBy(() -> Terminal.raw(pty.slave).close())
                    .isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aFileIsNoTerminal() throws Exception {
        try (HostMemory memory = HostMemory.shareable("frond-test", 1 << 20)) {
            int fd = memory.fileDescriptor().orElseThrow();
            assertThat(Terminal.isTerminal(fd)).isFalse();
            assertThat(Terminal.windowSize(fd)).isEmpty();
            assertThatThrownBy(() -> Terminal.raw(fd).close())
                    .isInstanceOf(HostException.class)
                    .hasMessage(
                            "tcgetattr of file descriptor "
                                    + fd
                                    + ": ENOTTY (Inappropriate ioctl for device)");
        }
        assertThat(Terminal.isTerminal(-1)).isFalse();
    }

    @Test
    void theWindowSizeFollowsTheWindow() {
        try (Pty pty = new Pty()) {
            assertThat(Terminal.isTerminal(pty.slave)).isTrue();
            assertThat(Terminal.windowSize(pty.slave)).isEmpty();
            pty.resize(43, 132);
            assertThat(Terminal.windowSize(pty.slave)).contains(new Terminal.WindowSize(43, 132));
        }
    }

    @Test
    void everyEndOfTheProcessGivesTheTerminalBack() throws Exception {
        for (String end : List.of("exit", "throw")) {
            try (Pty pty = new Pty()) {
                Process program = start(pty, List.of(), end);
                assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
                assertThat(program.exitValue()).as(end).isEqualTo(end.equals("exit") ? 3 : 1);
                assertThat(pty.isRaw()).as(end).isFalse();
            }
        }
    }

    @Test
    void signalsThatEndTheProcessGiveTheTerminalBack() throws Exception {
        for (String signal : List.of("INT", "TERM", "HUP")) {
            try (Pty pty = new Pty()) {
                Process program = start(pty, DEFAULT_SIGNALS, "wait");
                await(pty::isRaw);
                send(signal, program.pid());
                assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
                assertThat(program.exitValue()).isGreaterThan(128);
                assertThat(pty.isRaw()).as(signal).isFalse();
            }
        }
    }

    @Test
    void anAnsweredSignalDoesNotEndTheProcess() throws Exception {
        try (Pty pty = new Pty()) {
            Process program = start(pty, List.of(), "term");
            try (BufferedReader err = program.errorReader()) {
                assertThat(err.readLine()).isEqualTo("raw");
                assertThat(err.readLine()).isEqualTo("listening");
                send("TERM", program.pid());
                assertThat(err.readLine()).isEqualTo("bye");
            }
            assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
            assertThat(program.exitValue()).isZero();
            assertThat(pty.isRaw()).isFalse();
        }
    }

    @Test
    void aStoppedProcessLendsTheTerminalToTheShellUntilItContinues() throws Exception {
        try (Pty pty = new Pty()) {
            Process program = start(pty, DEFAULT_SIGNALS, "wait");
            await(pty::isRaw);
            send("TSTP", program.pid());
            await(() -> state(program.pid()) == 'T');
            assertThat(pty.isRaw()).isFalse();

            send("CONT", program.pid());
            await(pty::isRaw);
            assertThat(state(program.pid())).isIn('S', 'R');

            send("TERM", program.pid());
            assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
            assertThat(pty.isRaw()).isFalse();
        }
    }

    @Test
    void aProcessThatWasStoppedHardBecomesRawAgainWhenItContinues() throws Exception {
        try (Pty pty = new Pty()) {
            Process program = start(pty, DEFAULT_SIGNALS, "wait");
            await(pty::isRaw);
            send("STOP", program.pid());
            await(() -> state(program.pid()) == 'T');
            // What a shell does with its terminal meanwhile.
            run("stty", "-F", pty.path, "sane");
            assertThat(pty.isRaw()).isFalse();

            send("CONT", program.pid());
            await(pty::isRaw);

            send("TERM", program.pid());
            assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void aControllingTerminalWorksTheSame() throws Exception {
        try (Pty pty = new Pty()) {
            Process program = start(pty, List.of("setsid", "--ctty", "--wait"), "exit");
            assertThat(program.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
            assertThat(program.exitValue()).isEqualTo(3);
            assertThat(pty.isRaw()).isFalse();
        }
    }

    @Test
    void aBackgroundJobLeavesTheTerminalToTheShellAndIsNotStopped() throws Exception {
        try (Pty pty = new Pty()) {
            // A shell with job control holds the terminal while its job runs. It finds the terminal
            // by its error output.
            String background = "exec bash -mc '\"$@\" 2>&3 & wait $!' - \"$@\" 3>&2 2>&0";
            Process shell =
                    start(
                            pty,
                            List.of("setsid", "--ctty", "--wait", "bash", "-c", background, "-"),
                            "wait");
            try (BufferedReader err = shell.errorReader()) {
                assertThat(err.readLine()).isEqualTo("raw");
                assertThat(pty.isRaw()).isFalse();
                ProcessHandle job =
                        shell.descendants()
                                .filter(child -> child.children().findAny().isEmpty())
                                .findFirst()
                                .orElseThrow();
                send("TERM", job.pid());
                assertThat(shell.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
                assertThat(shell.exitValue()).isEqualTo(128 + Signals.Name.TERM.number());
                assertThat(pty.isRaw()).isFalse();
            }
        }
    }

    /** The tests may themselves run where signals are ignored, which children would inherit. */
    private static final List<String> DEFAULT_SIGNALS =
            List.of("env", "--default-signal=HUP,INT,TERM");

    private static Process start(Pty pty, List<String> prefix, String end) throws Exception {
        List<String> command = new ArrayList<>(prefix);
        Collections.addAll(
                command,
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                RawTerminalProgram.class.getName(),
                end);
        return new ProcessBuilder(command).redirectInput(new File(pty.path)).start();
    }

    private static void send(String signal, long pid) throws Exception {
        run("kill", "-" + signal, Long.toString(pid));
    }

    private static void run(String... command) throws Exception {
        assertThat(new ProcessBuilder(command).inheritIO().start().waitFor()).isZero();
    }

    /** The state letter of proc(5), stat: the first character after the name in parentheses. */
    private static char state(long pid) throws Exception {
        String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
        return stat.charAt(stat.lastIndexOf(')') + 2);
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.call()) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            Thread.sleep(20);
        }
    }
}
