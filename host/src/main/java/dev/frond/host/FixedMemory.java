// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static dev.frond.host.Mapping.MAP_ANONYMOUS;
import static dev.frond.host.Mapping.MAP_FIXED_NOREPLACE;
import static dev.frond.host.Mapping.MAP_NORESERVE;
import static dev.frond.host.Mapping.MAP_PRIVATE;
import static dev.frond.host.Mapping.PROT_EXEC;
import static dev.frond.host.Mapping.PROT_NONE;
import static dev.frond.host.Mapping.PROT_READ;
import static dev.frond.host.Mapping.PROT_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Memory at a host address that the caller chooses, so that an address inside natively run code
 * means the same as in an emulated machine. It starts as zeros, readable and writable; the access
 * right can be set page by page.
 */
public final class FixedMemory implements AutoCloseable {
    /** What code and data accesses may do with a page. */
    public enum Access {
        NONE(PROT_NONE),
        READ(PROT_READ),
        READ_WRITE(PROT_READ | PROT_WRITE),
        READ_EXECUTE(PROT_READ | PROT_EXEC),
        READ_WRITE_EXECUTE(PROT_READ | PROT_WRITE | PROT_EXEC);

        private final int protection;

        Access(int protection) {
            this.protection = protection;
        }
    }

    private final Arena arena;
    private final MemorySegment segment;

    @SuppressWarnings("restricted") // The address and the size are those of a mapping just made.
    private FixedMemory(long address, long size) {
        arena = Arena.ofShared();
        segment =
                MemorySegment.ofAddress(address)
                        .reinterpret(size, arena, _ -> Mapping.unmap(address, size));
    }

    /**
     * Memory at exactly this address; nothing that is mapped already is touched. HotSpot spreads
     * its class space, and a small heap, over random places from some 256 MiB up to 4 GiB, so that
     * an address is best chosen below that.
     *
     * @param address bytes, a multiple of the page size; the host's lowest 64 KiB are usually
     *     barred (EPERM)
     * @param size bytes, a positive multiple of the page size
     * @throws HostException EEXIST if something else is there
     */
    public static FixedMemory at(long address, long size) {
        check("address", address);
        check("size", size);
        String subject = Mapping.describe(size) + " at 0x" + Long.toHexString(address);
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
        long result = Libc.MMAP.call(address, size, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (Libc.MMAP.check(result, subject) != address) {
            // A kernel before 4.17 does not know MAP_FIXED_NOREPLACE and takes the address for a
            // hint.
            Mapping.unmap(result, size);
            throw new HostException("mmap", subject, Errno.EEXIST.number());
        }
        return new FixedMemory(address, size);
    }

    /**
     * Memory at an address below 2 GiB that the host chooses; {@code size} is a positive multiple
     * of the page size.
     */
    public static FixedMemory low(long size) {
        check("size", size);
        return new FixedMemory(Mapping.mapLow(size, PROT_READ | PROT_WRITE), size);
    }

    /**
     * The memory. An access from Java to a page without the right for it ends in an {@link
     * InternalError}.
     */
    public MemorySegment segment() {
        return segment;
    }

    /** The host address of byte 0. */
    public long address() {
        return segment.address();
    }

    /** Sets the access right of whole pages. */
    public synchronized void protect(long offset, long length, Access access) {
        Objects.checkFromIndexSize(offset, /* size= */ length, /* length= */ segment.byteSize());
        if (!arena.scope().isAlive()) {
            throw new IllegalStateException("this memory is closed");
        }
        Mapping.protect(address() + offset, length, access.protection);
    }

    /** Unmaps the memory. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    private static void check(String name, long value) {
        if (value <= 0 || value % Libc.pageSize() != 0) {
            throw new IllegalArgumentException(
                    name
                            + " 0x"
                            + Long.toHexString(value)
                            + " must be a positive multiple of the host's page size "
                            + Libc.pageSize());
        }
    }
}
