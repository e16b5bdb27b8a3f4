// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static dev.frond.host.Mapping.MAP_ANONYMOUS;
import static dev.frond.host.Mapping.MAP_FIXED;
import static dev.frond.host.Mapping.MAP_NORESERVE;
import static dev.frond.host.Mapping.MAP_PRIVATE;
import static dev.frond.host.Mapping.MAP_SHARED;
import static dev.frond.host.Mapping.PROT_EXEC;
import static dev.frond.host.Mapping.PROT_NONE;
import static dev.frond.host.Mapping.PROT_READ;
import static dev.frond.host.Mapping.PROT_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory that machine code is written into and run from, with plain data right behind it, in reach
 * of RIP-relative addressing. Inaccessible pages lie before the code and after the data. Sizes are
 * bytes, whole pages.
 *
 * <p>Where the host allows it, the code is one mapping that is writable and executable. Where it
 * does not (SELinux and others refuse such mappings), a memfd is mapped twice: {@link #code()}
 * writes through one mapping, {@link #address()} runs the other. In both cases a processor that has
 * run a place must pass a serializing instruction before it runs new bytes there through the second
 * mapping (Intel SDM vol. 3, 10.1.3); {@link NativeCode} enters by IRET for that reason.
 */
public final class ExecutableMemory implements AutoCloseable {
    /** Where in the address space the memory may lie. */
    public enum Placement {
        /** Wherever the host likes. */
        ANYWHERE,
        /** Below 2 GiB, so that 32-bit code can run there and 32-bit displacements reach it. */
        LOW
    }

    /** How the code can be both written and run. */
    enum Method {
        ONE_MAPPING,
        TWO_MAPPINGS
    }

    private final Arena arena;
    private final MemorySegment code;
    private final MemorySegment data;
    private final long address;

    private ExecutableMemory(Arena arena, MemorySegment code, MemorySegment data, long address) {
        this.arena = arena;
        this.code = code;
        this.data = data;
        this.address = address;
    }

    /** Whether this process may have executable memory at all; some hardened hosts forbid it. */
    public static boolean isPermitted() {
        return Permission.GRANTED;
    }

    /**
     * Executable memory.
     *
     * @param codeSize bytes of code, a positive multiple of the page size
     * @param dataSize bytes of data behind the code, a multiple of the page size or 0
     * @throws HostException EACCES or EPERM if the host forbids it, ENOMEM if there is no room
     */
    public static ExecutableMemory allocate(long codeSize, long dataSize, Placement placement) {
        try {
            return allocate(codeSize, dataSize, placement, Method.ONE_MAPPING);
        } catch (HostException e) {
            if (!isRefusal(e)) {
                throw e;
            }
            return allocate(codeSize, dataSize, placement, Method.TWO_MAPPINGS);
        }
    }

    @SuppressWarnings("restricted") // Addresses and sizes are those of the mappings made here.
    static ExecutableMemory allocate(
            long codeSize, long dataSize, Placement placement, Method method) {
        long page = Libc.pageSize();
        if (codeSize <= 0 || codeSize % page != 0 || dataSize < 0 || dataSize % page != 0) {
            throw new IllegalArgumentException(
                    "code size "
                            + codeSize
                            + " and data size "
                            + dataSize
                            + " must be multiples of the host's page size "
                            + page
                            + ", the former positive");
        }
        long reservationSize = codeSize + dataSize + 2 * page;
        long reservation =
                switch (placement) {
                    case LOW -> Mapping.mapLow(reservationSize, PROT_NONE);
                    case ANYWHERE ->
                            Mapping.map(
                                    0,
                                    reservationSize,
                                    PROT_NONE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                    -1);
                };
        long address = reservation + page;
        long writable = address;
        try {
            int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
            if (method == Method.ONE_MAPPING) {
                Mapping.map(address, codeSize, PROT_READ | PROT_WRITE | PROT_EXEC, anonymous, -1);
            } else {
                writable = mapTwice(address, codeSize);
            }
            if (dataSize > 0) {
                Mapping.map(address + codeSize, dataSize, PROT_READ | PROT_WRITE, anonymous, -1);
            }
        } catch (HostException e) {
            if (writable != address) {
                Mapping.unmap(writable, codeSize);
            }
            Mapping.unmap(reservation, reservationSize);
            throw e;
        }
        Arena arena = Arena.ofShared();
        long second = writable;
        MemorySegment code =
                MemorySegment.ofAddress(writable)
                        .reinterpret(
                                codeSize,
                                arena,
                                _ -> {
                                    Mapping.unmap(reservation, reservationSize);
                                    if (second != address) {
                                        Mapping.unmap(second, codeSize);
                                    }
                                });
        MemorySegment data =
                MemorySegment.ofAddress(address + codeSize).reinterpret(dataSize, arena, _ -> {});
        return new ExecutableMemory(arena, code, data, address);
    }

    /** The code, to be written; it need not lie where it runs. */
    public MemorySegment code() {
        return code;
    }

    /** The data behind the code, where the code sees it. */
    public MemorySegment data() {
        return data;
    }

    /** The address at which byte 0 of the code runs. */
    public long address() {
        return address;
    }

    /** Unmaps everything; no code in it may be running. Closing again does nothing. */
    @Override
    public synchronized void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    /**
     * Maps a new memfd executable at {@code address} and writable at the address that is returned.
     */
    private static long mapTwice(long address, long size) {
        int fd = Mapping.memoryFile("frond-code", size);
        try {
            Mapping.map(address, size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd);
            return Mapping.map(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
        } finally {
            // The mappings keep the file.
            Mapping.closeFile(fd);
        }
    }

    private static boolean isRefusal(HostException e) {
        return e.errno() == Errno.EACCES || e.errno() == Errno.EPERM;
    }

    /** Found out by asking for a page, once. */
    private static final class Permission {
        private static final boolean GRANTED = probe();

        private static boolean probe() {
            try (ExecutableMemory _ = allocate(Libc.pageSize(), 0, Placement.ANYWHERE)) {
                return true;
            } catch (HostException e) {
                if (isRefusal(e)) {
                    return false;
                }
                throw e;
            }
        }
    }
}
