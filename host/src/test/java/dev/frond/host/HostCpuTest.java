// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.frond.host.HostCpu.Cpuid;
import dev.frond.host.HostCpu.Feature;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

final class HostCpuTest {
    /** The names in /proc/cpuinfo where they are others. */
    private static final Map<Feature, String> LINUX_NAMES =
            Map.ofEntries(
                    Map.entry(Feature.CMPXCHG8B, "cx8"),
                    Map.entry(Feature.CLFSH, "clflush"),
                    Map.entry(Feature.SSE3, "pni"),
                    Map.entry(Feature.CMPXCHG16B, "cx16"),
                    Map.entry(Feature.AESNI, "aes"),
                    Map.entry(Feature.SHA, "sha_ni"),
                    Map.entry(Feature.LAHF, "lahf_lm"),
                    Map.entry(Feature.LZCNT, "abm"),
                    Map.entry(Feature.PREFETCHW, "3dnowprefetch"),
                    Map.entry(Feature.FXSR, "fxsr"));

    @BeforeEach
    void supported() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    @Test
    void theVendorIsTheOneThatLinuxNames() throws Exception {
        Cpuid leaf = HostCpu.cpuid(0, 0);
        ByteBuffer vendor = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        vendor.putInt(leaf.ebx()).putInt(leaf.edx()).putInt(leaf.ecx());
        assertThat(cpuinfo("vendor_id")).isEqualTo(new String(vendor.array(), US_ASCII));
    }

    @Test
    void subleavesAreAskedForEachOnItsOwn() {
        assumeThat(HostCpu.has(Feature.AVX)).as("AVX").isTrue();
        // Leaf Dh: subleaf 0 gives the sizes of the save area, subleaf 2 place and size of YMM's
        // upper halves in it.
        assertThat(HostCpu.cpuid(0xD, 2).eax()).isEqualTo(256);
        assertThat(HostCpu.cpuid(0xD, 0).ecx()).isGreaterThanOrEqualTo(832);
    }

    @Test
    void whatLinuxListsIsPresent() throws Exception {
        Set<String> flags =
                Pattern.compile(" ").splitAsStream(cpuinfo("flags")).collect(Collectors.toSet());
        for (Feature feature : Feature.values()) {
            // Linux keeps these to itself, under other rules.
            if (feature == Feature.OSXSAVE) {
                continue;
            }
            String name =
                    LINUX_NAMES.getOrDefault(feature, feature.name().toLowerCase(Locale.ROOT));
            if (flags.contains(name)) {
                assertThat(HostCpu.has(feature)).as(name).isTrue();
            }
        }
        Set<String> names =
                HostCpu.features().stream().map(Feature::name).collect(Collectors.toSet());
        assertThat(names).contains("FPU", "CMOV", "SSE2", "LM", "FXSR");
    }

    @Test
    void xcr0AgreesWithTheFeatures() {
        if (HostCpu.has(Feature.AVX)) {
            assertThat(HostCpu.xcr0() & 6).isEqualTo(6);
        }
        assertThat(HostCpu.has(Feature.OSXSAVE)).isEqualTo((HostCpu.xcr0() & 1) == 1);
    }

    private static String cpuinfo(String field) throws Exception {
        try (var lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith(field))
                    .map(line -> line.substring(line.indexOf(':') + 2))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
