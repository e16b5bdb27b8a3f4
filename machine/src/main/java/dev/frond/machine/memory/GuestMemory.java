// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A run of guest RAM (or ROM contents), addressed by byte offset from 0. Backed by one native
 * segment that the host fills lazily, so that it may be larger than 4 GiB and larger than what the
 * host has free. All accesses are little-endian and may be misaligned.
 *
 * <p>Pages (4 KiB) are watched: a store to a page that some CPU holds decoded code of is told to
 * all CPUs after it happened, and the dirty log notes it. Whoever writes through {@link #segment()}
 * or {@link #slice} calls {@link #wrote}.
 */
public final class GuestMemory {
    /** log2 of the page size that watching and dirty logging work in. */
    public static final int PAGE_SHIFT = 12;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final VarHandle ATOMIC_INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle ATOMIC_LONG = ValueLayout.JAVA_LONG.varHandle();
    private static final VarHandle BITS = MethodHandles.arrayElementVarHandle(long[].class);

    /**
     * A part of a CPU that must know of stores to some pages: it holds code of them, or waits for
     * the store. Those are the code pages. Called on any thread.
     */
    public interface Watcher {
        /**
         * Bytes {@code offset .. offset + length - 1}, all in one code page, were stored to.
         * Returns whether it still must know of stores to the page.
         */
        boolean stored(long offset, int length);

        /** Whether it must know of stores to page number {@code page}. */
        boolean holds(long page);

        /** Page number {@code page} became a code page: stores to it must be told from now on. */
        void marked(long page);

        /**
         * Somebody may have stored to page number {@code page} untold, and will tell from now on.
         */
        default void tellsFromNow(long page) {}
    }

    private final MemorySegment segment;
    private final long[] codePages;
    private final DirtyLog dirtyLog;
    private final List<Watcher> watchers = new CopyOnWriteArrayList<>();

    /** RAM over {@code segment}, a native segment whose size is a multiple of 4 KiB, not empty. */
    public GuestMemory(MemorySegment segment) {
        if (segment.byteSize() == 0 || segment.byteSize() % (1 << PAGE_SHIFT) != 0) {
            throw new IllegalArgumentException(
                    "guest memory of "
                            + segment.byteSize()
                            + " bytes: accepted are multiples of 4096");
        }
        this.segment = segment;
        long pages = segment.byteSize() >>> PAGE_SHIFT;
        codePages = new long[Math.toIntExact((pages + 63) >>> 6)];
        dirtyLog = new DirtyLog(pages);
    }

    /** The size in bytes. */
    public long size() {
        return segment.byteSize();
    }

    /**
     * The whole memory, for those who need raw speed; call {@link #wrote} after storing through it.
     */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * Bytes {@code offset .. offset + length - 1}; call {@link #wrote} after storing through it.
     */
    public MemorySegment slice(long offset, long length) {
        return segment.asSlice(offset, length);
    }

    /** The pages stored to since the log was last harvested. */
    public DirtyLog dirtyLog() {
        return dirtyLog;
    }

    /** Loads {@code size} (1, 2, 4, 8) bytes, zero-extended. */
    public long load(long offset, int size) {
        long value =
                switch (size) {
                    case 1 -> segment.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
                    case 2 -> segment.get(SHORT, offset) & 0xFFFF;
                    case 4 -> segment.get(INT, offset) & 0xFFFF_FFFFL;
                    case 8 -> segment.get(LONG, offset);
                    default -> throw badSize(size);
                };
        MemoryOrder.loaded();
        return value;
    }

    /** Stores the low {@code size} (1, 2, 4, 8) bytes of {@code value}. */
    public void store(long offset, int size, long value) {
        MemoryOrder.storing();
        switch (size) {
            case 1 -> segment.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
            case 2 -> segment.set(SHORT, offset, (short) value);
            case 4 -> segment.set(INT, offset, (int) value);
            case 8 -> segment.set(LONG, offset, value);
            default -> throw badSize(size);
        }
        wrote(offset, size);
    }

    /**
     * Atomically replaces {@code expected} by {@code value} if it stands there; {@code offset} must
     * be a multiple of {@code size} (1, 2, 4, 8). Returns the value found, zero-extended.
     */
    public long compareAndExchange(long offset, int size, long expected, long value) {
        long found =
                switch (size) {
                    case 1, 2 ->
                            compareAndExchangeWithin(offset, 8 * size, (int) expected, (int) value);
                    case 4 ->
                            (int)
                                            ATOMIC_INT.compareAndExchange(
                                                    segment, offset, (int) expected, (int) value)
                                    & 0xFFFF_FFFFL;
                    case 8 ->
                            (long) ATOMIC_LONG.compareAndExchange(segment, offset, expected, value);
                    default -> throw badSize(size);
                };
        wrote(offset, size);
        return found;
    }

    /**
     * Foreign memory has no narrow compare-and-set: the field is exchanged within its aligned int.
     */
    private int compareAndExchangeWithin(long offset, int bits, int expected, int value) {
        long word = offset & ~3L;
        int shift = (int) (offset & 3) * 8;
        int mask = (1 << bits) - 1;
        while (true) {
            int old = (int) ATOMIC_INT.getVolatile(segment, word);
            int found = old >>> shift & mask;
            if (found != (expected & mask)) {
                return found;
            }
            int replaced = (old & ~(mask << shift)) | (value & mask) << shift;
            if (ATOMIC_INT.compareAndSet(segment, word, old, replaced)) {
                return found;
            }
        }
    }

    /**
     * Tells watchers and the dirty log that {@code length} bytes from {@code offset} on were
     * stored.
     */
    public void wrote(long offset, long length) {
        long position = offset;
        long end = offset + length;
        while (position < end) {
            long page = position >>> PAGE_SHIFT;
            long next = Math.min(end, (page + 1) << PAGE_SHIFT);
            dirtyLog.mark(page);
            if (isCode(page)) {
                storedToCode(page, position, (int) (next - position));
            }
            position = next;
        }
    }

    /** Whether some CPU holds decoded code of page number {@code page}. */
    public boolean isCode(long page) {
        return ((long) BITS.getVolatile(codePages, (int) (page >>> 6)) & 1L << page) != 0;
    }

    /** Marks page number {@code page} as holding decoded code; true if it was not marked before. */
    public boolean markCode(long page) {
        long bit = 1L << page;
        if (((long) BITS.getAndBitwiseOr(codePages, (int) (page >>> 6), bit) & bit) != 0) {
            return false;
        }
        for (Watcher watcher : watchers) {
            watcher.marked(page);
        }
        return true;
    }

    private void storedToCode(long page, long offset, int length) {
        boolean held = false;
        for (Watcher watcher : watchers) {
            held |= watcher.stored(offset, length);
        }
        if (!held) {
            BITS.getAndBitwiseAnd(codePages, (int) (page >>> 6), ~(1L << page));
            // A CPU that began to hold code of the page meanwhile may have found it still marked.
            for (Watcher watcher : watchers) {
                if (watcher.holds(page)) {
                    markCode(page);
                }
            }
        }
    }

    /**
     * Says that the caller, having been told that page number {@code page} became a code page,
     * stores to it no more without telling.
     */
    public void tellsFromNow(long page) {
        for (Watcher watcher : watchers) {
            watcher.tellsFromNow(page);
        }
    }

    /** Tells {@code watcher} of stores to code pages from now on. */
    public void watch(Watcher watcher) {
        watchers.add(watcher);
    }

    /** Ends {@link #watch}. */
    public void unwatch(Watcher watcher) {
        watchers.remove(watcher);
    }

    private static IllegalArgumentException badSize(int size) {
        return new IllegalArgumentException(
                "access of " + size + " bytes: accepted are 1, 2, 4, 8");
    }
}
