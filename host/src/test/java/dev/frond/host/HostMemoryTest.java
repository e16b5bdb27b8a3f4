// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

final class HostMemoryTest {
    private static final long KIB = 1L << 10;
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;

    @Test
    void hundredsOfGibibytesCostOnlyTheTouchedPages() {
        try (HostMemory memory = HostMemory.anonymous(300 * GIB)) {
            MemorySegment segment = memory.segment();
            assertThat(segment.byteSize()).isEqualTo(300 * GIB);
            assertThat(memory.residentBytes()).isZero();

            for (long at = 0; at < 300 * GIB; at += 30 * GIB) {
                segment.set(JAVA_LONG, at, at + 1);
            }
            segment.set(JAVA_BYTE, 300 * GIB - 1, (byte) 7);

            assertThat(segment.get(JAVA_LONG, 270 * GIB)).isEqualTo(270 * GIB + 1);
            assertThat(segment.get(JAVA_BYTE, 300 * GIB - 1)).isEqualTo((byte) 7);
            // Eleven pages, or eleven huge ones where the host always gives those.
            assertThat(memory.residentBytes()).isBetween(11 * 4 * KIB, 11 * 2 * MIB);
        }
    }

    @Test
    void untouchedMemoryReadsAsZeroAndStartsOnAHugePage() {
        try (HostMemory memory = HostMemory.anonymous(3 * MIB)) {
            assertThat(memory.address() % (2 * MIB)).isZero();
            assertThat(memory.segment().mismatch(MemorySegment.ofArray(new byte[3 << 20])))
                    .isEqualTo(-1);
        }
    }

    @Test
    void aDiscardedPageReadsAsZeroAndIsNoLongerResident() {
        try (HostMemory memory = HostMemory.anonymous(MIB)) {
            memory.preferHugePages(0, MIB, false);
            memory.segment().fill((byte) 0x5A);
            assertThat(memory.residentBytes()).isEqualTo(MIB);

            memory.discard(64 * KIB, 128 * KIB);

            assertThat(memory.residentBytes()).isEqualTo(MIB - 128 * KIB);
            assertThat(memory.segment().get(JAVA_BYTE, 64 * KIB)).isZero();
            assertThat(memory.segment().get(JAVA_BYTE, 192 * KIB - 1)).isZero();
            assertThat(memory.segment().get(JAVA_BYTE, 64 * KIB - 1)).isEqualTo((byte) 0x5A);
            assertThat(memory.segment().get(JAVA_BYTE, 192 * KIB)).isEqualTo((byte) 0x5A);
        }
    }

    @Test
    void aDiscardedPageOfShareableMemoryLeavesTheFileToo() throws IOException {
        try (HostMemory memory = HostMemory.shareable("frond-test", MIB);
                FileChannel file = open(memory)) {
            memory.segment().fill((byte) 0x5A);
            memory.discard(0, MIB / 2);
            assertThat(memory.residentBytes()).isEqualTo(MIB / 2);
            assertThat(memory.segment().get(JAVA_BYTE, 0)).isZero();
            assertThat(readByte(file, 0)).isZero();
            assertThat(readByte(file, MIB - 1)).isEqualTo((byte) 0x5A);
        }
    }

    @Test
    void aFreedPageHoldsItsOldContentOrZeroAndCanBeWritten() {
        try (HostMemory memory = HostMemory.anonymous(MIB)) {
            memory.segment().fill((byte) 0x5A);
            memory.free(0, MIB);
            assertThat(memory.segment().get(JAVA_BYTE, 4096)).isIn((byte) 0x5A, (byte) 0);
            memory.segment().set(JAVA_BYTE, 4096, (byte) 1);
            assertThat(memory.segment().get(JAVA_BYTE, 4096)).isEqualTo((byte) 1);
        }
    }

    @Test
    void anotherMappingOfShareableMemorySeesTheSameBytes() throws IOException {
        try (HostMemory memory = HostMemory.shareable("frond-test", 64 * MIB);
                FileChannel file = open(memory)) {
            memory.segment().set(JAVA_BYTE, 63 * MIB, (byte) 0x42);
            assertThat(file.size()).isEqualTo(64 * MIB);
            assertThat(readByte(file, 63 * MIB)).isEqualTo((byte) 0x42);
            assertThat(memory.residentBytes()).isLessThanOrEqualTo(2 * MIB);
        }
    }

    @Test
    void privateMemoryHasNoFileDescriptor() {
        try (HostMemory memory = HostMemory.anonymous(MIB)) {
            assertThat(memory.fileDescriptor()).isEmpty();
        }
    }

