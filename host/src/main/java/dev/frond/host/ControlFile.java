// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * A file descriptor that is spoken to with ioctl(2): a device such as /dev/kvm, or what such a
 * device made. Thread-safe, except that nobody may use it during or after {@link #close}.
 */
public final class ControlFile implements AutoCloseable {
    private static final int O_RDWR = 2;
    private static final int O_CLOEXEC = 0x80000;

    private final String name;
    private final int fd;
    private final Arena arena = Arena.ofShared();

    private ControlFile(String name, int fd) {
        this.name = name;
        this.fd = fd;
    }

    /**
     * Opens a device to read and write it.
     *
     * @throws HostException ENOENT, EACCES and whatever else the host has against it
     */
    public static ControlFile open(Path path) {
        try (Arena arena = Arena.ofConfined()) {
            long text = arena.allocateFrom(path.toString()).address();
            int fd;
            do {
                fd = Libc.OPEN.callInt(text, O_RDWR | O_CLOEXEC, 0);
            } while (fd == -Errno.EINTR.number());
            Libc.OPEN.check(fd, path.toString());
            return new ControlFile(path.toString(), fd);
        }
    }

    /** What error texts call it. */
    public String name() {
        return name;
    }

    /** The number of the descriptor. */
    public int descriptor() {
        return fd;
    }

    /**
     * Gives the command and returns its result, 0 or more.
     *
     * @throws HostException that names the command and this file
     */
    public int call(Ioctl command, long argument) {
        int result = tryCall(command, argument);
        if (result < 0) {
            throw new HostException(command.name(), name, -result);
        }
        return result;
    }

    /** {@link #call(Ioctl, long)} with the address of {@code argument}. */
    public int call(Ioctl command, MemorySegment argument) {
        return call(command, argument.address());
    }

    /** Gives the command; a failure is the negative errno. */
    public int tryCall(Ioctl command, long argument) {
        return Libc.IOCTL.callInt(fd, command.number(), argument);
    }

    /** Gives a command that makes a descriptor, and wraps that. */
    public ControlFile create(String created, Ioctl command, long argument) {
        return new ControlFile(created, call(command, argument));
    }

    /** A command that one thread at a time gives often; calling it allocates nothing. */
    public Repeated repeated(Ioctl command, long argument) {
        return new Repeated(fd, command.number(), argument, Libc.newErrno(arena));
    }

    /** See {@link #repeated}. */
    public static final class Repeated {
        private final int fd;
        private final long number;
        private final long argument;
        private final MemorySegment errno;

        private Repeated(int fd, long number, long argument, MemorySegment errno) {
            this.fd = fd;
            this.number = number;
            this.argument = argument;
            this.errno = errno;
        }

        /** Gives the command; a failure is the negative errno. */
        public int call() {
            return Libc.IOCTL.callInt(errno, fd, number, argument, 0, 0, 0);
        }
    }

    /**
     * Maps the first {@code size} bytes of what the descriptor has to show, shared with the kernel,
     * until {@link #close}.
     */
    @SuppressWarnings("restricted") // The address and the size are those of the mapping made here.
    public MemorySegment map(long size) {
        long address =
                Mapping.map(
                        0, size, Mapping.PROT_READ | Mapping.PROT_WRITE, Mapping.MAP_SHARED, fd);
        return MemorySegment.ofAddress(address)
                .reinterpret(size, arena, _ -> Mapping.unmap(address, size));
    }

    /** Unmaps and closes. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
            Mapping.closeFile(fd);
        }
    }
}
