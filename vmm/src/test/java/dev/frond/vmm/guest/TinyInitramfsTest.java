// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

class TinyInitramfsTest {
    private static final String RELEASE = "6.1.0-1-test";

    @TempDir Path directory;
    private Path archive = Path.of("");

    @BeforeEach
    void write() throws Exception {
        Path modules = Files.createDirectories(directory.resolve("modules/kernel/drivers/virtio"));
        Files.write(modules.resolve("virtio.ko"), ElfFiles.module("depends="));
        Files.write(
                modules.resolve("virtio_mmio.ko"),
                ElfFiles.module("depends=virtio", "alias=acpi*:LNRO0005:*"));
        archive = directory.resolve("initrd.cpio");
        TinyInitramfs.write(
                archive,
                "frog",
                RELEASE,
                KernelModules.in(directory.resolve("modules")),
                ElfFiles.busybox(ElfFiles.applets()));
    }

    @Test
    void itHasWhatTheKernelAndInitOpenFirst() throws Exception {
        assertThat(cpio("-it").lines())
                .contains(
                        "init",
                        "dev/console",
                        "usr/bin/busybox",
                        "usr/bin/init",
                        "etc/inittab",
                        "etc/init.d/rcS");
    }

    @Test
    void modprobeFindsTheModulesOfThatRelease() throws Exception {
        cpio("-idm", "usr*");
        Path root = directory.resolve("usr/lib/modules").resolve(RELEASE);
        assertThat(root.resolve("modules.dep"))
                .hasContent(
                        """
                        kernel/drivers/virtio/virtio.ko:
                        kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko
                        """);
        assertThat(root.resolve("modules.alias"))
                .hasContent("alias acpi*:LNRO0005:* virtio_mmio\n");
        assertThat(root.resolve("kernel/drivers/virtio/virtio_mmio.ko")).exists();
    }

    @Test
    void theGuestKnowsItsName() throws Exception {
        cpio("-idm", "etc*");
        assertThat(directory.resolve("etc/hostname")).hasContent("frog\n");
    }

    @Test
    void everyScriptIsExecutableAndUnderstoodByAShell() throws Exception {
        cpio("-idm", "etc*", "usr/share*");
        List<Path> scripts = new ArrayList<>();
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
                if (Files.size(file) < 100_000
                        && new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1)
                                .startsWith("#!")) {
                    scripts.add(file);
                }
            }
        }
        assertThat(scripts).hasSize(4);
        for (Path script : scripts) {
            assertThat(script).isExecutable();
            Programs.run(directory, Optional.empty(), List.of("sh", "-n", script.toString()));
        }
    }

    private String cpio(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(Programs.cpio());
        command.addAll(List.of(arguments));
        return Programs.run(directory, Optional.of(archive), command);
    }
}
