// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/** The RAM of a memory map that no loaded part occupies yet. */
final class Placement {
    private record Free(long base, long end) {}

    private final List<Free> free = new ArrayList<>();

    Placement(MemoryMap map) {
        for (MemoryMap.Range range : map.ranges()) {
            if (range.type() == MemoryMap.Type.RAM) {
                free.add(new Free(range.base(), range.end()));
            }
        }
    }

    /** Takes {@code size} bytes at {@code base}, which are RAM; some of it may be taken already. */
    void take(long base, long size) {
        if (size == 0) {
            return;
        }
        List<Free> rest = new ArrayList<>();
        for (Free f : free) {
            if (f.end <= base || f.base >= base + size) {
                rest.add(f);
                continue;
            }
            if (f.base < base) {
                rest.add(new Free(f.base, base));
            }
            if (f.end > base + size) {
                rest.add(new Free(base + size, f.end));
            }
        }
        free.clear();
        free.addAll(rest);
    }

    /**
     * Takes the lowest run of {@code size} bytes within {@code from .. limit - 1} at a multiple of
     * {@code align}.
     */
    OptionalLong takeLowest(long size, long align, long from, long limit) {
        for (Free f : free) {
            long base = alignUp(Math.max(f.base, from), align);
            long end = Math.min(f.end, limit);
            if (base >= 0 && base <= end && size <= end - base) {
                take(base, size);
                return OptionalLong.of(base);
            }
        }
        return OptionalLong.empty();
    }

    /**
     * Takes the highest run of {@code size} bytes within {@code from .. limit - 1} at a multiple of
     * {@code align}.
     */
    OptionalLong takeHighest(long size, long align, long from, long limit) {
        for (Free f : free.reversed()) {
            long low = Math.max(f.base, from);
            long end = Math.min(f.end, limit);
            if (low > end || size > end - low) {
                continue;
            }
            long base = (end - size) & -align;
            if (base >= low) {
                take(base, size);
                return OptionalLong.of(base);
            }
        }
        return OptionalLong.empty();
    }

    /**
     * {@code value} rounded up to a multiple of {@code align}, a power of two; negative on
     * overflow.
     */
    static long alignUp(long value, long align) {
        return (value + align - 1) & -align;
    }
}
