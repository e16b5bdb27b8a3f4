// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The translated blocks of one page of main memory, for all modes that it was executed in. */
final class CodePage {
    /** The offset in main memory of the first byte. */
    final long ramOffset;

    /** Dropped: what was translated may not be what stands there now. */
    boolean dropped;

    /** What is kept of blocks, also of dropped ones, if the page's code changes. */
    private final Map<Integer, KeptBlock> kept = new HashMap<>(0);

    /** Most pages are changed once only, as the kernel's at its start. */
    private static final int OFTEN = 2;

    /** How often code of the page was changed. */
    private int changes;

    private int[] keys = new int[8];
    private @Nullable Block[] blocks = new @Nullable Block[8];
    private int size;

    /** The pages before, as far as instructions reach from there into this one. */
    private final List<CodePage> before = new ArrayList<>(0);

    /** One bit for each 16 bytes that some block was translated from. */
    private final long[] covered = new long[4];

    private long since;

    CodePage(long ramOffset, long since) {
        this.ramOffset = ramOffset;
        this.since = since;
    }

    /** A dropped page is in use again, without a block. */
    void useAgain(long now) {
        dropped = false;
        since = now;
        size = 0;
        before.clear();
        Arrays.fill(covered, 0);
        changes++;
    }

    /** When the page came into use, as {@link System#nanoTime} tells. */
    long since() {
        return since;
    }

    /** Whether blocks are to be {@linkplain #keep kept}. */
    boolean keeps() {
        return changes >= OFTEN;
    }

    /** Keeps a block, in the place of one for the same. */
    void keep(KeptBlock block) {
        kept.put(number(block.block().offset(), block.block().key()), block);
    }

    /** What is kept at {@code offset} for the mode {@code key}, or null. */
    @Nullable KeptBlock kept(int offset, int key) {
        return kept.isEmpty() ? null : kept.get(number(offset, key));
    }

    /** What is kept of this block, or null. */
    @SuppressWarnings("ReferenceEquality") // A block is its identity.
    @Nullable KeptBlock kept(Block block) {
        KeptBlock it = kept(block.offset(), block.key());
        return it != null && it.block() == block ? it : null;
    }

    private static int hash(int key) {
        return (key * 0x9E37_79B1) >>> 8;
    }

    private static int number(int offset, int key) {
        return offset * Modes.LIMIT | key;
    }

    /** The block at {@code offset} for the mode {@code key}, or null. */
    @Nullable Block find(int offset, int key) {
        int wanted = number(offset, key);
        int mask = keys.length - 1;
        for (int i = hash(wanted) & mask; ; i = i + 1 & mask) {
            Block block = blocks[i];
            if (block == null || keys[i] == wanted) {
                return block;
            }
        }
    }

    /** Puts a block in, in the place of one for the same. */
    void put(Block block) {
        if (find(block.offset(), block.key()) == null && 4 * ++size > 3 * keys.length) {
            @Nullable Block[] old = blocks;
            keys = new int[2 * old.length];
            blocks = new @Nullable Block[2 * old.length];
            for (Block each : old) {
                if (each != null) {
                    insert(each);
                }
            }
        }
        insert(block);
    }

    private void insert(Block block) {
        int key = number(block.offset(), block.key());
        int mask = keys.length - 1;
        int i = hash(key) & mask;
        while (blocks[i] != null && keys[i] != key) {
            i = i + 1 & mask;
        }
        keys[i] = key;
        blocks[i] = block;
    }

    /** Notes that bytes {@code from .. to - 1} (within 0..4096) were translated. */
    void cover(int from, int to) {
        for (int unit = from >> 4; unit <= to - 1 >> 4; unit++) {
            covered[unit >> 6] |= 1L << unit;
        }
    }

    /** Notes that an instruction in {@code page} has its last {@code length} bytes here. */
    void coverEndOf(CodePage page, int length) {
        cover(0, length);
        if (!before.contains(page)) {
            before.add(page);
        }
    }

    /** The pages that instructions reach into this one from. */
    List<CodePage> before() {
        return before;
    }

    /** Whether a byte of {@code from .. to - 1} may have been translated. */
    boolean covers(int from, int to) {
        for (int unit = from >> 4; unit <= to - 1 >> 4; unit++) {
            if ((covered[unit >> 6] & 1L << unit) != 0) {
                return true;
            }
        }
        return false;
    }

    /** All blocks. */
    Stream<Block> blocks() {
        return Arrays.stream(blocks).filter(Objects::nonNull).map(Objects::requireNonNull);
    }

    /** Forgets the blocks, telling each of them. */
    void drop(Consumer<Block> block) {
        dropped = true;
        for (int i = 0; i < blocks.length; i++) {
            Block each = blocks[i];
            if (each != null) {
                block.accept(each);
                blocks[i] = null;
            }
        }
    }
}
