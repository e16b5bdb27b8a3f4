// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.cpu.Mmu;

import java.lang.foreign.MemorySegment;

/**
 * The copy of the TLB that emitted code looks in: for each way to look at memory (see {@link Mmu})
 * a table of entries of 32 bytes. An entry is the linear address of a page for loads, the same for
 * stores, and the host's address of the page. An offset from the tag below the page size is a hit,
 * so that one comparison tells misses and page crossings.
 */
final class NativeTlb implements Mmu.Shadow {
    static final int CONTEXTS = 3;
    static final int ENTRIES = 2048;
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

    private final MemorySegment memory;
    private final long ram;
    private final int[] filled = new int[1024];
    private int filledCount;
    private boolean globals = true;

    /** The tables of {@code context}; RAM begins at {@code ram} in the host. */
    NativeTlb(Context context, long ram) {
        memory = context.memory();
        this.ram = ram;
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
        if (memory.get(JAVA_LONG, at + HOST) != host || memory.get(JAVA_LONG, other) != page) {
            memory.set(JAVA_LONG, other, empty(index));
        }
        memory.set(JAVA_LONG, at + HOST, host);
        memory.set(JAVA_LONG, at + GLOBAL, global ? 1 : 0);
        memory.set(JAVA_LONG, at + (write ? WRITE : READ), page);
        if (global) {
            globals = true;
            return;
        }
        if (filledCount < filled.length) {
            filled[filledCount] = at;
        }
        filledCount++;
    }

    @Override
    public void flush() {
        if (globals) {
            memory.asSlice(Context.TLB, (long) CONTEXTS * TABLE_SIZE).fill((byte) 0);
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
        if (filledCount > filled.length) {
            for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
                if (memory.get(JAVA_LONG, at + GLOBAL) == 0) {
                    clear(at);
                }
            }
        } else {
            for (int i = 0; i < filledCount; i++) {
                if (memory.get(JAVA_LONG, filled[i] + GLOBAL) == 0) {
                    clear(filled[i]);
                }
            }
        }
        filledCount = 0;
    }

    private void clear(int at) {
        long empty = empty(at - Context.TLB);
        memory.set(JAVA_LONG, at + READ, empty);
        memory.set(JAVA_LONG, at + WRITE, empty);
    }

    @Override
    public void flushPage(long linear) {
        int index = entry(linear);
        for (int how = 0; how < CONTEXTS; how++) {
            clear(table(how) + index);
        }
    }

    @Override
    public void flushWrites() {
        for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
            memory.set(JAVA_LONG, at + WRITE, empty(at - Context.TLB));
        }
    }

    @Override
    public boolean flushWritesTo(long offset) {
        long host = ram + (offset & -4096L);
        boolean found = false;
        for (int at = Context.TLB; at < table(CONTEXTS); at += ENTRY_SIZE) {
            long empty = empty(at - Context.TLB);
            if (memory.get(JAVA_LONG, at + HOST) == host
                    && memory.get(JAVA_LONG, at + WRITE) != empty) {
                memory.set(JAVA_LONG, at + WRITE, empty);
                found = true;
            }
        }
        return found;
    }
}
