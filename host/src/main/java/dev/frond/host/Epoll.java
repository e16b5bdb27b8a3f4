// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Waits for any of several {@link EventFd}s (epoll(7), level-triggered), each under a key of the
 * caller's. They may be added and removed by any thread, also while another waits.
 */
public final class Epoll implements AutoCloseable {
    private static final int EPOLL_CLOEXEC = 0x80000;
    private static final int CTL_ADD = 1;
    private static final int CTL_DEL = 2;
    private static final int EPOLLIN = 1;

    // struct epoll_event: packed on x86-64 only.
    private static final boolean PACKED = System.getProperty("os.arch").equals("amd64");
    private static final long DATA = PACKED ? 4 : 8;
    private static final long EVENT = DATA + 8;

    private final int fd;
    private boolean closed;

    /** Nothing to wait for yet. */
    public Epoll() {
        fd = Libc.EPOLL_CREATE1.callInt(EPOLL_CLOEXEC, 0, 0);
        Libc.EPOLL_CREATE1.check(fd, "a new set");
    }

    /** Waits for {@code event}, too. */
    public void add(EventFd event, long key) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wanted = arena.allocate(EVENT, 8);
            wanted.set(JAVA_INT, 0, EPOLLIN);
            wanted.set(JAVA_LONG_UNALIGNED, DATA, key);
            control(CTL_ADD, event, wanted.address());
        }
    }

    /** Waits for {@code event} no more. */
    public void remove(EventFd event) {
        control(CTL_DEL, event, 0);
    }

    private void control(int operation, EventFd event, long argument) {
        Libc.EPOLL_CTL.check(
                Libc.EPOLL_CTL.callInt(fd, operation, event.descriptor(), argument, 0, 0),
                "event counter " + event.descriptor());
    }

    /**
     * Sleeps until one of them is not at 0, and puts the keys of those that are not into {@code
     * keys}; how many that are. One that is not taken is there again at once.
     */
    public int await(long[] keys) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment events = arena.allocate(EVENT * keys.length, 8);
            int count;
            do {
                count = Libc.EPOLL_WAIT.callInt(fd, events.address(), keys.length, -1, 0, 0);
            } while (count == -Errno.EINTR.number());
            Libc.EPOLL_WAIT.check(count, "a set of event counters");
            for (int i = 0; i < count; i++) {
                keys[i] = events.get(JAVA_LONG_UNALIGNED, i * EVENT + DATA);
            }
            return count;
        }
    }

    /** Gives it back; nobody may be waiting. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            Mapping.closeFile(fd);
        }
    }
}
