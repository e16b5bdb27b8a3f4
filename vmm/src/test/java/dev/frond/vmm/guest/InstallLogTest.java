// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.nio.charset.StandardCharsets;
import java.util.List;

class InstallLogTest {
    private final InstallLog log = new InstallLog(List.of(named("libc6"), named("tar")));

    private static AptPackage named(String name) {
        return new AptPackage(name, "1", List.of(), 1, "");
    }

    private void write(String text) {
        for (byte each : text.getBytes(StandardCharsets.UTF_8)) {
            log.send(each);
        }
    }

    @Test
    void aPackageIsTwoStepsHoweverOftenItIsNamed() {
        write("Unpacking libc6:amd64 (2.36-9) ...\r\n");
        write("Unpacking libc6:amd64 (2.36-9) over (2.36-9) ...\r\n");
        assertThat(log.steps()).isEqualTo(1);
        write("Setting up libc6:amd64 (2.36-9) ...\nUnpacking other (1) ...\nUnpacking tar (1");
        assertThat(log.steps()).isEqualTo(2);
        write(") ...\n");
        assertThat(log.steps()).isEqualTo(3);
        assertThat(log.total()).isEqualTo(4);
    }

    @Test
    void onlyTheWholeLineIsTheEnd() {
        write("[ 1.0] install: done\ninstall: done so far\n");
        assertThat(log.isDone()).isFalse();
        write("install: done\r\n");
        assertThat(log.isDone()).isTrue();
    }

    @Test
    void aFailureIsToldWithWhatWasSaidBeforeIt() {
        write("dpkg: error\n\ninstall: failed: mke2fs\nreboot: Power down\n");
        assertThat(log.reason()).isEqualTo("mke2fs failed; the last lines were: dpkg: error");
    }

    @Test
    void anEndlessLineTakesNoMemory() {
        write("x".repeat(1_000_000));
        assertThat(log.reason().length()).isLessThan(10_000);
    }
}
