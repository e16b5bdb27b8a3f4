// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;

class SparseFileTest {
    @TempDir Path directory;

    private Path file(long size, long at, int value) throws IOException {
        Path file = directory.resolve("file");
        Files.deleteIfExists(file);
        SparseFile.create(file, size);
        put(file, at, value);
        return file;
    }

    private static void put(Path file, long at, int value) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {(byte) value}), at);
        }
    }

    @Test
    void aCopyIsTheSameAndTakesNoMoreThanWhatIsInIt() throws Exception {
        Path file = file((1L << 28) + 100, 1L << 27, 7);
        put(file, (1L << 28) + 99, 8);
        Path copy = directory.resolve("copy");

        SparseFile.copy(file, copy);

        assertThat(Files.mismatch(file, copy)).isEqualTo(-1);
        assertThat(SparseFile.contents(copy)).isEqualTo(SparseFile.contents(file));
        String blocks =
                Programs.run(directory, Optional.empty(), List.of("du", "-k", copy.toString()));
        assertThat(Long.parseLong(blocks.split("\\s", -1)[0])).isLessThan(1024);
    }

    @Test
    void usedIsWhatIsInBlocksThatAreNotZero() throws Exception {
        assertThat(SparseFile.contents(file(1 << 20, 70_000, 1)).used()).isEqualTo(1 << 16);
        assertThat(SparseFile.contents(file(100, 5, 1)).used()).isEqualTo(100);
        assertThat(SparseFile.contents(file(1 << 20, 5, 0)).used()).isZero();
    }

    @Test
    void theDigestTellsWhatWhereAndHowLarge() throws Exception {
        assertThat(SparseFile.contents(file(1 << 20, 0, 1)).sha256())
                .isNotEqualTo(SparseFile.contents(file(1 << 20, 1 << 16, 1)).sha256())
                .isNotEqualTo(SparseFile.contents(file(1 << 20, 0, 2)).sha256())
                .isNotEqualTo(SparseFile.contents(file(1 << 21, 0, 1)).sha256())
                .isEqualTo(SparseFile.contents(file(1 << 20, 0, 1)).sha256());
    }

    @Test
    void aCopyThatFailsLeavesNothing() throws Exception {
        Path copy = directory.resolve("copy");
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> SparseFile.copy(directory.resolve("none"), copy));
        assertThat(directory).isEmptyDirectory();
    }
}
