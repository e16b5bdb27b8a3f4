// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.vcpu.CpuState;

import java.nio.file.Path;

/**
 * An operating-system kernel in a file, in one of the formats that can be started without firmware.
 */
public sealed interface KernelImage extends AutoCloseable permits LinuxBoot, PvhBoot, Multiboot1 {
    /** What {@link #open} takes, for error texts. */
    String ACCEPTED =
            "accepted are a Linux bzImage, an ELF kernel with a PVH entry note, and a Multiboot 1"
                    + " kernel";

    /** Opens {@code path} and finds out its format. */
    static KernelImage open(Path path) throws BootException {
        BootFile file = BootFile.open(path);
        try {
            return of(file);
        } catch (BootException e) {
            file.close();
            throw e;
        }
    }

    /** Finds out the format of {@code file}, which belongs to the image from now on. */
    static KernelImage of(BootFile file) throws BootException {
        if (file.size() == 0) {
            throw new BootException(file.name() + ": is empty");
        }
        if (LinuxBoot.is(file)) {
            return LinuxBoot.of(file);
        }
        if (Elf.is(file)) {
            Elf elf = Elf.of(file);
            // A 64-bit ELF is no regular Multiboot 1 image, so its PVH note is the better offer.
            if (elf.is64()) {
                var pvh = PvhBoot.find(file, elf);
                if (pvh.isPresent()) {
                    return pvh.get();
                }
            }
            var multiboot = Multiboot1.find(file);
            if (multiboot.isPresent()) {
                return multiboot.get();
            }
            var pvh = PvhBoot.find(file, elf);
            if (pvh.isPresent()) {
                return pvh.get();
            }
            throw new BootException(
                    file.name()
                            + ": an ELF file with neither a PVH entry note nor a Multiboot 1"
                            + " header; "
                            + ACCEPTED);
        }
        var multiboot = Multiboot1.find(file);
        if (multiboot.isPresent()) {
            return multiboot.get();
        }
        throw new BootException(
                file.name() + ": not a kernel" + compression(file) + "; " + ACCEPTED);
    }

    /** The file. */
    BootFile file();

    /** The format and the way it is entered, for people. */
    String description();

    /**
     * Loads the kernel with {@code arguments} into the target's memory and gives the state to start
     * the boot CPU in. May be called again after a reset.
     */
    CpuState boot(BootTarget target, BootArguments arguments) throws BootException;

    @Override
    default void close() throws BootException {
        file().close();
    }

    private static String compression(BootFile file) throws BootException {
        if (file.size() < 4) {
            return "";
        }
        int magic = file.read(0, 4).getInt();
        if ((magic & 0xFFFF) == 0x8B1F) {
            return " as it is, but compressed by gzip: decompress it first";
        }
        return switch (magic) {
            case 0x587A_37FD -> " as it is, but compressed by xz: decompress it first";
            case 0xFD2F_B528 -> " as it is, but compressed by zstd: decompress it first";
            default -> "";
        };
    }
}
