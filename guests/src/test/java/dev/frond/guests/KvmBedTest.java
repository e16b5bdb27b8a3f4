// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** Debian under a full KVM, which an emulator has where the host has none. */
@NullMarked
class KvmBedTest {
    private static final Duration TIMEOUT = Duration.ofMinutes(15);

    @Test
    void debianBootsUnderKvmAndGoesToTheInterpreterAndBack() throws Exception {
        for (String needed : List.of("qemu-system-x86_64", "apt-get", "dpkg-deb")) {
            assumeThat(Path.of("/usr/bin", needed)).as("the test bed's tools").exists();
        }
        assumeThat(Files.exists(Path.of("/bin/busybox"))).as("busybox").isTrue();
        String output = KvmBed.make(TinyGuest.obtain().guest()).run(TIMEOUT);
        assertThat(output)
                .contains("/dev/kvm")
                .containsSubsequence(
                        "KVM BED: booted, engine kvm",
                        "KVM BED: handed over, engine interpreter",
                        "KVM BED: handed back, engine kvm",
                        "KVM BED: PoweredOff[], engine kvm",
                        "bed: status 0");
    }
}
