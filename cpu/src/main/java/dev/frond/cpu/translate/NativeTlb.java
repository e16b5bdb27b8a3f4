// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Mmu;
import dev.frond.cpu.StorablePages;

import java.lang.foreign.MemorySegment;

/**
 * The copy of the TLB that emitted code looks in: for each way to look at memory (see {@link Mmu})
 * a table of entries of 32 bytes. An entry is the linear address of a page for loads, the same for
 * stores, and the host's address of the page. An offset from the tag below the page size is a hit,
 * so that one comparison tells misses and page crossings.
 */
final class NativeTlb implements Mmu.Shadow {
    static final int CONTEXTS = 3;
    static final int ENTRIES = 8192;
    static final int ENTRY_SIZE = 32;
    static final int READ = 0;
    static final int WRITE = 8;
    static final int HOST = 16;

    /** Not 0 for a global page. */
    private static final int GLOBAL = 24;

    /** {@code linear >>> INDEX_SHIFT & INDEX_MASK} is an entry's offset in its table. */
    static final int INDEX_SHIFT = 7;

    static final int INDEX_MASK = (ENTRIES - 1) * ENTRY_SIZE;

    private static final int TABLE_SIZE = ENTRIES * ENTRY_SIZE;

    private final Context context;
    private final long ram;

    private final StorablePages storable;
    private final int[] filled = new int[4096];
    private int filledCount;
    private boolean globals = true;
    private int losses;

    /** The tables of {@code context} for a guest with this RAM. */
    NativeTlb(Context context, MemorySegment ram) {
        this.context = context;
        this.ram = ram.address();
        storable = new StorablePages(ram.byteSize());
        flush();
    }

    /** Where the table of a way to look at memory lies, from RSP. */
    static int table(int how) {
        return Context.TLB + how * TABLE_SIZE;
    }

    /**
     * A tag that no address that selects {@code entry} is near: its page selects another. It is 0
     * for all but the first, so that a table is emptied by filling it.
     */
    private static long empty(int entry) {
        return entry / ENTRY_SIZE % ENTRIES == 0 ? 4096 : 0;
    }

    private static int entry(long linear) {
        return (int) (linear >>> INDEX_SHIFT) & INDEX_MASK;
    }

    /** Puts the page of {@code linear} in, {@code offset} being that of {@code linear} in RAM. */
    void put(int how, long linear, long offset, boolean write, boolean global) {
        long page = linear & -4096L;
        int index = entry(linear);
        int at = table(how) + index;
        long host = ram + (offset & -4096L);
        int other = at + (write ? READ : WRITE);
        if (context.get(at + HOST) != host || context.get(other) != page) {
            context.set(other, empty(index));
        }
        context.set(at + HOST, host);
        context.set(at + GLOBAL, global ? 1 : 0);
        context.set(at + (write ? WRITE : READ), page);
        if (write) {
            noteStorable(offset, at);
        }
        if (global) {
            globals = true;
            return;
        }
        if (filledCount < filled.length) {
            filled[filledCount] = at;
        }
        filledCount++;
    }

    /** How often something was taken away that emitted code may have looked up before. */
    int losses() {
        return losses;
    }

    /** Forgets the pages of the stack: emitted code relies on them to the end of a block. */
    void lose() {
        context.forgetStack();
        losses++;
    }

    /** Takes back the right to store that an entry gives, {@code at} bytes from RSP. */
    void forgetWrite(int at) {
        lose();
        context.set(at + WRITE, empty(at - Context.TLB));
    }

    @Override
    public void flush() {
        lose();
        if (globals) {
            context.memory().asSlice(Context.TLB, (long) CONTEXTS * TABLE_SIZE).fill((byte) 0);
            for (int how = 0; how < CONTEXTS; how++) {
                clear(table(how));
            }
            globals = false;
            filledCount = 0;
        } else {
            flushNonGlobal();
        }
    }

    @Override
    public void flushNonGlobal() {
        lose();
        if (filledCount > filled.length) {
            for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
                if (context.get(at + GLOBAL) == 0) {
                    clear(at);
                }
            }
        } else {
            for (int i = 0; i < filledCount; i++) {
                if (context.get(filled[i] + GLOBAL) == 0) {
                    clear(filled[i]);
                }
            }
        }
        filledCount = 0;
    }

    private void clear(int at) {
        long empty = empty(at - Context.TLB);
        context.set(at + READ, empty);
        context.set(at + WRITE, empty);
    }

    @Override
    public void flushPage(long linear) {
        lose();
        int index = entry(linear);
        for (int how = 0; how < CONTEXTS; how++) {
            clear(table(how) + index);
        }
    }

    @Override
    public void flushWrites() {
        lose();
        for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
            context.set(at + WRITE, empty(at - Context.TLB));
        }
    }

    @Override
    public boolean flushWritesTo(long offset) {
        lose();
        int entry = storable.get(offset);
        if (entry == StorablePages.NONE) {
            return false;
        }
        storable.set(offset, StorablePages.NONE);
        long host = ram + (offset & -4096L);
        if (entry != StorablePages.SEVERAL) {
            return forgetStorable(Context.TLB + entry * ENTRY_SIZE, host);
        }
        boolean found = false;
        for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
            found |= forgetStorable(at, host);
        }
        return found;
    }

    private boolean isStorable(int at, long host) {
        return context.get(at + HOST) == host && context.get(at + WRITE) != empty(at - Context.TLB);
    }

    private boolean forgetStorable(int at, long host) {
        if (!isStorable(at, host)) {
            return false;
        }
        context.set(at + WRITE, empty(at - Context.TLB));
        return true;
    }

    private void noteStorable(long offset, int at) {
        int before = storable.get(offset);
        int entry = (at - Context.TLB) / ENTRY_SIZE;
        boolean still =
                before == StorablePages.SEVERAL
                        || before != StorablePages.NONE
                                && before != entry
                                && isStorable(
                                        Context.TLB + before * ENTRY_SIZE, ram + (offset & -4096L));
        storable.set(offset, still ? StorablePages.SEVERAL : entry);
    }
}
