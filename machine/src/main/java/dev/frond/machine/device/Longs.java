// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.device;

import java.util.Arrays;

/** An immutable run of 64-bit values with value equality, for state records. */
public final class Longs {
    private final long[] values;

    private Longs(long[] values) {
        this.values = values;
    }

    /** A copy of {@code values}. */
    public static Longs of(long... values) {
        return new Longs(values.clone());
    }

    /** {@code length} zeros. */
    public static Longs zeros(int length) {
        return new Longs(new long[length]);
    }

    /** The number of values. */
    public int length() {
        return values.length;
    }

    /** The value at {@code index}. */
    public long at(int index) {
        return values[index];
    }

    /** A copy as an array. */
    public long[] toArray() {
        return values.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Longs l && Arrays.equals(values, l.values);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(values);
    }

    @Override
    public String toString() {
        return "Longs" + Arrays.toString(values);
    }
}
