// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

class KernelModulesTest {
    @TempDir Path root;

    @Test
    void eachModuleComesAfterWhatItNeedsAndOnlyWhatIsNeededComes() throws Exception {
        module("drivers/virtio_blk.ko", "depends=virtio,virtio-ring");
        module("drivers/virtio_ring.ko", "depends=virtio");
        module("drivers/virtio.ko", "depends=");
        module("drivers/other.ko", "depends=");

        List<KernelModule> closure =
                KernelModules.in(root).closure(List.of("virtio_blk", "built_in"));

        assertThat(closure)
                .extracting(KernelModule::name)
                .containsExactly("virtio", "virtio_ring", "virtio_blk");
        assertThat(KernelModules.dependencies(closure))
                .isEqualTo(
                        """
                        drivers/virtio.ko:
                        drivers/virtio_ring.ko: drivers/virtio.ko
                        drivers/virtio_blk.ko: drivers/virtio_ring.ko drivers/virtio.ko
                        """);
    }

    @Test
    void aDashInAFileNameIsAnUnderscoreInTheModulesName() throws Exception {
        module("virtio-rng.ko", "alias=virtio:d00000004v*", "alias=fs-x", "description=a=b");

        List<KernelModule> closure = KernelModules.in(root).closure(List.of("virtio_rng"));

        assertThat(KernelModules.aliases(closure))
                .isEqualTo("alias virtio:d00000004v* virtio_rng\nalias fs-x virtio_rng\n");
    }

    @Test
    void modulesThatNeedEachOtherEndToo() throws Exception {
        module("a.ko", "depends=b");
        module("b.ko", "depends=a");

        List<KernelModule> closure = KernelModules.in(root).closure(List.of("a"));

        assertThat(closure).extracting(KernelModule::name).containsExactly("b", "a");
        assertThat(KernelModules.dependencies(closure)).isEqualTo("b.ko: a.ko\na.ko: b.ko\n");
    }

    @Test
    void aKernelWithoutModulesHasNone() throws Exception {
        assertThat(KernelModules.in(root.resolve("nowhere")).closure(List.of("virtio"))).isEmpty();
        Files.write(root.resolve("virtio.ko.xz"), new byte[100]);
        assertThat(KernelModules.in(root).closure(List.of("virtio"))).isEmpty();
    }

    @Test
    void aDamagedModuleIsNamed() throws Exception {
        byte[] whole = ElfFiles.module("depends=virtio", "alias=x");
        // The last fields of the last section header are of no interest.
        for (int length = 0; length < whole.length - 32; length++) {
            Path file = root.resolve("cut.ko");
            Files.write(file, Arrays.copyOf(whole, length));
            assertThatIOException()
                    .isThrownBy(() -> KernelModule.read(root, file))
                    .withMessage(file + " is not a kernel module for x86-64");
        }
    }

    @Test
    void noiseInTheHeaderIsHarmless() throws Exception {
        Random random = new Random(7);
        Path file = root.resolve("noise.ko");
        for (int i = 0; i < 2000; i++) {
            byte[] noise = ElfFiles.module("depends=virtio");
            for (int j = 0; j < 4; j++) {
                noise[20 + random.nextInt(noise.length - 20)] = (byte) random.nextInt();
            }
            Files.write(file, noise);
            try {
                assertThat(KernelModule.read(root, file).name()).isEqualTo("noise");
            } catch (IOException e) {
                assertThat(e).hasMessageContaining("noise.ko");
            }
        }
    }

    private void module(String path, String... entries) throws IOException {
        Path file = root.resolve(path);
        Files.createDirectories(file.getParent());
        Files.write(file, ElfFiles.module(entries));
    }
}
