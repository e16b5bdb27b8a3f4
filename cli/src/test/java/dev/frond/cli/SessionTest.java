// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

class SessionTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final FakeMachine machine = new FakeMachine();

    @Test
    void aPowerOffEndsWithZeroAndTheWholeOutput() throws Exception {
        assertThat(run("long")).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .startsWith("ready\r\nline 0\n")
                .endsWith("line 99999\n");
        assertThat(machine.events).containsExactly("start", "stop", "flushed");
        assertThat(errors()).isEmpty();
    }

    @Test
    void aResetThatIsTheEndEndsWithZero() throws Exception {
        assertThat(run("reset")).isZero();
        assertThat(errors()).isEmpty();
    }

    @Test
    void aDebugExitEndsWithItsValue() throws Exception {
        assertThat(run("debug 0x21")).isEqualTo(0x43);
        assertThat(errors()).isEmpty();
    }

    @Test
    void aTripleFaultEndsWithItsStatusAndALine() throws Exception {
        assertThat(run("crash")).isEqualTo(72);
        assertThat(errors())
                .isEqualTo("frond: the guest crashed: triple fault, CPU 0 at 0xffff800000001234\n");
    }

    @Test
    void aFailureOfTheHostEndsWithItsStatusAndALine() throws Exception {
        assertThat(run("fail")).isEqualTo(70);
        assertThat(errors()).isEqualTo("frond: the host is out of memory\n");
    }

    @Test
    void theTimeoutEndsAGuestThatDoesNot() throws Exception {
        assertThat(
                        run(
                                "",
                                InputStream.nullInputStream(),
                                out,
                                Optional.of(Duration.ofMillis(50)),
                                false))
                .isEqualTo(124);
        assertThat(machine.events).containsExactly("start", "stop", "flushed");
        assertThat(errors()).isEqualTo("frond: stopped after 50 ms (--timeout)\n");
    }

    @Test
    void theTimeoutEndsAGuestWhoseOutputNobodyReads() throws Exception {
        PipedInputStream nobody = new PipedInputStream();
        assertThat(
                        run(
                                "flood",
                                InputStream.nullInputStream(),
                                new PipedOutputStream(nobody),
                                Optional.of(Duration.ofMillis(200)),
                                false))
                .isEqualTo(124);
        assertThat(machine.events).containsExactly("start", "stop", "flushed");
    }

    @Test
    void anOutputThatBreaksEndsTheMachine() throws Exception {
        OutputStream broken =
                new OutputStream() {
                    @Override
                    public void write(int b) throws IOException {
                        throw new IOException("Broken pipe");
                    }
                };
        assertThat(run("flood", InputStream.nullInputStream(), broken, Optional.empty(), false))
                .isEqualTo(141);
        assertThat(machine.events).containsExactly("start", "stop", "flushed");
        assertThat(errors()).isEmpty();
    }

    @Test
    void theEndOfTheInputDoesNotEndTheMachine() throws Exception {
        PipedOutputStream keyboard = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(keyboard);
        keyboard.write("one\ntwo\npoweroff\n".getBytes(StandardCharsets.UTF_8));
        keyboard.close();
        assertThat(run("", in, out, Optional.empty(), false)).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo("ready\r\ngot <one>\r\ngot <two>\r\n");
    }

    @Test
    void withoutATerminalCtrlAIsAByteLikeOthers() throws Exception {
        PipedOutputStream keyboard = new PipedOutputStream();
        PipedInputStream in = new PipedInputStream(keyboard);
        keyboard.write("\001x\npoweroff\n".getBytes(StandardCharsets.UTF_8));
        assertThat(run("", in, out, Optional.empty(), false)).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8)).contains("got <^Ax>");
    }

    @Test
    void statsAreShownAtTheEnd() throws Exception {
        assertThat(run("poweroff", InputStream.nullInputStream(), out, Optional.empty(), true))
                .isZero();
        assertThat(errors())
                .isEqualTo(
                        """
                        engine        fake
                        instructions  3,000,000
                        MIPS          3.0
                        time          1.5 s, CPUs busy 1.0 s
                        exits         9
                          io                        7
                          halt                      2
                        """);
    }

    @Test
    void aMachineThatCannotBeBuiltGivesTheConsoleBack() {
        boolean[] closed = new boolean[1];
        Console console =
                new Console() {
                    @Override
                    public void send(int value) {}

                    @Override
                    public void connect(Receiver receiver) {}

                    @Override
                    public void ready() {}

                    @Override
                    public void release() {}

                    @Override
                    public void close(Duration patience) {
                        closed[0] = true;
                    }
                };
        MachineRunner refusing =
                (spec, serial, ended) -> {
                    throw new CliException(ExitStatus.NO_INPUT, "--kernel: x: not a kernel");
                };
        assertThatExceptionOfType(CliException.class)
                .isThrownBy(() ->
                        new Session(refusing, new PrintStream(err))
                                .run(spec(""), _ -> console, Optional.empty(), false))
                .withMessage("--kernel: x: not a kernel");
        assertThat(closed[0]).isTrue();
    }

    private int run(String commandLine) throws CliException {
        return run(commandLine, InputStream.nullInputStream(), out, Optional.empty(), false);
    }

    private int run(
            String commandLine,
            InputStream in,
            OutputStream out,
            Optional<Duration> timeout,
            boolean stats)
            throws CliException {
        return new Session(machine, new PrintStream(err, true, StandardCharsets.UTF_8))
                .run(
                        spec(commandLine),
                        session ->
                                new StdioConsole(
                                        in,
                                        out,
                                        Optional.empty(),
                                        session::command,
                                        session::outputFailed),
                        timeout,
                        stats);
    }

    private static RunSpec spec(String commandLine) {
        return new RunSpec(
                Path.of("kernel"),
                Optional.empty(),
                commandLine,
                1 << 22,
                1,
                CpuModel.X86_64_V2,
                RunSpec.Engine.AUTO,
                RunSpec.IrqChip.AUTO,
                RunSpec.Board.MICROVM,
                List.of(),
                false,
                true,
                false);
    }

    private String errors() {
        return err.toString(StandardCharsets.UTF_8);
    }
}
