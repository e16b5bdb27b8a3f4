// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.COMMAND;
import static dev.frond.guests.TinyGuest.PROMPT;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmException;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A machine in a file, made while Debian's kernel boots on two CPUs. */
@NullMarked
class SnapshotTest {
    private static final int CPUS = 2;
    private static final long MEMORY = 256L << 20;

    /** What the kernel says half-way: its drivers and the initramfs are still to come. */
    private static final String HALF_WAY = "Trying to unpack rootfs image";

    @TempDir private static Path directory;

    private static TinyGuest tiny;
    private static VmSpec.Disk disk;
    private static VmSpec spec;
    private static Path snapshot;
    private static String before;

    @BeforeAll
    static void saveHalfWay() throws Exception {
        disk = TinyGuest.disk(directory.resolve("disk.img"));
        tiny = TinyGuest.obtain();
        spec = tiny.spec(CPUS, MEMORY, List.of(disk));
        snapshot = directory.resolve("boot.snapshot");
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(spec, console)) {
            console.await(HALF_WAY, BOOT);
            vm.save(snapshot);
        }
        before = console.all();
    }

    @Test
    void aFreshProcessFinishesTheBootToTheSameShell() throws Exception {
        assertThat(before).contains("Linux version 6.1").doesNotContain("Run /init");
        try (GuestProcess guest =
                GuestProcess.start(RestoredGuest.class, snapshot, CPUS, MEMORY, disk.file())) {
            guest.await("Run /init", BOOT);
            guest.await(PROMPT, BOOT);
            // The console goes on where it stopped: no second boot.
            assertThat(guest.all()).doesNotContain("Linux version");
            guest.type("dmesg | grep -c 'Linux version'; nproc; uname -r");
            assertThat(guest.await(PROMPT, COMMAND)).contains("\n1\r\n2\r\n6.1");
            guest.type("dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace|stall|lockup'");
            assertThat(guest.await(PROMPT, COMMAND)).contains("\n0\r\n");
            guest.type("echo after-the-restore | dd of=/dev/vda bs=512 conv=sync && poweroff");
            assertThat(guest.status(COMMAND)).as(guest.all()).isZero();
        }
        assertThat(new String(Files.readAllBytes(disk.file()), 0, 17, StandardCharsets.US_ASCII))
                .isEqualTo("after-the-restore");
    }

    /** A copy of the snapshot to damage. */
    private static Path copy(String name) throws IOException {
        return Files.copy(snapshot, directory.resolve(name));
    }

    private static void refused(Path file, String... messages) {
        assertThatExceptionOfType(VmException.class)
                .isThrownBy(() -> Vm.restore(spec, new SerialConsole(), file).close())
                .satisfies(e -> assertThat(e.kind()).isEqualTo(VmException.Kind.INPUT))
                .withMessageStartingWith(file.toString())
                .satisfies(e -> assertThat(e.getMessage()).contains(messages).hasLineCount(1));
    }

    @Test
    void aTruncatedFileIsRefused() throws Exception {
        Path file = copy("truncated");
        long size = Files.size(file);
        for (long length : new long[] {size - 1, size / 2, 5000, 40, 3, 0}) {
            try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
                image.setLength(length);
            }
            refused(file, "the snapshot is not whole");
        }
    }

    @Test
    void aChangedByteIsFoundWhereverItIs() throws Exception {
        Path file = copy("damaged");
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            for (long at = 8; at < image.length(); at += image.length() / 16) {
                image.seek(at);
                int value = image.read();
                image.seek(at);
                image.write(value ^ 0x40);
                refused(file, "the snapshot");
                image.seek(at);
                image.write(value);
            }
        }
        // And whole again it is accepted.
        Vm.restore(spec, new SerialConsole(), file).close();
    }

    @Test
    void whatIsNoSnapshotIsRefused() throws Exception {
        refused(directory.resolve("missing"), "no such file");
        refused(directory, "is a directory");
        refused(disk.file(), "this is no snapshot of Frond");
    }

    @Test
    void anotherMachineIsRefused() throws Exception {
        refusedFor(tiny.spec(CPUS, MEMORY * 2, List.of(disk)), "memory", "268435456", "536870912");
        refusedFor(tiny.spec(1, MEMORY, List.of(disk)), "apic1");
        refusedFor(tiny.spec(CPUS, MEMORY, List.of()), "virtio1");
    }

    private static void refusedFor(VmSpec other, String... messages) {
        assertThatExceptionOfType(VmException.class)
                .isThrownBy(() -> Vm.restore(other, new SerialConsole(), snapshot).close())
                .withMessageStartingWith(snapshot.toString())
                .satisfies(e -> assertThat(e.getMessage()).contains(messages).hasLineCount(1));
    }
}
