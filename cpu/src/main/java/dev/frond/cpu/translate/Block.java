// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

/**
 * One translated block. Places in code memory count from its start.
 *
 * <p>A block of an instruction that reaches into the next page is valid only as long as the same
 * page of memory follows in linear memory. It is found anew whenever that may have changed: other
 * blocks come to it through the jump cache alone.
 *
 * @param page the page that it was translated from
 * @param second the page that its instruction reaches into, or {@code page}
 * @param offset the offset of its first instruction in the page
 * @param length the bytes of guest code that it was translated from
 * @param key what it was translated for, see {@link Modes}
 * @param fromJump entered with the guest's instruction pointer in RCX and flags saved
 * @param flagsSaved entered with flags saved
 * @param flagsLive entered with flags in the host's
 * @param start as {@code flagsLive}, for whoever has just found the block
 */
record Block(
        CodePage page,
        CodePage second,
        int offset,
        int length,
        int key,
        int fromJump,
        int flagsSaved,
        int flagsLive,
        int start) {
    /** Whether its page was dropped since it was translated, or another block has its place. */
    @SuppressWarnings("ReferenceEquality") // A block is its identity.
    boolean isDropped() {
        return page.find(offset, key) != this;
    }

    /** Whether its instruction reaches into the next page. */
    @SuppressWarnings("ReferenceEquality") // A page is its identity.
    boolean crosses() {
        return second != page;
    }
}
