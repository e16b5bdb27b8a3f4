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
    private final KernelCalls kernel;
    private final String name;
    private final int fd;
    private final Arena arena = Arena.ofShared();

    private ControlFile(KernelCalls kernel, String name, int fd) {
        this.kernel = kernel;
        this.name = name;
        this.fd = fd;
    }

    /**
     * Opens a device to read and write it.
     *
     * @throws HostException ENOENT, EACCES and whatever else the host has against it
     */
    public static ControlFile open(Path path) {
        return open(KernelCalls.HOST, path);
    }

    /** Opens a device of {@code kernel}. */
    public static ControlFile open(KernelCalls kernel, Path path) {
        int fd = kernel.open(path);
        if (fd < 0) {
            throw new HostException("open", path.toString(), -fd);
        }
        return new ControlFile(kernel, path.toString(), fd);
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
        return kernel.ioctl(fd, command.number(), argument);
    }

    /** Gives a command that makes a descriptor, and wraps that. */
    public ControlFile create(String created, Ioctl command, long argument) {
        return new ControlFile(kernel, created, call(command, argument));
    }

    /** A command that one thread at a time gives often; calling it allocates nothing. */
    public Repeated repeated(Ioctl command, long argument) {
        return kernel.repeated(fd, command.number(), argument, arena);
    }

    /** See {@link #repeated}. */
    @FunctionalInterface
    public interface Repeated {
        /** Gives the command; a failure is the negative errno. */
        int call();
    }

    /**
     * Maps the first {@code size} bytes of what the descriptor has to show, shared with the kernel,
     * until {@link #close}.
     */
    public MemorySegment map(long size) {
        return map(0, size);
    }

    /** {@link #map(long)} from {@code offset}, a multiple of a page. */
    public MemorySegment map(long offset, long size) {
        return kernel.map(fd, offset, size, arena);
    }

    /** Unmaps and closes. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
            kernel.close(fd);
        }
    }
}
