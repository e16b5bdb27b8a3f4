// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

/**
 * The access sizes in bytes that a device decodes, powers of two between 1 and 8. The bus merges
 * several device accesses into one wide guest access and, for a narrower one than {@code min},
 * reads the whole register and takes the part; a narrower write reaches the device as a whole
 * register whose other bytes are zero.
 */
public record AccessWidths(int min, int max) {
    /** Byte registers, as ISA chips have them: wider accesses become several. */
    public static final AccessWidths BYTE = new AccessWidths(1, 1);

    /** 32-bit registers only, as APICs have them. */
    public static final AccessWidths DWORD = new AccessWidths(4, 4);

    /** 1, 2 or 4 bytes as they come. */
    public static final AccessWidths UP_TO_DWORD = new AccessWidths(1, 4);

    /** 1, 2, 4 or 8 bytes as they come. */
    public static final AccessWidths ANY = new AccessWidths(1, 8);

    public AccessWidths {
        if (Integer.bitCount(min) != 1 || Integer.bitCount(max) != 1 || min > max || max > 8) {
            throw new IllegalArgumentException(
                    "access widths "
                            + min
                            + ".."
                            + max
                            + ": accepted are powers of two, 1 <= min <= max <= 8");
        }
    }
}
