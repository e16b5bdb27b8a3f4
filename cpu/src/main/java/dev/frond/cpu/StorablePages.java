// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.memory.GuestMemory;

/**
 * Which entry of a TLB lets a page of RAM be stored to, so that the right is found when it is to be
 * taken back. Rights may be gone without having been taken out here.
 */
public final class StorablePages {
    /** What is noted of a page that no entry is for. */
    public static final int NONE = -1;

    /** What is noted of a page that several entries are for. */
    public static final int SEVERAL = -2;

    private static final int CHUNK_SHIFT = 10;

    /** By page number, in chunks that are there when needed: 0 for none, else the entry and 1. */
    private final short[][] chunks;

    /** For RAM of this many bytes. */
    public StorablePages(long size) {
        chunks = new short[(int) (size - 1 >>> GuestMemory.PAGE_SHIFT + CHUNK_SHIFT) + 1][];
    }

    /** The entry for the page at {@code offset} in RAM, {@link #NONE} or {@link #SEVERAL}. */
    public int get(long offset) {
        int number = (int) (offset >>> GuestMemory.PAGE_SHIFT);
        short[] chunk = chunks[number >>> CHUNK_SHIFT];
        return chunk == null ? NONE : chunk[inChunk(number)] - 1;
    }

    /** Notes an entry below 32,767, {@link #NONE} or {@link #SEVERAL}. */
    public void set(long offset, int entry) {
        int number = (int) (offset >>> GuestMemory.PAGE_SHIFT);
        short[] chunk = chunks[number >>> CHUNK_SHIFT];
        if (chunk == null) {
            chunk = new short[1 << CHUNK_SHIFT];
            chunks[number >>> CHUNK_SHIFT] = chunk;
        }
        chunk[inChunk(number)] = (short) (entry + 1);
    }

    private static int inChunk(int number) {
        return number & (1 << CHUNK_SHIFT) - 1;
    }
}
