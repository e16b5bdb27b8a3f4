// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/**
 * The virtual interrupt flag and what stands beside it: CLI, STI, PUSHF, POPF and INT n of
 * virtual-8086 mode and of level 3, by IOPL, CR4.VME and CR4.PVI (SDM Vol. 3B, 22.3 and 22.4).
 */
public final class VirtualInterrupts {
    private static final int IO_MAP_BASE = 102;

    /**
     * Bytes of the software interrupt redirection bitmap, which ends where the I/O bitmap starts.
     */
    private static final int REDIRECTION_BYTES = 32;

    private final Cpu cpu;

    VirtualInterrupts(Cpu cpu) {
        this.cpu = cpu;
    }

    /** Virtual-8086 mode below IOPL 3: #GP(0) unless CR4.VME helps with an operand of 16 bits. */
    private void requireExtensions(int size) {
        if ((cpu.cr4 & ControlRegisters.VME) == 0 || size != 2) {
            throw cpu.gp();
        }
    }

    /** Whether virtual-8086 code runs at an IOPL that does not let it have the interrupt flag. */
    private boolean held() {
        return cpu.v8086() && cpu.iopl() != 3;
    }

    // --- CLI and STI
    // ------------------------------------------------------------------------------

    /** Whether CLI and STI change VIF in place of IF; #GP(0) if they may change neither. */
    private boolean isVirtual() {
        if (!cpu.protectedMode() || cpu.cpl <= cpu.iopl() && !cpu.v8086() || cpu.iopl() == 3) {
            return false;
        }
        long needed = cpu.v8086() ? ControlRegisters.VME : ControlRegisters.PVI;
        if (cpu.cpl != 3 || (cpu.cr4 & needed) == 0) {
            throw cpu.gp();
        }
        return true;
    }

    /** CLI. */
    public void clear() {
        cpu.systemFlags &= isVirtual() ? ~Cpu.VIF : ~Cpu.IF;
    }

    /** STI; returns whether RFLAGS.IF was clear before and is set now. */
    public boolean set() {
        if (isVirtual()) {
            if ((cpu.systemFlags & Cpu.VIP) != 0) {
                throw cpu.gp();
            }
            cpu.systemFlags |= Cpu.VIF;
            return false;
        }
        if ((cpu.systemFlags & Cpu.IF) != 0) {
            return false;
        }
        cpu.setSystemFlags(cpu.systemFlags | Cpu.IF);
        return true;
    }

    // --- PUSHF, POPF and IRET
    // ---------------------------------------------------------------------

    /** The image that PUSHF with an operand of {@code size} bytes pushes. */
    public long pushed(int size) {
        if (!held()) {
            return cpu.rflags() & ~(Cpu.VM | Cpu.RF);
        }
        requireExtensions(size);
        return virtualImage();
    }

    /** The flags as virtual-8086 code below IOPL 3 sees them: IOPL 3, and VIF in place of IF. */
    private long virtualImage() {
        long flags = cpu.rflags() & ~(Cpu.VM | Cpu.RF | Cpu.IF) | Cpu.IOPL;
        return (cpu.systemFlags & Cpu.VIF) != 0 ? flags | Cpu.IF : flags;
    }

    /**
     * Whether POPF or IRET of {@code flags} in virtual-8086 mode changes VIF in place of IF, with
     * #GP(0) if it may do neither; false in all other modes.
     */
    public boolean isVirtualPop(int size, long flags) {
        if (!held()) {
            return false;
        }
        requireExtensions(size);
        boolean pending = (flags & Cpu.IF) != 0 && (cpu.systemFlags & Cpu.VIP) != 0;
        if (pending || (flags & Cpu.TF) != 0) {
            throw cpu.gp();
        }
        return true;
    }

    /** Sets the flags that virtual-8086 code below IOPL 3 pops: {@link #isVirtualPop} is true. */
    public void popVirtual(long flags) {
        int mask = Cpu.DF | Cpu.NT;
        int vif = (flags & Cpu.IF) != 0 ? Cpu.VIF : 0;
        cpu.setStatusFlags(flags);
        cpu.setSystemFlags(cpu.systemFlags & ~(mask | Cpu.VIF) | (int) flags & mask | vif);
    }

    // --- INT n
    // ------------------------------------------------------------------------------------

    /** INT n: by the interrupt table of the virtual-8086 program itself, or as any other. */
    public void softwareInterrupt(int vector) {
        if (cpu.v8086()) {
            if ((cpu.cr4 & ControlRegisters.VME) != 0 && !isRedirected(vector)) {
                toVirtualHandler(vector);
                return;
            }
            if (cpu.iopl() != 3) {
                throw cpu.gp();
            }
        }
        cpu.delivery.deliver(vector, Delivery.Source.SOFTWARE, 0);
    }

    /** Whether the bitmap sends the interrupt to the IDT. */
    private boolean isRedirected(int vector) {
        int limit = cpu.segLimit[TR];
        if (Integer.compareUnsigned(limit, IO_MAP_BASE + 1) < 0) {
            throw cpu.gp();
        }
        long tss = cpu.segBase[TR];
        int map = (int) cpu.mmu.loadSystem(tss + IO_MAP_BASE, 2) & 0xFFFF;
        int at = map - REDIRECTION_BYTES + (vector >>> 3);
        if (Integer.compareUnsigned(at, limit) > 0) {
            throw cpu.gp();
        }
        return (cpu.mmu.loadSystem(tss + at, 1) >>> (vector & 7) & 1) != 0;
    }

    private void toVirtualHandler(int vector) {
        boolean held = held();
        int entry = (int) cpu.mmu.loadSystem(4L * vector, 4);
        long flags = held ? virtualImage() : cpu.rflags();
        long stack = cpu.r[Cpu.RSP];
        try {
            cpu.push(2, flags);
            cpu.push(2, cpu.selector[CS]);
            cpu.push(2, cpu.rip);
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = stack;
            throw fault;
        }
        cpu.setSystemFlags(cpu.systemFlags & ~(Cpu.TF | Cpu.RF | (held ? Cpu.VIF : Cpu.IF)));
        cpu.segments.setReal(CS, entry >>> 16);
        cpu.segments.followSegment(CS);
        cpu.rip = entry & 0xFFFF;
    }
}
