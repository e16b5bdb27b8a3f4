// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.LocalInterrupts;

import java.util.ArrayList;
import java.util.List;

/** Model-specific registers (SDM Vol. 4). */
public final class Msrs {
    public static final long EFER_SCE = 1;
    public static final long EFER_LME = 0x100;
    public static final long EFER_LMA = 0x400;
    public static final long EFER_NXE = 0x800;
    public static final long EFER_FFXSR = 0x4000;

    private static final int IA32_TSC = 0x10;
    private static final int IA32_PLATFORM_ID = 0x17;
    private static final int IA32_APIC_BASE = 0x1B;
    private static final int IA32_FEATURE_CONTROL = 0x3A;
    private static final int IA32_TSC_ADJUST = 0x3B;
    private static final int IA32_BIOS_UPDT_TRIG = 0x79;
    private static final int MSR_PLATFORM_INFO = 0xCE;
    private static final int IA32_MTRRCAP = 0xFE;
    private static final int IA32_SYSENTER_CS = 0x174;
    private static final int IA32_SYSENTER_ESP = 0x175;
    private static final int IA32_SYSENTER_EIP = 0x176;
    private static final int IA32_MCG_CAP = 0x179;
    private static final int IA32_DEBUGCTL = 0x1D9;
    private static final int MSR_LASTBRANCHFROMIP = 0x1DB;
    private static final int MSR_LASTBRANCHTOIP = 0x1DC;
    private static final int MSR_LASTINTFROMIP = 0x1DD;
    private static final int MSR_LASTINTTOIP = 0x1DE;
    private static final int IA32_PAT = 0x277;
    private static final int IA32_XSS = 0xDA0;
    private static final int IA32_EFER = 0xC000_0080;
    private static final int IA32_STAR = 0xC000_0081;
    private static final int IA32_LSTAR = 0xC000_0082;
    private static final int IA32_CSTAR = 0xC000_0083;
    private static final int IA32_FMASK = 0xC000_0084;
    private static final int IA32_FS_BASE = 0xC000_0100;
    private static final int IA32_GS_BASE = 0xC000_0101;
    private static final int IA32_KERNEL_GS_BASE = 0xC000_0102;
    private static final int IA32_TSC_AUX = 0xC000_0103;

    /** The time-stamp counter's frequency in units of 100 MHz. */
    private static final long PLATFORM_RATIO = 10;

    private static final long PAT_RESET = 0x0007_0406_0007_0406L;

    private final Cpu cpu;

    public long star;
    public long lstar;
    public long cstar;
    public long fmask;
    public long kernelGsBase;
    public long tscAux;
    public long sysenterCs;
    public long sysenterEsp;
    public long sysenterEip;
    private long pat = PAT_RESET;
    private long tscAdjust;

    private final HeldMsrs held;

    Msrs(Cpu cpu) {
        this.cpu = cpu;
        held = new HeldMsrs(cpu.cpuid);
    }

    /** Whether CR4.TSD permits reading the time-stamp counter. */
    public boolean mayReadTsc() {
        return (cpu.cr4 & ControlRegisters.TSD) == 0 || cpu.cpl == 0;
    }

    /** The time-stamp counter. */
    public long tsc() {
        return cpu.clock.now() + cpu.tscOffset;
    }

    private void setTsc(long value) {
        long offset = value - cpu.clock.now();
        tscAdjust += offset - cpu.tscOffset;
        tscOffset(offset);
    }

    private void requireTscAdjust() {
        if (!cpu.cpuid.has(CpuFeature.TSC_ADJUST)) {
            throw cpu.gp();
        }
    }

    /** Lets the time-stamp counter be {@code offset} ahead of virtual time. */
    public void tscOffset(long offset) {
        cpu.tscOffset = offset;
        cpu.interrupts.tscOffset(offset);
        cpu.group.tscChanged();
        cpu.paravirtual.updateTime();
    }

    /** Whether MONITOR and MWAIT are offered and not disabled. */
    public boolean monitorEnabled() {
        return held.monitorEnabled();
    }

    /** #UD unless MONITOR and MWAIT may execute. */
    public void requireMonitor() {
        if (!held.monitorEnabled() || cpu.cpl != 0 && !held.monitorForPrograms()) {
            throw cpu.ud();
        }
    }

