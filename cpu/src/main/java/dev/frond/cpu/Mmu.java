// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.host.WideExchange;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.MemoryOrder;
import dev.frond.machine.memory.Region;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Paging of one CPU (SDM Vol. 3A, chapter 5): walks the guest's tables and keeps the translations
 * that {@link Cpu}'s fast paths look in, those of the latest address spaces by process-context
 * identifier.
 */
public final class Mmu {
    static final int PAGE_SHIFT = 12;
    static final long PAGE_MASK = -4096L;

    /** For {@code linear >>> PAGE_SHIFT - 1}: an even index into the array of pairs. */
    static final int TLB_SLOT_MASK = Tlb.SLOT_MASK;

    /** {@link #context}: memory is accessed as supervisor. */
    public static final int SUPERVISOR = Tlb.SUPERVISOR;

    /** {@link #context}: memory is accessed as user. */
    public static final int USER = Tlb.USER;

    /** {@link #context}: as supervisor with RFLAGS.AC set under CR4.SMAP. */
    public static final int SUPERVISOR_AC = Tlb.SUPERVISOR_AC;

    /** In code tags, besides {@link Cpu#mode}. */
    private static final int NOT_FLAT = 0x80;

    private static final int READ = PageWalk.READ;
    private static final int WRITE = PageWalk.WRITE;
    private static final int EXECUTE = PageWalk.EXECUTE;

    private final Cpu cpu;
    private final AddressSpace memory;

    /** As many address spaces as Linux takes turns with, and one more. */
    private static final int SPACES = 7;

    private final Tlb[] spaces = new Tlb[SPACES];
    private int spaceCount = 1;
    private Tlb space = new Tlb();
    private long switches;
    private long generations;

    /** As {@link Tlb#generation}, for global pages. */
    private long globalGeneration;

    /** The host's address of the first byte of RAM. */
    private final long ramAddress;

    /** Which entry of the tables of {@link #spaces} lets a page of RAM be stored to. */
    private final StorablePages storable;

    // The pages that code was found in since such code was last forgotten, and the global ones:
    // INVLPG of another page concerns no code.
    private final PagesSeen codeSeen = new PagesSeen();
    private final PagesSeen globalCodeSeen = new PagesSeen();

    /** Pages above 4 KiB, of which the TLB has pieces, as {@link #large} numbers them. */
    private final PagesSeen largeSeen = new PagesSeen();

    /** Bits of the offset in pages of 2 MiB, 4 MiB and 1 GiB. */
    private static final int[] LARGE_SHIFTS = {21, 22, 30};

    /** Whether {@link #translateCode} has just met a global page. */
    private boolean codeGlobal;

    private final PageWalk tables;
    private int context;

    /** The range that physical addresses were last found in, if it is main memory. */
    private long ramStart = 1;

    private long ramLast;
    private long ramOffset;

    /** Copies of translations elsewhere: they forget what this forgets. */
    public interface Shadow {
        /** Forgets all translations. */
        void flush();

        /** Forgets all translations but those of global pages. */
        void flushNonGlobal();

        /** Forgets the translation of one page. */
        void flushPage(long linear);

        /** Forgets the right to store without asking. */
        void flushWrites();

        /** Forgets the right to store to a page of RAM; true if there was one. */
        boolean flushWritesTo(long offset);
    }

    private static final Shadow NO_SHADOW =
            new Shadow() {
                @Override
                public void flush() {}

                @Override
                public void flushNonGlobal() {}

                @Override
                public void flushPage(long linear) {}

                @Override
                public void flushWrites() {}

                @Override
                public boolean flushWritesTo(long offset) {
                    return false;
                }
            };

    private Shadow shadow = NO_SHADOW;

    /** Who must know of stores before they happen. */
    public interface StoreWatcher {
        /** The page of RAM at {@code offset} may be stored to from now on. */
        void storable(long offset);

        /**
         * A walk is about to set the Accessed or Dirty bit of the table entry of {@code size} bytes
         * at {@code offset} in RAM.
         */
        void walked(long offset, int size);
    }

