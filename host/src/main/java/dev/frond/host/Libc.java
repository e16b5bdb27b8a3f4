// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The C library's functions that the room needs, all called through one method handle.
 *
 * <p>Linking a downcall costs milliseconds, so there is one shape only, {@code long f(long, long,
 * long, long, long, long)}, whose target is an argument. Both calling conventions in reach (System
 * V x86-64, AAPCS64 as Linux uses it) pass up to six integers and pointers in registers that the
 * callee is free to ignore, fixed or variadic, so every function called here fits. An {@code int}
 * result fills only the low half of the result register; {@link #callInt} drops the rest.
 *
 * <p>Errors come back the way the kernel gives them: a result of -1 is replaced by {@code -errno},
 * captured by the linker before the virtual machine can overwrite it.
 */
final class Libc {
    static final Libc ABS = new Libc("abs");
    static final Libc CLOSE = new Libc("close");
    static final Libc EPOLL_CREATE1 = new Libc("epoll_create1");
    static final Libc EPOLL_CTL = new Libc("epoll_ctl");
    static final Libc EPOLL_WAIT = new Libc("epoll_wait");
    static final Libc EVENTFD = new Libc("eventfd");
    static final Libc FALLOCATE = new Libc("fallocate");
    static final Libc FCNTL = new Libc("fcntl");
    static final Libc FTRUNCATE = new Libc("ftruncate");
    static final Libc GETAUXVAL = new Libc("getauxval");
    static final Libc GETPGRP = new Libc("getpgrp");
    static final Libc GETPID = new Libc("getpid");
    static final Libc GETTID = new Libc("gettid");
    static final Libc IOCTL = new Libc("ioctl");
    static final Libc ISATTY = new Libc("isatty");
    static final Libc KILL = new Libc("kill");
    static final Libc MADVISE = new Libc("madvise");
    static final Libc MEMFD_CREATE = new Libc("memfd_create");
    static final Libc MINCORE = new Libc("mincore");
    static final Libc MMAP = new Libc("mmap");
    static final Libc MPROTECT = new Libc("mprotect");
    static final Libc MUNMAP = new Libc("munmap");
    static final Libc OPEN = new Libc("open");
    static final Libc READ = new Libc("read");
    static final Libc SIGACTION = new Libc("sigaction");
    static final Libc SYSCALL = new Libc("syscall");
    static final Libc SYSCONF = new Libc("sysconf");
    static final Libc TCGETATTR = new Libc("tcgetattr");
    static final Libc TCGETPGRP = new Libc("tcgetpgrp");
    static final Libc TCSETATTR = new Libc("tcsetattr");
    static final Libc TGKILL = new Libc("tgkill");
    static final Libc WRITE = new Libc("write");

    private final String name;

    /** Looked up at the first call: most runs need few of the functions. */
    private volatile @Nullable MemorySegment address;

    Libc(String name) {
        this.name = name;
    }

    /** Calls the function; a result of -1 becomes {@code -errno}. */
    long call(long a, long b, long c, long d, long e, long f) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(Link.STATE);
            long result = (long) Link.CALL.invokeExact(address(), state, a, b, c, d, e, f);
            return result == -1 ? -state.get(ValueLayout.JAVA_INT, Link.ERRNO) : result;
        } catch (RuntimeException failure) {
            throw failure;
        } catch (Throwable impossible) {
            throw new AssertionError(name + " could not be called", impossible);
        }
    }

    /** Calls a function that returns an {@code int}; a result of -1 becomes {@code -errno}. */
    int callInt(long a, long b, long c, long d, long e, long f) {
        try (Arena arena = Arena.ofConfined()) {
            return callInt(arena.allocate(Link.STATE), a, b, c, d, e, f);
        }
    }

    /** The same with {@link #newErrno} memory, which is the calling thread's during the call. */
    int callInt(MemorySegment errno, long a, long b, long c, long d, long e, long f) {
        try {
            int result = (int) (long) Link.CALL.invokeExact(address(), errno, a, b, c, d, e, f);
            return result == -1 ? -errno.get(ValueLayout.JAVA_INT, Link.ERRNO) : result;
        } catch (RuntimeException failure) {
            throw failure;
        } catch (Throwable impossible) {
            throw new AssertionError(name + " could not be called", impossible);
        }
    }

    /** Memory for {@link #callInt(MemorySegment, long, long, long, long, long, long)}. */
    static MemorySegment newErrno(Arena arena) {
        return arena.allocate(Link.STATE);
    }

    /** The function itself. */
    MemorySegment address() {
        MemorySegment known = address;
        if (known == null) {
            known = Link.find(name);
            address = known;
        }
        return known;
    }

    int callInt(long a, long b, long c) {
        return callInt(a, b, c, 0, 0, 0);
    }

    /** The page size of the host in bytes. */
    static long pageSize() {
        return Link.PAGE_SIZE;
    }

    /**
     * Throws a {@link HostException} that names the operation, its subject and the reason, if
     * {@code result} is an error.
     */
    long check(long result, String subject) {
        if (result < 0 && result >= -4095) {
            throw new HostException(name, subject, (int) -result);
        }
        return result;
    }

    /** The linked handle, made when the first function is called. */
    @SuppressWarnings("restricted") // This room is the one that may link native functions.
    private static final class Link {
        private static final Linker LINKER = Linker.nativeLinker();
        private static final MemoryLayout STATE = Linker.Option.captureStateLayout();
        private static final long ERRNO =
                STATE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
        private static final MethodHandle CALL =
                LINKER.downcallHandle(
                        FunctionDescriptor.of(
                                JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
                                JAVA_LONG),
                        Linker.Option.captureCallState("errno"));
        private static final int SC_PAGESIZE = 30;
        private static final long PAGE_SIZE = SYSCONF.call(SC_PAGESIZE, 0, 0, 0, 0, 0);

        private static MemorySegment find(String name) {
            return LINKER.defaultLookup()
                    .find(name)
                    .orElseThrow(() ->
                            new HostException(
                                    "look-up",
                                    "C library function " + name,
                                    "not on this host; Frond's host room needs Linux"));
        }
    }
}
