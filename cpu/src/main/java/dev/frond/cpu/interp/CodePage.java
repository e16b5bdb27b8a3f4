// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The decoded code of one 4 KiB page of physical memory, in all modes that it was executed in. */
public final class CodePage {
    /** A page without code. */
    public static final CodePage NONE = new CodePage(-1, -1);

    /** The physical address of the first byte. */
    final long physical;

    /** The offset in main memory of the first byte, or -1 if it is elsewhere. */
    final long ramOffset;

    /** Dropped: whoever still holds it must not enter it. */
    boolean dropped;

    /** Pages whose last instruction reaches into this page. */
    final Set<CodePage> reachingIn = new HashSet<>();

    private int[] keys = new int[8];
    private @Nullable Node[] entries = new @Nullable Node[8];
    private int size;

    /** One bit for each 16 bytes that some node was decoded from. */
    private final long[] covered = new long[4];

    CodePage(long physical, long ramOffset) {
        this.physical = physical;
        this.ramOffset = ramOffset;
    }

    private static int hash(int key) {
        return (key * 0x9E37_79B1) >>> 8;
    }

    /** The node at {@code offset} decoded for {@code mode} (bits below 16), or null. */
    @Nullable Node find(int offset, int mode) {
        int key = offset << 4 | mode;
        int mask = keys.length - 1;
        for (int i = hash(key) & mask; ; i = i + 1 & mask) {
            Node entry = entries[i];
            if (entry == null || keys[i] == key) {
                return entry;
            }
        }
    }

    void put(int offset, int mode, Node node) {
        if (2 * ++size > keys.length) {
            int[] oldKeys = keys;
            @Nullable Node[] oldEntries = entries;
            keys = new int[2 * oldKeys.length];
            entries = new @Nullable Node[2 * oldKeys.length];
            for (int i = 0; i < oldKeys.length; i++) {
                Node entry = oldEntries[i];
                if (entry != null) {
                    insert(oldKeys[i], entry);
                }
            }
        }
        insert(offset << 4 | mode, node);
    }

    private void insert(int key, Node node) {
        int mask = keys.length - 1;
        int i = hash(key) & mask;
        while (entries[i] != null) {
            i = i + 1 & mask;
        }
        keys[i] = key;
        entries[i] = node;
    }

    /** Whether {@code node} begins a block of this page. */
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    boolean begins(Node node) {
        for (Node entry : entries) {
            if (entry == node) {
                return true;
            }
        }
        return false;
    }

    /**
     * Puts {@code to}, which does the same, in the place of the block that begins with {@code
     * from}.
     */
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    void replace(Node from, Node to) {
        for (int i = 0; i < entries.length; i++) {
            if (entries[i] == from) {
                entries[i] = to;
            }
        }
        for (Node entry : entries) {
            Node node = entry instanceof Fused fused ? fused.nodes.getFirst() : entry;
            while (node != null) {
                if (node instanceof BlockExit exit) {
                    exit.replace(from, to);
                }
                node = node.next == node ? null : node.next;
            }
        }
        for (KnownCode code : known) {
            if (code.node == from) {
                code.node = to;
            }
        }
    }

    /** Notes that bytes {@code from .. to - 1} (within 0..4096) were decoded. */
    void cover(int from, int to) {
        for (int unit = from >> 4; unit <= Math.min(to - 1, 4095) >> 4; unit++) {
            covered[unit >> 6] |= 1L << unit;
        }
    }

    /** Whether a byte of {@code from .. to - 1} may have been decoded. */
    boolean covers(int from, int to) {
        for (int unit = from >> 4; unit <= to - 1 >> 4; unit++) {
            if ((covered[unit >> 6] & 1L << unit) != 0) {
                return true;
            }
        }
        return false;
    }

    /** An instruction at the end of this page that reaches into {@code into}. */
    private record Straddling(int key, CodePage into, Node node) {}

    private final List<Straddling> straddling = new ArrayList<>(0);

    /**
     * The last instruction of this page, decoded together with {@code into}; null if it was not.
     */
    @Nullable Node straddling(int mode, int offset, CodePage into) {
        for (Straddling s : straddling) {
            if (s.key == (offset << 4 | mode) && s.into == into) {
                return s.node;
            }
        }
        return null;
    }

    void putStraddling(int mode, int offset, CodePage into, Node node) {
        straddling.removeIf(s -> s.key == (offset << 4 | mode));
        straddling.add(new Straddling(offset << 4 | mode, into, node));
    }

    /** Where instruction pointers are known to mean code of this page, or were. */
    private final Set<KnownCode> known = new HashSet<>(0);

    /** Notes that {@code code} leads to this page. */
    void known(KnownCode code) {
        known.add(code);
    }

    @SuppressWarnings("ReferenceEquality") // A page is its identity.
    void drop() {
        for (KnownCode code : known) {
            if (code.page == this) {
                code.node = null;
                code.page = NONE;
            }
        }
        known.clear();
        straddling.clear();
        dropped = true;
        Arrays.fill(entries, null);
    }
}
