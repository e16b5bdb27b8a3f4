// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.COMMAND;
import static dev.frond.guests.TinyGuest.PROMPT;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cli.Main;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The command {@code frond run} with real guests, in a process of its own. */
@NullMarked
class CommandLineTest {
    @TempDir private Path directory;

    /** Commands that come before the system is up, more than any buffer of it holds. */
    @Test
    void everyLineOfALongScriptInAPipeIsRun() throws Exception {
        int lines = 3000;
        try (GuestProcess frond = GuestProcess.start(Main.class, "run", "--memory", "256M")) {
            StringBuilder script = new StringBuilder("sum=0\n");
            for (int i = 0; i < lines; i++) {
                script.append("sum=$((sum + ").append(i).append("))\n");
            }
            frond.type(script + "echo \"sum is $sum\"; poweroff");
            frond.await("\nsum is " + lines * (lines - 1) / 2, BOOT);
            assertThat(frond.status(COMMAND)).isZero();
            assertThat(frond.all()).as("no question to a terminal").doesNotContain("\033");
        }
    }

    @Test
    void sigtermStopsTheGuestAndWhatItWroteIsOnTheDisk() throws Exception {
        VmSpec.Disk disk = TinyGuest.disk(directory.resolve("disk.img"));
        try (GuestProcess frond = GuestProcess.start(Main.class, "run", "--disk", disk.file())) {
            frond.await(PROMPT, BOOT);
            frond.type("echo before-the-signal | dd of=/dev/vda bs=512 conv=sync,fsync");
            frond.await(PROMPT, COMMAND);
            frond.terminate();
            assertThat(frond.status(COMMAND)).isEqualTo(143);
            assertThat(frond.all()).contains("frond: stopped by SIGTERM");
        }
        assertThat(new String(Files.readAllBytes(disk.file()), 0, 17, StandardCharsets.US_ASCII))
                .isEqualTo("before-the-signal");
    }

    @Test
    void aRebootStartsTheGuestAgain() throws Exception {
        try (GuestProcess frond = GuestProcess.start(Main.class, "run")) {
            frond.await(PROMPT, BOOT);
            frond.type("reboot");
            frond.await("Linux version", BOOT);
            frond.await(PROMPT, BOOT);
            frond.type("poweroff");
            assertThat(frond.status(COMMAND)).isZero();
        }
    }

    @Test
    void aTripleFaultIsToldInOneLine() throws Exception {
        Path kernel = Tools.multibootKernel(directory, 32);
        byte[] image = Files.readAllBytes(kernel);
        // An exception, with no interrupt descriptor table.
        byte[] crash = {0x0F, 0x0B};
        int entry = 0x1000 + (image[0x18] & 0xFF);
        System.arraycopy(crash, 0, image, entry, crash.length);
        Files.write(kernel, image);
        try (GuestProcess frond = GuestProcess.start(Main.class, "run", "--kernel", kernel)) {
            assertThat(frond.status(COMMAND)).isEqualTo(72);
            assertThat(frond.all())
                    .startsWith("frond: the guest crashed: triple fault, CPU 0 at 0x100")
                    .hasLineCount(1);
        }
    }
}
