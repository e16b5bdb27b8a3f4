// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * An address space as it looks from outside at one moment: disjoint ranges in ascending order with
 * no aliases left. Immutable, so that look-ups take no lock; each change of the address space
 * publishes a new one.
 */
public final class FlatView {
    /**
     * One run of addresses {@code start..last} (both included, so that a range may end at 2^64-1)
     * that shows {@code region} from byte {@code offset} on.
     */
    public record Range(long start, long last, Region region, long offset) {
        /** The region's offset of {@code address}, which must lie in this range. */
        public long offsetOf(long address) {
            return offset + (address - start);
        }

        /** The number of bytes from {@code address} to the end of this range. */
        public long remaining(long address) {
            return last - address + 1;
        }
    }

    private static final OpenBus OPEN_BUS = new OpenBus();

    private static final Range NOTHING =
            new Range(
                    0,
                    -1,
                    new Region.Io(OPEN_BUS, Long.MAX_VALUE, AccessWidths.ANY, new ReentrantLock()),
                    0);

    private final long[] starts;
    private final Range[] ranges;

    FlatView(List<Range> sorted) {
        ranges = sorted.toArray(Range[]::new);
        starts = sorted.stream().mapToLong(Range::start).toArray();
    }

    /** The ranges in ascending order of address; addresses between them float. */
    public List<Range> ranges() {
        return List.of(ranges);
    }

    /** The range that holds {@code address}, or {@link #isNothing} one where nothing is mapped. */
    public Range find(long address) {
        int low = 0;
        int high = starts.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            if (Long.compareUnsigned(starts[middle], address) <= 0) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        if (high >= 0 && Long.compareUnsigned(address, ranges[high].last()) <= 0) {
            return ranges[high];
        }
        return NOTHING;
    }

    /** Whether {@code range} is what {@link #find} gives where nothing is mapped. */
    public static boolean isNothing(Range range) {
        return range.region() instanceof Region.Io io && io.handler() == OPEN_BUS;
    }

    /** An undriven bus: reads give all ones, writes go nowhere. */
    private static final class OpenBus implements IoHandler {
        @Override
        public long read(long offset, int size) {
            return size == 8 ? -1L : (1L << (8 * size)) - 1;
        }

        @Override
        public void write(long offset, int size, long value) {}
    }
}
