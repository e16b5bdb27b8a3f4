// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Segments;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

import java.security.SecureRandom;

/** System instructions: tables, control, identification, caches, time. */
public final class SystemInsns {
    /** Made when a guest first asks: that takes some milliseconds of a start. */
    private static final class Random {
        static final SecureRandom SOURCE = new SecureRandom();
    }

    private SystemInsns() {}

    // --- descriptor tables
    // -----------------------------------------------------------------------------

    private static void storeTable(Cpu cpu, Insn insn, int limit, long base) {
        requireUmip(cpu);
        int bytes = cpu.is64() ? 8 : 4;
        cpu.mmu.checkStore(insn.linear(cpu, 2 + bytes, true), 2 + bytes);
        cpu.store16(insn.linear(cpu, 2, true), limit);
        cpu.store(insn.linear(cpu, 2, bytes, true), bytes, base);
    }

    @Encoding("0F 01 /0 mem : SGDT Ms")
    static void sgdt(Cpu cpu, Insn insn) {
        storeTable(cpu, insn, cpu.gdtLimit, cpu.gdtBase);
    }

    @Encoding("0F 01 /1 mem : SIDT Ms")
    static void sidt(Cpu cpu, Insn insn) {
        storeTable(cpu, insn, cpu.idtLimit, cpu.idtBase);
    }

    private static long tableBase(Cpu cpu, Insn insn) {
        if (cpu.is64()) {
            long base = cpu.load64(insn.linear(cpu, 2, 8, false));
            if (!cpu.isCanonicalEver(base)) {
                throw cpu.gp();
            }
            return base;
        }
        long base = cpu.load32(insn.linear(cpu, 2, 4, false)) & 0xFFFF_FFFFL;
        return insn.size == 2 ? base & 0xFF_FFFF : base;
    }

    @Encoding("0F 01 /2 mem : LGDT Ms : cpl0")
    static void lgdt(Cpu cpu, Insn insn) {
        int limit = cpu.load16(insn.linear(cpu, 2, false)) & 0xFFFF;
        cpu.gdtBase = tableBase(cpu, insn);
        cpu.gdtLimit = limit;
    }

    @Encoding("0F 01 /3 mem : LIDT Ms : cpl0")
    static void lidt(Cpu cpu, Insn insn) {
        int limit = cpu.load16(insn.linear(cpu, 2, false)) & 0xFFFF;
        cpu.idtBase = tableBase(cpu, insn);
        cpu.idtLimit = limit;
    }

    /** #GP(0) where CR4.UMIP keeps the tables' places from programs. */
    private static void requireUmip(Cpu cpu) {
        if ((cpu.cr4 & ControlRegisters.UMIP) != 0 && cpu.cpl != 0) {
            throw cpu.gp();
        }
    }

    private static void requireSelectors(Cpu cpu) {
        if (!cpu.selectorsNameDescriptors()) {
            throw cpu.ud();
        }
    }

    @Encoding("0F 00 /0 : SLDT Ev")
    static void sldt(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        requireUmip(cpu);
        insn.writeE(cpu, insn.memory ? 2 : insn.size, cpu.selector[Seg.LDTR]);
    }

    @Encoding("0F 00 /1 : STR Ev")
    static void str(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        requireUmip(cpu);
        insn.writeE(cpu, insn.memory ? 2 : insn.size, cpu.selector[Seg.TR]);
    }

