// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

/**
 * The registers of a device behind a bus. Offsets count from the region's start, values are
 * little-endian in the low {@code 8 * size} bits; bits above are ignored on write and must be zero
 * on read. The bus splits and merges accesses so that only the region's {@link AccessWidths}
 * arrive, and holds the device's lock around each call.
 */
public interface IoHandler {
    /**
     * Reads {@code size} bytes (1, 2, 4 or 8) at {@code offset}. Never throws for a guest's
     * mistake.
     */
    long read(long offset, int size);

    /** Writes the low {@code size} bytes (1, 2, 4 or 8) of {@code value} at {@code offset}. */
    void write(long offset, int size, long value);
}
