// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A counter in the kernel (eventfd(2)) that one side adds to and the other takes: the wire between
 * a process and what the kernel does by itself. Thread-safe, except that nobody may use it during
 * or after {@link #close}.
 */
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int EFD_NONBLOCK = 0x800;

    private final int fd;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment one;
    private boolean closed;

    /**
     * A new counter at 0.
     *
     * @throws HostException EMFILE and whatever else the host has against it
     */
    public EventFd() {
        fd = Libc.EVENTFD.callInt(0, EFD_CLOEXEC | EFD_NONBLOCK, 0);
        Libc.EVENTFD.check(fd, "a new counter");
        one = arena.allocateFrom(JAVA_LONG, 1L);
    }

    /** The number of the descriptor. */
    public int descriptor() {
        return fd;
    }

    /** Adds 1; a counter at its limit stays there, and tells no less. */
    public void signal() {
        long result = Libc.WRITE.call(fd, one.address(), 8, 0, 0, 0);
        if (result != -Errno.EAGAIN.number()) {
            Libc.WRITE.check(result, "event counter " + fd);
        }
    }

    /** Takes what was added since the last time; 0 if nothing was. */
    public long take() {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment value = local.allocate(JAVA_LONG);
            long result = Libc.READ.call(fd, value.address(), 8, 0, 0, 0);
            if (result == -Errno.EAGAIN.number()) {
                return 0;
            }
            Libc.READ.check(result, "event counter " + fd);
            return value.get(JAVA_LONG, 0);
        }
    }

    /** Gives it back. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            Mapping.closeFile(fd);
            arena.close();
        }
    }
}
