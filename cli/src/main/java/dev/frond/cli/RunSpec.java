// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.vcpu.CpuModel;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The machine that the user asked for, checked: every file is there and of the right kind, every
 * number within its limits.
 *
 * @param kernel a bzImage, a PVH ELF file or a Multiboot ELF file
 * @param initrd the initramfs, or the Multiboot module
 * @param commandLine the kernel's, empty for none
 * @param memory in bytes, a multiple of 1 MiB
 * @param debugExit whether the machine has the port 0xF4 that ends it
 * @param reboot whether the machine starts again when the guest resets it; otherwise that ends it
 * @param counted whether instructions are counted by an engine that is slower then
 */
record RunSpec(
        Path kernel,
        Optional<Path> initrd,
        String commandLine,
        long memory,
        int cpus,
        CpuModel cpu,
        Engine engine,
        IrqChip irqChip,
        Board board,
        List<Disk> disks,
        boolean debugExit,
        boolean reboot,
        boolean counted) {

    RunSpec {
        disks = List.copyOf(disks);
    }

    /** What executes the guest's code. */
    enum Engine {
        /** The fastest that this host and this machine allow. */
        AUTO,
        INTERPRETER,
        TRANSLATOR,
        KVM,
        /** The translator, whose work the interpreter checks: for who develops it. */
        LOCKSTEP
    }

    /** Which interrupt controllers are the kernel's under KVM. */
    enum IrqChip {
        /** Those that serve best there. */
        AUTO,
        /** None. */
        OFF,
        /** The local APICs. */
        SPLIT,
        /** All. */
        ON
    }

    /** The machine's main board. */
    enum Board {
        MICROVM
    }

    /** A raw disk image. */
    record Disk(Path file, boolean readOnly) {}
}
