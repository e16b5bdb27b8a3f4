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
import dev.frond.vmm.guest.SparseFile;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** The guest debian: systemd on a root disk. */
@NullMarked
class DebianBootTest {
    private static final Duration BOOT = Duration.ofMinutes(30);
    private static final String PROMPT = "root@debian:~# ";

    @TempDir private Path directory;

    private static Guest debian;

    @BeforeAll
    static void obtain() throws Exception {
        debian = GuestCatalog.ofUser().obtain("debian", GuestProgress.SILENT);
    }

    private static VmSpec spec(String engine, VmSpec.Disk root, String more) {
        return new VmSpec(
                debian.kernel(),
                Optional.of(debian.initrd().toString().replace(",", ",,")),
                debian.commandLine() + " TERM=dumb" + more,
                512L << 20,
                1,
                CpuModel.X86_64_V2,
                engine,
                List.of(root),
                false,
                false);
    }

    private static String fastest() {
        return Translator.isSupported() ? "translator" : "interpreter";
    }

    /** On the interpreter it takes minutes: tools/programs-in-guest has it. */
    @ParameterizedTest
    @ValueSource(strings = {"interpreter", "translator"})
    void systemdComesUpWithEveryUnitAndGoesDownAgain(String engine) throws Exception {
        assumeThat(engine.equals(System.getProperty("frond.programs.engine", fastest())))
                .as("the engine that is asked for")
                .isTrue();
        VmSpec.Disk root = new VmSpec.Disk(debian.disk().orElseThrow(), true);
        SerialConsole console = new SerialConsole();
        long start = System.nanoTime();
        try (Vm vm = Vm.start(spec(engine, root, ""), console)) {
            // Typed before anybody reads it: nothing of it may be lost.
            console.type(
                    "systemctl is-system-running --wait; systemctl --failed --no-legend | wc -l");
            console.await(PROMPT, BOOT);
            if (Boolean.getBoolean("frond.programs.all")) {
                System.out.printf(
                        "debian to its prompt on %s: %.1f s%n",
                        engine, (System.nanoTime() - start) / 1e9);
            }
            assertThat(console.await(PROMPT, BOOT)).contains("running\r\n0\r\n");
            console.type("dmesg | grep -cE 'WARNING|BUG:|Oops|Call Trace'");
            assertThat(console.await(PROMPT, BOOT)).contains("0\r\n");
            console.type("touch /etc/changed && ls /etc/changed; . /etc/os-release; echo $ID");
            assertThat(console.await(PROMPT, BOOT)).contains("/etc/changed\r\ndebian\r\n");
            console.type("poweroff");
            assertThat(vm.end().get(BOOT.toSeconds(), TimeUnit.SECONDS))
                    .isInstanceOf(MachineEnd.PoweredOff.class);
        }
    }

    @Test
    void aRootDiskOfOnesOwnKeepsWhatIsWritten() throws Exception {
        Path file = directory.resolve("root.img");
        SparseFile.copy(debian.disk().orElseThrow(), file);
        for (String command :
                List.of(
                        "echo kept >/etc/kept; sync",
                        "grep -c . /etc/kept; grep ' / ' /proc/mounts")) {
            SerialConsole console = new SerialConsole();
            VmSpec.Disk root = new VmSpec.Disk(file, false);
            String more = " overlayroot=disabled console=ttyS0 init=/bin/sh";
            try (Vm vm = Vm.start(spec(fastest(), root, more), console)) {
                console.await("\n# ", BOOT);
                console.type(command);
                String output = console.await("\n# ", BOOT);
                if (command.startsWith("grep")) {
                    assertThat(output).contains("1\r\n", "/dev/vda / ext4 rw");
                }
                console.type("mount -o remount,ro /; echo o >/proc/sysrq-trigger");
                assertThat(vm.end().get(BOOT.toSeconds(), TimeUnit.SECONDS))
                        .isInstanceOf(MachineEnd.PoweredOff.class);
            }
        }
    }
}
