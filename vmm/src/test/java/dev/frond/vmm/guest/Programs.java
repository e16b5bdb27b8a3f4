// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Runs the host's programs that tests hold Frond's work against. */
final class Programs {
    private Programs() {}

    /** The file of a program on the PATH. */
    static Optional<Path> find(String name) {
        for (String directory : System.getenv("PATH").split(":", -1)) {
            Path file = Path.of(directory, name);
            if (Files.isExecutable(file)) {
                return Optional.of(file);
            }
        }
        return Optional.empty();
    }

    /** The cpio command; check installs it. That of busybox does not list numbers of devices. */
    static List<String> cpio() {
        assertThat(find("cpio")).as("cpio on the PATH").isPresent();
        return List.of("cpio", "--quiet");
    }

    /** Runs a program to its successful end and returns what it printed. */
    static String run(Path directory, Optional<Path> input, List<String> command)
            throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        input.ifPresent(file -> builder.redirectInput(file.toFile()));
        builder.environment().put("LC_ALL", "C");
        builder.environment().put("TZ", "UTC");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as("%s: %s", command, output).isZero();
        return output;
    }
}
