// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What is kept of a block in a page whose code changes, so that the block can be taken up again
 * when its page was dropped and its own bytes are what they were. Who makes code writes several
 * functions into a page, or the same bytes once more; nothing else than its bytes says what a block
 * is.
 */
final class KeptBlock {
    /** A call of the block's code that became a jump to another block of the page. */
    record Link(int place, int displacement) {}

    private final Block block;

    /** What it was translated from. */
    private final byte[] guest;

    /** What stood at its entry before that was overwritten. */
    private final byte[] entry;

    private final List<Link> links = new ArrayList<>(0);

    /** The site that its entry leaves at while it is dropped; 0 if it never was. */
    private int site;

    KeptBlock(Block block, byte[] guest, byte[] entry) {
        this.block = block;
        this.guest = guest;
        this.entry = entry;
    }

    Block block() {
        return block;
    }

    byte[] entry() {
        return entry;
    }

    /** Whether it was translated from these bytes. */
    boolean isOf(byte[] bytes) {
        return Arrays.equals(guest, bytes);
    }

    int site() {
        return site;
    }

    void site(int site) {
        this.site = site;
    }

    /**
     * Notes that the call whose displacement at {@code place} was {@code displacement} is linked.
     */
    void linked(int place, int displacement) {
        links.add(new Link(place, displacement));
    }

    /** What was linked; nothing is from now on. */
    List<Link> takeLinks() {
        List<Link> all = List.copyOf(links);
        links.clear();
        return all;
    }
}
