// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * The whole command in a process of its own, on real pipes and on a real terminal, which script(1)
 * provides.
 */
class ConsoleProcessTest {
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    @TempDir Path directory;
    private final List<Process> processes = new ArrayList<>();
    private Path kernel = Path.of("");

    @BeforeEach
    void aKernel() throws IOException {
        kernel = Files.writeString(directory.resolve("kernel"), "no Linux");
    }

    @AfterEach
    void nothingIsLeft() {
        for (Process process : processes) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }

    @Test
    void aPipeCarriesInputAndOutputAndItsEndIsNoEnd() throws Exception {
        Dialog frond = pipe();
        frond.type("hello\n");
        frond.expect("got <hello>");
        frond.process.getOutputStream().close();
        assertThat(frond.process.waitFor(200, TimeUnit.MILLISECONDS)).as("ended").isFalse();
        kill("TERM", frond.process.pid());
        frond.assertStatus(143);
    }

    @Test
    void aPowerOffThroughAPipeEndsWithZero() throws Exception {
        Dialog frond = pipe();
        frond.type("poweroff\n");
        frond.assertStatus(0);
        assertThat(frond.errors()).isEmpty();
    }

    @Test
    void signalsStopTheMachineInOrder() throws Exception {
        for (String signal : List.of("INT", "TERM", "HUP")) {
            Dialog frond = pipe();
            frond.expect("ready");
            kill(signal, frond.process.pid());
            frond.assertStatus(
                    switch (signal) {
                        case "INT" -> 130;
                        case "TERM" -> 143;
                        default -> 129;
                    });
            assertThat(frond.errors()).isEqualTo("frond: stopped by SIG" + signal + "\n");
        }
    }

    @Test
    void aSignalReachesAMachineThatWaitsForAReader() throws Exception {
        Dialog frond = pipe("--append=flood");
        // Nobody reads: the pipe and the buffer are full soon, and the guest's CPU waits.
        Thread.sleep(500);
        kill("TERM", frond.process.pid());
        frond.assertStatus(143);
    }

    @Test
    void aReaderThatGoesAwayEndsTheRun() throws Exception {
        Dialog frond = pipe("--append=flood");
        frond.expect("ready");
        frond.process.getInputStream().close();
        frond.assertStatus(141);
    }

    @Test
    void aSecondSignalDoesNotWait() throws Exception {
        Dialog frond = start(List.of("stuck", "run", "--kernel=" + kernel));
        frond.expect("ready");
        kill("TERM", frond.process.pid());
        assertThat(frond.process.waitFor(300, TimeUnit.MILLISECONDS)).as("ended").isFalse();
        kill("INT", frond.process.pid());
        frond.assertStatus(130);
    }

    @Test
    void ctrlAXQuitsAndTheTerminalIsAsItWas() throws Exception {
        Screen screen = new Screen();
        screen.dialog.expect("Ctrl-A x: quit");
        screen.dialog.expect("ready");
        assertThat(screen.isRaw()).isTrue();
        screen.dialog.type("\001x");
        screen.assertRestored(0);
    }

    @Test
    void everyKeyReachesTheGuestCtrlCToo() throws Exception {
        Screen screen = new Screen();
        screen.dialog.expect("ready");
        screen.dialog.type("a\003b\032c\004d\034\r");
        screen.dialog.expect("got <a^Cb^Zc^Dd^\\>");
        screen.dialog.type("\001\001\r");
        screen.dialog.expect("got <^A>");
        screen.dialog.type("poweroff\r");
        screen.assertRestored(0);
    }

    @Test
    void ctrlAHAndSAnswerWhileTheGuestRuns() throws Exception {
        Screen screen = new Screen();
        screen.dialog.expect("ready");
        screen.dialog.type("\001h");
        screen.dialog.expect("Ctrl-A Ctrl-A");
        screen.dialog.type("\001s");
        screen.dialog.expect("instructions  3,000,000");
        screen.dialog.type("still here\r");
        screen.dialog.expect("got <still here>");
        screen.dialog.type("\001x");
        screen.assertRestored(0);
    }

    @Test
    void ctrlAXWorksWhileTheGuestTakesNoInput() throws Exception {
        Screen screen = new Screen("--append=flood");
        screen.dialog.expect("ready");
        screen.dialog.type("x".repeat(3000) + "\001x");
        screen.assertRestored(0);
    }

    @Test
    void everyOtherEndGivesTheTerminalBackToo() throws Exception {
        for (String end : List.of("poweroff 0", "crash 72", "fail 70", "debug 0x10 33")) {
            int blank = end.lastIndexOf(' ');
            Screen screen = new Screen("--append=" + end.substring(0, blank));
            screen.assertRestored(Integer.parseInt(end.substring(blank + 1)));
        }
        new Screen("--timeout=100ms").assertRestored(124);
    }

