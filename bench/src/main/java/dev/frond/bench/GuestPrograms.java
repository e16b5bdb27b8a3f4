// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import dev.frond.vmm.guest.CpioArchive;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * The C programs of {@code bench/programs}, made into one static executable that runs on the host
 * and in a guest alike.
 */
final class GuestPrograms {
    private GuestPrograms() {}

    /** Compiles the programs with the host's C compiler and returns the executable. */
    static Path build(Path directory) throws IOException, InterruptedException {
        Files.createDirectories(directory);
        Path executable = directory.resolve("programs").toAbsolutePath();
        List<String> command =
                new ArrayList<>(
                        List.of(
                                "cc",
                                "-O2",
                                "-Wall",
                                "-Wextra",
                                "-Werror",
                                "-static",
                                "-o",
                                executable.toString()));
        try (Stream<Path> sources = Files.list(Path.of("bench/programs"))) {
            sources.map(Path::toString)
                    .filter(name -> name.endsWith(".c"))
                    .sorted()
                    .forEach(command::add);
        }
        command.addAll(List.of("-lm", "-lpthread"));
        Process compiler = new ProcessBuilder(command).inheritIO().start();
        if (compiler.waitFor() != 0) {
            throw new IOException(
                    "the programs in bench/programs were not compiled; on Debian the packages gcc"
                            + " and libc6-dev are needed");
        }
        return executable;
    }

    /**
     * An initramfs with nothing but the executable, as {@code /programs}. Linux unpacks one archive
     * over another, so that it can also stand behind the initramfs of a whole system.
     */
    static void archive(Path executable, Path to) throws IOException {
        try (CpioArchive archive = new CpioArchive(Files.newOutputStream(to))) {
            archive.file("programs", 0755, executable);
        }
    }
}
