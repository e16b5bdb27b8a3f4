// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.machine.vcpu.CpuModel;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The description of a machine that starts a kernel directly.
 *
 * @param kernel a bzImage, a PVH ELF file or a Multiboot ELF file
 * @param initrd the initramfs, or the Multiboot modules: files separated by commas, each with
 *     arguments
 * @param memory bytes of RAM, a multiple of 1 MiB
 * @param engine interpreter, translator, kvm or auto
 * @param irqChip which interrupt controllers are the kernel's where the engine is kvm
 * @param reboot whether it starts again when the guest resets it; otherwise that ends it, as a
 *     triple fault always does
 * @param counted whether instructions are counted, which makes the translator a fifth slower; the
 *     interpreter always counts, KVM never
 */
public record VmSpec(
        Path kernel,
        Optional<String> initrd,
        String commandLine,
        long memory,
        int cpus,
        CpuModel cpu,
        String engine,
        IrqChip irqChip,
        List<Disk> disks,
        boolean debugExit,
        boolean reboot,
        boolean counted) {
    /** The least memory that a machine can have. */
    public static final long MIN_MEMORY = 2L << 20;

    /** Where the interrupt controllers are while KVM executes the guest. */
    public enum IrqChip {
        /** {@link #SPLIT}, but {@link #OFF} on a KVM in software. */
        AUTO,
        /** All in Frond. */
        OFF,
        /** The local APICs in the kernel, the others in Frond. */
        SPLIT,
        /** All in the kernel, and the 8254 with them. */
        ON
    }

    /** A raw disk image. */
    public record Disk(Path file, boolean readOnly) {}

    public VmSpec {
        disks = List.copyOf(disks);
    }

    /** With interrupt controllers where they serve best, and no counts. */
    public VmSpec(
            Path kernel,
            Optional<String> initrd,
            String commandLine,
            long memory,
            int cpus,
            CpuModel cpu,
            String engine,
            List<Disk> disks,
            boolean debugExit,
            boolean reboot) {
        this(
                kernel,
                initrd,
                commandLine,
                memory,
                cpus,
                cpu,
                engine,
                IrqChip.AUTO,
                disks,
                debugExit,
                reboot,
                false);
    }

    /** The same with instructions counted. */
    public VmSpec withCount() {
        return new VmSpec(
                kernel,
                initrd,
                commandLine,
                memory,
                cpus,
                cpu,
                engine,
                irqChip,
                disks,
                debugExit,
                reboot,
                true);
    }
}
