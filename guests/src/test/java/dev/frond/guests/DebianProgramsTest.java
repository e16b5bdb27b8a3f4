// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.translate.Translator;
import dev.frond.machine.MachineEnd;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;
import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestProgress;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

import javax.tools.ToolProvider;

/**
 * Unmodified programs of Debian, in a guest whose first program is a shell. The quick ones run
 * always; {@code tools/programs-in-guest} runs all of them and shows a table.
 */
@NullMarked
class DebianProgramsTest {
    private static final Duration BOOT = Duration.ofMinutes(5);
    private static final Duration COMMAND = Duration.ofMinutes(60);
    private static final String PROMPT = "frond# ";

    @TempDir private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"interpreter", "translator"})
    void programsDoInAGuestWhatTheyDoElsewhere(String engine) throws Exception {
        String only = System.getProperty("frond.programs.engine", engine);
        assumeThat(only).as("the engine that is asked for").isEqualTo(engine);
        assumeThat(engine.equals("interpreter") || Translator.isSupported())
                .as("x86-64 Linux with executable memory")
                .isTrue();
        boolean all = Boolean.getBoolean("frond.programs.all");
        String part = System.getProperty("frond.programs.named", "");
        List<GuestPrograms> programs =
                GuestPrograms.all().stream()
                        .filter(each -> all || each.quick())
                        .filter(each -> each.name().contains(part))
                        .toList();
        assertThat(programs).as("programs whose names contain '%s'", part).isNotEmpty();
        byte[] hello = hello();
        SerialConsole console = new SerialConsole();
        List<String> failures = new ArrayList<>();
        try (Vm vm = Vm.start(spec(engine, sources(hello)), console)) {
            console.await("# ", BOOT);
            console.type(GuestPrograms.prepare(hello.length) + "; PS1='" + PROMPT + "'");
            console.await("\n" + PROMPT, BOOT);
            for (GuestPrograms each : programs) {
                String output = run(console, each, all);
                if (!output.isEmpty()) {
                    failures.add(each.name() + ":\n" + output);
                }
            }
            console.type("sync; busybox poweroff -f");
            assertThat(vm.end().get(2, TimeUnit.MINUTES)).isInstanceOf(MachineEnd.PoweredOff.class);
        }
        assertThat(failures).isEmpty();
    }

    /** Runs one; returns what it wrote if it failed, else nothing. */
    private static String run(SerialConsole console, GuestPrograms program, boolean report)
            throws Exception {
        long start = System.nanoTime();
        console.type("(" + program.command() + ") 2>&1; echo \"status=$?\"");
        String output = console.await(PROMPT, COMMAND);
        double seconds = (System.nanoTime() - start) / 1e9;
        boolean passed = output.contains("status=0\r\n") && output.contains(program.expected());
        if (report) {
            System.out.printf(
                    Locale.ROOT,
                    "%-42s %-4s %8.1f s%n",
                    program.name(),
                    passed ? "pass" : "FAIL",
                    seconds);
        }
        return passed ? "" : output;
    }

    private VmSpec spec(String engine, Path sources) throws Exception {
        Guest guest = GuestCatalog.ofUser().obtain("debian-programs", GuestProgress.SILENT);
        return new VmSpec(
                guest.kernel(),
                Optional.of(guest.initrd().toString().replace(",", ",,")),
                // The shell that is the first program has the serial line for itself.
                guest.commandLine() + " console=ttyS0 init=/bin/sh loglevel=3 TERM=dumb",
                1L << 30,
                1,
                CpuModel.named(System.getProperty("frond.programs.cpu", "x86-64-v3")).orElseThrow(),
                engine,
                List.of(
                        new VmSpec.Disk(guest.disk().orElseThrow(), true),
                        new VmSpec.Disk(sources, true)),
                false,
                false);
    }

    private byte[] hello() throws IOException {
        Path source = directory.resolve("Hello.java");
        Files.write(source, resource("Hello.java"));
        int status =
                ToolProvider.getSystemJavaCompiler()
                        .run(
                                InputStream.nullInputStream(),
                                System.out,
                                System.err,
                                "--release",
                                "17",
                                "-d",
                                directory.toString(),
                                source.toString());
        assertThat(status).isZero();
        return Files.readAllBytes(directory.resolve("Hello.class"));
    }

    /** A disk with the C program in its first 4096 bytes, and the class file behind them. */
    private Path sources(byte[] hello) throws IOException {
        byte[] compute = resource("compute.c");
        assertThat(compute).hasSizeLessThan(4096);
        byte[] disk = Arrays.copyOf(compute, (4096 + hello.length + 511) / 512 * 512);
        System.arraycopy(hello, 0, disk, 4096, hello.length);
        return Files.write(directory.resolve("sources.img"), disk);
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = DebianProgramsTest.class.getResourceAsStream("programs/" + name)) {
            if (in == null) {
                throw new IOException("no resource " + name);
            }
            return in.readAllBytes();
        }
    }
}