    private static final StoreWatcher NOBODY =
            new StoreWatcher() {
                @Override
                public void storable(long offset) {}

                @Override
                public void walked(long offset, int size) {}
            };

    private StoreWatcher storeWatcher = NOBODY;
    private Tlb.Rights storesWatched = (_, _, _) -> {};
    private final List<Runnable> rightsGiven = new ArrayList<>(0);

    Mmu(Cpu cpu, AddressSpace memory) {
        this.cpu = cpu;
        this.memory = memory;
        tables = new PageWalk(cpu, this, memory);
        ramAddress = cpu.ram.segment().address();
        storable = new StorablePages(cpu.ram.size());
        spaces[0] = space;
        flush();
    }

    long[] readTlb() {
        return space.reads[context];
    }

    long[] writeTlb() {
        return space.writes[context];
    }

    /** Lets {@code copy} follow this from now on. */
    public void shadow(Shadow copy) {
        shadow = copy;
        copy.flush();
    }

    /** Ends {@link #shadow}. */
    public void noShadow() {
        shadow = NO_SHADOW;
    }

    /**
     * From now on tells {@code watcher} of each page before this CPU stores to it, whether by a
     * right to store without asking or not, and remembers the rights that it gives.
     */
    public void watchStores(StoreWatcher watcher) {
        storeWatcher = watcher;
        storesWatched =
                (tlb, how, linear) -> {
                    watcher.storable(
                            tlb.writes[how][(int) (linear >>> PAGE_SHIFT - 1) & TLB_SLOT_MASK | 1]
                                    + linear
                                    - ramAddress);
                    rightsGiven.add(() -> tlb.forgetWrite(how, linear));
                };
        for (int i = 0; i < spaceCount; i++) {
            spaces[i].rights = storesWatched;
            spaces[i].clearWrites();
        }
    }

    /** Takes back the rights to store that were given since {@link #watchStores} or this. */
    public void takeRightsBack() {
        rightsGiven.forEach(Runnable::run);
        rightsGiven.clear();
    }

    /** How memory is accessed: {@link #SUPERVISOR}, {@link #USER} or {@link #SUPERVISOR_AC}. */
    public int context() {
        return context;
    }

    /**
     * The offset in RAM of {@code linear} if a plain load or store may reach its page; -1 if the
     * access must go through {@link Cpu}, or would fault. CR2 stays as it is.
     */
    public long reach(long linear, boolean write) {
        long offset = write ? storeOffset(linear) : loadOffset(linear);
        if (offset >= 0) {
            return offset;
        }
        long cr2 = cpu.cr2;
        try {
            translate(linear, write ? WRITE : READ, context);
        } catch (CpuFault fault) {
            cpu.cr2 = cr2;
            return -1;
        }
        return write ? storeOffset(linear) : loadOffset(linear);
    }

    /** Whether the page that {@link #reach} has just reached is global. */
    public boolean isGlobal(long linear, boolean write) {
        return write
                ? space.isWriteGlobal(context, linear & PAGE_MASK)
                : space.isReadGlobal(context, linear & PAGE_MASK);
    }

    /** The offset in RAM of {@code linear}, which a load would reach; -1 if that is no RAM. */
    long ramOffsetForLoad(long linear) {
        long physical = translate(linear, READ, context);
        return isRam(physical) && !isApic(physical) ? ramOffset(physical) : -1;
    }

    /** The bus behind the paging. */
    public AddressSpace memory() {
        return memory;
    }

    /** Lets the fast paths follow CPL, RFLAGS.AC, CR4.SMAP, the mode and the address space. */
    public void selectTlb() {
        context =
                cpu.cpl == 3
                        ? USER
                        : (cpu.cr4 & ControlRegisters.SMAP) != 0 && (cpu.systemFlags & Cpu.AC) != 0
                                ? SUPERVISOR_AC
                                : SUPERVISOR;
        cpu.readTlb = space.reads[context];
        cpu.writeTlb = space.writes[context];
        // What is known by its instruction pointer is no code of segments that are not flat.
        int mode = cpu.mode | (cpu.segments.isCodeFlat() ? 0 : NOT_FLAT);
        cpu.codeTag = space.generation << 8 | mode;
        cpu.globalCodeTag = globalGeneration << 8 | mode;
    }

