// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import java.util.ArrayList;
import java.util.List;

/**
 * What {@link CodeStore} knows of each site, by number: many small records, in pieces, because an
 * array that grows by being copied leaves its old selves behind in the heap.
 */
final class Sites {
    private static final int SHIFT = 14;
    private static final int MASK = (1 << SHIFT) - 1;

    private final List<long[]> data = new ArrayList<>();
    private final List<int[]> loads = new ArrayList<>();
    private final List<byte[]> flags = new ArrayList<>();
    private final List<Block[]> blocks = new ArrayList<>();

    /** Makes room for site {@code site}. */
    void reserve(int site) {
        if (site >> SHIFT == data.size()) {
            data.add(new long[MASK + 1]);
            loads.add(new int[MASK + 1]);
            flags.add(new byte[MASK + 1]);
            blocks.add(new Block[MASK + 1]);
        }
    }

    long data(int site) {
        return data.get(site >> SHIFT)[site & MASK];
    }

    void data(int site, long value) {
        data.get(site >> SHIFT)[site & MASK] = value;
    }

    int load(int site) {
        return loads.get(site >> SHIFT)[site & MASK];
    }

    void load(int site, int value) {
        loads.get(site >> SHIFT)[site & MASK] = value;
    }

    int flags(int site) {
        return flags.get(site >> SHIFT)[site & MASK];
    }

    void flags(int site, int value) {
        flags.get(site >> SHIFT)[site & MASK] = (byte) value;
    }

    Block block(int site) {
        return blocks.get(site >> SHIFT)[site & MASK];
    }

    void block(int site, Block block) {
        blocks.get(site >> SHIFT)[site & MASK] = block;
    }

    /** Forgets all. */
    void clear() {
        data.clear();
        loads.clear();
        flags.clear();
        blocks.clear();
        reserve(0);
    }
}
