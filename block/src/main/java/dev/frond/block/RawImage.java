// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.block;

import dev.frond.machine.backend.BlockBackend;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A disk whose bytes are those of a host file or block device. There is no cache of its own: a
 * write that returned is in the host's page cache and survives the end of this process however it
 * comes; a flush takes it to the storage. Whoever writes an image holds it alone, whoever reads it
 * shares it, among all processes that lock as POSIX does.
 *
 * <p>Every size but 0 is accepted. When it is not a multiple of 512, the disk has one more sector,
 * filled up with zeroes, and the first write there lengthens the file to it; {@link #warning} says
 * so.
 *
 * <p>The threads that use an image must not be interrupted while they do: the channel would close.
 */
public final class RawImage implements BlockBackend {
    private static final int SECTOR = 512;

    /** The most bytes given to the host at once: a buffer's size is an int. */
    private static final int CHUNK = 1 << 30;

    /** The most bytes that are compared with zero, or written as zeroes, at once. */
    private static final int ZERO_CHUNK = 1 << 16;

    private static final int S_IFMT = 0xF000;
    private static final int S_IFBLK = 0x6000;

    private final Path file;
    private final boolean readOnly;
    private final SharedChannel shared;
    private final FileChannel channel;
    private final long fileSize;
    private final long size;
    private final AtomicBoolean closed = new AtomicBoolean();

    private RawImage(Path file, boolean readOnly, SharedChannel shared, long fileSize) {
        this.file = file;
        this.readOnly = readOnly;
        this.shared = shared;
        this.fileSize = fileSize;
        channel = shared.channel();
        size = (fileSize + SECTOR - 1) / SECTOR * SECTOR;
    }

    /**
     * Opens {@code file}, for reading only if {@code readOnly}. Throws {@link ImageException} if it
     * is missing, empty, no file or block device, in use by another disk, or not to be accessed so.
     */
    public static RawImage open(Path file, boolean readOnly) throws ImageException {
        try {
            checkKind(file);
            SharedChannel shared = SharedChannel.open(file, !readOnly);
            try {
                // Of a block device, too, where Files.size gives 0.
                long fileSize = shared.channel().size();
                if (fileSize == 0) {
                    throw new ImageException(
                            "disk image "
                                    + file
                                    + " is empty (0 bytes); make one with, for example, truncate -s"
                                    + " 1G "
                                    + file);
                }
                return new RawImage(file, readOnly, shared, fileSize);
            } catch (IOException | RuntimeException e) {
                shared.release();
                throw e;
            }
        } catch (ImageException e) {
            throw e;
        } catch (IOException e) {
            throw new ImageException(explain(file, readOnly, e), e);
        }
    }

    /** Before it is opened: opening a pipe would wait for its other end. */
    private static void checkKind(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        if (attributes.isDirectory()) {
            throw new ImageException(
                    "disk image " + file + " is a directory; accepted are files and block devices");
        }
        if (!attributes.isRegularFile() && !isBlockDevice(file)) {
            throw new ImageException(
                    "disk image "
                            + file
                            + " is neither a file nor a block device; accepted are these");
        }
    }

    private static boolean isBlockDevice(Path file) throws IOException {
        return file.getFileSystem().supportedFileAttributeViews().contains("unix")
                && Files.getAttribute(file, "unix:mode") instanceof Integer mode
                && (mode & S_IFMT) == S_IFBLK;
    }

    /** What {@code e} means to the user who named {@code file}. */
    static String explain(Path file, boolean readOnly, IOException e) {
        String image = "disk image " + file;
        return switch (e) {
            case NoSuchFileException _ ->
                    Files.isSymbolicLink(file)
                            ? image + " is a link to a file that does not exist"
                            : image + " does not exist";
            case AccessDeniedException _ ->
                    readOnly
                            ? image + ": no permission to read it"
                            : image
                                    + ": no permission to write it; with the option ro it is only"
                                    + " read";
            case FileSystemException f when f.getReason() != null -> {
                String hint =
                        !readOnly && f.getReason().contains("Read-only")
                                ? "; with the option ro it is only read"
                                : "";
                yield image + ": " + f.getReason() + hint;
            }
            default -> image + ": " + e.getMessage();
        };
    }

    /** One line for the user about something odd but accepted. */
    public Optional<String> warning() {
        if (fileSize == size) {
            return Optional.empty();
        }
        return Optional.of(
                "disk image "
                        + file
                        + ": its size of "
                        + fileSize
                        + " bytes is not a multiple of 512; the last sector is filled up with"
                        + " zeroes");
    }

    /** The file as it was named. */
    public Path file() {
        return file;
    }

    @Override
    public long size() {
        return size;
    }

    @Override
    public boolean isReadOnly() {
        return readOnly;
    }

    @Override
    public void read(long offset, MemorySegment target) throws IOException {
        check(offset, target.byteSize());
        transfer(() -> {
            for (long done = 0; done < target.byteSize(); ) {
                long length = Math.min(target.byteSize() - done, CHUNK);
                int count =
                        channel.read(target.asSlice(done, length).asByteBuffer(), offset + done);
                if (count < 0) {
                    fillTail(offset + done, target.asSlice(done));
                    return;
                }
                done += count;
            }
        });
    }

    /**
     * Behind the end of the file: the rest of an incomplete last sector is zero, all else was cut
     * off.
     */
    private void fillTail(long offset, MemorySegment rest) throws EOFException {
        if (offset < fileSize) {
            throw new EOFException(
                    "disk image "
                            + file
                            + " is shorter than the "
                            + fileSize
                            + " bytes that it had when it was opened");
        }
        rest.fill((byte) 0);
    }

    @Override
    public void write(long offset, MemorySegment source) throws IOException {
        checkWritable();
        check(offset, source.byteSize());
        transfer(() -> writeAll(offset, source));
    }

    private void writeAll(long offset, MemorySegment source) throws IOException {
        for (long done = 0; done < source.byteSize(); ) {
            long length = Math.min(source.byteSize() - done, CHUNK);
            done += channel.write(source.asSlice(done, length).asByteBuffer(), offset + done);
        }
    }

    @Override
    public void flush() throws IOException {
        if (!readOnly) {
            transfer(() -> channel.force(false));
        }
    }

    /** Keeps the contents: a host file gives up its blocks through no interface of Java. */
    @Override
    public void discard(long offset, long length) throws IOException {
        checkWritable();
        check(offset, length);
    }

    /** Writes only where the file does not read as zero already, so that its holes stay. */
    @Override
    public void writeZeroes(long offset, long length) throws IOException {
        checkWritable();
        check(offset, length);
        int most = (int) Math.min(length, ZERO_CHUNK);
        ByteBuffer zeroes = ByteBuffer.allocateDirect(most);
        ByteBuffer found = ByteBuffer.allocateDirect(most);
        transfer(() -> {
            long at = offset;
            while (at < offset + length) {
                // In steps that end at multiples of the chunk, as holes do.
                long next = Math.min(offset + length, (at / ZERO_CHUNK + 1) * ZERO_CHUNK);
                int step = (int) (next - at);
                if (!isZero(at, found.clear().limit(step), zeroes.clear().limit(step))) {
                    writeAll(at, MemorySegment.ofBuffer(zeroes.clear().limit(step)));
                }
                at = next;
            }
        });
    }

    private boolean isZero(long offset, ByteBuffer found, ByteBuffer zeroes) throws IOException {
        while (found.hasRemaining()) {
            if (channel.read(found, offset + found.position()) < 0) {
                return false;
            }
        }
        return found.flip().mismatch(zeroes) < 0;
    }

    /** Flushes and gives up the lock; does nothing the second time. */
    @Override
    public void close() throws IOException {
        if (closed.compareAndSet(false, true)) {
            try {
                flush();
            } finally {
                shared.release();
            }
        }
    }

    @Override
    public String toString() {
        return "raw:" + file + (readOnly ? ",ro" : "");
    }

    private void check(long offset, long length) {
        if (offset < 0 || length < 0 || offset > size - length) {
            throw new IndexOutOfBoundsException(
                    length + " bytes at " + offset + " leave the disk of " + size + " bytes");
        }
    }

    private void checkWritable() throws IOException {
        if (readOnly) {
            throw new IOException("disk image " + file + " is only read");
        }
    }

    /** An access to the channel. */
    private interface Transfer {
        void run() throws IOException;
    }

    /**
     * A channel closes itself under a thread that is interrupted before; so the interrupt waits.
     */
    private static void transfer(Transfer transfer) throws IOException {
        boolean interrupted = Thread.interrupted();
        try {
            transfer.run();
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
