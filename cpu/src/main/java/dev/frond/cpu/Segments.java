// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/** Segment registers and descriptors of one CPU (SDM Vol. 3A, chapters 3 and 6). */
public final class Segments {
    private final Cpu cpu;

    Segments(Cpu cpu) {
        this.cpu = cpu;
    }

    // --- descriptors
    // -----------------------------------------------------------------------------------

    /** The base in the descriptor {@code raw}. */
    public static long base(long raw) {
        return raw >>> 16 & 0xFF_FFFF | raw >>> 32 & 0xFF00_0000L;
    }

    /** The limit in bytes, unsigned. */
    public static int limit(long raw) {
        int limit = (int) (raw & 0xFFFF) | (int) (raw >>> 32) & 0xF_0000;
        return (raw & 1L << 55) != 0 ? limit << 12 | 0xFFF : limit;
    }

    /** The attributes as {@link Seg} names them. */
    public static int attributes(long raw) {
        return (int) (raw >>> 40) & 0xF0FF;
    }

    public static int dpl(int attributes) {
        return attributes >>> DPL_SHIFT & 3;
    }

    /**
     * The linear address of the descriptor that {@code selector} names, or -1 if it is outside its
     * table.
     */
    public long descriptorAddress(int selector) {
        return descriptorAddress(selector, 8);
    }

    /** As {@link #descriptorAddress(int)} for a descriptor of {@code bytes} bytes, 8 or 16. */
    public long descriptorAddress(int selector, int bytes) {
        int offset = selector & 0xFFF8;
        int last = offset + bytes - 1;
        if ((selector & 4) == 0) {
            return last > cpu.gdtLimit ? -1 : cpu.gdtBase + offset;
        }
        if ((cpu.segAttributes[LDTR] & UNUSABLE) != 0
                || Integer.compareUnsigned(last, cpu.segLimit[LDTR]) > 0) {
            return -1;
        }
        return cpu.segBase[LDTR] + offset;
    }

    /**
     * Reads a descriptor; {@code vector} with the selector as error code if it is outside its
     * table.
     */
    public long read(int selector, int vector) {
        long address = descriptorAddress(selector);
        if (address == -1) {
            throw cpu.fault(vector, selector & 0xFFFC);
        }
        return cpu.mmu.loadSystem(address, 8);
    }

    /** Sets the accessed bit of a code or data descriptor in its table. */
    public void markAccessed(int selector, long raw) {
        if ((attributes(raw) & ACCESSED) == 0) {
            long address = descriptorAddress(selector);
            cpu.mmu.storeSystem(address + 5, 1, raw >>> 40 | ACCESSED);
        }
    }

    /** Fills a segment register from a descriptor. */
    public void set(int seg, int selector, long raw) {
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = base(raw);
        cpu.segLimit[seg] = limit(raw);
        cpu.segAttributes[seg] = attributes(raw) | (seg < LDTR ? ACCESSED : 0);
    }

    /** Fills a segment register as real mode and virtual-8086 mode do. */
    public void setReal(int seg, int selector) {
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = (long) selector << 4;
        if (cpu.v8086()) {
            cpu.segLimit[seg] = 0xFFFF;
            cpu.segAttributes[seg] = 0xF3;
        } else if (seg == CS) {
            // Real mode keeps the limit but makes the code segment writable (SDM Vol. 3A, 10.9.2).
            cpu.segAttributes[seg] =
                    cpu.segAttributes[seg] & ~0x60 | PRESENT | CODE_OR_DATA | WRITABLE;
        }
    }

    private static final int FLAT_ATTRIBUTES =
            GRANULAR | PRESENT | CODE_OR_DATA | WRITABLE | ACCESSED;

    /**
     * Loads CS and SS as SYSCALL, SYSENTER and their partners do: no descriptor is read, base 0, no
     * limit.
     */
    public void setFlat(int code, int stack, boolean wide, int cpl) {
        int level = cpl << DPL_SHIFT;
        setFlat(CS, code | cpl, FLAT_ATTRIBUTES | CODE | (wide ? LONG : BIG) | level);
        setFlat(SS, stack | cpl, FLAT_ATTRIBUTES | BIG | level);
        setCpl(cpl);
    }

