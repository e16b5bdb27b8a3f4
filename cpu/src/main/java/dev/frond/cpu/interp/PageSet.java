// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** A set of page numbers below a limit that one thread changes and any thread asks. */
public final class PageSet {
    private static final VarHandle BITS = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] bits;

    /** The empty set of numbers below {@code limit}. */
    public PageSet(long limit) {
        bits = new long[Math.toIntExact((limit + 63) >>> 6)];
    }

    /** Adds a number. */
    public void add(long page) {
        BITS.getAndBitwiseOr(bits, (int) (page >>> 6), 1L << page);
    }

    /** Removes a number. */
    public void remove(long page) {
        BITS.getAndBitwiseAnd(bits, (int) (page >>> 6), ~(1L << page));
    }

    /** Whether the number is there. */
    public boolean contains(long page) {
        return ((long) BITS.getVolatile(bits, (int) (page >>> 6)) & 1L << page) != 0;
    }
}
