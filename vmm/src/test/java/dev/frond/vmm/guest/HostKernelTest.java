// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

class HostKernelTest {
    @TempDir Path directory;

    @BeforeEach
    void aHost() throws Exception {
        file("proc/sys/kernel/osrelease", "6.9-host\n".getBytes(StandardCharsets.UTF_8));
        file("boot/vmlinuz-6.9-host", "a kernel".getBytes(StandardCharsets.UTF_8));
        file("usr/lib/modules/6.9-host/kernel/virtio.ko", ElfFiles.module("depends="));
        file("bin/busybox", ElfFiles.program(false, new byte[10]));
        file("usr/bin/busybox", ElfFiles.busybox(ElfFiles.applets()));
    }

    @Test
    void theRunningKernelAndTheFirstStaticBusyboxAreTaken() throws Exception {
        Guest guest = catalog().obtain("host", GuestProgress.SILENT);
        assertThat(guest.kernel()).hasContent("a kernel");
        assertThat(guest.version()).startsWith("6.9-host_");
        assertThat(guest.initrd()).isNotEmptyFile();
        assertThat(catalog().obtain("host", GuestProgress.SILENT)).isEqualTo(guest);
    }

    @Test
    void aNewerKernelIsTakenAtOnce() throws Exception {
        catalog().obtain("host", GuestProgress.SILENT);
        file("boot/vmlinuz-6.9-host", "a newer kernel".getBytes(StandardCharsets.UTF_8));
        assertThat(catalog().obtain("host", GuestProgress.SILENT).kernel())
                .hasContent("a newer kernel");
    }

    @Test
    void aHostWithoutAKernelFileIsReported() throws Exception {
        Files.delete(root().resolve("boot/vmlinuz-6.9-host"));
        assertFailure(
                "the guest 'host' needs the host's kernel, but there is no file "
                        + root()
                        + "/boot/vmlinuz-6.9-host");
    }

    @Test
    void aHostWithoutAStaticBusyboxIsReported() throws Exception {
        Files.delete(root().resolve("usr/bin/busybox"));
        assertFailure(
                root()
                        + "/bin/busybox is not a static busybox for x86-64; install the package"
                        + " busybox-static");
        Files.delete(root().resolve("bin/busybox"));
        assertFailure("this host has no busybox; install the package busybox-static");
    }

    @Test
    void aHostThatIsNotLinuxIsReported() throws Exception {
        Files.delete(root().resolve("proc/sys/kernel/osrelease"));
        assertFailure("the guest 'host' needs a Linux host");
    }

    private void assertFailure(String message) {
        assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> catalog().obtain("host", GuestProgress.SILENT))
                .withMessage(message);
    }

    private GuestCatalog catalog() {
        return new GuestCatalog(directory.resolve("cache"), List.of(new HostKernel(root())));
    }

    private Path root() {
        return directory.resolve("root");
    }

    private void file(String path, byte[] contents) throws IOException {
        Path file = root().resolve(path);
        Files.createDirectories(file.getParent());
        Files.write(file, contents);
    }
}
