// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.vcpu.CpuFeature;

/** Bits of CR0, CR3 and CR4, and what writing them does (SDM Vol. 3A, 2.5). */
public final class ControlRegisters {
    public static final long PE = 1;
    public static final long MP = 2;
    public static final long EM = 4;
    public static final long TS = 8;
    public static final long ET = 0x10;
    public static final long NE = 0x20;
    public static final long WP = 0x1_0000;
    public static final long AM = 0x4_0000;
    public static final long NW = 0x2000_0000;
    public static final long CD = 0x4000_0000;
    public static final long PG = 0x8000_0000L;

    public static final long VME = 1;
    public static final long PVI = 2;
    public static final long TSD = 4;
    public static final long DE = 8;
    public static final long PSE = 0x10;
    public static final long PAE = 0x20;
    public static final long MCE = 0x40;
    public static final long PGE = 0x80;
    public static final long PCE = 0x100;
    public static final long OSFXSR = 0x200;
    public static final long OSXMMEXCPT = 0x400;
    public static final long UMIP = 0x800;
    public static final long LA57 = 0x1000;
    public static final long FSGSBASE = 0x1_0000;
    public static final long PCIDE = 0x2_0000;
    public static final long OSXSAVE = 0x4_0000;
    public static final long SMEP = 0x10_0000;
    public static final long SMAP = 0x20_0000;
    public static final long PKE = 0x40_0000;

    private static final long CR0_BITS = PE | MP | EM | TS | ET | NE | WP | AM | NW | CD | PG;

    /** CR3 bit 63 of a write with PCIDs: keep the translations. */
    private static final long NO_FLUSH = 1L << 63;

    private ControlRegisters() {}

    /** The bits of CR4 that may be set on this CPU. */
    private static long cr4Bits(Cpu cpu) {
        long bits = TSD | DE | PSE | PAE | MCE | PGE | PCE | OSFXSR | OSXMMEXCPT;
        bits |= cpu.cpuid.has(CpuFeature.VME) ? VME | PVI : 0;
        bits |= cpu.cpuid.has(CpuFeature.UMIP) ? UMIP : 0;
        bits |= cpu.cpuid.has(CpuFeature.FSGSBASE) ? FSGSBASE : 0;
        bits |= cpu.cpuid.has(CpuFeature.PCID) ? PCIDE : 0;
        bits |= cpu.cpuid.has(CpuFeature.XSAVE) ? OSXSAVE : 0;
        bits |= cpu.cpuid.has(CpuFeature.SMEP) ? SMEP : 0;
        bits |= cpu.cpuid.has(CpuFeature.SMAP) ? SMAP : 0;
        bits |= cpu.cpuid.has(CpuFeature.LA57) ? LA57 : 0;
        bits |= cpu.cpuid.has(CpuFeature.PKU) ? PKE : 0;
        return bits;
    }

    /** Whether a processor may have these values together, as RSM asks. */
    static boolean isValid(Cpu cpu, long cr0, long cr4) {
        return (cr0 & ~CR0_BITS) == 0
                && ((cr0 & PG) == 0 || (cr0 & PE) != 0)
                && ((cr0 & NW) == 0 || (cr0 & CD) != 0)
                && (cr4 & ~cr4Bits(cpu)) == 0;
    }

    /** MOV to CR0. */
    public static void writeCr0(Cpu cpu, long value) {
        if (value >>> 32 != 0
                || (value & PG) != 0 && (value & PE) == 0
                || (value & NW) != 0 && (value & CD) == 0) {
            throw cpu.gp();
        }
        long next = value & CR0_BITS | ET;
        long changed = next ^ cpu.cr0;
        boolean pagingOn = (changed & next & PG) != 0;
        if (pagingOn && (cpu.efer & Msrs.EFER_LME) != 0) {
            if ((cpu.cr4 & PAE) == 0 || (cpu.segAttributes[Seg.CS] & Seg.LONG) != 0) {
                throw cpu.gp();
            }
        } else if (pagingOn && (cpu.cr4 & PAE) != 0 && !cpu.mmu.loadPdptes(cpu.cr3)) {
            throw cpu.gp();
        }
        if ((changed & PG) != 0 && (next & PG) == 0) {
            if (cpu.is64() || (cpu.cr4 & PCIDE) != 0) {
                throw cpu.gp();
            }
            cpu.efer &= ~Msrs.EFER_LMA;
        }
        if (pagingOn && (cpu.efer & Msrs.EFER_LME) != 0) {
            cpu.efer |= Msrs.EFER_LMA;
        }
        cpu.cr0 = next;
        if ((changed & (PG | WP | PE)) != 0) {
            cpu.mmu.flush();
        }
        cpu.segments.modeChanged();
    }

    /** MOV to CR3. */
    public static void writeCr3(Cpu cpu, long value) {
        boolean pcid = (cpu.cr4 & PCIDE) != 0;
        boolean keep = pcid && (value & NO_FLUSH) != 0;
        long next = pcid ? value & ~NO_FLUSH : value;
        if (cpu.longMode()) {
            if ((next & -1L << dev.frond.machine.vcpu.Cpuid.PHYSICAL_BITS) != 0) {
                throw cpu.gp();
            }
        } else {
            next &= 0xFFFF_FFFFL;
            if ((cpu.cr0 & PG) != 0 && (cpu.cr4 & PAE) != 0 && !cpu.mmu.loadPdptes(next)) {
                throw cpu.gp();
            }
        }
        cpu.cr3 = next;
        cpu.mmu.switchSpace(keep);
    }

    /** MOV to CR4. */
    public static void writeCr4(Cpu cpu, long value) {
        if ((value & ~cr4Bits(cpu)) != 0) {
            throw cpu.gp();
        }
        long changed = value ^ cpu.cr4;
        if (cpu.longMode() && ((value & PAE) == 0 || (changed & LA57) != 0)) {
            throw cpu.gp();
        }
        if ((changed & value & PCIDE) != 0 && (!cpu.longMode() || (cpu.cr3 & 0xFFF) != 0)) {
            throw cpu.gp();
        }
        if ((cpu.cr0 & PG) != 0
                && !cpu.longMode()
                && (value & PAE) != 0
                && (changed & (PAE | PSE | PGE | SMEP)) != 0
                && !cpu.mmu.loadPdptes(cpu.cr3)) {
            throw cpu.gp();
        }
        cpu.cr4 = value;
        if ((changed & DE) != 0) {
            cpu.debug.follow();
        }
        if ((changed & (PAE | PSE | PGE | PCIDE | SMEP | SMAP | LA57 | PKE)) != 0) {
            cpu.mmu.flush();
        }
        cpu.segments.modeChanged();
    }
}