    /** Whether CS is flat, of 64 bits and of level {@code cpl}, and SS flat or null. */
    public boolean isFlat(int cpl) {
        int level = cpl << DPL_SHIFT;
        return cpu.segAttributes[CS] == (FLAT_ATTRIBUTES | CODE | LONG | level)
                && (cpu.selector[SS] == 0
                        || cpu.segAttributes[SS] == (FLAT_ATTRIBUTES | BIG | level));
    }

    private void setFlat(int seg, int selector, int attributes) {
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = 0;
        cpu.segLimit[seg] = -1;
        cpu.segAttributes[seg] = attributes;
    }

    /** Makes a segment register null. */
    public void setNull(int seg, int selector) {
        cpu.selector[seg] = selector;
        cpu.segAttributes[seg] = UNUSABLE | (seg == SS ? cpu.cpl << DPL_SHIFT | BIG : 0);
        if (!cpu.longMode()) {
            cpu.segBase[seg] = 0;
        }
        cpu.segLimit[seg] = 0;
    }

    /** MOV, POP, LDS and so on to ES, SS, DS, FS or GS. */
    public void load(int seg, int selector) {
        if (!cpu.selectorsNameDescriptors()) {
            setReal(seg, selector);
        } else if ((selector & 0xFFFC) == 0) {
            if (seg == SS && (!cpu.is64() || cpu.cpl == 3 || (selector & 3) != cpu.cpl)) {
                throw cpu.gp();
            }
            setNull(seg, selector);
            if (seg == FS || seg == GS) {
                // Intel CPUs clear the base with the selector.
                cpu.segBase[seg] = 0;
            }
        } else {
            long raw = read(selector, CpuFault.GP);
            int attributes = attributes(raw);
            check(seg, selector, attributes);
            if ((attributes & PRESENT) == 0) {
                throw cpu.fault(seg == SS ? CpuFault.SS : CpuFault.NP, selector & 0xFFFC);
            }
            markAccessed(selector, raw);
            set(seg, selector, raw);
        }
        followSegment(seg);
    }

