// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;
import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestProgress;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Debian's kernel and busybox, unmodified, on the interpreter. */
@NullMarked
class DebianTinyBootTest {
    private static final Duration BOOT = Duration.ofMinutes(8);
    private static final Duration COMMAND = Duration.ofMinutes(2);
    private static final String PROMPT = "root@debian-tiny:~# ";

    private static Guest guest;

    @TempDir private Path directory;

    @BeforeAll
    static void obtain() throws Exception {
        guest = GuestCatalog.ofUser().obtain("debian-tiny", GuestProgress.SILENT);
    }

    private static VmSpec spec(int cpus, long memory, List<VmSpec.Disk> disks) {
        return new VmSpec(
                guest.kernel(),
                Optional.of(guest.initrd().toString()),
                guest.commandLine(),
                memory,
                cpus,
                CpuModel.X86_64_V2,
                "interpreter",
                disks,
                false,
                false);
    }

    private static String run(SerialConsole console, String command) throws Exception {
        console.type(command);
        return console.await(PROMPT, COMMAND);
    }

    private static void powerOff(Vm vm, SerialConsole console) throws Exception {
        console.type("poweroff");
        assertThat(vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS))
                .isInstanceOf(MachineEnd.PoweredOff.class);
    }

    @Test
    void twoCpusAndSixGigabytesComeUpAndADiskKeepsWhatIsWritten() throws Exception {
        Path disk = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(spec(2, 6L << 30, List.of(new VmSpec.Disk(disk, false))), console)) {
            console.await(PROMPT, BOOT);
            assertThat(run(console, "uname -a"))
                    .contains("Linux debian-tiny 6.1")
                    .contains("x86_64");
            assertThat(run(console, "nproc")).contains("\n2\r\n");
            assertThat(run(console, "grep 'model name' /proc/cpuinfo")).contains("x86-64-v2");
            assertThat(run(console, "dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'"))
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
        byte[] image = Files.readAllBytes(disk);
        assertThat(new String(image, 1536, 20, StandardCharsets.US_ASCII))
                .isEqualTo("written-by-the-guest");
        assertThat(image).hasSize(1 << 20);
    }

    @Test
    void aMachineSavedInTheMiddleOfItsBootGoesOnInAnother() throws Exception {
        Path snapshot = directory.resolve("boot.snapshot");
        SerialConsole first = new SerialConsole();
        try (Vm vm = Vm.start(spec(1, 256L << 20, List.of()), first)) {
            first.await("Run /init", BOOT);
            vm.save(snapshot);
        }
        assertThat(first.all()).doesNotContain(PROMPT);
        SerialConsole second = new SerialConsole();
        try (Vm vm = Vm.restore(spec(1, 256L << 20, List.of()), second, snapshot)) {
            second.await(PROMPT, BOOT);
            assertThat(run(second, "uname -r")).contains("6.1");
            assertThat(second.all()).doesNotContain("Linux version");
            powerOff(vm, second);
        }
    }
}
