// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * An eventfd(2): a counter that the kernel or a thread raises and another thread waits for. Each
 * direction is for one thread at a time.
 */
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;

    private final Arena arena = Arena.ofShared();
    private final int fd;
    private final MemorySegment read = arena.allocate(JAVA_LONG);
    private final MemorySegment readErrno = Libc.newErrno(arena);
    private final MemorySegment one = arena.allocate(JAVA_LONG);
    private final MemorySegment writeErrno = Libc.newErrno(arena);

    private EventFd(int fd) {
        this.fd = fd;
        one.set(JAVA_LONG, 0, 1);
    }

    /** A new one, at 0. */
    public static EventFd create() {
        return new EventFd(
                (int) Libc.EVENTFD.check(Libc.EVENTFD.callInt(0, EFD_CLOEXEC, 0), "counter"));
    }

    /** The number of the descriptor. */
    public int descriptor() {
        return fd;
    }

    /** Raises the counter by 1. */
    public void signal() {
        int result;
        do {
            result = Libc.WRITE.callInt(writeErrno, fd, one.address(), 8, 0, 0, 0);
        } while (result == -Errno.EINTR.number());
        Libc.WRITE.check(result, "eventfd");
    }

    /** Waits until the counter is not 0, returns it and sets it to 0. */
    public long await() {
        int result;
        do {
            result = Libc.READ.callInt(readErrno, fd, read.address(), 8, 0, 0, 0);
        } while (result == -Errno.EINTR.number());
        Libc.READ.check(result, "eventfd");
        return read.get(JAVA_LONG, 0);
    }

    /** Closes it; nobody may wait for it. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
            Mapping.closeFile(fd);
        }
    }
}
