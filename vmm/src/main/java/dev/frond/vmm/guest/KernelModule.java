// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A loadable module of a Linux kernel, described by its own section .modinfo
 * (include/linux/module.h).
 *
 * @param name with underscores, as lsmod shows it
 * @param path below /lib/modules/RELEASE, as modules.dep names it
 * @param file where it is on the host
 * @param depends the names of the modules that it needs at once
 * @param aliases the patterns of the devices and services that it serves
 */
record KernelModule(
        String name, String path, Path file, List<String> depends, List<String> aliases) {
    private static final String SUFFIX = ".ko";

    KernelModule {
        depends = List.copyOf(depends);
        aliases = List.copyOf(aliases);
    }

    /**
     * The name of the module that a file of this name holds; empty if it holds none, or a
     * compressed one.
     */
    static Optional<String> nameOf(Path file) {
        String name = String.valueOf(file.getFileName());
        return name.endsWith(SUFFIX)
                ? Optional.of(name.substring(0, name.length() - SUFFIX.length()).replace('-', '_'))
                : Optional.empty();
    }

    /**
     * Reads a module below {@code root}, the directory /lib/modules/RELEASE.
     *
     * @throws IOException also if the file is no module of a 64-bit x86 kernel
     */
    static KernelModule read(Path root, Path file) throws IOException {
        byte[] info =
                new Elf64(Files.readAllBytes(file))
                        .section(".modinfo")
                        .orElseThrow(
                                () -> new IOException(file + " is not a kernel module for x86-64"));
        List<String> depends = new ArrayList<>();
        List<String> aliases = new ArrayList<>();
        for (String entry : new String(info, StandardCharsets.UTF_8).split("\0", -1)) {
            int equals = entry.indexOf('=');
            String value = entry.substring(equals + 1);
            switch (entry.substring(0, Math.max(equals, 0))) {
                case "depends" -> {
                    for (String name : value.split(",", -1)) {
                        if (!name.isEmpty()) {
                            depends.add(name.replace('-', '_'));
                        }
                    }
                }
                case "alias" -> aliases.add(value);
                default -> {
                    // Descriptions and parameters are for people.
                }
            }
        }
        String path = root.relativize(file).toString().replace('\\', '/');
        return new KernelModule(nameOf(file).orElseThrow(), path, file, depends, aliases);
    }
}
