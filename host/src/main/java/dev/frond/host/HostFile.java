// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * What a disk image needs of its host beyond reading and writing: holes, a lock against a second
 * user, the size of a block device. It is a file descriptor of its own beside whatever channel does
 * the reading and writing.
 */
public final class HostFile implements AutoCloseable {
    /** Who may hold the lock at the same time. */
    public enum Lock {
        /** For readers: any number of them, no writer. */
        SHARED(0),
        /** For a writer: nobody else. */
        EXCLUSIVE(1);

        // F_RDLCK and F_WRLCK
        private final short type;

        Lock(int type) {
            this.type = (short) type;
        }
    }

    private static final int O_RDONLY = 0;
    private static final int O_RDWR = 2;
    private static final int O_CLOEXEC = 0x80000;
    private static final int FALLOC_FL_KEEP_SIZE = 1;
    private static final int FALLOC_FL_PUNCH_HOLE = 2;
    private static final int F_OFD_SETLK = 37;
    private static final short F_UNLCK = 2;
    private static final int BLKGETSIZE64 = 0x8008_1272;

    // struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid
    private static final int FLOCK_SIZE = 32;
    private static final int L_TYPE = 0;

    private final Path path;
    private final int fd;
    private boolean closed;

    private HostFile(Path path, int fd) {
        this.path = path;
        this.fd = fd;
    }

    /**
     * Opens a file or block device that exists.
     *
     * @throws HostException ENOENT, EACCES, EROFS, EISDIR and whatever else the host has against it
     */
    public static HostFile open(Path path, boolean writable) {
        try (Arena arena = Arena.ofConfined()) {
            long name = arena.allocateFrom(path.toString()).address();
            int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC;
            int fd;
            do {
                fd = Libc.OPEN.callInt(name, flags, 0);
            } while (fd == -Errno.EINTR.number());
            return new HostFile(path, (int) Libc.OPEN.check(fd, path.toString()));
        }
    }

    /**
     * Gives {@code length} bytes at {@code offset} back to the file system; they read as zero, the
     * file's size stays.
     *
     * @throws HostException EOPNOTSUPP if the file system has no holes
     */
    public void punchHole(long offset, long length) {
        int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        int result;
        do {
            result = Libc.FALLOCATE.callInt(descriptor(), mode, offset, length, 0, 0);
        } while (result == -Errno.EINTR.number());
        Libc.FALLOCATE.check(result, length + " bytes at " + offset + " of " + path);
    }

    /**
     * Locks the whole file against other users of such locks, in this process too, until {@link
     * #unlock}, {@link #close} or the end of the process. It is an open file description lock
     * (fcntl(2)): unlike a lock of FileChannel it does not vanish when another descriptor of the
     * same file is closed. It keeps out QEMU as well, which locks bytes of its images in this way.
     *
     * @return whether the lock is held now; false if somebody else holds one against it
     * @throws HostException EBADF if an exclusive lock is asked for and the file was not opened to
     *     be written
     */
    public boolean tryLock(Lock lock) {
        int result = setLock(lock.type);
        if (result == -Errno.EAGAIN.number() || result == -Errno.EACCES.number()) {
            return false;
        }
        Libc.FCNTL.check(result, "lock on " + path);
        return true;
    }

    /** Gives the lock up, if one is held. */
    public void unlock() {
        Libc.FCNTL.check(setLock(F_UNLCK), "lock on " + path);
    }

    /**
     * The size in bytes of a block device, which the file system reports as 0.
     *
     * @throws HostException ENOTTY if the file is no block device
     */
    public long blockDeviceSize() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(JAVA_LONG);
            Libc.IOCTL.check(
                    Libc.IOCTL.callInt(descriptor(), BLKGETSIZE64, size.address()),
                    path.toString());
            return size.get(JAVA_LONG, 0);
        }
    }

    /** Closes the descriptor and gives up its lock. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            Mapping.closeFile(fd);
        }
    }

    private int setLock(short type) {
        try (Arena arena = Arena.ofConfined()) {
            // Zeros: from the start (SEEK_SET, 0) to the end however far it moves (length 0); l_pid
            // must be 0 too.
            MemorySegment flock = arena.allocate(FLOCK_SIZE, 8);
            flock.set(JAVA_SHORT, L_TYPE, type);
            int result;
            do {
                result = Libc.FCNTL.callInt(descriptor(), F_OFD_SETLK, flock.address());
            } while (result == -Errno.EINTR.number());
            return result;
        }
    }

    private synchronized int descriptor() {
        if (closed) {
            throw new IllegalStateException(path + " is closed");
        }
        return fd;
    }
}