    /** Forgets all translations of all address spaces. */
    public void flush() {
        for (int i = 0; i < spaceCount; i++) {
            spaces[i].clear();
            spaces[i].pcid = -1;
        }
        space.pcid = pcid();
        shadow.flush();
        forgetCode();
        largeSeen.clear();
    }

    /** As if each large page were one of 4 KiB, those of different sizes apart. */
    private static long large(long linear, int shift) {
        return (linear >>> shift << 5 | shift) << PAGE_SHIFT;
    }

    /** Whether pieces of a large page that {@code linear} is in may be in the TLB. */
    private boolean isInLargePage(long linear) {
        for (int shift : LARGE_SHIFTS) {
            if (largeSeen.mayContain(large(linear, shift))) {
                return true;
            }
        }
        return false;
    }

    /** Forgets all translations of all address spaces but those of global pages. */
    public void flushNonGlobal() {
        for (int i = 0; i < spaceCount; i++) {
            spaces[i].clearNonGlobal();
            renew(spaces[i]);
        }
        shadow.flushNonGlobal();
    }

    /** Forgets the translations of one address space but those of global pages. */
    public void flushSpace(int pcid) {
        for (int i = 0; i < spaceCount; i++) {
            if (spaces[i].pcid == pcid) {
                spaces[i].clearNonGlobal();
                renew(spaces[i]);
            }
        }
        shadow.flushNonGlobal();
    }

    private int pcid() {
        return (cpu.cr4 & ControlRegisters.PCIDE) != 0 ? (int) cpu.cr3 & 0xFFF : 0;
    }

    /** CR3 was written: goes to its address space, which is emptied unless {@code keep}. */
    void switchSpace(boolean keep) {
        int pcid = pcid();
        Tlb found = null;
        for (int i = 0; i < spaceCount; i++) {
            if (spaces[i].pcid == pcid) {
                found = spaces[i];
            }
        }
        if (found == null) {
            found = room();
            found.clear();
            found.pcid = pcid;
            renew(found);
        } else if (!keep) {
            found.clearNonGlobal();
            renew(found);
        }
        found.used = ++switches;
        space = found;
        shadow.flushNonGlobal();
        selectTlb();
    }

    /** An address space that may be given up. */
    private Tlb room() {
        if (spaceCount < SPACES) {
            Tlb made = new Tlb();
            made.rights = storesWatched;
            spaces[spaceCount++] = made;
            return made;
        }
        Tlb oldest = spaces[0];
        for (Tlb candidate : spaces) {
            if (candidate.used < oldest.used) {
                oldest = candidate;
            }
        }
        return oldest;
    }

    @SuppressWarnings("ReferenceEquality") // A space is its identity.
    private void renew(Tlb changed) {
        changed.generation = ++generations;
        if (changed == space) {
            selectTlb();
        }
    }

    /** Lets no linear address mean the code that it meant. */
    public void forgetCode() {
        forgetLocalCode();
        globalGeneration = ++generations;
        selectTlb();
        globalCodeSeen.clear();
    }

    /** Lets no linear address in pages that are not global mean the code that it meant. */
    private void forgetLocalCode() {
        for (int i = 0; i < spaceCount; i++) {
            renew(spaces[i]);
        }
        codeSeen.clear();
    }

    /** Forgets the right to store without asking; for the dirty log. */
    public void flushWrites() {
        for (int i = 0; i < spaceCount; i++) {
            spaces[i].clearWrites();
        }
        shadow.flushWrites();
    }

    /** Forgets the right to store to the page of RAM at {@code offset}; true if there was one. */
    public boolean flushWritesTo(long offset) {
        boolean found = shadow.flushWritesTo(offset);
        int entry = storable.get(offset);
        if (entry == StorablePages.NONE) {
            return found;
        }
        storable.set(offset, StorablePages.NONE);
        long host = ramAddress + (offset & PAGE_MASK);
        for (int i = 0; i < spaceCount; i++) {
            found |=
                    entry == StorablePages.SEVERAL
                            ? spaces[i].clearWritesTo(host)
                            : spaces[i].clearWritesTo(host, entry);
        }
        return found;
    }

