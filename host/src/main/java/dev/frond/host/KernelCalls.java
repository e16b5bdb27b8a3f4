// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/**
 * What a {@link ControlFile} asks of the kernel. {@link #HOST} is the kernel of this host; a test
 * can stand in its place and answer what no kernel at hand does. Failures are negative errnos.
 */
public interface KernelCalls {
    /** The kernel of this host. */
    KernelCalls HOST = new HostCalls();

    /** open(2) to read and write; the descriptor. */
    int open(Path path);

    /** ioctl(2). */
    int ioctl(int fd, long command, long argument);

    /** The same command again and again, by one thread at a time, allocating nothing. */
    ControlFile.Repeated repeated(int fd, long command, long argument, Arena arena);

    /** mmap(2) of {@code size} bytes from {@code offset}, shared, until {@code arena} is closed. */
    MemorySegment map(int fd, long offset, long size, Arena arena);

    /** close(2). */
    void close(int fd);
}
