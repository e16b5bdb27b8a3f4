// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files that are spoken to with ioctl, on commands that every Linux has. */
class ControlFileTest {
    /** asm-generic/ioctls.h and linux/fs.h: bytes that can be read at once; the block size. */
    private static final Ioctl FIONREAD = new Ioctl("FIONREAD", 0x541B);

    private static final Ioctl FIGETBSZ = Ioctl.plain("FIGETBSZ", 0, 2);

    @TempDir private Path directory;

    private Path file(int size) throws IOException {
        Path file = directory.resolve("file");
        try (RandomAccessFile made = new RandomAccessFile(file.toFile(), "rw")) {
            made.setLength(size);
        }
        return file;
    }

    @Test
    void aCommandFillsInItsArgument() throws IOException {
        try (ControlFile file = ControlFile.open(file(1234));
                Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            assertThat(file.call(FIONREAD, count)).isZero();
            assertThat(count.get(ValueLayout.JAVA_INT, 0)).isEqualTo(1234);
            ControlFile.Repeated again = file.repeated(FIGETBSZ, count.address());
            for (int i = 0; i < 3; i++) {
                assertThat(again.call()).isZero();
            }
            assertThat(count.get(ValueLayout.JAVA_INT, 0)).isPositive();
        }
    }

    @Test
    void aFailureNamesCommandFileAndReason() throws IOException {
        Path path = file(1);
        Ioctl unknown = Ioctl.readWrite("KVM_NOTHING", 0xAE, 0xFF, 8);
        try (ControlFile file = ControlFile.open(path)) {
            assertThat(file.tryCall(unknown, 0)).isEqualTo(-Errno.ENOTTY.number());
            assertThat(file.repeated(unknown, 0).call()).isEqualTo(-Errno.ENOTTY.number());
            assertThatThrownBy(() -> file.call(unknown, 0))
                    .isInstanceOf(HostException.class)
                    .hasMessageContaining("KVM_NOTHING")
                    .hasMessageContaining(path.toString())
                    .hasMessageContaining("ENOTTY");
        }
        assertThatThrownBy(() -> ControlFile.open(directory.resolve("none")))
                .isInstanceOfSatisfying(
                        HostException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }

    @Test
    void aMappingIsSharedWithTheFile() throws IOException {
        Path path = file(8192);
        MemorySegment mapped;
        try (ControlFile file = ControlFile.open(path)) {
            mapped = file.map(8192);
            mapped.set(ValueLayout.JAVA_BYTE, 5000, (byte) 7);
        }
        assertThat(Files.readAllBytes(path)[5000]).isEqualTo((byte) 7);
        assertThatThrownBy(() -> mapped.get(ValueLayout.JAVA_BYTE, 0))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void numbersAreMadeAsTheKernelMakesThem() {
        // linux/kvm.h on x86-64.
        assertThat(Ioctl.plain("KVM_RUN", 0xAE, 0x80).number()).isEqualTo(0xAE80);
        assertThat(Ioctl.read("KVM_GET_REGS", 0xAE, 0x81, 144).number()).isEqualTo(0x8090_AE81L);
        assertThat(Ioctl.write("KVM_SET_REGS", 0xAE, 0x82, 144).number()).isEqualTo(0x4090_AE82L);
        assertThat(Ioctl.readWrite("KVM_GET_SUPPORTED_CPUID", 0xAE, 5, 8).number())
                .isEqualTo(0xC008_AE05L);
    }
}
