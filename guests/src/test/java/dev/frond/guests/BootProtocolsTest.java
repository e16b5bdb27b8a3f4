// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.BOOT;
import static dev.frond.guests.TinyGuest.COMMAND;
import static dev.frond.guests.TinyGuest.PROMPT;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmSpec;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Each way into a kernel, seen from inside of it. */
@NullMarked
class BootProtocolsTest {
    @TempDir private Path directory;

    private static VmSpec spec(Path kernel, Optional<String> initrd, String line, long memory) {
        return new VmSpec(
                kernel,
                initrd,
                line,
                memory,
                1,
                CpuModel.X86_64_V2,
                "interpreter",
                List.of(),
                true,
                false);
    }

    /**
     * Boots debian-tiny from {@code kernel} to its shell; returns the number of its boot loader.
     */
    private static String bootloaderType(TinyGuest tiny, Path kernel, SerialConsole console)
            throws Exception {
        try (Vm vm = Vm.start(tiny.spec(kernel, 1, 256L << 20, List.of()), console)) {
            console.await(PROMPT, BOOT);
            String answer = TinyGuest.run(console, "cat /proc/sys/kernel/bootloader_type");
            TinyGuest.powerOff(vm, console);
            return answer.replaceAll("(?s).*\n([0-9]+)\r\n.*", "$1");
        }
    }

    @Test
    void debianBootsFromItsBzImage() throws Exception {
        TinyGuest tiny = TinyGuest.obtain();
        SerialConsole console = new SerialConsole();
        // What boot_params said: a boot loader without a number of its own.
        assertThat(bootloaderType(tiny, tiny.guest().bzImage(), console)).isEqualTo("255");
        assertThat(console.all()).contains("Linux version 6.1");
    }

    @Test
    void debianBootsThroughPvh() throws Exception {
        TinyGuest tiny = TinyGuest.obtain();
        SerialConsole console = new SerialConsole();
        // What Linux's own PVH entry puts there: it makes boot_params itself.
        assertThat(bootloaderType(tiny, tiny.guest().kernel(), console)).isEqualTo("176");
        assertThat(console.all()).contains("Linux version 6.1");
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 64})
    void aMultibootKernelFindsItsArgumentsMemoryAndModules(int bits) throws Exception {
        Path kernel = Tools.multibootKernel(directory, bits);
        Path first = Files.writeString(directory.resolve("first"), "the first module");
        Path second = Files.writeString(directory.resolve("second"), "the second module");
        SerialConsole console = new SerialConsole();
        VmSpec spec =
                spec(kernel, Optional.of(first + " with arguments," + second), "a=b c", 5L << 30);
        try (Vm vm = Vm.start(spec, console)) {
            assertThat(vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS))
                    .isEqualTo(new MachineEnd.DebugExit(0x15));
        }
        String holds = " holds 0x123456789abcdef\n";
        assertThat(console.all())
                .startsWith(bits + "-bit kernel\nmagic 0x2badb002 flags 0x24d\n")
                .contains("command line '" + kernel + " a=b c'\nloader 'Frond'\n")
                .contains("lower 0x27f upper 0x2ffbfc\n")
                .contains("range 0x0 length 0x9fc00 type 0x1" + holds)
                .contains("range 0x100000 length 0xbfeff000 type 0x1" + holds)
                .contains(
                        "range 0x100000000 length 0x80000000 type 0x1"
                                + (bits == 64 ? holds : "\n"))
                .contains("module '" + first + " with arguments' on a page the first module\n")
                .contains("module '" + second + "' on a page the second module\n")
                .endsWith("\nend\n");
    }

    /** Memtest86+ takes the boot protocol of Linux, the two programs at its two entries. */
    @ParameterizedTest
    @ValueSource(strings = {"memtest86+ia32.bin", "memtest86+x64.bin"})
    void memtestTestsMemory(String program) throws Exception {
        Path kernel = Tools.debianPackage(directory, "memtest86+").resolve("boot").resolve(program);
        SerialConsole console = new SerialConsole();
        try (Vm vm =
                Vm.start(
                        spec(kernel, Optional.empty(), "console=ttyS0,115200", 64L << 20),
                        console)) {
            console.await("Memtest86+ v", BOOT);
            console.await("Frond virtual CPU", BOOT);
            console.await("Memory  :   64MB", BOOT);
            console.await("Errors: 0", BOOT);
            console.await("[Address test, walking ones, no cache]", BOOT);
            console.await(" 50% ####", BOOT);
            assertThat(vm.end()).isNotDone();
        }
    }

    /** Xen is a Multiboot kernel that takes Linux as a module, to be its first guest. */
    @Test
    void xenStartsItsFirstGuest() throws Exception {
        Path root = Tools.debianPackage(directory, "xen-hypervisor-4.17-amd64");
        Path kernel =
                Tools.gunzip(root.resolve("boot/xen-4.17-amd64.gz"), directory.resolve("xen"));
        SerialConsole console = new SerialConsole();
        try (Vm vm =
                Vm.start(
                        spec(
                                kernel,
                                Optional.of(TinyGuest.obtain().guest().bzImage().toString()),
                                "com1=115200,8n1 console=com1 loglvl=all noreboot",
                                1L << 30),
                        console)) {
            console.await("Xen version 4.17", BOOT);
            console.await("Multiboot-e820 RAM map", BOOT);
            console.await("SMBIOS 3.0 present", BOOT);
            console.await("Brought up 1 CPUs", BOOT);
            console.await("*** Building a PV Dom0 ***", BOOT);
            // The guest's own first words, from ring 3 of the hypervisor.
            console.await("about to get started...", BOOT);
            assertThat(vm.end()).isNotDone();
        }
        assertThat(console.all()).doesNotContain("FATAL", "Panic on CPU");
    }
}
