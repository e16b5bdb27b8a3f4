// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The guest debian up to its installation; the room guests runs the real one. */
class DebianSystemTest {
    private static final String NAME = "debian";
    private static final long DISK = 2 << 20;

    @TempDir Path directory;
    private FakeApt apt;
    private GuestCatalog catalog;
    private DebianSystem debian;
    private final List<String> installations = new ArrayList<>();
    private Optional<String> failure = Optional.empty();

    @BeforeEach
    void serve() throws Exception {
        assumeThat(Programs.find("dpkg-deb")).as("dpkg-deb, which every Debian has").isPresent();
        apt = new FakeApt(Files.createDirectory(directory.resolve("apt")));
        debian = DebianSystem.base(apt.path(), this::install, DISK);
        apt.serve("6.1-1");
        apt.serveSystem(debian.wanted());
        catalog = new GuestCatalog(directory.resolve("cache"), List.of(debian));
    }

    /** Keeps what it is given, and writes a byte to the disk. */
    private void install(
            Path kernel,
            Path initrd,
            String commandLine,
            Path disk,
            List<AptPackage> packages,
            GuestProgress progress)
            throws GuestException {
        if (failure.isPresent()) {
            throw new GuestException(failure.get());
        }
        try {
            installations.add(commandLine);
            assertThat(kernel).hasContent("kernel 6.1-1");
            assertThat(packages).hasSize(debian.wanted().size() + 1);
            Files.copy(initrd, directory.resolve("installation.cpio"));
            byte[] content = {1};
            try (var channel = FileChannel.open(disk, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.wrap(content), 1 << 20);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void itIsInstalledOnceAndThenComesOutOfTheCache() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        Guest cached = catalog.obtain(NAME, GuestProgress.SILENT);
        Guest current = catalog.get(NAME, GuestProgress.SILENT);

        assertThat(cached).isEqualTo(made);
        assertThat(current).isEqualTo(made);
        assertThat(installations).singleElement().asString().endsWith(" rdinit=/install-disk");
        assertThat(made.commandLine())
                .contains(" rdinit=/boot-disk root=/dev/vda overlayroot=tmpfs");
        assertThat(made.disk().orElseThrow()).hasSize(DISK);
        assertThat(made.version())
                .startsWith("6.1-1_" + (debian.wanted().size() + 1) + "-packages-");
        // What the disk holds counts, not how large it may become.
        assertThat(made.size()).isBetween(1L << 16, 1L << 20);
    }

    @Test
    void theInstallationGetsPackagesModulesAndConfiguration() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);

        // Two archives, one after the other; cpio reads one.
        long tiny = Files.size(made.initrd());
        byte[] whole = Files.readAllBytes(directory.resolve("installation.cpio"));
        String paths = list(whole, made.initrd());
        assertThat(tiny).isLessThan(whole.length);
        assertThat(paths.lines())
                .contains(
                        "install-disk",
                        "parts/mkfs",
                        "parts/first/libtest.deb",
                        "parts/first/libtest.tar",
                        "parts/first/dpkg.tar",
                        "parts/rest/systemd-sysv.deb",
                        "parts/root/etc/fstab",
                        "parts/modules/" + FakeApt.RELEASE + "/kernel/virtio.ko")
                .doesNotContain("parts/rest/libtest.deb", "parts/rest/dpkg.deb");
    }

    /** The paths of the archive that follows the one that both guests share. */
    private String list(byte[] whole, Path initrd) throws Exception {
        byte[] booted = Files.readAllBytes(initrd);
        int common = 0;
        while (common < booted.length && booted[common] == whole[common]) {
            common++;
        }
        Path second = directory.resolve("second.cpio");
        int start = common / 512 * 512;
        Files.write(second, Arrays.copyOfRange(whole, start, whole.length));
        List<String> command = new ArrayList<>(Programs.cpio());
        command.add("-it");
        return Programs.run(directory, Optional.of(second), command);
    }

    @Test
    void aFailedInstallationLeavesNothing() {
        failure = Optional.of("the installation of 3 packages ended too early");
        assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> catalog.obtain(NAME, GuestProgress.SILENT))
                .withMessage(failure.get());
        assertThat(directory.resolve("cache").resolve(NAME)).isDirectoryNotContaining("glob:**/6*");
    }

    @Test
    void aDiskThatWasChangedIsInstalledAnewByGet() throws Exception {
        Guest made = catalog.obtain(NAME, GuestProgress.SILENT);
        Files.delete(directory.resolve("installation.cpio"));
        try (var channel = FileChannel.open(made.disk().orElseThrow(), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {2}), 1 << 20);
        }
        assertThat(catalog.get(NAME, GuestProgress.SILENT)).isEqualTo(made);
        assertThat(installations).hasSize(2);
    }

    @Test
    void aPackageThatNoSourceHasIsReported() throws Exception {
        Files.delete(apt.root.resolve("lists/systemd-sysv"));
        Files.createDirectory(apt.root.resolve("newer"));
        assertThatExceptionOfType(GuestException.class)
                .isThrownBy(() -> catalog.obtain(NAME, GuestProgress.SILENT))
                .withMessageStartingWith("no package source of this system offers")
                .withMessageContaining("systemd-sysv");
    }

    @Test
    void onlyGuestsWithARootDiskSaySo() throws Exception {
        assertThat(catalog.hasDisk(NAME)).isTrue();
        GuestCatalog tiny =
                new GuestCatalog(directory.resolve("cache"), List.of(new DebianTiny(apt.path())));
        assertThat(tiny.hasDisk("debian-tiny")).isFalse();
        assertThat(tiny.obtain("debian-tiny", GuestProgress.SILENT).disk()).isEmpty();
    }

    @Test
    void everyScriptIsUnderstoodByAShell() throws Exception {
        for (String name : List.of("boot-disk", "install-disk", "root/etc/profile.d/frond.sh")) {
            Path script = directory.resolve("script");
            try (var in = DebianSystem.class.getResourceAsStream("debian/" + name)) {
                Files.write(script, in.readAllBytes());
            }
            Programs.run(directory, Optional.empty(), List.of("sh", "-n", script.toString()));
        }
    }
}
