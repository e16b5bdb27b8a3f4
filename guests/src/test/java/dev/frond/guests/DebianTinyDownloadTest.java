// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestProgress;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The real packages from the real archive, into an empty cache. */
class DebianTinyDownloadTest {
    @TempDir Path cache;

    @Test
    void theRealPackagesMakeAGuestThatIsThenInTheCache() throws Exception {
        assumeThat(Files.isExecutable(Path.of("/usr/bin/apt-get"))).as("apt-get").isTrue();
        Map<String, String> environment = new HashMap<>(System.getenv());
        environment.put("XDG_CACHE_HOME", cache.toString());
        GuestCatalog catalog = GuestCatalog.of(environment);
        List<Long> transferred = new ArrayList<>();

        Guest guest =
                catalog.obtain(
                        "debian-tiny",
                        new GuestProgress() {
                            @Override
                            public void step(String what) {}

                            @Override
                            public void transferred(String what, long bytes, long total) {
                                transferred.add(total - bytes);
                            }

                            @Override
                            public void worked(String what, int done, int total) {}
                        });

        assertThat(transferred)
                .first()
                .satisfies(rest -> assertThat(rest).isGreaterThan(5_000_000));
        assertThat(transferred).last().isEqualTo(0L);
        assertThat(Files.readString(guest.kernel(), StandardCharsets.ISO_8859_1))
                .startsWith("\177ELF")
                .contains("Linux version ");
        byte[] kernel = Files.readAllBytes(guest.bzImage());
        assertThat(new String(kernel, 0x202, 4, StandardCharsets.US_ASCII)).isEqualTo("HdrS");
        assertThat(Files.readString(guest.initrd(), StandardCharsets.ISO_8859_1))
                .startsWith("070701")
                .contains("virtio_mmio.ko", "virtio_blk.ko", "virtio-rng.ko", "BusyBox v1.");
        assertThat(catalog.obtain("debian-tiny", GuestProgress.SILENT)).isEqualTo(guest);
        assertThat(catalog.rm("debian-tiny")).isTrue();
        assertThat(guest.kernel()).doesNotExist();
    }
}
