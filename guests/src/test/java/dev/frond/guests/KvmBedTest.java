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
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

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
        List<String> irqChips = List.of("split", "on");
        String output = KvmBed.make(TinyGuest.obtain().guest(), irqChips).run(TIMEOUT);
        List<String> said = new ArrayList<>(List.of("/dev/kvm"));
        for (String irqChip : irqChips) {
            String begin = "KVM BED: " + irqChip.toUpperCase(Locale.ROOT) + ": ";
            said.add(begin + "booted, engine kvm");
            said.add(begin + "handed over, engine interpreter");
            said.add(begin + "handed back, engine kvm");
            said.add(begin + "PoweredOff[], engine kvm");
        }
        said.add("a debugger steps");
        said.add("a debugger stops at an instruction");
        said.add("rings ran full");
        said.add("bed: status 0");
        assertThat(output).containsSubsequence(said);
    }
}
