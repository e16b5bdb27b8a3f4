// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import org.jspecify.annotations.NullMarked;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** The host's compiler and Debian's packages, for guests that tests are made of. */
@NullMarked
final class Tools {
    private Tools() {}

    /** Runs a program of the host in {@code directory}; it must succeed. */
    static void run(Path directory, String... command) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectErrorStream(true)
                        .start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + " failed:\n" + output);
        }
    }

    /** The Multiboot kernel of the directory multiboot, compiled for 32 or 64 bits. */
    static Path multibootKernel(Path directory, int bits) throws IOException, InterruptedException {
        Path sources = Files.createDirectories(directory.resolve("multiboot" + bits));
        for (String name : List.of("start.S", "kernel.c", "kernel.ld")) {
            try (InputStream in = Tools.class.getResourceAsStream("multiboot/" + name)) {
                if (in == null) {
                    throw new IOException("no resource " + name);
                }
                Files.copy(in, sources.resolve(name));
            }
        }
        run(
                sources,
                "gcc",
                "-m" + bits,
                "-Os",
                "-Wall",
                "-Werror",
                "-ffreestanding",
                "-fno-pic",
                "-fno-stack-protector",
                "-mno-sse",
                "-mno-red-zone",
                "-nostdlib",
                "-static",
                "-no-pie",
                "-Wl,--build-id=none",
                "-Wl,-z,max-page-size=4096",
                "-Wl,-z,noexecstack",
                "-T",
                "kernel.ld",
                "-o",
                "kernel",
                "start.S",
                "kernel.c");
        return sources.resolve("kernel");
    }

    /** The files of a Debian package, below the directory that is returned. */
    static Path debianPackage(Path directory, String name)
            throws IOException, InterruptedException {
        Path work = Files.createDirectories(directory.resolve(name));
        run(work, "apt-get", "download", "-q", name);
        try (Stream<Path> files = Files.list(work)) {
            for (Path file : files.filter(each -> each.toString().endsWith(".deb")).toList()) {
                run(work, "dpkg-deb", "-x", file.toString(), "root");
            }
        }
        return work.resolve("root");
    }

    /** Unpacks a file that gzip compressed. */
    static Path gunzip(Path file, Path target) throws IOException {
        try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
            Files.copy(in, target);
        }
        return target;
    }
}