    /** Bit 11 of IA32_APIC_BASE. */
    public boolean apicEnabled() {
        return (cpu.interrupts.readMsr(IA32_APIC_BASE) & 1 << 11) != 0;
    }

    /** RDMSR; #GP(0) for what does not exist. */
    public long read(int index) {
        if (LocalInterrupts.owns(index)) {
            if (!cpu.interrupts.readable(index)) {
                throw cpu.gp();
            }
            return cpu.interrupts.readMsr(index);
        }
        if (cpu.paravirtual.has(index)) {
            return cpu.paravirtual.read(index);
        }
        return switch (index) {
            case IA32_TSC -> tsc();
            case IA32_PLATFORM_ID,
                    MSR_LASTBRANCHFROMIP,
                    MSR_LASTBRANCHTOIP,
                    MSR_LASTINTFROMIP,
                    MSR_LASTINTTOIP ->
                    0;
            case MSR_PLATFORM_INFO -> PLATFORM_RATIO << 8;
            case IA32_MCG_CAP -> HeldMsrs.BANKS;
            case IA32_FEATURE_CONTROL -> 1;
            case IA32_TSC_ADJUST -> {
                requireTscAdjust();
                yield tscAdjust;
            }
            case IA32_XSS -> xss(0);
            case IA32_MTRRCAP -> 0x500 | HeldMsrs.VARIABLE_MTRRS;
            case IA32_SYSENTER_CS -> sysenterCs;
            case IA32_SYSENTER_ESP -> sysenterEsp;
            case IA32_SYSENTER_EIP -> sysenterEip;
            case IA32_PAT -> pat;
            case IA32_DEBUGCTL -> cpu.debug.control;
            case IA32_EFER -> cpu.efer;
            case IA32_STAR -> star;
            case IA32_LSTAR -> lstar;
            case IA32_CSTAR -> cstar;
            case IA32_FMASK -> fmask;
            case IA32_FS_BASE -> cpu.segBase[Seg.FS];
            case IA32_GS_BASE -> cpu.segBase[Seg.GS];
            case IA32_KERNEL_GS_BASE -> kernelGsBase;
            case IA32_TSC_AUX -> tscAux;
            default -> {
                if (!held.has(index)) {
                    throw cpu.gp();
                }
                yield held.get(index);
            }
        };
    }

    /** WRMSR; #GP(0) for what does not exist or may not be written so. */
    public void write(int index, long value) {
        if (LocalInterrupts.owns(index)) {
            if (!cpu.interrupts.writeMsr(index, value)) {
                throw cpu.gp();
            }
            if (index == IA32_APIC_BASE) {
                // The register page may have moved.
                cpu.mmu.flush();
            }
            return;
        }
        if (cpu.paravirtual.has(index)) {
            if (!cpu.paravirtual.write(index, value)) {
                throw cpu.gp();
            }
            return;
        }
        switch (index) {
            case IA32_TSC -> setTsc(value);
            case IA32_TSC_ADJUST -> {
                requireTscAdjust();
                tscOffset(cpu.tscOffset + value - tscAdjust);
                tscAdjust = value;
            }
            case IA32_XSS -> xss(value);
            case IA32_SYSENTER_CS -> sysenterCs = value & 0xFFFF_FFFFL;
            case IA32_SYSENTER_ESP -> sysenterEsp = canonical(value);
            case IA32_SYSENTER_EIP -> sysenterEip = canonical(value);
            case IA32_PAT -> writePat(value);
            case IA32_DEBUGCTL -> {
                if (!cpu.debug.writeControl(value)) {
                    throw cpu.gp();
                }
            }
            case IA32_EFER -> writeEfer(value);
            case IA32_STAR -> star = value;
            case IA32_LSTAR -> lstar = canonical(value);
            case IA32_CSTAR -> cstar = canonical(value);
            case IA32_FMASK -> fmask = value & 0xFFFF_FFFFL;
            case IA32_FS_BASE -> setBase(Seg.FS, canonical(value));
            case IA32_GS_BASE -> setBase(Seg.GS, canonical(value));
            case IA32_KERNEL_GS_BASE -> kernelGsBase = canonical(value);
            case IA32_TSC_AUX -> {
                if (value >>> 32 != 0) {
                    throw cpu.gp();
                }
                tscAux = value;
            }
            case IA32_BIOS_UPDT_TRIG -> {
                // There is no microcode to update.
            }
            default -> {
                if (!held.write(index, value)) {
                    throw cpu.gp();
                }
            }
        }
    }