    /** Reads a system descriptor of the GDT, 16 bytes in long mode, and checks its type. */
    private static long systemDescriptor(Cpu cpu, int selector, int typesMask) {
        if ((selector & 4) != 0) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC);
        }
        long raw = cpu.segments.read(selector, CpuFault.GP);
        int attributes = Segments.attributes(raw);
        boolean wide = cpu.longMode();
        if ((attributes & Seg.CODE_OR_DATA) != 0
                || (typesMask >>> (attributes & 15) & 1) == 0
                || wide && (selector & 0xFFF8) + 15 > cpu.gdtLimit) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC);
        }
        if ((attributes & Seg.PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC);
        }
        return raw;
    }

    private static void setSystem(Cpu cpu, int seg, int selector, long raw) {
        long high = 0;
        if (cpu.longMode()) {
            high = cpu.mmu.loadSystem(cpu.segments.descriptorAddress(selector) + 8, 8);
            if ((high >>> 40 & 0x1F) != 0 || !cpu.isCanonical(Segments.base(raw) | high << 32)) {
                throw cpu.fault(CpuFault.GP, selector & 0xFFFC);
            }
        }
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = Segments.base(raw) | high << 32;
        cpu.segLimit[seg] = Segments.limit(raw);
        cpu.segAttributes[seg] = Segments.attributes(raw);
    }

    @Encoding("0F 00 /2 : LLDT Ew")
    static void lldt(Cpu cpu, Insn insn) {
        // Not known in virtual-8086 mode, whatever the level: so the level is looked at second.
        requireSelectors(cpu);
        cpu.requireCpl0();
        int selector = (int) insn.readE(cpu, 2) & 0xFFFF;
        if ((selector & 0xFFFC) == 0) {
            cpu.segments.setNull(Seg.LDTR, selector);
            return;
        }
        setSystem(cpu, Seg.LDTR, selector, systemDescriptor(cpu, selector, 1 << 2));
    }

    @Encoding("0F 00 /3 : LTR Ew")
    static void ltr(Cpu cpu, Insn insn) {
        // Not known in virtual-8086 mode, whatever the level: so the level is looked at second.
        requireSelectors(cpu);
        cpu.requireCpl0();
        int selector = (int) insn.readE(cpu, 2) & 0xFFFF;
        if ((selector & 0xFFFC) == 0) {
            throw cpu.gp();
        }
        long raw = systemDescriptor(cpu, selector, cpu.longMode() ? 1 << 9 : 1 << 1 | 1 << 9);
        long attributesAt = cpu.segments.descriptorAddress(selector) + 5;
        cpu.mmu.checkStoreSystem(attributesAt, 1);
        setSystem(cpu, Seg.TR, selector, raw);
        // Marked busy, in the register and in the table.
        cpu.segAttributes[Seg.TR] |= 2;
        cpu.mmu.storeSystem(attributesAt, 1, raw >>> 40 | 2);
    }

    // --- descriptors looked at
    // ------------------------------------------------------------------------------

    /** No descriptor: one of zeros is of a type that none of them sees. */
    private static final long INVISIBLE = 0;

    /** The descriptor that LAR, LSL, VERR and VERW may see, or {@link #INVISIBLE}. */
    private static long visible(Cpu cpu, int selector, int systemTypes) {
        if ((selector & 0xFFFC) == 0) {
            return INVISIBLE;
        }
        long address = cpu.segments.descriptorAddress(selector);
        if (address == -1) {
            return INVISIBLE;
        }
        long raw = cpu.mmu.loadSystem(address, 8);
        int attributes = Segments.attributes(raw);
        boolean codeOrData = (attributes & Seg.CODE_OR_DATA) != 0;
        if (!codeOrData && (systemTypes >>> (attributes & 15) & 1) == 0) {
            return INVISIBLE;
        }
        boolean conforming =
                codeOrData
                        && (attributes & (Seg.CODE | Seg.CONFORMING))
                                == (Seg.CODE | Seg.CONFORMING);
        if (!conforming && Segments.dpl(attributes) < Math.max(cpu.cpl, selector & 3)) {
            return INVISIBLE;
        }
        return raw;
    }

    private static void setZf(Cpu cpu, boolean set) {
        cpu.setStatusFlags(cpu.statusFlags() & ~Cpu.ZF | (set ? Cpu.ZF : 0));
    }

    @Encoding("0F 02 /r : LAR Gv,Ew")
    static void lar(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        int types = cpu.longMode() ? 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12 : 0x1A3E;
        long raw = visible(cpu, (int) insn.readE(cpu, 2) & 0xFFFF, types);
        if (raw != INVISIBLE) {
            insn.writeG(cpu, insn.size, raw >>> 32 & 0xFF_FF00);
        }
        setZf(cpu, raw != INVISIBLE);
    }

    @Encoding("0F 03 /r : LSL Gv,Ew")
    static void lsl(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        int types =
                cpu.longMode()
                        ? 1 << 2 | 1 << 9 | 1 << 11
                        : 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
        long raw = visible(cpu, (int) insn.readE(cpu, 2) & 0xFFFF, types);
        if (raw != INVISIBLE) {
            insn.writeG(cpu, insn.size, Segments.limit(raw) & 0xFFFF_FFFFL);
        }
        setZf(cpu, raw != INVISIBLE);
    }

    @Encoding("0F 00 /4 : VERR Ew")
    static void verr(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        long raw = visible(cpu, (int) insn.readE(cpu, 2) & 0xFFFF, 0);
        int attributes = Segments.attributes(raw);
        setZf(
                cpu,
                raw != INVISIBLE
                        && ((attributes & Seg.CODE) == 0 || (attributes & Seg.WRITABLE) != 0));
    }

    @Encoding("0F 00 /5 : VERW Ew")
    static void verw(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        long raw = visible(cpu, (int) insn.readE(cpu, 2) & 0xFFFF, 0);
        setZf(
                cpu,
                raw != INVISIBLE
                        && (Segments.attributes(raw) & (Seg.CODE | Seg.WRITABLE)) == Seg.WRITABLE);
    }

    @Encoding("63 /r : ARPL Ew,Gw : i64")
    static void arpl(Cpu cpu, Insn insn) {
        requireSelectors(cpu);
        int destination = (int) insn.readE(cpu, 2) & 0xFFFF;
        int rpl = (int) insn.readG(cpu, 2) & 3;
        boolean less = (destination & 3) < rpl;
        if (less) {
            insn.writeE(cpu, 2, destination & ~3 | rpl);
        }
        setZf(cpu, less);
    }

    // --- control
    // ------------------------------------------------------------------------------------------------

    @Encoding("0F 01 /4 : SMSW Ev")
    static void smsw(Cpu cpu, Insn insn) {
        requireUmip(cpu);
        insn.writeE(cpu, insn.memory ? 2 : insn.size, cpu.cr0);
    }

    @Encoding("0F 01 /6 : LMSW Ew : cpl0 end")
    static void lmsw(Cpu cpu, Insn insn) {
        long value = insn.readE(cpu, 2) & 0xF;
        // PE can be set this way, never cleared.
        ControlRegisters.writeCr0(cpu, cpu.cr0 & ~0xEL | value);
    }

    @Encoding("0F 06 : CLTS : cpl0 end")
    static void clts(Cpu cpu, Insn insn) {
        cpu.cr0 &= ~ControlRegisters.TS;
        cpu.segments.modeChanged();
    }

    @Encoding("0F 01 /7 mem : INVLPG Mb : cpl0 end")
    static void invlpg(Cpu cpu, Insn insn) {
        int seg = insn.segment;
        cpu.mmu.flushPage(insn.effectiveAddress(cpu) + cpu.segBase[seg]);
    }

    @Encoding("66 0F 38 82 /r mem : INVPCID Gy,Mdq : cpl0 end +INVPCID")
    static void invpcid(Cpu cpu, Insn insn) {
        long type = Width.zx(cpu.is64() ? 8 : 4, cpu.r[insn.reg]);
        long at = insn.linear(cpu, 16, false);
        long pcid = cpu.load64(at);
        long linear = cpu.load64(at + 8);
        if (type > 3 || pcid >>> 12 != 0 && type < 2 || type == 0 && !cpu.isCanonical(linear)) {
            throw cpu.gp();
        }
        switch ((int) type) {
            case 0 -> cpu.mmu.flushPage(linear);
            case 1 -> cpu.mmu.flushSpace((int) pcid);
            case 2 -> cpu.mmu.flush();
            default -> cpu.mmu.flushNonGlobal();
        }
    }

    @Encoding({"0F 08 : INVD : cpl0", "0F 09 : WBINVD : cpl0"})
    static void wbinvd(Cpu cpu, Insn insn) {
        // There are no caches that could differ from memory.
    }

    @Encoding({
        "0F AE /7 mem : CLFLUSH Mb : +CLFSH",
        "66 0F AE /7 mem : CLFLUSHOPT Mb : +CLFLUSHOPT",
        "66 0F AE /6 mem : CLWB Mb : +CLWB"
    })
    static void clflush(Cpu cpu, Insn insn) {
        long linear = cpu.segments.linearOfLine(insn.segment, insn.effectiveAddress(cpu));
        long value = cpu.load8(linear);
        assert value <= 0xFF;
    }

    @Encoding({
        "NP 0F AE /5 reg : LFENCE : +SSE2",
        "NP 0F AE /6 reg : MFENCE : +SSE2",
        "NP 0F AE /7 reg : SFENCE : +SSE"
    })
    static void fence(Cpu cpu, Insn insn) {
        java.lang.invoke.VarHandle.fullFence();
    }

    @Encoding("0F 30 : WRMSR : cpl0 end")
    static void wrmsr(Cpu cpu, Insn insn) {
        cpu.msrs.write((int) cpu.r[Cpu.RCX], cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX] & 0xFFFF_FFFFL);
    }

    private static void result(Cpu cpu, long value) {
        cpu.r[Cpu.RAX] = value & 0xFFFF_FFFFL;
        cpu.r[Cpu.RDX] = value >>> 32;
    }

    @Encoding("0F 32 : RDMSR : cpl0")
    static void rdmsr(Cpu cpu, Insn insn) {
        result(cpu, cpu.msrs.read((int) cpu.r[Cpu.RCX]));
    }

    private static void requireTsc(Cpu cpu) {
        if (!cpu.msrs.mayReadTsc()) {
            throw cpu.gp();
        }
    }

    @Encoding("0F 31 : RDTSC")
    static void rdtsc(Cpu cpu, Insn insn) {
        requireTsc(cpu);
        result(cpu, cpu.msrs.tsc());
    }

    @Encoding("0F 01 =F9 : RDTSCP : +RDTSCP")
    static void rdtscp(Cpu cpu, Insn insn) {
        requireTsc(cpu);
        result(cpu, cpu.msrs.tsc());
        cpu.r[Cpu.RCX] = cpu.msrs.tscAux;
    }

    @Encoding("F3 0F C7 /7 reg : RDPID Ry : +RDPID")
    static void rdpid(Cpu cpu, Insn insn) {
        cpu.r[insn.rm] = cpu.msrs.tscAux;
    }

    @SuppressWarnings("DoNotCallSuggester") // A meaning like any other to the table.
    @Encoding("0F 33 : RDPMC")
    static void rdpmc(Cpu cpu, Insn insn) {
        // The model has no performance counters.
        throw cpu.gp();
    }

    @Encoding("0F A2 : CPUID")
    static void cpuid(Cpu cpu, Insn insn) {
        int leaf = (int) cpu.r[Cpu.RAX];
        int subleaf = (int) cpu.r[Cpu.RCX];
        Cpuid.Leaf answer = cpu.cpuid.query(leaf, subleaf);
        int ebx = answer.ebx();
        int ecx = answer.ecx();
        int edx = answer.edx();
        if (leaf == 1) {
            if ((cpu.cr4 & ControlRegisters.OSXSAVE) != 0) {
                ecx |= 1 << 27;
            }
            ecx &= cpu.msrs.monitorEnabled() ? -1 : ~(1 << 3);
            // A disabled APIC is as none (SDM Vol. 3A, 11.4.3).
            if (!cpu.msrs.apicEnabled()) {
                edx &= ~(1 << 9);
            }
        } else if (leaf == 7 && subleaf == 0) {
            // OSPKE.
            ecx |= (cpu.cr4 & ControlRegisters.PKE) != 0 ? 1 << 4 : 0;
        } else if (leaf == 0xD && subleaf == 0 && cpu.cpuid.has(CpuFeature.XSAVE)) {
            ebx = Cpuid.xsaveSize(cpu.xcr0);
        } else if (leaf == 0xD && subleaf == 1 && cpu.cpuid.has(CpuFeature.XSAVEC)) {
            ebx = Cpuid.compactedSize(cpu.xcr0);
        }
        cpu.r[Cpu.RAX] = answer.eax() & 0xFFFF_FFFFL;
        cpu.r[Cpu.RBX] = ebx & 0xFFFF_FFFFL;
        cpu.r[Cpu.RCX] = ecx & 0xFFFF_FFFFL;
        cpu.r[Cpu.RDX] = edx & 0xFFFF_FFFFL;
    }

    private static void requireKeys(Cpu cpu) {
        if ((cpu.cr4 & ControlRegisters.PKE) == 0) {
            throw cpu.ud();
        }
        if ((int) cpu.r[Cpu.RCX] != 0) {
            throw cpu.gp();
        }
    }

    @Encoding("NP 0F 01 =EE : RDPKRU : +PKU")
    static void rdpkru(Cpu cpu, Insn insn) {
        requireKeys(cpu);
        result(cpu, cpu.pkru & 0xFFFF_FFFFL);
    }

    @Encoding("NP 0F 01 =EF : WRPKRU : end +PKU")
    static void wrpkru(Cpu cpu, Insn insn) {
        requireKeys(cpu);
        if ((int) cpu.r[Cpu.RDX] != 0) {
            throw cpu.gp();
        }
        cpu.setPkru((int) cpu.r[Cpu.RAX]);
    }

    private static void requireXsave(Cpu cpu) {
        if ((cpu.cr4 & ControlRegisters.OSXSAVE) == 0) {
            throw cpu.ud();
        }
    }

    @Encoding("NP 0F 01 =D0 : XGETBV : +XSAVE")
    static void xgetbv(Cpu cpu, Insn insn) {
        requireXsave(cpu);
        switch ((int) cpu.r[Cpu.RCX]) {
            case 0 -> result(cpu, cpu.xcr0);
            case 1 -> {
                if (!cpu.cpuid.has(CpuFeature.XGETBV1)) {
                    throw cpu.gp();
                }
                result(cpu, cpu.xcr0 & StateInsns.inUse(cpu));
            }
            default -> throw cpu.gp();
        }
    }

    @Encoding("NP 0F 01 =D1 : XSETBV : cpl0 end +XSAVE")
    static void xsetbv(Cpu cpu, Insn insn) {
        requireXsave(cpu);
        long value = cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX] & 0xFFFF_FFFFL;
        if ((int) cpu.r[Cpu.RCX] != 0
                || (value & 1) == 0
                || (value & ~cpu.cpuid.xcr0Mask()) != 0
                || (value & 6) == 4) {
            throw cpu.gp();
        }
        cpu.xcr0 = value;
        cpu.segments.modeChanged();
    }

    /** Unlike other privileged instructions these two do not exist for programs. */
    private static void requireSupervisor(Cpu cpu) {
        if (cpu.cpl != 0) {
            throw cpu.ud();
        }
    }

    @Encoding("NP 0F 01 =CA : CLAC : +SMAP")
    static void clac(Cpu cpu, Insn insn) {
        requireSupervisor(cpu);
        cpu.setSystemFlags(cpu.systemFlags & ~Cpu.AC);
    }

    @Encoding("NP 0F 01 =CB : STAC : +SMAP")
    static void stac(Cpu cpu, Insn insn) {
        requireSupervisor(cpu);
        cpu.setSystemFlags(cpu.systemFlags | Cpu.AC);
    }

    @Encoding("0F 01 =C8 : MONITOR : +MONITOR")
    static void monitor(Cpu cpu, Insn insn) {
        cpu.msrs.requireMonitor();
        if (Width.zx(cpu.is64() ? 8 : 4, cpu.r[Cpu.RCX]) != 0) {
            // No extension is known.
            throw cpu.gp();
        }
        long offset = cpu.r[Cpu.RAX] & insn.addressMask();
        cpu.monitor.arm(cpu.linear(insn.stringSegment, offset, 1, false));
    }

    private static void requireFsGsBase(Cpu cpu) {
        if ((cpu.cr4 & ControlRegisters.FSGSBASE) == 0) {
            throw cpu.ud();
        }
    }

    @Encoding({
        "F3 0F AE /0 reg : RDFSBASE Ry : o64 +FSGSBASE",
        "F3 0F AE /1 reg : RDGSBASE Ry : o64 +FSGSBASE"
    })
    static void rdBase(Cpu cpu, Insn insn) {
        requireFsGsBase(cpu);
        cpu.setRegister(insn.rm, insn.size, cpu.segBase[(insn.modRm & 8) == 0 ? Seg.FS : Seg.GS]);
    }

    @Encoding({
        "F3 0F AE /2 reg : WRFSBASE Ry : o64 +FSGSBASE",
        "F3 0F AE /3 reg : WRGSBASE Ry : o64 +FSGSBASE"
    })
    static void wrBase(Cpu cpu, Insn insn) {
        requireFsGsBase(cpu);
        long base = Width.zx(insn.size, cpu.r[insn.rm]);
        if (!cpu.isCanonicalEver(base)) {
            throw cpu.gp();
        }
        cpu.msrs.setBase((insn.modRm & 8) == 0 ? Seg.FS : Seg.GS, base);
    }

    @Encoding({"0F C7 /6 reg : RDRAND Rv : +RDRAND", "0F C7 /7 reg : RDSEED Rv : +RDSEED"})
    static void rdrand(Cpu cpu, Insn insn) {
        cpu.setRegister(insn.rm, insn.size, Random.SOURCE.nextLong());
        cpu.setStatusFlags(Cpu.CF);
    }

    @Encoding("0F C7 /1 mem : CMPXCHG8B Mdq : lock")
    static void cmpxchg8b(Cpu cpu, Insn insn) {
        if (insn.rexW()) {
            cmpxchg16b(cpu, insn);
            return;
        }
        long at = insn.linear(cpu, 8, true);
        long expected = cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX] & 0xFFFF_FFFFL;
        long replacement = cpu.r[Cpu.RCX] << 32 | cpu.r[Cpu.RBX] & 0xFFFF_FFFFL;
        while (true) {
            long old = cpu.loadForUpdate(at, 8);
            boolean equal = old == expected;
            if (cpu.compareAndSet(at, 8, old, equal ? replacement : old)) {
                if (!equal) {
                    result(cpu, old);
                }
                setZf(cpu, equal);
                return;
            }
        }
    }

    private static void cmpxchg16b(Cpu cpu, Insn insn) {
        if (!cpu.cpuid.has(CpuFeature.CX16)) {
            throw cpu.ud();
        }
        long at = insn.linear(cpu, 16, true);
        if ((at & 15) != 0) {
            throw cpu.gp();
        }
        long[] old = cpu.scratch;
        boolean equal =
                cpu.mmu.compareAndExchange16(
                        at, cpu.r[Cpu.RAX], cpu.r[Cpu.RDX], cpu.r[Cpu.RBX], cpu.r[Cpu.RCX], old);
        if (!equal) {
            cpu.r[Cpu.RAX] = old[0];
            cpu.r[Cpu.RDX] = old[1];
        }
        setZf(cpu, equal);
    }
}
