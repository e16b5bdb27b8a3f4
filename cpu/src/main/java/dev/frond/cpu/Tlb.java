// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import java.util.Arrays;

/**
 * The translations of one address space, that is of one process-context identifier (SDM Vol. 3A,
 * 5.10.1).
 *
 * <p>A table is an array of pairs: the linear address of a page, and what to add to a linear
 * address to get the host's address. An access whose first byte selects the pair and whose last
 * byte is in the same page as the tag hits, so that one comparison covers page crossings too. Only
 * pages of RAM that need no attention are in it. There is one pair of tables (loads, stores) for
 * each way to look at memory: as supervisor, as user, and as supervisor with RFLAGS.AC set, which
 * CR4.SMAP tells apart.
 */
final class Tlb {
    static final int PAGE_SHIFT = 12;
    static final int ENTRIES = 512;

    /** For {@code linear >>> PAGE_SHIFT - 1}: an even index into the array of pairs. */
    static final int SLOT_MASK = 2 * ENTRIES - 2;

    static final int CODE_ENTRIES = 256;

    /** The ways to look at memory. */
    static final int SUPERVISOR = 0;

    static final int USER = 1;
    static final int SUPERVISOR_AC = 2;
    private static final int WAYS = 3;

    /** No page's address has low bits set. */
    private static final long EMPTY = 1;

    /** The process-context identifier, or -1 if there is nothing in it. */
    int pcid = -1;

    /** When it was last in force: the least recently used makes room. */
    long used;

    /** Tells code that was found through these translations from what was found before a flush. */
    long generation;

    final long[][] reads = new long[WAYS][2 * ENTRIES];
    final long[][] writes = new long[WAYS][2 * ENTRIES];

    /** By way USER or not: the linear addresses of pages of code. */
    private final long[][] codeTags = new long[2][CODE_ENTRIES];

    private final long[][] codePages = new long[2][CODE_ENTRIES];

    /** Bits of the pairs that hold global pages: loads by way, stores by way, code by way. */
    private final long[][] global = new long[2 * WAYS + 2][ENTRIES / 64];

    Tlb() {
        clear();
    }

    private static int slot(long linear) {
        return (int) (linear >>> PAGE_SHIFT - 1) & SLOT_MASK;
    }

    /** Remembers that {@code page} may be loaded from at {@code addend} more. */
    void read(int how, long page, long addend, boolean isGlobal) {
        put(reads[how], how, page, addend, isGlobal);
    }

    /** Remembers that {@code page} may be stored to at {@code addend} more. */
    void write(int how, long page, long addend, boolean isGlobal) {
        put(writes[how], WAYS + how, page, addend, isGlobal);
        rights.given(this, how, page);
    }

    /** Is told of each right to store without asking. */
    @FunctionalInterface
    interface Rights {
        void given(Tlb tlb, int how, long page);
    }

    /** Who wants to know. */
    Rights rights = (_, _, _) -> {};

    private void put(long[] table, int bits, long page, long addend, boolean isGlobal) {
        int slot = slot(page);
        table[slot] = page;
        table[slot + 1] = addend;
        mark(bits, slot >> 1, isGlobal);
    }

    private void mark(int bits, int entry, boolean isGlobal) {
        long bit = 1L << entry;
        if (isGlobal) {
            global[bits][entry >> 6] |= bit;
        } else {
            global[bits][entry >> 6] &= ~bit;
        }
    }

    private boolean isGlobal(int bits, int entry) {
        return (global[bits][entry >> 6] & 1L << entry) != 0;
    }

    /** Whether a page that may be loaded from is global. */
    boolean isReadGlobal(int how, long page) {
        return isGlobal(how, slot(page) >> 1);
    }

    /** Whether a page that may be stored to is global. */
    boolean isWriteGlobal(int how, long page) {
        return isGlobal(WAYS + how, slot(page) >> 1);
    }

