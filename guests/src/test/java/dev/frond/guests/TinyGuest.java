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
import dev.frond.vmm.guest.GuestException;
import dev.frond.vmm.guest.GuestProgress;

import org.jspecify.annotations.NullMarked;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The guest debian-tiny, for tests that boot it and type commands. */
@NullMarked
record TinyGuest(Guest guest) {
    static final Duration BOOT = Duration.ofMinutes(8);
    static final Duration COMMAND = Duration.ofMinutes(2);
    static final String PROMPT = "root@debian-tiny:~# ";

    /** The user's, obtained if it is not there yet. */
    static TinyGuest obtain() throws GuestException {
        return new TinyGuest(GuestCatalog.ofUser().obtain("debian-tiny", GuestProgress.SILENT));
    }

    /** A machine that starts it as {@code frond run} does. */
    VmSpec spec(int cpus, long memory, List<VmSpec.Disk> disks) {
        return spec(guest.kernel(), cpus, memory, disks);
    }

    /** A machine that starts {@code kernel} with its initramfs. */
    VmSpec spec(Path kernel, int cpus, long memory, List<VmSpec.Disk> disks) {
        return new VmSpec(
                kernel,
                Optional.of(guest.initrd().toString().replace(",", ",,")),
                guest.commandLine(),
                memory,
                cpus,
                CpuModel.X86_64_V2,
                "interpreter",
                disks,
                false,
                false);
    }

    /** The same machine on another engine. */
    static VmSpec on(String engine, VmSpec spec) {
        return new VmSpec(
                spec.kernel(),
                spec.initrd(),
                spec.commandLine(),
                spec.memory(),
                spec.cpus(),
                spec.cpu(),
                engine,
                spec.disks(),
                spec.debugExit(),
                spec.reboot());
    }

    /** A disk of 1 MiB of zeroes. */
    static VmSpec.Disk disk(Path file) throws IOException {
        try (RandomAccessFile image = new RandomAccessFile(file.toFile(), "rw")) {
            image.setLength(1 << 20);
        }
        return new VmSpec.Disk(file, false);
    }

    /** Types {@code command} at a prompt; returns what the guest writes until the next one. */
    static String run(SerialConsole console, String command)
            throws InterruptedException, TimeoutException {
        console.type(command);
        return console.await(PROMPT, COMMAND);
    }

    /** Has the guest switch its machine off. */
    static void powerOff(Vm vm, SerialConsole console) throws Exception {
        console.type("poweroff");
        assertThat(vm.end().get(COMMAND.toSeconds(), TimeUnit.SECONDS))
                .isInstanceOf(MachineEnd.PoweredOff.class);
    }
}