    private void check(int seg, int selector, int attributes) {
        boolean ok =
                seg != SS
                        ? isLoadable(selector, attributes)
                        : (attributes & (CODE_OR_DATA | CODE | WRITABLE))
                                        == (CODE_OR_DATA | WRITABLE)
                                && (selector & 3) == cpu.cpl
                                && dpl(attributes) == cpu.cpl;
        if (!ok) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC);
        }
    }

    /** Whether type and privilege let a segment be loaded into DS, ES, FS or GS. */
    boolean isLoadable(int selector, int attributes) {
        boolean code = (attributes & CODE) != 0;
        if ((attributes & CODE_OR_DATA) == 0 || code && (attributes & WRITABLE) == 0) {
            return false;
        }
        return code && (attributes & CONFORMING) != 0
                || dpl(attributes) >= Math.max(selector & 3, cpu.cpl);
    }

    /** Lets what is derived from a segment register follow it. */
    public void followSegment(int seg) {
        switch (seg) {
            case FS -> cpu.segBase[FS64] = cpu.segBase[FS];
            case GS -> cpu.segBase[GS64] = cpu.segBase[GS];
            case CS, SS -> modeChanged();
            default -> {}
        }
    }

    /** The segments of data but the stack. */
    static final int[] DATA = {ES, DS, FS, GS};

    /**
     * After IRET and RETF to an outer level: segments that are too privileged become null, and all
     * null selectors 0.
     */
    public void dropPrivilegedData() {
        for (int seg : DATA) {
            if (isDropped(seg, cpu.cpl)) {
                setNull(seg, 0);
                followSegment(seg);
            }
        }
    }

    /** Whether {@link #dropPrivilegedData} at level {@code cpl} would leave all as they are. */
    public boolean keepsData(int cpl) {
        for (int seg : DATA) {
            if (isDropped(seg, cpl)) {
                return false;
            }
        }
        return true;
    }

    private boolean isDropped(int seg, int cpl) {
        int attributes = cpu.segAttributes[seg];
        if ((attributes & UNUSABLE) != 0) {
            return cpu.selector[seg] != 0;
        }
        boolean conforming = (attributes & (CODE | CONFORMING)) == (CODE | CONFORMING);
        return !conforming && dpl(attributes) < cpl;
    }

    // --- mode
    // --------------------------------------------------------------------------------------------

    /** Works out what follows from CS, SS, CR0, EFER and CPL anew. */
    public void modeChanged() {
        int cs = cpu.segAttributes[CS];
        int mode;
        if (cpu.longMode() && (cs & LONG) != 0) {
            mode = Cpu.CODE_64;
            cpu.stackMask = -1L;
        } else {
            mode = (cs & BIG) != 0 ? Cpu.CODE_32 : 0;
            cpu.stackMask = (cpu.segAttributes[SS] & BIG) != 0 ? 0xFFFF_FFFFL : 0xFFFF;
        }
        cpu.mode = mode | (cpu.cpl == 3 ? Cpu.USER : 0);
        cpu.canonicalShift = (cpu.cr4 & ControlRegisters.LA57) != 0 ? 7 : 16;
        cpu.followFloatingPoint();
        cpu.mmu.selectTlb();
    }

    /** Whether the instruction pointer is the linear address, and CS has no limit. */
    public boolean isCodeFlat() {
        return cpu.is64() || cpu.segLimit[CS] == -1 && cpu.segBase[CS] == 0;
    }

    /** Sets CPL and all that follows. */
    public void setCpl(int cpl) {
        cpu.cpl = cpl;
        modeChanged();
    }

    // --- accesses
    // -------------------------------------------------------------------------------------------

    /** See {@link Cpu#linear}: in all modes but 64-bit. */
    long checkedLinear(int seg, long offset, int size, boolean write) {
        int attributes = cpu.segAttributes[seg];
        if (cpu.selectorsNameDescriptors()) {
            boolean wrong = (attributes & UNUSABLE) != 0;
            if ((attributes & CODE) != 0) {
                wrong |= write || (attributes & WRITABLE) == 0;
            } else {
                wrong |= write && (attributes & WRITABLE) == 0;
            }
            if (wrong) {
                throw limitFault(seg);
            }
        }
        return limited(seg, offset, size);
    }

    /**
     * The linear address of a byte whose cache line is flushed: unlike a load, that may lie in a
     * code segment that cannot be read (SDM Vol. 2A, CLFLUSH).
     */
    public long linearOfLine(int seg, long offset) {
        if (seg >= FLAT) {
            return offset + cpu.segBase[seg];
        }
        if (cpu.selectorsNameDescriptors() && (cpu.segAttributes[seg] & UNUSABLE) != 0) {
            throw limitFault(seg);
        }
        return limited(seg, offset, 1);
    }

    private long limited(int seg, long offset, int size) {
        int attributes = cpu.segAttributes[seg];
        long limit = cpu.segLimit[seg] & 0xFFFF_FFFFL;
        long last = offset + size - 1;
        if ((attributes & (CODE | CONFORMING)) == CONFORMING && (attributes & CODE_OR_DATA) != 0) {
            long top = (attributes & BIG) != 0 ? 0xFFFF_FFFFL : 0xFFFF;
            if (offset <= limit || last > top) {
                throw limitFault(seg);
            }
        } else if (last > limit) {
            throw limitFault(seg);
        }
        return cpu.segBase[seg] + offset & 0xFFFF_FFFFL;
    }

    private CpuFault limitFault(int seg) {
        return cpu.fault(seg == SS ? CpuFault.SS : CpuFault.GP, 0);
    }
}