    /** Forgets the translation of one page in all address spaces (INVLPG, INVPCID). */
    public void flushPage(long linear) {
        if (isInLargePage(linear)) {
            // All pieces go (SDM Vol. 3A, 4.10.2.3); which there are nobody knows.
            flush();
            return;
        }
        long page = linear & PAGE_MASK;
        for (int i = 0; i < spaceCount; i++) {
            spaces[i].clearPage(page);
        }
        shadow.flushPage(linear);
        if (globalCodeSeen.mayContain(linear)) {
            forgetCode();
        } else if (codeSeen.mayContain(linear)) {
            forgetLocalCode();
        }
    }

    /** The memory map changed: nothing about physical addresses may be remembered. */
    public void mapChanged() {
        ramStart = 1;
        ramLast = 0;
        flush();
    }

    // --- slow paths of Cpu
    // ------------------------------------------------------------------------------

    /** Loads 1, 2, 4 or 8 bytes that no TLB entry covers. */
    long loadSlow(long linear, int size) {
        if (cpu.debug.onData()) {
            cpu.debug.access(linear, size, false);
        }
        return load(linear, size, context);
    }

    /**
     * Loads as the CPU itself does for descriptors and the like: as supervisor, whatever CPL is.
     */
    public long loadSystem(long linear, int size) {
        return load(linear, size, SUPERVISOR);
    }

    private long load(long linear, int size, int how) {
        long[] tlb = space.reads[how];
        int slot = (int) (linear >>> PAGE_SHIFT - 1) & TLB_SLOT_MASK;
        if (tlb[slot] == (linear + size - 1 & PAGE_MASK)) {
            return cpu.ram.load(linear + tlb[slot + 1] - ramAddress, size);
        }
        if (crosses(linear, size)) {
            return loadCrossing(linear, size, how);
        }
        return readPhysical(translate(linear, READ, how), size);
    }

    private long loadCrossing(long linear, int size, int how) {
        long next = lastByte(linear, size) & PAGE_MASK;
        int inFirst = (int) pageRest(linear);
        long first = offset(space.reads[how], linear);
        long second = offset(space.reads[how], next);
        if (first >= 0 && second >= 0) {
            // The operand's size up to the end of the one page and from the start of the other.
            long low = cpu.ram.load(first + inFirst - size, size);
            long high = cpu.ram.load(second, size);
            return Width.zx(size, low >>> 8 * (size - inFirst) | high << 8 * inFirst);
        }
        long physical = translate(linear, READ, how);
        long nextPhysical = translate(next, READ, how);
        long value = 0;
        for (int i = 0; i < size; i++) {
            long at = i < inFirst ? physical + i : nextPhysical + i - inFirst;
            value |= (readPhysical(at, 1) & 0xFF) << (8 * i);
        }
        return value;
    }

    /**
     * Stores 1, 2, 4 or 8 bytes that no TLB entry covers: all of them, or a fault before the first.
     */
    void storeSlow(long linear, int size, long value) {
        if (cpu.debug.onData()) {
            cpu.debug.access(linear, size, true);
        }
        store(linear, size, value, context);
    }

    /** Stores as the CPU itself does, as supervisor. */
    public void storeSystem(long linear, int size, long value) {
        store(linear, size, value, SUPERVISOR);
    }

    private void store(long linear, int size, long value, int how) {
        if (crosses(linear, size)) {
            storeCrossing(linear, size, value, how);
        } else {
            checkStore(linear, size, how);
            writePhysical(translate(linear, WRITE, how), size, value);
        }
    }

