// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Gets one thread out of a system call that it waits in, which then fails with EINTR. It is SIGURG
 * with a handler that does nothing: a signal that the virtual machine does not use, and that is
 * ignored by default, so that a stray one harms nobody.
 */
public final class ThreadSignal {
    private static final int SIGURG = 23;

    // struct sigaction of glibc and musl: the handler first.
    private static final int SA_SIZE = 152;
    private static final int SA_FLAGS_OFFSET = 136;
    private static final int SA_RESTART = 0x1000_0000;
    private static final int SA_ONSTACK = 0x0800_0000;

    private final int process;
    private final int thread;

    private ThreadSignal(int process, int thread) {
        this.process = process;
        this.thread = thread;
    }

    /** A way to interrupt the calling thread. */
    public static ThreadSignal ofCurrentThread() {
        Handler.install();
        return new ThreadSignal(Libc.GETPID.callInt(0, 0, 0), Libc.GETTID.callInt(0, 0, 0));
    }

    /** Interrupts the thread; does nothing if it has ended. Any thread may call. */
    public void send() {
        Libc.TGKILL.callInt(process, thread, SIGURG);
    }

    private static final class Handler {
        static {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment action = arena.allocate(SA_SIZE, 8);
                // abs(3) takes a number and touches nothing: as good a handler as an empty one.
                action.set(JAVA_LONG, 0, Libc.ABS.address().address());
                action.set(JAVA_INT, SA_FLAGS_OFFSET, SA_RESTART | SA_ONSTACK);
                Libc.SIGACTION.check(Libc.SIGACTION.callInt(SIGURG, action.address(), 0), "SIGURG");
            }
        }

        private Handler() {}

        /** Runs the initializer at the first call. */
        static void install() {}
    }
}