    @Test
    void closedMemoryThrowsInsteadOfCrashing() {
        HostMemory memory = HostMemory.anonymous(MIB);
        MemorySegment segment = memory.segment();
        memory.close();
        memory.close();
        assertThatThrownBy(() -> segment.get(JAVA_BYTE, 0))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> memory.discard(0, 4096)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void closingUnderAReaderStopsTheReaderCleanly() throws InterruptedException {
        HostMemory memory = HostMemory.anonymous(MIB);
        MemorySegment segment = memory.segment();
        CountDownLatch started = new CountDownLatch(1);
        AtomicReference<Throwable> end = new AtomicReference<>();
        Thread reader =
                Thread.ofPlatform()
                        .start(
                                () -> {
                                    try {
                                        for (long i = 0; ; i++) {
                                            segment.set(JAVA_LONG, (i * 8) % MIB, i);
                                            started.countDown();
                                        }
                                    } catch (IllegalStateException e) {
                                        end.set(e);
                                    }
                                });
        started.await();
        memory.close();
        reader.join();
        assertThat(end.get()).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aSizeThatTheHostCannotMapIsRefusedWithItsSizeAndReason() {
        HostException refusal =
                catchThrowableOfType(
                        HostException.class, () -> HostMemory.anonymous(1L << 50).close());
        assertThat(refusal.errno()).isEqualTo(Errno.ENOMEM);
        assertThat(refusal.operation()).isEqualTo("mmap");
        assertThat(refusal)
                .hasMessage(
                        "mmap of 1125899906842624 bytes (1024 TiB): ENOMEM (Cannot allocate"
                                + " memory)");
    }

    @Test
    void theLargestMultipleOfAPageIsRefusedToo() {
        long size = Long.MAX_VALUE & -4096;
        assertThatThrownBy(() -> HostMemory.anonymous(size).close())
                .isInstanceOf(HostException.class)
                .hasMessageContaining("ENOMEM");
        assertThatThrownBy(() -> HostMemory.shareable("frond-test", size).close())
                .isInstanceOf(HostException.class)
                .hasMessageContaining(Long.toString(size));
    }

    @Test
    void aRefusedMappingLeavesNoFileOpen() {
        long before = openFiles();
        for (int i = 0; i < 20; i++) {
            assertThatThrownBy(() -> HostMemory.shareable("frond-test", 1L << 50).close())
                    .isInstanceOf(HostException.class);
        }
        assertThat(openFiles()).isLessThan(before + 10);
    }

    @Test
    void aSizeOfZeroOrOfNoWholePagesIsNamed() {
        assertThatThrownBy(() -> HostMemory.anonymous(0).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("memory size 0 bytes must be a positive multiple");
        assertThatThrownBy(() -> HostMemory.anonymous(-4096).close())
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> HostMemory.shareable("frond-test", 4095).close())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("4095");
    }

    @Test
    void advicesCheckTheirRange() {
        try (HostMemory memory = HostMemory.anonymous(MIB)) {
            assertThatThrownBy(() -> memory.discard(MIB, 4096))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> memory.discard(-4096, 4096))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> memory.discard(1, 4096))
                    .isInstanceOf(IllegalArgumentException.class);
            memory.segment().set(JAVA_BYTE, 0, (byte) 1);
            memory.discard(0, 0);
            assertThat(memory.segment().get(JAVA_BYTE, 0)).isEqualTo((byte) 1);
        }
    }

    @Test
    void manyThreadsUseOneMemory() throws InterruptedException {
        try (HostMemory memory = HostMemory.anonymous(4 * MIB)) {
            Thread[] threads = new Thread[4];
            for (int t = 0; t < threads.length; t++) {
                long base = t * MIB;
                threads[t] =
                        Thread.ofPlatform()
                                .start(
                                        () -> {
                                            for (long at = 0; at < MIB; at += 8) {
                                                memory.segment()
                                                        .set(JAVA_LONG, base + at, base + at);
                                            }
                                        });
            }
            for (Thread thread : threads) {
                thread.join();
            }
            for (long at = 0; at < 4 * MIB; at += 8) {
                assertThat(memory.segment().get(JAVA_LONG, at)).isEqualTo(at);
            }
        }
    }

    private static FileChannel open(HostMemory memory) throws IOException {
        return FileChannel.open(
                Path.of("/proc/self/fd/" + memory.fileDescriptor().orElseThrow()),
                StandardOpenOption.READ);
    }

    private static byte readByte(FileChannel file, long at) throws IOException {
        var buffer = java.nio.ByteBuffer.allocate(1);
        assertThat(file.read(buffer, at)).isEqualTo(1);
        return buffer.get(0);
    }

    private static long openFiles() {
        String[] names = new java.io.File("/proc/self/fd").list();
        return names == null ? 0 : names.length;
    }
}