    /** Sets the base of FS or GS. */
    public void setBase(int seg, long base) {
        cpu.segBase[seg] = base;
        cpu.segments.followSegment(seg);
    }

    /** IA32_XSS exists with XSAVES; there are no supervisor components that it could enable. */
    private long xss(long value) {
        if (!cpu.cpuid.has(CpuFeature.XSAVES) || value != 0) {
            throw cpu.gp();
        }
        return value;
    }

    private long canonical(long value) {
        if (!cpu.isCanonicalEver(value)) {
            throw cpu.gp();
        }
        return value;
    }

    private void writePat(long value) {
        for (int i = 0; i < 8; i++) {
            int type = (int) (value >>> 8 * i) & 0xFF;
            if (type == 2 || type == 3 || type > 7) {
                throw cpu.gp();
            }
        }
        pat = value;
    }

    /** Whether IA32_EFER can hold {@code value}. */
    boolean isEfer(long value) {
        return (value & ~eferBits()) == 0;
    }

    private long eferBits() {
        long allowed = EFER_LMA | (cpu.cpuid.has(CpuFeature.SYSCALL) ? EFER_SCE : 0);
        allowed |= cpu.cpuid.has(CpuFeature.LM) ? EFER_LME : 0;
        allowed |= cpu.cpuid.has(CpuFeature.NX) ? EFER_NXE : 0;
        return allowed | (cpu.cpuid.has(CpuFeature.FFXSR) ? EFER_FFXSR : 0);
    }

    private void writeEfer(long value) {
        boolean paging = (cpu.cr0 & ControlRegisters.PG) != 0;
        if (!isEfer(value) || paging && ((value ^ cpu.efer) & EFER_LME) != 0) {
            throw cpu.gp();
        }
        // LMA is read-only.
        cpu.efer = value & ~EFER_LMA | cpu.efer & EFER_LMA;
        cpu.mmu.flush();
        cpu.segments.modeChanged();
    }

    // --- state
    // ------------------------------------------------------------------------------------------

    /** All registers that hold state and are not elsewhere in {@link CpuState}. */
    List<CpuState.Msr> save() {
        List<CpuState.Msr> all = new ArrayList<>();
        for (int index :
                new int[] {
                    IA32_SYSENTER_CS,
                    IA32_SYSENTER_ESP,
                    IA32_SYSENTER_EIP,
                    IA32_PAT,
                    IA32_DEBUGCTL,
                    IA32_STAR,
                    IA32_LSTAR,
                    IA32_CSTAR,
                    IA32_FMASK,
                    IA32_KERNEL_GS_BASE,
                    IA32_TSC_AUX
                }) {
            all.add(new CpuState.Msr(index, read(index)));
        }
        if (cpu.cpuid.has(CpuFeature.TSC_ADJUST)) {
            all.add(new CpuState.Msr(IA32_TSC_ADJUST, tscAdjust));
        }
        held.forEach((index, value) -> all.add(new CpuState.Msr(index, value)));
        cpu.paravirtual.forEach((index, value) -> all.add(new CpuState.Msr(index, value)));
        return all;
    }

    /**
     * Takes on saved registers; what is not among them has its reset value. An unknown one is
     * refused.
     */
    void load(List<CpuState.Msr> saved, long tsc) {
        star = 0;
        lstar = 0;
        cstar = 0;
        fmask = 0;
        kernelGsBase = 0;
        tscAux = 0;
        sysenterCs = 0;
        sysenterEsp = 0;
        sysenterEip = 0;
        pat = PAT_RESET;
        cpu.debug.control = 0;
        held.reset();
        cpu.paravirtual.reset();
        for (CpuState.Msr msr : saved) {
            try {
                if (!cpu.paravirtual.load(msr.index(), msr.value())) {
                    write(msr.index(), msr.value());
                }
            } catch (CpuFault e) {
                throw new IllegalArgumentException(
                        "cpu state: MSR 0x"
                                + Integer.toHexString(msr.index())
                                + " cannot hold 0x"
                                + Long.toHexString(msr.value()),
                        e);
            }
        }
        long adjust = tscAdjust;
        setTsc(tsc);
        tscAdjust = adjust;
    }
}