    @Test
    void signalsGiveTheTerminalBack() throws Exception {
        for (String signal : List.of("INT", "TERM")) {
            Screen screen = new Screen();
            screen.dialog.expect("ready");
            assertThat(screen.isRaw()).isTrue();
            kill(signal, screen.frond());
            screen.assertRestored(signal.equals("INT") ? 130 : 143);
        }
    }

    @Test
    void aStoppedRunLendsTheTerminalToTheShell() throws Exception {
        Screen screen = new Screen();
        screen.dialog.expect("ready");
        await(screen::isRaw);
        kill("TSTP", screen.frond());
        await(() -> !screen.isRaw());
        kill("CONT", screen.frond());
        await(screen::isRaw);
        screen.dialog.type("back\r");
        screen.dialog.expect("got <back>");
        screen.dialog.type("\001x");
        screen.assertRestored(0);
    }

    private Dialog pipe(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("run", "--kernel=" + kernel));
        command.addAll(List.of(arguments));
        return start(command);
    }

    private Dialog start(List<String> arguments) throws IOException {
        List<String> command = java();
        command.addAll(arguments);
        Process process =
                new ProcessBuilder(command)
                        .redirectError(directory.resolve("err").toFile())
                        .start();
        processes.add(process);
        return new Dialog(process);
    }

    private static List<String> java() {
        return new ArrayList<>(
                List.of(
                        // Whoever runs the tests in the background has INT ignored.
                        "env",
                        "--default-signal",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ConsoleProgram.class.getName()));
    }

    /** A process that one talks to. */
    private final class Dialog {
        final Process process;
        private final StringBuilder output = new StringBuilder();

        Dialog(Process process) {
            this.process = process;
        }

        void type(String text) throws IOException {
            OutputStream keyboard = process.getOutputStream();
            keyboard.write(text.getBytes(StandardCharsets.ISO_8859_1));
            keyboard.flush();
        }

        /** Waits for this text in the output after what was waited for before. */
        void expect(String text) throws Exception {
            InputStream in = process.getInputStream();
            byte[] chunk = new byte[4096];
            await(() -> {
                while (in.available() > 0) {
                    int n = in.read(chunk, 0, Math.min(chunk.length, in.available()));
                    output.append(new String(chunk, 0, n, StandardCharsets.ISO_8859_1));
                }
                int at = output.indexOf(text);
                if (at < 0) {
                    return false;
                }
                output.delete(0, at + text.length());
                return true;
            });
        }

        void assertStatus(int status) throws Exception {
            assertThat(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                    .as("ended")
                    .isTrue();
            assertThat(process.exitValue()).isEqualTo(status);
        }

        String errors() throws IOException {
            return Files.readString(directory.resolve("err"));
        }
    }

    /** A shell in a terminal, in which frond runs. */
    private final class Screen {
        final Dialog dialog;
        private final Path files;

        Screen(String... arguments) throws Exception {
            assumeThat(Files.isExecutable(Path.of("/usr/bin/script"))).as("script(1)").isTrue();
            files = Files.createTempDirectory(directory, "screen");
            List<String> command = java();
            command.addAll(List.of("run", "--kernel=" + kernel));
            command.addAll(List.of(arguments));
            Path shell =
                    Files.writeString(
                            files.resolve("shell"),
                            """
                            cd %s
                            tty >tty
                            stty -a >before
                            sh -c 'echo $$ >pid; exec "$@"' sh %s
                            echo $? >status
                            stty -a >after
                            """
                                    .formatted(
                                            files,
                                            command.stream()
                                                    .map(each -> "'" + each + "'")
                                                    .collect(Collectors.joining(" "))));
            Process process =
                    new ProcessBuilder("/usr/bin/script", "-qec", "sh " + shell, "/dev/null")
                            .redirectErrorStream(true)
                            .start();
            processes.add(process);
            dialog = new Dialog(process);
        }

        long frond() throws IOException {
            return Long.parseLong(Files.readString(files.resolve("pid")).strip());
        }

        boolean isRaw() throws Exception {
            Process stty =
                    new ProcessBuilder(
                                    "stty",
                                    "-a",
                                    "-F",
                                    Files.readString(files.resolve("tty")).strip())
                            .redirectErrorStream(true)
                            .start();
            String settings =
                    new String(stty.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(stty.waitFor()).as(settings).isZero();
            return settings.contains("-icanon");
        }

        void assertRestored(int status) throws Exception {
            InputStream in = dialog.process.getInputStream();
            await(() -> {
                // script waits for a reader.
                in.skipNBytes(in.available());
                return !dialog.process.isAlive();
            });
            assertThat(files.resolve("status")).hasContent(Integer.toString(status));
            assertThat(files.resolve("before")).content().contains(" icanon");
            assertThat(files.resolve("after")).hasSameTextualContentAs(files.resolve("before"));
        }
    }

    private static void kill(String signal, long pid) throws Exception {
        Process kill =
                new ProcessBuilder("kill", "-" + signal, Long.toString(pid)).inheritIO().start();
        assertThat(kill.waitFor()).isZero();
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(Condition condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            Thread.sleep(10);
        }
    }
}
