// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.PROMPT;
import static dev.frond.guests.TinyGuest.on;
import static dev.frond.guests.TinyGuest.powerOff;
import static dev.frond.guests.TinyGuest.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.translate.Translator;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmException;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Path;
import java.util.List;

/** Debian's kernel and busybox, unmodified, on the translator. */
@NullMarked
class TranslatorBootTest {
    private static TinyGuest tiny;

    @TempDir private Path directory;

    @BeforeAll
    static void obtain() throws Exception {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        tiny = TinyGuest.obtain();
    }

    @Test
    void twoCpusAndSixGigabytesComeUpAndComputeTheSameDigests() throws Exception {
        VmSpec spec = on("translator", tiny.spec(2, 6L << 30, List.of()));
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(spec, console)) {
            console.await(PROMPT, BOOT);
            assertThat(run(console, "nproc")).contains("\n2\r\n");
            assertThat(run(console, "dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'"))
                    .contains("\n0\r\n");
            run(console, "dd if=/dev/zero of=/tmp/zeroes bs=4096 count=1024");
            assertThat(
                            run(
                                    console,
                                    "for i in 1 2 3 4; do sha256sum /tmp/zeroes & done |"
                                            + " cut -c1-64 | sort | uniq -c"))
                    // SHA-256 of 4 MiB of zeroes.
                    .contains("4 bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8");
            powerOff(vm, console);
        }
    }

    @Test
    void aRunningMachineGoesFromOneEngineToTheOtherAndBack() throws Exception {
        SerialConsole console = new SerialConsole();
        VmSpec spec = on("translator", tiny.spec(2, 256L << 20, List.of()));
        try (Vm vm = Vm.start(spec, console)) {
            console.await(PROMPT, BOOT);
            run(console, "x=41; yes >/dev/null &");
            vm.handOver("interpreter");
            assertThat(vm.engine()).isEqualTo("interpreter");
            assertThat(run(console, "x=$((x+1)); echo $x; sha256sum /bin/busybox >/tmp/one"))
                    .contains("\n42\r\n");
            vm.handOver("translator");
            assertThat(run(console, "sha256sum /bin/busybox | cmp - /tmp/one; echo $? $((x+1))"))
                    .contains("\n0 43\r\n");
            assertThatThrownBy(() -> vm.handOver("xen"))
                    .isInstanceOf(VmException.class)
                    .hasMessageContaining("engine xen: accepted are");
            assertThat(run(console, "dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'"))
                    .contains("\n0\r\n");
            powerOff(vm, console);
        }
    }

    @ParameterizedTest
    @CsvSource({"interpreter, translator", "translator, interpreter"})
    void aMachineSavedOnOneEngineGoesOnOnTheOther(String first, String second) throws Exception {
        Path snapshot = directory.resolve("boot.snapshot");
        VmSpec spec = tiny.spec(1, 256L << 20, List.of());
        SerialConsole before = new SerialConsole();
        try (Vm vm = Vm.start(on(first, spec), before)) {
            before.await("Run /init", BOOT);
            vm.save(snapshot);
        }
        SerialConsole after = new SerialConsole();
        try (Vm vm = Vm.restore(on(second, spec), after, snapshot)) {
            after.await(PROMPT, BOOT);
            assertThat(run(after, "uname -r")).contains("6.1");
            assertThat(after.all()).doesNotContain("Linux version");
            powerOff(vm, after);
        }
    }
}
