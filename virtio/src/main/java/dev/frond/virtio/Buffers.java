// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Bytes that a driver lends the device, as the runs of guest RAM that hold them, in order. The
 * guest can change them at any moment: what must not change between check and use is copied first.
 */
public final class Buffers {
    static final Buffers EMPTY = new Buffers(List.of());

    private final List<MemorySegment> runs;
    private final long size;

    Buffers(List<MemorySegment> runs) {
        this.runs = List.copyOf(runs);
        long sum = 0;
        for (MemorySegment run : runs) {
            sum += run.byteSize();
        }
        size = sum;
    }

    /** The number of bytes, at most 2^32. */
    public long size() {
        return size;
    }

    /** The runs of guest RAM, none empty. */
    public List<MemorySegment> runs() {
        return runs;
    }

    /** Bytes {@code from .. from + length - 1}, which must exist. */
    public Buffers slice(long from, long length) {
        check(from, length);
        if (from == 0 && length == size) {
            return this;
        }
        List<MemorySegment> part = new ArrayList<>();
        long skip = from;
        long left = length;
        for (MemorySegment run : runs) {
            if (left == 0) {
                break;
            }
            if (skip >= run.byteSize()) {
                skip -= run.byteSize();
                continue;
            }
            long taken = Math.min(run.byteSize() - skip, left);
            part.add(run.asSlice(skip, taken));
            skip = 0;
            left -= taken;
        }
        return new Buffers(part);
    }

    /** Copies the first bytes into all of {@code target}, which must not be longer than this. */
    public void copyTo(MemorySegment target) {
        check(0, target.byteSize());
        long done = 0;
        for (MemorySegment run : runs) {
            long length = Math.min(run.byteSize(), target.byteSize() - done);
            MemorySegment.copy(run, 0, target, done, length);
            done += length;
        }
    }

    /** Copies all of {@code source}, which must not be longer than this, over the first bytes. */
    public void copyFrom(MemorySegment source) {
        check(0, source.byteSize());
        long done = 0;
        for (MemorySegment run : runs) {
            long length = Math.min(run.byteSize(), source.byteSize() - done);
            MemorySegment.copy(source, done, run, 0, length);
            done += length;
        }
    }

    private void check(long from, long length) {
        if (from < 0 || length < 0 || from > size - length) {
            throw new IndexOutOfBoundsException(
                    "bytes " + from + ".." + (from + length - 1) + " of a buffer of " + size);
        }
    }
}
