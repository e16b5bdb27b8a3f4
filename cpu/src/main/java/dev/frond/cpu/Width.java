// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

/**
 * Values of 1, 2, 4 or 8 bytes in a long. Operands reach an instruction's meaning with whatever
 * stands in the bits above their width; whoever cares extends them here. The width is a constant
 * wherever these are called, so that they cost what one machine instruction costs.
 */
public final class Width {
    private Width() {}

    /** Sign-extends the low {@code size} bytes. */
    public static long sx(int size, long value) {
        return size == 4
                ? (int) value
                : size == 8 ? value : size == 1 ? (byte) value : (short) value;
    }

    /** Zero-extends the low {@code size} bytes. */
    public static long zx(int size, long value) {
        return size == 4
                ? value & 0xFFFF_FFFFL
                : size == 8 ? value : size == 1 ? value & 0xFF : value & 0xFFFF;
    }
}