    private void storeCrossing(long linear, int size, long value, int how) {
        long next = lastByte(linear, size) & PAGE_MASK;
        int inFirst = (int) pageRest(linear);
        long first = offset(space.writes[how], linear);
        long second = offset(space.writes[how], next);
        if (first >= 0 && second >= 0) {
            for (int i = 0; i < size; i++) {
                cpu.ram.store(i < inFirst ? first + i : second + i - inFirst, 1, value >>> (8 * i));
            }
            return;
        }
        checkStore(linear, size, how);
        long physical = translate(linear, WRITE, how);
        long nextPhysical = translate(next, WRITE, how);
        for (int i = 0; i < size; i++) {
            long at = i < inFirst ? physical + i : nextPhysical + i - inFirst;
            writePhysical(at, 1, value >>> (8 * i));
        }
    }

    /** Faults as {@link #storeSystem} of {@code size} bytes, up to a page, would. */
    public void checkStoreSystem(long linear, int size) {
        checkStore(linear, size, SUPERVISOR);
    }

    /** Faults as a store of {@code size} bytes, up to a page, would. */
    public void checkStore(long linear, int size) {
        if (cpu.debug.onData() && !cpu.alone) {
            cpu.debug.access(linear, size, true);
        }
        checkStore(linear, size, context);
    }

    private void checkStore(long linear, int size, int how) {
        checkCode(translate(linear, WRITE, how), linear, size);
        if (crosses(linear, size)) {
            long last = lastByte(linear, size);
            long page = last & PAGE_MASK;
            checkCode(translate(page, WRITE, how), page, (int) (last & 4095) + 1);
        }
    }

    /** A store into the code that executes must be alone: see {@link Cpu#restartAlone}. */
    private void checkCode(long physical, long linear, int size) {
        if (!cpu.alone && isRam(physical)) {
            long offset = ramOffset(physical);
            int length = Math.min(size, (int) (4096 - (linear & 4095)));
            if (cpu.code.executes(offset, length)) {
                throw cpu.restartAlone();
            }
        }
    }

    /** Bytes from {@code linear} to the end of its page. */
    public long pageRest(long linear) {
        return 4096 - (linear & 4095);
    }

    /** The offset in RAM of a byte that the TLB for stores covers, or -1. */
    private long storeOffset(long linear) {
        return offset(cpu.writeTlb, linear);
    }

    private long loadOffset(long linear) {
        return offset(cpu.readTlb, linear);
    }

    private long offset(long[] tlb, long linear) {
        int slot = (int) (linear >>> PAGE_SHIFT - 1) & TLB_SLOT_MASK;
        return tlb[slot] == (linear & PAGE_MASK) ? linear + tlb[slot + 1] - ramAddress : -1;
    }

    /**
     * Copies within a page of each side if both are quick to reach; else false, with nothing done.
     */
    public boolean copyRun(long from, long to, long bytes) {
        long source = loadOffset(from);
        long target = storeOffset(to);
        if (source < 0 || target < 0 || target > source && target < source + bytes) {
            return false;
        }
        MemorySegment ram = cpu.ram.segment();
        MemoryOrder.storing();
        MemorySegment.copy(ram, source, ram, target, bytes);
        MemoryOrder.loaded();
        return true;
    }

    /**
     * Stores {@code value} of {@code size} bytes {@code count} times within a page if that is
     * quick.
     */
    public boolean fillRun(long to, int size, long count, long value) {
        long target = storeOffset(to);
        if (target < 0) {
            return false;
        }
        MemoryOrder.storing();
        MemorySegment slice = cpu.ram.slice(target, count * size);
        long pattern = Width.zx(size, value) * (size == 1 ? 0x0101_0101_0101_0101L : 1);
        boolean uniform = size == 1 || value == 0;
        if (uniform) {
            slice.fill((byte) pattern);
        } else {
            for (long i = 0; i < count; i++) {
                cpu.store(to + i * size, size, value);
            }
        }
        return true;
    }

