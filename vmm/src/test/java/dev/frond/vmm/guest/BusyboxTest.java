// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

class BusyboxTest {
    @TempDir Path directory;

    @Test
    void theAppletsAreThoseThatTheHostsBusyboxNames() throws Exception {
        Optional<Path> busybox = Programs.find("busybox");
        assumeThat(busybox).as("busybox, which check installs").isPresent();

        List<String> applets = Busybox.applets(Files.readAllBytes(busybox.get()));

        assertThat(applets)
                .containsExactlyElementsOf(
                        Programs.run(directory, Optional.empty(), List.of("busybox", "--list"))
                                .lines()
                                .toList());
    }

    @Test
    void aStaticProgramWithTheTableIsUsable() {
        assertThat(Busybox.isUsable(ElfFiles.busybox(ElfFiles.applets()))).isTrue();
        assertThat(Busybox.applets(ElfFiles.busybox(ElfFiles.applets())))
                .isEqualTo(ElfFiles.applets());
    }

    @Test
    void aProgramWithoutTheTableIsNot() {
        assertThat(Busybox.isUsable(ElfFiles.program(true, new byte[1000]))).isFalse();
        assertThat(Busybox.isUsable(ElfFiles.busybox(List.of("[", "[[", "ash", "cat")))).isFalse();
    }

    @Test
    void aDynamicProgramIsNot() {
        byte[] table =
                ("\0" + String.join("\0", ElfFiles.applets()) + "\0\0")
                        .getBytes(StandardCharsets.US_ASCII);
        assertThat(Busybox.isUsable(ElfFiles.program(true, table))).isTrue();
        assertThat(Busybox.isUsable(ElfFiles.program(false, table))).isFalse();
    }

    @Test
    void anythingElseIsNot() {
        assertThat(Busybox.isUsable(new byte[0])).isFalse();
        assertThat(Busybox.isUsable("#!/bin/sh\n".getBytes(StandardCharsets.US_ASCII))).isFalse();
    }
}
