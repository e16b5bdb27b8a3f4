// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

/**
 * The numbers of Linux's mmap(2), mprotect(2), madvise(2) and memfd_create(2) that the room uses,
 * and the calls made of them.
 */
final class Mapping {
    static final int PROT_NONE = 0;
    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int PROT_EXEC = 4;

    static final int MAP_SHARED = 0x01;
    static final int MAP_PRIVATE = 0x02;
    static final int MAP_FIXED = 0x10;
    static final int MAP_ANONYMOUS = 0x20;
    static final int MAP_32BIT = 0x40;
    static final int MAP_NORESERVE = 0x4000;
    static final int MAP_FIXED_NOREPLACE = 0x100000;

    static final int MADV_DONTNEED = 4;
    static final int MADV_FREE = 8;
    static final int MADV_REMOVE = 9;
    static final int MADV_HUGEPAGE = 14;
    static final int MADV_NOHUGEPAGE = 15;

    private static final int MFD_CLOEXEC = 1;
    private static final long LOW_STEP = 16L << 20;
    private static final long LOW_END = 2L << 30;

    private Mapping() {}

    /** mmap(2); the failure names {@code size}. */
    static long map(long address, long size, int protection, int flags, int fd) {
        return map(address, size, protection, flags, fd, 0);
    }

    /** mmap(2) of a file from {@code offset}. */
    static long map(long address, long size, int protection, int flags, int fd, long offset) {
        return Libc.MMAP.check(
                Libc.MMAP.call(address, size, protection, flags, fd, offset), describe(size));
    }

    /**
     * mmap(2) below 2 GiB, private and anonymous. MAP_32BIT looks only between 1 and 2 GiB, where
     * HotSpot may have put its class space (1 GiB of addresses, at random); then the rest below 2
     * GiB is tried.
     */
    static long mapLow(long size, int protection) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        long address = Libc.MMAP.call(0, size, protection, flags | MAP_32BIT, -1, 0);
        return address == -Errno.ENOMEM.number()
                ? mapLowByTrying(size, protection)
                : Libc.MMAP.check(address, describe(size) + " below 2 GiB");
    }

    static long mapLowByTrying(long size, int protection) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
        for (long wanted = LOW_STEP; wanted <= LOW_END - size; wanted += LOW_STEP) {
            long address = Libc.MMAP.call(wanted, size, protection, flags, -1, 0);
            if (address == wanted) {
                return address;
            }
            if (address > 0) {
                // A kernel that does not know MAP_FIXED_NOREPLACE takes the address for a hint.
                unmap(address, size);
            }
        }
        throw new HostException("mmap", describe(size) + " below 2 GiB", Errno.ENOMEM.number());
    }

    /** munmap(2). */
    static void unmap(long address, long size) {
        Libc.MUNMAP.check(Libc.MUNMAP.callInt(address, size, 0), describe(size));
    }

    /** mprotect(2). */
    static void protect(long address, long size, int protection) {
        Libc.MPROTECT.check(
                Libc.MPROTECT.callInt(address, size, protection),
                describe(size) + " at 0x" + Long.toHexString(address));
    }

    /**
     * A new file in memory of {@code size} bytes, all of them holes; closed by {@link #closeFile}.
     */
    static int memoryFile(String name, long size) {
        try (var arena = java.lang.foreign.Arena.ofConfined()) {
            int fd =
                    (int)
                            Libc.MEMFD_CREATE.check(
                                    Libc.MEMFD_CREATE.callInt(
                                            arena.allocateFrom(name).address(), MFD_CLOEXEC, 0),
                                    name);
            try {
                Libc.FTRUNCATE.check(Libc.FTRUNCATE.callInt(fd, size, 0), describe(size));
            } catch (HostException e) {
                closeFile(fd);
                throw e;
            }
            return fd;
        }
    }

    /** close(2). */
    static void closeFile(int fd) {
        Libc.CLOSE.check(Libc.CLOSE.callInt(fd, 0, 0), "file descriptor " + fd);
    }

    /**
     * A size for a message: bytes, and the largest unit that divides it if that is more than bytes.
     */
    static String describe(long size) {
        String[] units = {"KiB", "MiB", "GiB", "TiB"};
        String text = size + " bytes";
        long value = size;
        for (String unit : units) {
            if (value == 0 || value % 1024 != 0) {
                break;
            }
            value /= 1024;
            text = size + " bytes (" + value + " " + unit + ")";
        }
        return text;
    }
}
