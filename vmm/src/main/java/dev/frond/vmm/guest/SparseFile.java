// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;

/** Files that are mostly holes: blocks of zeroes that take no space on the host. */
public final class SparseFile {
    /** What is kept or left out as one; a multiple of the blocks of common file systems. */
    private static final int BLOCK = 1 << 16;

    private SparseFile() {}

    /** Makes a file of {@code size} zeroes. */
    static void create(Path file, long size) throws IOException {
        try (FileChannel channel =
                FileChannel.open(
                        file,
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.SPARSE,
                        StandardOpenOption.WRITE)) {
            setLength(channel, size);
        }
    }

    /**
     * What is in a file.
     *
     * @param used the bytes in blocks of 64 KiB that are not all zero
     * @param sha256 of the file's size and those blocks, each after its place, as 64-bit numbers
     */
    record Contents(long used, String sha256) {}

    /** Reads the whole file. */
    static Contents contents(Path file) throws IOException {
        MessageDigest digest = Digests.sha256();
        ByteBuffer number = ByteBuffer.allocate(Long.BYTES);
        digest.update(number.putLong(0, Files.size(file)).clear());
        long used =
                copy(
                        file,
                        (block, at) -> {
                            digest.update(number.putLong(0, at).clear());
                            digest.update(block);
                        });
        return new Contents(used, Digests.hex(digest));
    }

    /**
     * Copies {@code source} to {@code target} without the blocks that are all zero. The target
     * appears whole or not at all.
     */
    public static void copy(Path source, Path target) throws IOException {
        Path unfinished = target.resolveSibling("." + target.getFileName() + ".unfinished");
        Files.deleteIfExists(unfinished);
        try {
            try (FileChannel out =
                    FileChannel.open(
                            unfinished,
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.SPARSE,
                            StandardOpenOption.WRITE)) {
                setLength(out, Files.size(source));
                long _ =
                        copy(
                                source,
                                (block, at) -> {
                                    long position = at;
                                    while (block.hasRemaining()) {
                                        position += out.write(block, position);
                                    }
                                });
                out.force(true);
            }
            Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    @FunctionalInterface
    private interface Sink {
        void write(ByteBuffer block, long at) throws IOException;
    }

    private static long copy(Path source, Sink sink) throws IOException {
        long used = 0;
        try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ)) {
            ByteBuffer block = ByteBuffer.allocateDirect(BLOCK);
            ByteBuffer zeroes = ByteBuffer.allocateDirect(BLOCK);
            long at = 0;
            while (read(in, block, at)) {
                int size = block.remaining();
                if (!block.equals(zeroes.duplicate().limit(size))) {
                    used += size;
                    sink.write(block, at);
                }
                at += size;
            }
        }
        return used;
    }

    /** Reads a whole block, or what is left of the file; false at its end. */
    private static boolean read(FileChannel in, ByteBuffer block, long at) throws IOException {
        block.clear();
        int count = 0;
        while (block.hasRemaining() && count >= 0) {
            count = in.read(block, at + block.position());
        }
        return block.flip().hasRemaining();
    }

    private static void setLength(FileChannel channel, long size) throws IOException {
        if (size > 0) {
            channel.write(ByteBuffer.allocate(1), size - 1);
        }
    }
}
