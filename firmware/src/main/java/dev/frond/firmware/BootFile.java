// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/**
 * A file that goes into guest memory: a kernel or a module. Its bytes stay in the file until they
 * are copied, and it stays open, so that a machine reset loads the same file again even if another
 * one took its name.
 */
public final class BootFile implements AutoCloseable {
    /** How much is read at once. */
    private static final int CHUNK = 1 << 20;

    /** Reads all of {@code target}, which lies within the file. */
    private interface Source {
        void read(long offset, ByteBuffer target) throws IOException;

        void close() throws IOException;
    }

    private final String name;
    private final long size;
    private final Source source;

    private BootFile(String name, long size, Source source) {
        this.name = name;
        this.size = size;
        this.source = source;
    }

    /** Opens {@code path}, a readable regular file that is not empty. */
    public static BootFile open(Path path) throws BootException {
        String name = path.toString();
        try {
            if (Files.isDirectory(path)) {
                throw new BootException(name + ": is a directory; accepted is a file");
            }
            if (Files.exists(path) && !Files.isRegularFile(path)) {
                throw new BootException(name + ": is not a regular file");
            }
            FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
            try {
                long size = channel.size();
                if (size == 0) {
                    throw new BootException(name + ": is empty");
                }
                return new BootFile(name, size, new ChannelSource(channel));
            } catch (IOException | BootException e) {
                channel.close();
                throw e;
            }
        } catch (NoSuchFileException e) {
            throw new BootException(name + ": no such file", e);
        } catch (AccessDeniedException e) {
            throw new BootException(name + ": permission denied", e);
        } catch (IOException e) {
            throw unreadable(name, e);
        }
    }

    /** A file that exists only here; {@code name} is used in error texts. */
    public static BootFile of(String name, byte[] bytes) {
        return new BootFile(name, bytes.length, new ArraySource(bytes.clone()));
    }

    /** The path as the user wrote it. */
    public String name() {
        return name;
    }

    /** The size in bytes when it was opened. */
    public long size() {
        return size;
    }

    /**
     * Bytes {@code offset .. offset + length - 1} as a little-endian buffer; they must be there.
     */
    public ByteBuffer read(long offset, int length) throws BootException {
        ByteBuffer target = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        read(offset, target);
        return target.flip();
    }

    /** Copies {@code length} bytes from {@code offset} on to guest RAM at {@code address}. */
    public void copyTo(AddressSpace memory, long address, long offset, long length)
            throws BootException {
        long done = 0;
        while (done < length) {
            long chunk = Math.min(GuestRam.run(memory, address + done, CHUNK), length - done);
            MemorySegment target = GuestRam.slice(memory, address + done, chunk);
            read(offset + done, target.asByteBuffer());
            memory.wrote(address + done, chunk);
            done += chunk;
        }
    }

    @Override
    public void close() throws BootException {
        try {
            source.close();
        } catch (IOException e) {
            throw unreadable(name, e);
        }
    }

    /** Fills {@code target} from {@code offset} on; the bytes must be there. */
    void read(long offset, ByteBuffer target) throws BootException {
        if (offset < 0 || target.remaining() > size - offset) {
            throw new BootException(
                    String.format(
                            Locale.ROOT,
                            "%s: truncated: %d bytes at 0x%x are beyond its end at 0x%x",
                            name,
                            target.remaining(),
                            offset,
                            size));
        }
        try {
            source.read(offset, target);
        } catch (IOException e) {
            throw unreadable(name, e);
        }
        if (target.hasRemaining()) {
            throw new BootException(name + ": became shorter than " + size + " bytes while in use");
        }
    }

    private static BootException unreadable(String name, IOException e) {
        String message = e.getMessage();
        return new BootException(name + ": cannot be read: " + (message == null ? e : message), e);
    }

    private record ChannelSource(FileChannel channel) implements Source {
        @Override
        public void read(long offset, ByteBuffer target) throws IOException {
            long position = offset;
            while (target.hasRemaining()) {
                int count = channel.read(target, position);
                if (count < 0) {
                    return;
                }
                position += count;
            }
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private static final class ArraySource implements Source {
        private final byte[] bytes;

        ArraySource(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            target.put(bytes, Math.toIntExact(offset), target.remaining());
        }

        @Override
        public void close() {}
    }
}
