// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.util.concurrent.locks.ReentrantLock;

/** Something that can be mapped into an {@link AddressSpace}; {@code size} is in bytes. */
public sealed interface Region {
    /** The number of bytes the region covers, at least 1. */
    long size();

    /** Read-write memory: {@code size} bytes of {@code memory} from byte {@code offset} on. */
    record Ram(GuestMemory memory, long offset, long size) implements Region {
        public Ram {
            checkInside(memory, offset, size);
        }
    }

    /** Memory that the bus only reads; writes are dropped, as a mask ROM drops them. */
    record Rom(GuestMemory memory, long offset, long size) implements Region {
        public Rom {
            checkInside(memory, offset, size);
        }
    }

    /** Memory that reads come from while writes go to a handler, as flash in read-array mode. */
    record RomIo(GuestMemory memory, long offset, long size, Io writes) implements Region {
        public RomIo {
            checkInside(memory, offset, size);
        }
    }

    /**
     * Device registers. Every access holds {@code lock}: a device is entered by one thread at a
     * time.
     */
    record Io(IoHandler handler, long size, AccessWidths widths, ReentrantLock lock)
            implements Region {
        public Io {
            checkSize(size);
        }
    }

    /** Another address space seen from {@code offset} on, for example the I/O ports as memory. */
    record Alias(AddressSpace target, long offset, long size) implements Region {
        public Alias {
            checkSize(size);
        }
    }

    private static void checkSize(long size) {
        if (size <= 0) {
            throw new IllegalArgumentException(
                    "region of " + size + " bytes: accepted is 1 and more");
        }
    }

    private static void checkInside(GuestMemory memory, long offset, long size) {
        checkSize(size);
        if (offset < 0 || offset > memory.size() - size) {
            throw new IllegalArgumentException(
                    "region of "
                            + size
                            + " bytes at offset "
                            + offset
                            + " leaves a memory of "
                            + memory.size()
                            + " bytes");
        }
    }
}