    /**
     * LOCK CMPXCHG for 1, 2, 4 or 8 bytes: stores {@code value} if {@code expected} stands there. A
     * misaligned operand within an aligned 8 bytes is exchanged with those; for one that crosses
     * them, a line or a page all other CPUs stand still.
     */
    boolean compareAndSet(long linear, int size, long expected, long value) {
        checkStore(linear, size);
        if (cpu.debug.onData()) {
            cpu.debug.access(linear, size, true);
        }
        long physical = translate(linear, WRITE, context);
        if (!isRam(physical) || isApic(physical)) {
            storeSlow(linear, size, value);
            return true;
        }
        long offset = ramOffset(physical);
        if ((offset & size - 1) == 0) {
            return Width.zx(size, cpu.ram.compareAndExchange(offset, size, expected, value))
                    == Width.zx(size, expected);
        }
        if ((offset & 7) + size <= 8) {
            long word = offset & ~7L;
            int shift = (int) (offset & 7) * 8;
            long mask = Width.zx(size, -1) << shift;
            while (true) {
                long old = cpu.ram.load(word, 8);
                if ((old & mask) >>> shift != Width.zx(size, expected)) {
                    return false;
                }
                long next = old & ~mask | value << shift & mask;
                if (cpu.ram.compareAndExchange(word, 8, old, next) == old) {
                    return true;
                }
            }
        }
        return cpu.group.alone(
                cpu,
                () -> {
                    boolean equal =
                            Width.zx(size, loadSlow(linear, size)) == Width.zx(size, expected);
                    if (equal) {
                        storeSlow(linear, size, value);
                    }
                    return equal;
                });
    }

    /** The host's own instruction, from its first use on. */
    private @Nullable WideExchange wide;

    /**
     * CMPXCHG16B: {@code old} gets the two longs found. The host's own instruction does it; where
     * there is none, all other CPUs stand still.
     */
    public boolean compareAndExchange16(
            long linear, long low, long high, long newLow, long newHigh, long[] old) {
        checkStore(linear, 16);
        if (cpu.debug.onData()) {
            cpu.debug.access(linear, 16, true);
        }
        long physical = translate(linear, WRITE, context);
        if (WIDE && isRam(physical) && !isApic(physical)) {
            WideExchange exchange = wide;
            if (exchange == null) {
                exchange = WideExchange.create();
                wide = exchange;
            }
            long offset = ramOffset(physical);
            boolean equal =
                    exchange.compareAndExchange(ramAddress + offset, low, high, newLow, newHigh);
            old[0] = exchange.foundLow();
            old[1] = exchange.foundHigh();
            cpu.ram.wrote(offset, 16);
            return equal;
        }
        return cpu.group.alone(
                cpu,
                () -> {
                    old[0] = loadSlow(linear, 8);
                    old[1] = loadSlow(linear + 8, 8);
                    boolean equal = old[0] == low && old[1] == high;
                    if (equal) {
                        storeSlow(linear, 8, newLow);
                        storeSlow(linear + 8, 8, newHigh);
                    }
                    return equal;
                });
    }

    private static final boolean WIDE = WideExchange.isSupported();

    private static boolean crosses(long linear, int size) {
        return (linear & 4095) + size > 4096;
    }

    private long lastByte(long linear, int size) {
        return wrap(linear + size - 1);
    }

    private long wrap(long linear) {
        return cpu.is64() ? linear : linear & 0xFFFF_FFFFL;
    }

    // --- code
    // ------------------------------------------------------------------------------------------------

    /** The physical address of the code byte at {@code linear}; faults as a fetch does. */
    public long translateCode(long linear) {
        int who = cpu.cpl == 3 ? USER : SUPERVISOR;
        long page = linear & PAGE_MASK;
        if (space.hasCode(who, page)) {
            codeGlobal = space.isCodeGlobal(who, page);
            return space.code(who, page) | linear & 4095;
        }
        checkCanonical(linear);
        long physical = walk(linear, EXECUTE, who);
        codeGlobal = tables.isGlobal();
        space.code(who, page, physical & PAGE_MASK, codeGlobal);
        return physical;
    }

    /** Whether the page that {@link #translateCode} has just found is global. */
    public boolean isCodeGlobal() {
        return codeGlobal;
    }

    /**
     * What marks code at {@code linear}, found by {@link #translateCode}, as known.
     *
     * @param global whether that page is global, and any other that the code reaches into
     */
    public long codeTag(long linear, boolean global) {
        (global ? globalCodeSeen : codeSeen).add(linear);
        return global ? cpu.globalCodeTag : cpu.codeTag;
    }