    /** Forgets that {@code page} may be stored to. */
    void forgetWrite(int how, long page) {
        writes[how][slot(page)] = EMPTY;
    }

    // --- code -----------------------------------------------------------------------------------

    private static int codeEntry(long linear) {
        return (int) (linear >>> PAGE_SHIFT) & CODE_ENTRIES - 1;
    }

    /** Whether the physical page of code at {@code page} is known. */
    boolean hasCode(int who, long page) {
        return codeTags[who][codeEntry(page)] == page;
    }

    /** The physical address of the page of code that {@link #hasCode} has just told of. */
    long code(int who, long page) {
        return codePages[who][codeEntry(page)];
    }

    /** Whether the page of code that {@link #hasCode} has just told of is global. */
    boolean isCodeGlobal(int who, long page) {
        return isGlobal(2 * WAYS + who, codeEntry(page));
    }

    void code(int who, long page, long physical, boolean isGlobal) {
        int entry = codeEntry(page);
        codeTags[who][entry] = page;
        codePages[who][entry] = physical;
        mark(2 * WAYS + who, entry, isGlobal);
    }

    // --- forgetting -----------------------------------------------------------------------------

    /** Forgets everything. */
    void clear() {
        for (int i = 0; i < WAYS; i++) {
            Arrays.fill(reads[i], EMPTY);
            Arrays.fill(writes[i], EMPTY);
        }
        Arrays.fill(codeTags[0], EMPTY);
        Arrays.fill(codeTags[1], EMPTY);
    }

    /** Forgets everything but global pages. */
    void clearNonGlobal() {
        for (int i = 0; i < WAYS; i++) {
            clearNonGlobal(reads[i], i, 2);
            clearNonGlobal(writes[i], WAYS + i, 2);
        }
        clearNonGlobal(codeTags[0], 2 * WAYS, 1);
        clearNonGlobal(codeTags[1], 2 * WAYS + 1, 1);
    }

    private void clearNonGlobal(long[] table, int bits, int stride) {
        long[] keep = global[bits];
        for (int word = 0; word < table.length / stride; word += 64) {
            long kept = keep[word >> 6];
            int at = word * stride;
            if (kept == 0) {
                Arrays.fill(table, at, at + 64 * stride, EMPTY);
                continue;
            }
            for (int i = 0; i < 64; i++, at += stride) {
                if ((kept & 1L << i) == 0) {
                    table[at] = EMPTY;
                }
            }
        }
    }

    /** Forgets one page. */
    void clearPage(long page) {
        int slot = slot(page);
        for (int i = 0; i < WAYS; i++) {
            if (reads[i][slot] == page) {
                reads[i][slot] = EMPTY;
            }
            if (writes[i][slot] == page) {
                writes[i][slot] = EMPTY;
            }
        }
        int entry = codeEntry(page);
        for (int i = 0; i < 2; i++) {
            if (codeTags[i][entry] == page) {
                codeTags[i][entry] = EMPTY;
            }
        }
    }

    /** Forgets the right to store anywhere. */
    void clearWrites() {
        for (long[] table : writes) {
            Arrays.fill(table, EMPTY);
        }
    }

    /** Which entry of each table is for the page at {@code linear}, 0..511. */
    static int entry(long linear) {
        return slot(linear) >> 1;
    }

    /** Forgets the right to store to the page at {@code host}; true if there was one. */
    boolean clearWritesTo(long host) {
        boolean found = false;
        for (int entry = 0; entry < ENTRIES; entry++) {
            found |= clearWritesTo(host, entry);
        }
        return found;
    }

    /** The same where only this entry of each table can have it. */
    boolean clearWritesTo(long host, int entry) {
        boolean found = false;
        int slot = 2 * entry;
        for (long[] table : writes) {
            if (table[slot] != EMPTY && table[slot] + table[slot + 1] == host) {
                table[slot] = EMPTY;
                found = true;
            }
        }
        return found;
    }
}
