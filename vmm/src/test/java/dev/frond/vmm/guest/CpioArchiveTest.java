// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

class CpioArchiveTest {
    @TempDir Path directory;

    @Test
    void theRealCpioReadsBackWhatWasPutIn() throws Exception {
        Path archive = directory.resolve("archive.cpio");
        Path source = directory.resolve("source");
        byte[] large = new byte[300_001];
        new Random(1).nextBytes(large);
        Files.write(source, large);
        try (CpioArchive cpio = new CpioArchive(Files.newOutputStream(archive))) {
            cpio.directory("etc", 0755);
            cpio.file("etc/motd", 0644, "Hello\n".getBytes(StandardCharsets.UTF_8));
            cpio.file("etc/empty", 0600, new byte[0]);
            cpio.directory("secret", 0700);
            cpio.file("secret/large", 0755, source);
            cpio.symlink("link", "etc/motd");
        }

        Path out = Files.createDirectory(directory.resolve("out"));
        Programs.run(out, Optional.of(archive), command("-idm"));

        assertThat(out.resolve("etc/motd")).hasContent("Hello\n");
        assertThat(out.resolve("etc/empty")).isEmptyFile();
        assertThat(out.resolve("secret/large")).hasBinaryContent(large);
        assertThat(Files.readSymbolicLink(out.resolve("link"))).hasToString("etc/motd");
        assertThat(
                        PosixFilePermissions.toString(
                                Files.getPosixFilePermissions(out.resolve("secret"))))
                .isEqualTo("rwx------");
        assertThat(
                        PosixFilePermissions.toString(
                                Files.getPosixFilePermissions(out.resolve("secret/large"))))
                .isEqualTo("rwxr-xr-x");
    }

    @Test
    void theRealCpioListsModesOwnersAndDevices() throws Exception {
        Path archive = directory.resolve("archive.cpio");
        try (CpioArchive cpio = new CpioArchive(Files.newOutputStream(archive))) {
            cpio.directory("tmp", 01777);
            cpio.directory("dev", 0755);
            cpio.characterDevice("dev/console", 0600, 5, 1);
        }

        String listing = Programs.run(directory, Optional.of(archive), command("-itv"));

        assertThat(listing.lines().map(line -> line.replaceAll("\\s+", " ")))
                .satisfiesExactly(
                        tmp ->
                                assertThat(tmp)
                                        .startsWith("drwxrwxrwt")
                                        .contains("1970")
                                        .endsWith(" tmp"),
                        dev -> assertThat(dev).startsWith("drwxr-xr-x").endsWith(" dev"),
                        console ->
                                assertThat(console)
                                        .startsWith("crw-------")
                                        .contains("5, 1")
                                        .endsWith(" dev/console"));
    }

    @Test
    void aGzipStreamUnderneathGivesACompressedArchive() throws Exception {
        Path archive = directory.resolve("archive.cpio.gz");
        try (CpioArchive cpio =
                new CpioArchive(new GZIPOutputStream(Files.newOutputStream(archive)))) {
            cpio.file("one", 0644, new byte[10_000]);
        }
        assertThat(archive).satisfies(file -> assertThat(Files.size(file)).isLessThan(500));

        Path plain = directory.resolve("archive.cpio");
        Files.write(
                plain,
                new java.util.zip.GZIPInputStream(Files.newInputStream(archive)).readAllBytes());

        assertThat(Programs.run(directory, Optional.of(plain), command("-it")))
                .isEqualToIgnoringNewLines("one");
    }

    @Test
    void equalContentsGiveEqualBytesInWholeBlocks() throws Exception {
        assertThat(small())
                .isEqualTo(small())
                .satisfies(bytes -> assertThat(bytes.length % 512).isZero());
    }

    @Test
    void whatTheKernelWouldNotUnpackIsRefused() throws Exception {
        try (CpioArchive cpio = new CpioArchive(new ByteArrayOutputStream())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> cpio.file("etc/motd", 0644, new byte[1]))
                    .withMessage("the directory of etc/motd is not in the archive yet");
            assertThatIllegalArgumentException().isThrownBy(() -> cpio.directory("/etc", 0755));
            assertThatIllegalArgumentException().isThrownBy(() -> cpio.directory("", 0755));
            assertThatIllegalArgumentException().isThrownBy(() -> cpio.directory("a\0b", 0755));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> cpio.directory("TRAILER!!!", 0755));
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> cpio.directory("x".repeat(4096), 0755));
            cpio.directory("etc", 0755);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> cpio.directory("etc", 0755))
                    .withMessage("etc is in the archive already");
        }
    }

    private static byte[] small() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (CpioArchive cpio = new CpioArchive(bytes)) {
            cpio.file("file", 0644, new byte[] {1, 2, 3});
        }
        return bytes.toByteArray();
    }

    private static List<String> command(String option) {
        List<String> command = new ArrayList<>(Programs.cpio());
        command.add(option);
        return command;
    }
}
