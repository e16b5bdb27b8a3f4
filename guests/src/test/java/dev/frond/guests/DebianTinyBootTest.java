// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.PROMPT;
import static dev.frond.guests.TinyGuest.powerOff;
import static dev.frond.guests.TinyGuest.run;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Debian's kernel and busybox, unmodified, on the interpreter. */
@NullMarked
class DebianTinyBootTest {
    private static TinyGuest tiny;

    @TempDir private Path directory;

    @BeforeAll
    static void obtain() throws Exception {
        tiny = TinyGuest.obtain();
    }

    @Test
    void twoCpusAndSixGigabytesComeUpAndADiskKeepsWhatIsWritten() throws Exception {
        VmSpec.Disk disk = TinyGuest.disk(directory.resolve("disk.img"));
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(tiny.spec(2, 6L << 30, List.of(disk)), console)) {
            console.await(PROMPT, BOOT);
            assertThat(run(console, "uname -a"))
                    .contains("Linux debian-tiny 6.1")
                    .contains("x86_64");
            assertThat(run(console, "nproc")).contains("\n2\r\n");
            assertThat(run(console, "grep 'model name' /proc/cpuinfo")).contains("x86-64-v2");
            assertThat(run(console, "dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'"))
                    .contains("\n0\r\n");
            assertThat(run(console, "dmesg | grep DMI:")).contains("DMI: Frond microvm, BIOS 1.0");
            // The levels from emergency to error; the board has no PCI.
            assertThat(run(console, "dmesg -r | grep '^<[0-3]>' | grep -vc 'PCI: Fatal'"))
                    .contains("\n0\r\n");
            String kilobytes =
                    run(console, "grep MemTotal /proc/meminfo")
                            .replaceAll("(?s).*:\\s+(\\d+) kB.*", "$1");
            assertThat(Long.parseLong(kilobytes)).isBetween(5_700_000L, 6_300_000L);
            run(
                    console,
                    "echo written-by-the-guest | dd of=/dev/vda bs=512 seek=3 conv=sync && sync");
            powerOff(vm, console);
        }
        byte[] image = Files.readAllBytes(disk.file());
        assertThat(new String(image, 1536, 20, StandardCharsets.US_ASCII))
                .isEqualTo("written-by-the-guest");
        assertThat(image).hasSize(1 << 20);
    }
}
