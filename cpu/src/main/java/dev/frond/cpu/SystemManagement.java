// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

/**
 * System-management mode of one CPU, with the state-save area of 64-bit processors that firmware
 * for virtual machines knows (APM Vol. 2, 10.2 and table 10-1; SDM Vol. 3C, chapter 34, for the
 * rest).
 */
public final class SystemManagement {
    /** Where the processor starts, from SMBASE. */
    private static final int ENTRY = 0x8000;

    /** Offsets from SMBASE in the state-save area. */
    private static final int SEGMENTS = 0xFE00;

    private static final int GDTR = 0xFE60;
    private static final int LDTR_AREA = 0xFE70;
    private static final int IDTR = 0xFE80;
    private static final int TR_AREA = 0xFE90;
    private static final int AUTO_HALT_RESTART = 0xFEC9;
    private static final int NMI_MASK = 0xFECA;
    private static final int EFER = 0xFED0;
    private static final int REVISION = 0xFEFC;
    private static final int SMBASE = 0xFF00;
    private static final int CR4 = 0xFF48;
    private static final int CR3 = 0xFF50;
    private static final int CR0 = 0xFF58;
    private static final int DR7 = 0xFF60;
    private static final int DR6 = 0xFF68;
    private static final int RFLAGS = 0xFF70;
    private static final int RIP = 0xFF78;

    /** RAX; the others follow downwards. */
    private static final int GPRS = 0xFFF8;

    /** The 64-bit format, with SMBASE relocation (bit 17) and without I/O restart (bit 16). */
    private static final int REVISION_64 = 0x2_0064;

    private final Cpu cpu;

    private int base;
    private boolean active;

    /** An SMI waits for its turn. */
    public boolean pending;

    /** An INIT waits for RSM. */
    public boolean initPending;

    SystemManagement(Cpu cpu) {
        this.cpu = cpu;
    }

    /** Whether the CPU executes in system-management mode. */
    public boolean active() {
        return active;
    }

    CpuState.Smm save() {
        return new CpuState.Smm(base, active, pending, initPending);
    }

    void load(CpuState.Smm state) {
        base = state.base();
        active = state.active();
        pending = state.pending();
        initPending = state.initPending();
    }

    private AddressSpace memory() {
        return cpu.mmu.memory();
    }

    private void put(int offset, int size, long value) {
        memory().write(at(offset), size, value);
    }

    private long get(int offset, int size) {
        return memory().read(at(offset), size);
    }

    private long at(int offset) {
        return (base & 0xFFFF_FFFFL) + offset & 0xFFFF_FFFFL;
    }

    // --- entry
    // ------------------------------------------------------------------------------------

    /** Takes the SMI, between two instructions. */
    public void enter() {
        pending = false;
        active = true;
        for (int i = 0; i < 16; i++) {
            put(GPRS - 8 * i, 8, cpu.r[i]);
        }
        for (int seg = ES; seg <= GS; seg++) {
            putSegment(SEGMENTS + 16 * seg, seg);
        }
        putSegment(LDTR_AREA, LDTR);
        putSegment(TR_AREA, TR);
        putTable(GDTR, cpu.gdtBase, cpu.gdtLimit);
        putTable(IDTR, cpu.idtBase, cpu.idtLimit);
        put(AUTO_HALT_RESTART, 1, cpu.halted && !cpu.monitor.isWaiting() ? 1 : 0);
        put(NMI_MASK, 1, cpu.nmiBlocked ? 1 : 0);
        put(EFER, 8, cpu.efer);
        put(REVISION, 4, REVISION_64);
        put(SMBASE, 4, base);
        put(CR4, 8, cpu.cr4);
        put(CR3, 8, cpu.cr3);
        put(CR0, 8, cpu.cr0);
        put(DR7, 8, cpu.dr[7]);
        put(DR6, 8, cpu.dr[6]);
        put(RFLAGS, 8, cpu.rflags() | (cpu.resumeRip == cpu.rip ? Cpu.RF : 0));
        put(RIP, 8, cpu.rip);

        cpu.wakeUp();
        cpu.nmiBlocked = true;
        cpu.shadowRip = -1;
        cpu.cr0 &=
                ~(ControlRegisters.PE
                        | ControlRegisters.EM
                        | ControlRegisters.TS
                        | ControlRegisters.PG);
        cpu.cr4 = 0;
        cpu.efer = 0;
        cpu.cpl = 0;
        for (int seg = ES; seg <= GS; seg++) {
            setSegment(seg, 0, 0, -1, GRANULAR | PRESENT | CODE_OR_DATA | WRITABLE | ACCESSED);
        }
        cpu.selector[CS] = base >>> 4 & 0xFFFF;
        cpu.segBase[CS] = base & 0xFFFF_FFFFL;
        cpu.rip = ENTRY;
        cpu.setRflags(2);
        cpu.debug.write(7, 0);
        cpu.mmu.flush();
        cpu.segments.modeChanged();
    }

