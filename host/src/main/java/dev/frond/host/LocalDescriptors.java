// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The segments of this process: descriptors of its local descriptor table, which Linux lets a
 * program set (modify_ldt(2)) and which {@link NativeCode} can run 16- and 32-bit code with. There
 * is one table for all threads; whoever sets an entry chooses an index that is nobody else's, from
 * 1 on.
 *
 * <p>All have privilege level 3, and Linux marks them accessed.
 */
public final class LocalDescriptors {
    /** What a segment is. */
    public enum Type {
        DATA(0),
        /** Data whose valid offsets are those above the limit. */
        EXPAND_DOWN(1),
        CODE(2);

        private final int contents;

        Type(int contents) {
            this.contents = contents;
        }
    }

    /**
     * A segment.
     *
     * @param base its linear address, below 4 GiB
     * @param limit the limit field, 20 bits; in pages if {@code pages}
     * @param big 32-bit code or stack, or the upper bound of expand-down data is 4 GiB; else 16-bit
     * @param writable data that can be written, code that can be read
     * @param available the bit that is the program's own
     */
    public record Descriptor(
            long base,
            int limit,
            Type type,
            boolean big,
            boolean writable,
            boolean pages,
            boolean present,
            boolean available) {
        public Descriptor {
            if (base >>> 32 != 0 || limit >>> 20 != 0) {
                throw new IllegalArgumentException(
                        String.format(
                                "base 0x%x must be below 4 GiB, limit 0x%x below 0x100000",
                                base, limit));
            }
        }
    }

    /** The number of entries of the table. */
    public static final int ENTRIES = 8192;

    // asm/ldt.h: struct user_desc, and modify_ldt's number on x86-64.
    private static final int USER_DESC_SIZE = 16;
    private static final int SYS_MODIFY_LDT = 154;
    private static final int WRITE = 0x11;
    private static final int SEG_32BIT = 1;
    private static final int CONTENTS_SHIFT = 1;
    private static final int READ_EXEC_ONLY = 1 << 3;
    private static final int LIMIT_IN_PAGES = 1 << 4;
    private static final int SEG_NOT_PRESENT = 1 << 5;
    private static final int USEABLE = 1 << 6;

    private LocalDescriptors() {}

    private static final class Support {
        /** A 16-bit segment, which kernels can be built without, and the empty entry after it. */
        static final boolean YES =
                HostCpu.isX86Linux()
                        && modify(0, 0, 0xFFFF, USEABLE) == 0
                        && modify(0, 0, 0, READ_EXEC_ONLY | SEG_NOT_PRESENT) == 0;
    }

    /**
     * Whether this host can: Linux on x86-64 whose kernel has modify_ldt, with 16-bit segments, and
     * is not forbidden to run it.
     */
    public static boolean isSupported() {
        return Support.YES;
    }

    /**
     * Sets entry {@code index}.
     *
     * @return its selector, with requested privilege level 3
     * @throws HostException if the kernel refuses
     */
    public static int set(int index, Descriptor descriptor) {
        int flags =
                (descriptor.big ? SEG_32BIT : 0)
                        | descriptor.type.contents << CONTENTS_SHIFT
                        | (descriptor.writable ? 0 : READ_EXEC_ONLY)
                        | (descriptor.pages ? LIMIT_IN_PAGES : 0)
                        | (descriptor.present ? 0 : SEG_NOT_PRESENT)
                        | (descriptor.available ? USEABLE : 0);
        int result = modify(index, (int) descriptor.base, descriptor.limit, flags);
        if (result != 0) {
            throw new HostException("modify_ldt", "entry " + index, -result);
        }
        return index << 3 | 7;
    }

    private static int modify(int index, int base, int limit, int flags) {
        Objects.checkIndex(index, ENTRIES);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = arena.allocate(USER_DESC_SIZE, 4);
            entry.set(JAVA_INT, 0, index);
            entry.set(JAVA_INT, 4, base);
            entry.set(JAVA_INT, 8, limit);
            entry.set(JAVA_INT, 12, flags);
            // The kernel returns errors of this call as 32 bits.
            return Libc.SYSCALL.callInt(
                    SYS_MODIFY_LDT, WRITE, entry.address(), USER_DESC_SIZE, 0, 0);
        }
    }
}
