// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Kernels as distributions ship them. Set the system property frond.kernels to a folder that holds
 * vmlinuz-*-cloud-amd64, memtest86+x64.bin, memtest86+ia32.bin and invaders.exec, from Debian's
 * packages linux-image-cloud-amd64, memtest86+ and grub-invaders.
 */
class RealImagesTest {
    private final TestMachine machine = TestMachine.pc(128L * Images.MIB);
    private Path kernels = Path.of("");

    @BeforeEach
    void findKernels() {
        Optional<String> property = Optional.ofNullable(System.getProperty("frond.kernels"));
        Assumptions.assumeTrue(property.isPresent(), "-Dfrond.kernels is not set");
        kernels = Path.of(property.orElseThrow());
    }

    @Test
    void debiansCloudKernelStartsAtItsPreferredAddress() throws IOException, BootException {
        try (KernelImage kernel = KernelImage.open(cloudKernel())) {
            assertThat(kernel.description())
                    .isEqualTo("Linux bzImage, boot protocol 2.15, 64-bit entry");
            CpuState state = machine.boot(kernel, BootArguments.NONE);
            assertThat(state.rip()).isEqualTo(0x100_0200);
            assertThat(machine.u32(LinuxBoot.BOOT_PARAMS + 0x202)).isEqualTo(0x5372_6448);
        }
    }

    @Test
    void itsVmlinuxStartsThroughPvh() throws IOException, BootException {
        byte[] vmlinux = Lz4Vmlinux.extract(cloudKernel());
        KernelImage kernel = KernelImage.of(BootFile.of("vmlinux", vmlinux));
        assertThat(kernel.description()).isEqualTo("ELF64 kernel, PVH entry");
        CpuState state = machine.boot(kernel, BootArguments.NONE);
        assertThat(machine.map().isRam(state.rip(), 16)).isTrue();
        // cld; lgdt: the first instructions of pvh_start_xen.
        assertThat(machine.u32(state.rip()) & 0xFFFFFF).isEqualTo(0x010FFC);
    }

    @Test
    void memtest86IsALinuxKernelWithItsOwnEntries() throws BootException {
        try (KernelImage kernel = KernelImage.open(kernels.resolve("memtest86+x64.bin"))) {
            assertThat(machine.boot(kernel, BootArguments.NONE).rip()).isEqualTo(0x10_0200);
        }
        try (KernelImage kernel = KernelImage.open(kernels.resolve("memtest86+ia32.bin"))) {
            assertThat(machine.boot(kernel, BootArguments.NONE).rip()).isEqualTo(0x10_0000);
        }
    }

    @Test
    void grubInvadersIsAMultibootKernel() throws BootException {
        try (KernelImage kernel = KernelImage.open(kernels.resolve("invaders.exec"))) {
            CpuState state = machine.boot(kernel, BootArguments.NONE);
            assertThat(state.rip()).isEqualTo(0x10_0024);
            assertThat(machine.u32(0x10_0004)).isEqualTo(0x1BAD_B002);
            assertThat(machine.string(machine.u32(state.gprs().at(3) + 16)))
                    .endsWith("invaders.exec");
        }
    }

    private Path cloudKernel() throws IOException {
        try (Stream<Path> files = Files.list(kernels)) {
            return files.filter(f -> f.getFileName().toString().matches("vmlinuz-.*cloud-amd64"))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
