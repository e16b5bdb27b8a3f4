// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

class KernelImageTest {
    @TempDir private Path directory;

    @Test
    void eachFormatIsRecognised() throws IOException, BootException {
        assertThat(open("a", Images.bytes(Images.bzImage()))).isInstanceOf(LinuxBoot.class);
        assertThat(open("b", Images.pvhKernel())).isInstanceOf(PvhBoot.class);
        assertThat(open("c", Images.multibootElf(false, Images.multibootHeader(0))))
                .isInstanceOf(Multiboot1.class);
        assertThat(open("d", Images.multibootFlat())).isInstanceOf(Multiboot1.class);
    }

    @Test
    void of64BitKernelsThatOfferBothThePvhEntryIsTaken() throws BootException {
        byte[] header = Images.multibootHeader(0);
        for (boolean is64 : new boolean[] {false, true}) {
            byte[] image =
                    Images.elf(
                            is64,
                            0x10_0000,
                            List.of(new Images.Part(0x10_0000, 0x10_0000, header, 64, true)),
                            Images.pvhNote(0x10_0004, 4));
            assertThat(KernelImage.of(Images.file("both", image)))
                    .isInstanceOf(is64 ? PvhBoot.class : Multiboot1.class);
        }
    }

    @Test
    void aFileThatIsNoneIsRefusedWithTheReason() throws IOException {
        Path missing = directory.resolve("missing");
        assertThatThrownBy(() -> KernelImage.open(missing)).hasMessage(missing + ": no such file");
        assertThatThrownBy(() -> KernelImage.open(directory))
                .isInstanceOf(BootException.class)
                .hasMessage(directory + ": is a directory; accepted is a file");
        assertThatThrownBy(() -> open("empty", new byte[0]))
                .hasMessageEndingWith("empty: is empty");
        assertThatThrownBy(() ->
                        open("text", "hello".getBytes(java.nio.charset.StandardCharsets.US_ASCII)))
                .hasMessageEndingWith("text: not a kernel; " + KernelImage.ACCEPTED);
        assertThatThrownBy(() -> KernelImage.open(Path.of("/dev/null")))
                .hasMessage("/dev/null: is not a regular file");
        assertThatThrownBy(() -> open("gz", HexFormat.of().parseHex("1f8b0800000000000003")))
                .hasMessageContaining("compressed by gzip: decompress it first");
        assertThatThrownBy(() -> open("xz", HexFormat.of().parseHex("fd377a585a000004")))
                .hasMessageContaining("compressed by xz");
        assertThatThrownBy(() -> open("zst", HexFormat.of().parseHex("28b52ffd04581100")))
                .hasMessageContaining("compressed by zstd");
    }

    @Test
    void aFileWithoutPermissionIsRefused() throws IOException {
        Path path = Files.write(directory.resolve("secret"), Images.pvhKernel());
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("---------"));
        Assumptions.assumeFalse(Files.isReadable(path), "root reads every file");
        assertThatThrownBy(() -> KernelImage.open(path)).hasMessage(path + ": permission denied");
    }

    @Test
    void aBadElfFileIsRefusedWithWhatIsWrong() {
        byte[] good = Images.pvhKernel();
        refused(Arrays.copyOf(good, 51), "the header is cut off");
        refused(Arrays.copyOf(good, 63), "the header is cut off");
        refused(Arrays.copyOf(good, 100), "its program headers are beyond its end");
        refused(Arrays.copyOf(good, 0x1100), "truncated: segment 1 is beyond its end");
        refused(with(good, 4, 3), "class 3; accepted are 1 (ELF32) and 2 (ELF64)");
        refused(with(good, 5, 2), "it is not little-endian");
        refused(with(good, 16, 1), "type 1; accepted are 2");
        refused(with(good, 18, 183), "machine 183; accepted are 3 (i386) and 62 (x86-64)");
        refused(with(good, 54, 32), "program headers of 32 bytes; accepted is 56");
        refused(with(good, 56, 0), "it has no segment to load");
        refused(with(good, 64 + 40, 1), "has more bytes in the file than in memory");
        assertThatThrownBy(() ->
                        KernelImage.of(
                                Images.file(
                                        "elf",
                                        Images.elf(
                                                true,
                                                0,
                                                List.of(
                                                        new Images.Part(
                                                                0, 0, new byte[8], 8, true)),
                                                new byte[0]))))
                .hasMessage(
                        "elf: an ELF file with neither a PVH entry note nor a Multiboot 1 header; "
                                + KernelImage.ACCEPTED);
    }

    @Test
    void aFileThatBecameShorterIsToldWhenItIsLoadedAgain() throws IOException, BootException {
        Path path = Files.write(directory.resolve("vmlinux"), Images.pvhKernel());
        TestMachine machine = TestMachine.pc(8 * Images.MIB);
        try (KernelImage kernel = KernelImage.open(path)) {
            machine.boot(kernel, BootArguments.NONE);
            Files.write(path, new byte[] {1});
            assertThatThrownBy(() -> machine.boot(kernel, BootArguments.NONE))
                    .isInstanceOf(BootException.class)
                    .hasMessageContaining("became shorter");
        }
    }

    @Test
    void aReplacedFileIsNotLoadedInsteadOfTheOneThatWasOpened() throws IOException, BootException {
        Path path = Files.write(directory.resolve("vmlinux"), Images.pvhKernel());
        TestMachine machine = TestMachine.pc(8 * Images.MIB);
        try (KernelImage kernel = KernelImage.open(path)) {
            Files.move(
                    Files.write(directory.resolve("new"), new byte[] {1}),
                    path,
                    java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            assertThat(machine.boot(kernel, BootArguments.NONE).rip()).isEqualTo(0x10_0040);
        }
    }

    @Test
    void moduleListsAreSplitAtCommas() throws IOException, BootException {
        Path a = Files.write(directory.resolve("a"), new byte[] {1});
        Path b = Files.write(directory.resolve("b,c"), new byte[] {2, 3});
        String list = a + " x=1 y," + b.toString().replace(",", ",,");
        List<BootArguments.Module> modules = BootArguments.openModules(list, true);
        assertThat(modules).hasSize(2);
        assertThat(modules.get(0).file().name()).isEqualTo(a.toString());
        assertThat(modules.get(0).arguments()).isEqualTo("x=1 y");
        assertThat(modules.get(1).file().size()).isEqualTo(2);
        for (BootArguments.Module module : modules) {
            module.file().close();
        }
        assertThatThrownBy(() -> BootArguments.openModules(a + " x", false))
                .hasMessage(a + " x: no such file");
        assertThatThrownBy(() -> BootArguments.openModules(a + ",", true))
                .hasMessageContaining("a file name is empty");
        assertThatThrownBy(() -> BootArguments.openModules("a\0b", true))
                .isInstanceOf(BootException.class);
    }

    private void refused(byte[] image, String text) {
        assertThatThrownBy(() -> KernelImage.of(Images.file("elf", image)))
                .isInstanceOf(BootException.class)
                .hasMessageStartingWith("elf: bad ELF file: ")
                .hasMessageContaining(text);
    }

    private static byte[] with(byte[] image, int offset, int value) {
        byte[] copy = image.clone();
        copy[offset] = (byte) value;
        copy[offset + 1] = (byte) (value >> 8);
        return copy;
    }

    private KernelImage open(String name, byte[] bytes) throws IOException, BootException {
        try (KernelImage image = KernelImage.open(Files.write(directory.resolve(name), bytes))) {
            return image;
        }
    }
}