    private void putSegment(int offset, int seg) {
        int attributes = cpu.segAttributes[seg];
        put(offset, 2, cpu.selector[seg]);
        // Not present means unusable.
        put(offset + 2, 2, attributes & 0xF0FF & ((attributes & UNUSABLE) != 0 ? ~PRESENT : -1));
        put(offset + 4, 4, cpu.segLimit[seg]);
        put(offset + 8, 8, cpu.segBase[seg]);
    }

    private void putTable(int offset, long tableBase, int limit) {
        put(offset + 4, 4, limit);
        put(offset + 8, 8, tableBase);
    }

    private void setSegment(int seg, int selector, long segmentBase, int limit, int attributes) {
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = segmentBase;
        cpu.segLimit[seg] = limit;
        cpu.segAttributes[seg] = attributes;
        cpu.segments.followSegment(seg);
    }

    // --- RSM
    // --------------------------------------------------------------------------------------

    /** RSM: goes on where the SMI came; shuts the processor down if the area holds no state. */
    public void resume() {
        if (!active) {
            throw cpu.ud();
        }
        long cr0 = get(CR0, 8);
        long cr4 = get(CR4, 8);
        long efer = get(EFER, 8);
        if (!ControlRegisters.isValid(cpu, cr0, cr4) || !cpu.msrs.isEfer(efer)) {
            throw cpu.shutdown();
        }
        for (int i = 0; i < 16; i++) {
            cpu.r[i] = get(GPRS - 8 * i, 8);
        }
        cpu.cr0 = cr0;
        cpu.cr3 = get(CR3, 8);
        cpu.cr4 = cr4;
        cpu.efer = efer;
        for (int seg = ES; seg <= GS; seg++) {
            takeSegment(SEGMENTS + 16 * seg, seg);
        }
        takeSegment(LDTR_AREA, LDTR);
        takeSegment(TR_AREA, TR);
        cpu.gdtLimit = (int) get(GDTR + 4, 2);
        cpu.gdtBase = get(GDTR + 8, 8);
        cpu.idtLimit = (int) get(IDTR + 4, 2);
        cpu.idtBase = get(IDTR + 8, 8);
        cpu.rip = get(RIP, 8);
        long flags = get(RFLAGS, 8) & 0x3F_7FD5 | 2;
        cpu.cpl = (flags & Cpu.VM) != 0 ? 3 : Segments.dpl(cpu.segAttributes[SS]);
        cpu.setRflags(flags);
        cpu.dr[6] = get(DR6, 8) & 0xE00F | 0xFFFF_0FF0L;
        cpu.debug.write(7, get(DR7, 8));
        cpu.resume(flags);
        cpu.stepTrap = false;
        cpu.nmiBlocked = (get(NMI_MASK, 1) & 1) != 0;
        cpu.halted = (get(AUTO_HALT_RESTART, 1) & 1) != 0;
        base = (int) get(SMBASE, 4);
        active = false;
        if ((cr0 & ControlRegisters.PG) != 0
                && (cr4 & ControlRegisters.PAE) != 0
                && !cpu.longMode()
                && !cpu.mmu.loadPdptes(cpu.cr3)) {
            throw cpu.shutdown();
        }
        cpu.mmu.flush();
        cpu.segments.modeChanged();
        // Whatever was held back meanwhile is looked at.
        cpu.post(Cpu.EVENT_INTERRUPT | Cpu.EVENT_STEP);
        if (initPending) {
            initPending = false;
            cpu.post(Cpu.EVENT_INIT);
        }
    }

    private void takeSegment(int offset, int seg) {
        int attributes = (int) get(offset + 2, 2) & 0xF0FF;
        setSegment(
                seg,
                (int) get(offset, 2) & 0xFFFF,
                get(offset + 8, 8),
                (int) get(offset + 4, 4),
                (attributes & PRESENT) != 0 ? attributes : attributes | UNUSABLE);
    }
}
