// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/**
 * Task switches by the processor, outside of long mode, with 16-bit and 32-bit task-state segments
 * (SDM Vol. 3A, chapter 9).
 */
final class Tasks {
    /** How a task is entered: it decides on busy bits and the link back. */
    enum Kind {
        /** JMP: the old task is left for good. */
        JUMP,
        /** CALL, an interrupt or an exception: the new task is nested in the old one. */
        CALL,
        /** IRET with NT set: back to the task that the link names. */
        RETURN
    }

    static final int AVAILABLE_16 = 1;
    static final int GATE = 5;
    static final int AVAILABLE_32 = 9;

    /** The bit of a TSS descriptor's type that tells a busy task. */
    private static final int BUSY = 2;

    /** Offsets in a 32-bit TSS (SDM Vol. 3A, 9.2.1). */
    private static final int CR3_32 = 0x1C;

    private static final int EIP_32 = 0x20;
    private static final int LDT_32 = 0x60;
    private static final int T_32 = 0x64;
    private static final int BYTES_32 = 0x68;

    /** Offsets in a 16-bit TSS (SDM Vol. 3A, 9.6). */
    private static final int IP_16 = 0x0E;

    private static final int LDT_16 = 0x2A;
    private static final int BYTES_16 = 0x2C;

    /** Segment registers in the order of a TSS. */
    private static final int[] SEGMENTS = {ES, CS, SS, DS, FS, GS};

    private final Cpu cpu;

    /** The new task's instruction pointer, flags, eight registers and six selectors. */
    private final long[] image = new long[16];

    Tasks(Cpu cpu) {
        this.cpu = cpu;
    }