    // --- physical memory
    // -------------------------------------------------------------------------------------

    /** Whether {@code physical} is in the main memory; then {@link #ramOffset} may be asked. */
    public boolean isRam(long physical) {
        if (physical >= ramStart && physical <= ramLast) {
            return true;
        }
        FlatView.Range range = memory.view().find(physical);
        if (range.region() instanceof Region.Ram found && found.memory() == cpu.ram) {
            ramStart = range.start();
            ramLast = range.last();
            ramOffset = range.offset() - range.start();
            return true;
        }
        return false;
    }

    /**
     * The offset in main memory of {@code physical}, for which {@link #isRam} has just been true.
     */
    public long ramOffset(long physical) {
        return physical + ramOffset;
    }

    private boolean isApic(long physical) {
        return (physical & PAGE_MASK) == cpu.interrupts.registerPage();
    }

    private long readPhysical(long physical, int size) {
        if (isApic(physical)) {
            int offset = (int) physical & 4095;
            if (size == 8) {
                return cpu.interrupts.registers().read(offset & ~3, 4);
            }
            return cpu.interrupts.registers().read(offset & ~3, 4) >>> 8 * (offset & 3);
        }
        return isRam(physical)
                ? cpu.ram.load(ramOffset(physical), size)
                : memory.read(physical, size);
    }

    private void writePhysical(long physical, int size, long value) {
        if (isApic(physical)) {
            cpu.interrupts.registers().write(physical & 0xFFC, 4, value & 0xFFFF_FFFFL);
        } else if (isRam(physical)) {
            cpu.ram.store(ramOffset(physical), size, value);
        } else {
            memory.write(physical, size, value);
        }
    }

    // --- translation
    // --------------------------------------------------------------------------------------------

    /** The physical address; fills the TLBs. */
    private long translate(long linear, int access, int how) {
        checkCanonical(linear);
        long physical = walk(linear, access, how);
        long page = linear & PAGE_MASK;
        if (!isRam(physical) || isApic(physical)) {
            return physical;
        }
        long offset = ramOffset(physical) & PAGE_MASK;
        if (access == WRITE) {
            storeWatcher.storable(offset);
        }
        if (cpu.debug.watches(page)) {
            return physical;
        }
        long addend = ramAddress + offset - page;
        space.read(how, page, addend, tables.isGlobal());
        if (tables.isWritable() && !cpu.ram.isCode(offset >>> PAGE_SHIFT)) {
            if (access == WRITE) {
                cpu.ram.dirtyLog().mark(offset >>> PAGE_SHIFT);
            } else if (cpu.ram.dirtyLog().isLogging()) {
                return physical;
            }
            space.write(how, page, addend, tables.isGlobal());
            int before = storable.get(offset);
            boolean first = before == StorablePages.NONE || before == Tlb.entry(page);
            storable.set(offset, first ? Tlb.entry(page) : StorablePages.SEVERAL);
            // Another CPU may have begun to hold code of the page since it was asked above.
            if (cpu.ram.isCode(offset >>> PAGE_SHIFT)) {
                space.forgetWrite(how, page);
            }
        }
        return physical;
    }

    private void checkCanonical(long linear) {
        if (cpu.longMode() && !cpu.isCanonical(linear)) {
            CpuFault fault = cpu.gp();
            fault.nonCanonical = true;
            throw fault;
        }
    }

    private long walk(long linear, int access, int how) {
        long physical = tables.walk(linear, access, how);
        if (tables.shift() > PAGE_SHIFT) {
            largeSeen.add(large(linear, tables.shift()));
        }
        return physical;
    }

    /** Loads the PDPTE registers from {@code cr3} in PAE mode; false if a reserved bit is set. */
    boolean loadPdptes(long cr3) {
        return tables.loadPdptes(cr3);
    }

    /** A walk is about to change {@code size} bytes of a table at {@code offset} in RAM. */
    void walked(long offset, int size) {
        storeWatcher.walked(offset, size);
    }
}