    /**
     * Enters the task that the task gate {@code gate} names, which itself has been checked.
     *
     * @param flags what is saved as the flags of the old task
     * @param external the EXT bit of error codes
     */
    void throughGate(long gate, Kind kind, long flags, int external) {
        int selector = (int) (gate >>> 16) & 0xFFFF;
        long address = (selector & 4) != 0 ? -1 : cpu.segments.descriptorAddress(selector);
        if ((selector & 0xFFFC) == 0 || address == -1) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | external);
        }
        long raw = cpu.mmu.loadSystem(address, 8);
        int attributes = Segments.attributes(raw);
        int type = attributes & 0x1F;
        if (type != AVAILABLE_16 && type != AVAILABLE_32) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | external);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC | external);
        }
        switchTo(selector, raw, kind, flags, external);
    }

    /** IRET with NT set. */
    void back(long flags) {
        int selector = (int) cpu.mmu.loadSystem(cpu.segBase[TR], 2) & 0xFFFF;
        long address = (selector & 4) != 0 ? -1 : cpu.segments.descriptorAddress(selector);
        if ((selector & 0xFFFC) == 0 || address == -1) {
            throw cpu.fault(CpuFault.TS, selector & 0xFFFC);
        }
        long raw = cpu.mmu.loadSystem(address, 8);
        int attributes = Segments.attributes(raw);
        int type = attributes & 0x1F;
        if (type != (AVAILABLE_16 | BUSY) && type != (AVAILABLE_32 | BUSY)) {
            throw cpu.fault(CpuFault.TS, selector & 0xFFFC);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC);
        }
        switchTo(selector, raw, Kind.RETURN, flags, 0);
    }

    /**
     * Switches to the task whose TSS {@code selector} names; {@link Cpu#rip} is saved and then that
     * of the new task. A fault of the new task's state is the new task's: its rip is set.
     */
    void switchTo(int selector, long raw, Kind kind, long flags, int external) {
        if (!cpu.alone) {
            // Half a switch cannot be done again: no store may find the code that executes.
            throw cpu.restartAlone();
        }
        boolean wide = (Segments.attributes(raw) & 8) != 0;
        long base = Segments.base(raw);
        int bytes = wide ? BYTES_32 : BYTES_16;
        if (Integer.compareUnsigned(Segments.limit(raw), bytes - 1) < 0) {
            throw cpu.fault(CpuFault.TS, selector & 0xFFFC | external);
        }
        boolean oldWide = (cpu.segAttributes[TR] & 8) != 0;
        long oldBase = cpu.segBase[TR];
        long oldDescriptor = cpu.segments.descriptorAddress(cpu.selector[TR]);
        long descriptor = cpu.segments.descriptorAddress(selector);
        // All that is written must be there, before anything is.
        cpu.mmu.checkStoreSystem(oldBase + (oldWide ? EIP_32 : IP_16), oldWide ? 64 : 28);
        cpu.mmu.checkStoreSystem(descriptor + 5, 1);
        if (oldDescriptor != -1) {
            cpu.mmu.checkStoreSystem(oldDescriptor + 5, 1);
        }
        if (kind == Kind.CALL) {
            cpu.mmu.checkStoreSystem(base, 2);
        }
        long cr3 = wide ? cpu.mmu.loadSystem(base + CR3_32, 4) & 0xFFFF_FFFFL : 0;
        int ldt = (int) cpu.mmu.loadSystem(base + (wide ? LDT_32 : LDT_16), 2) & 0xFFFF;
        boolean trap = wide && (cpu.mmu.loadSystem(base + T_32, 2) & 1) != 0;
        readImage(base, wide);

        if (kind != Kind.CALL && oldDescriptor != -1) {
            setBusy(oldDescriptor, false);
        }
        saveImage(oldBase, oldWide, kind == Kind.RETURN ? flags & ~Cpu.NT : flags);
        if (kind == Kind.CALL) {
            cpu.mmu.storeSystem(base, 2, cpu.selector[TR]);
        }
        if (kind != Kind.RETURN) {
            setBusy(descriptor, true);
        }
        cpu.selector[TR] = selector;
        cpu.segBase[TR] = base;
        cpu.segLimit[TR] = Segments.limit(raw);
        cpu.segAttributes[TR] = Segments.attributes(raw) | BUSY;
        try {
            enter(cr3, ldt, kind, wide);
        } catch (CpuFault fault) {
            fault.ripIsSet = true;
            throw fault;
        }
        if (trap) {
            cpu.debug.trap(Debug.BT);
        }
    }

    private void setBusy(long descriptor, boolean busy) {
        long attributes = cpu.mmu.loadSystem(descriptor + 5, 1);
        cpu.mmu.storeSystem(descriptor + 5, 1, busy ? attributes | BUSY : attributes & ~BUSY);
    }

    private void readImage(long base, boolean wide) {
        int size = wide ? 4 : 2;
        long at = base + (wide ? EIP_32 : IP_16);
        for (int i = 0; i < image.length; i++) {
            // FS and GS, the last two, are not in a 16-bit TSS.
            image[i] =
                    wide || i < image.length - 2
                            ? Width.zx(size, cpu.mmu.loadSystem(at + (long) i * size, size))
                            : 0;
        }
    }

    private void saveImage(long base, boolean wide, long flags) {
        int size = wide ? 4 : 2;
        long at = base + (wide ? EIP_32 : IP_16);
        cpu.mmu.storeSystem(at, size, cpu.rip);
        cpu.mmu.storeSystem(at + size, size, flags);
        for (int i = 0; i < 8; i++) {
            cpu.mmu.storeSystem(at + (2L + i) * size, size, cpu.r[i]);
        }
        for (int i = 0; i < (wide ? 6 : 4); i++) {
            cpu.mmu.storeSystem(at + (10L + i) * size, 2, cpu.selector[SEGMENTS[i]]);
        }
    }

    /** Loads the new task's registers, then its descriptors, which may fault. */
    private void enter(long cr3, int ldt, Kind kind, boolean wide) {
        cpu.rip = image[0];
        long flags = image[1] & 0x3F_7FD5 | 2 | (kind == Kind.CALL ? Cpu.NT : 0);
        for (int i = 0; i < 8; i++) {
            cpu.r[i] = image[2 + i];
        }
        cpu.cr0 |= ControlRegisters.TS;
        cpu.debug.taskSwitched();
        cpu.resume(image[1]);
        cpu.stepTrap = false;
        for (int i = 0; i < SEGMENTS.length; i++) {
            // Not usable until its descriptor is loaded.
            cpu.selector[SEGMENTS[i]] = (int) image[10 + i] & 0xFFFF;
            cpu.segAttributes[SEGMENTS[i]] |= UNUSABLE;
        }
        cpu.selector[LDTR] = ldt;
        cpu.segAttributes[LDTR] = UNUSABLE;
        boolean v8086 = wide && (flags & Cpu.VM) != 0;
        cpu.cpl = v8086 ? 3 : cpu.selector[CS] & 3;
        cpu.systemFlags = cpu.systemFlags & ~Cpu.VM | (v8086 ? Cpu.VM : 0);
        cpu.setStatusFlags(flags);
        cpu.segments.modeChanged();
        cpu.setSystemFlags((int) flags & ~Cpu.STATUS & (v8086 ? -1 : ~Cpu.VM));
        if (wide && (cpu.cr0 & ControlRegisters.PG) != 0) {
            ControlRegisters.writeCr3(cpu, cr3);
        }
        loadLdt(ldt);
        if (v8086) {
            for (int seg : SEGMENTS) {
                cpu.segments.setReal(seg, cpu.selector[seg]);
                cpu.segments.followSegment(seg);
            }
        } else {
            loadCode();
            loadStack();
            for (int seg : Segments.DATA) {
                loadData(seg);
            }
        }
        cpu.code.checkTarget(cpu.rip);
    }

    private CpuFault invalid(int selector) {
        return cpu.fault(CpuFault.TS, selector & 0xFFFC);
    }

    private void loadLdt(int selector) {
        if ((selector & 0xFFFC) == 0) {
            return;
        }
        if ((selector & 4) != 0) {
            throw invalid(selector);
        }
        long raw = cpu.segments.read(selector, CpuFault.TS);
        int attributes = Segments.attributes(raw);
        if ((attributes & 0x1F) != 2 || (attributes & PRESENT) == 0) {
            throw invalid(selector);
        }
        cpu.segments.set(LDTR, selector, raw);
    }

    private void loadCode() {
        int selector = cpu.selector[CS];
        if ((selector & 0xFFFC) == 0) {
            throw invalid(selector);
        }
        long raw = cpu.segments.read(selector, CpuFault.TS);
        int attributes = Segments.attributes(raw);
        int dpl = Segments.dpl(attributes);
        if ((attributes & (CODE_OR_DATA | CODE)) != (CODE_OR_DATA | CODE)
                || ((attributes & CONFORMING) != 0 ? dpl > cpu.cpl : dpl != cpu.cpl)) {
            throw invalid(selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC);
        }
        cpu.segments.markAccessed(selector, raw);
        cpu.segments.set(CS, selector, raw);
        cpu.segments.followSegment(CS);
    }

    private void loadStack() {
        int selector = cpu.selector[SS];
        if ((selector & 0xFFFC) == 0) {
            throw invalid(selector);
        }
        long raw = cpu.segments.read(selector, CpuFault.TS);
        int attributes = Segments.attributes(raw);
        if ((attributes & (CODE_OR_DATA | CODE | WRITABLE)) != (CODE_OR_DATA | WRITABLE)
                || Segments.dpl(attributes) != cpu.cpl
                || (selector & 3) != cpu.cpl) {
            throw invalid(selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.SS, selector & 0xFFFC);
        }
        cpu.segments.markAccessed(selector, raw);
        cpu.segments.set(SS, selector, raw);
        cpu.segments.followSegment(SS);
    }

    private void loadData(int seg) {
        int selector = cpu.selector[seg];
        if ((selector & 0xFFFC) == 0) {
            cpu.segments.setNull(seg, selector);
            cpu.segments.followSegment(seg);
            return;
        }
        long raw = cpu.segments.read(selector, CpuFault.TS);
        int attributes = Segments.attributes(raw);
        if (!cpu.segments.isLoadable(selector, attributes)) {
            throw invalid(selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC);
        }
        cpu.segments.markAccessed(selector, raw);
        cpu.segments.set(seg, selector, raw);
        cpu.segments.followSegment(seg);
    }
}
