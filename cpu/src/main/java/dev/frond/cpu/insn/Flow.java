// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import static dev.frond.cpu.Seg.*;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Delivery;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** Conditional and far transfers, software interrupts, system calls. */
public final class Flow {
    private Flow() {}

    /** Counts down and jumps if the counter is not 0 then and {@code wanted}. */
    private static void loopIf(Cpu cpu, Insn insn, boolean wanted) {
        int size = insn.addressSize;
        long counter = Width.zx(size, cpu.r[Cpu.RCX] - 1);
        if (counter != 0 && wanted) {
            jump(cpu, insn);
        }
        cpu.setRegister(Cpu.RCX, size, counter);
    }

    private static void jump(Cpu cpu, Insn insn) {
        long target = cpu.rip + insn.immediate;
        target =
                insn.operandSize == 2
                        ? target & 0xFFFF
                        : cpu.is64() ? target : target & 0xFFFF_FFFFL;
        cpu.code.checkTarget(target);
        cpu.rip = target;
    }

    @Encoding("E0 : LOOPNZ Jb : f64 end")
    static void loopnz(Cpu cpu, Insn insn) {
        loopIf(cpu, insn, !cpu.zf());
    }

    @Encoding("E1 : LOOPZ Jb : f64 end")
    static void loopz(Cpu cpu, Insn insn) {
        loopIf(cpu, insn, cpu.zf());
    }

    @Encoding("E2 : LOOP Jb : f64 end")
    static void loop(Cpu cpu, Insn insn) {
        loopIf(cpu, insn, true);
    }

    @Encoding("E3 : JCXZ Jb : f64 end")
    static void jcxz(Cpu cpu, Insn insn) {
        if (Width.zx(insn.addressSize, cpu.r[Cpu.RCX]) == 0) {
            jump(cpu, insn);
        }
    }

    // --- far transfers
    // ---------------------------------------------------------------------------------

    @Encoding("EA : JMPF Ap : i64 end")
    static void jmpFar(Cpu cpu, Insn insn) {
        cpu.farTransfers.jump(insn.immediate2 & 0xFFFF, Width.zx(insn.size, insn.immediate));
    }

    @Encoding("FF /5 mem : JMPF Mp : end")
    static void jmpFarIndirect(Cpu cpu, Insn insn) {
        long offset = cpu.load(insn.linear(cpu, insn.size, false), insn.size);
        int selector = cpu.load16(insn.linear(cpu, insn.size, 2, false)) & 0xFFFF;
        cpu.farTransfers.jump(selector, Width.zx(insn.size, offset));
    }

    @Encoding("9A : CALLF Ap : i64 end")
    static void callFar(Cpu cpu, Insn insn) {
        cpu.farTransfers.call(
                insn.size, insn.immediate2 & 0xFFFF, Width.zx(insn.size, insn.immediate));
    }

    @Encoding("FF /3 mem : CALLF Mp : end")
    static void callFarIndirect(Cpu cpu, Insn insn) {
        long offset = cpu.load(insn.linear(cpu, insn.size, false), insn.size);
        int selector = cpu.load16(insn.linear(cpu, insn.size, 2, false)) & 0xFFFF;
        cpu.farTransfers.call(insn.size, selector, Width.zx(insn.size, offset));
    }

    @Encoding({"CB : RETF : end", "CA : RETF Iw : end"})
    static void retFar(Cpu cpu, Insn insn) {
        cpu.farTransfers.ret(insn.size, (int) insn.immediate & 0xFFFF);
    }

    @Encoding("CF : IRET : end")
    static void iret(Cpu cpu, Insn insn) {
        cpu.delivery.iret(insn.size);
    }

    // --- software interrupts
    // -----------------------------------------------------------------------------

    @Encoding("CC : INT3 : end")
    static void int3(Cpu cpu, Insn insn) {
        cpu.delivery.deliver(CpuFault.BP, Delivery.Source.SOFTWARE, 0);
    }

    @Encoding("F1 : INT1 : end")
    static void int1(Cpu cpu, Insn insn) {
        cpu.delivery.deliver(CpuFault.DB, Delivery.Source.EXCEPTION, 0);
    }

    @Encoding("CD : INT Ib : end")
    static void int_(Cpu cpu, Insn insn) {
        cpu.virtualInterrupts.softwareInterrupt((int) insn.immediate & 0xFF);
    }

    @Encoding("CE : INTO : i64 end")
    static void into(Cpu cpu, Insn insn) {
        if (cpu.of()) {
            cpu.delivery.deliver(CpuFault.OF, Delivery.Source.SOFTWARE, 0);
        }
    }

    @Encoding("62 /r mem : BOUND Gv,Ma : i64")
    static void bound(Cpu cpu, Insn insn) {
        int size = insn.size;
        long index = Width.sx(size, insn.readG(cpu, size));
        long low = Width.sx(size, cpu.load(insn.linear(cpu, size, false), size));
        if (index < low && !cpu.cpuid.model().isAmd()) {
            // Processors of Intel do not look at the upper bound then.
            throw cpu.fault(CpuFault.BR);
        }
        long high = Width.sx(size, cpu.load(insn.linear(cpu, size, size, false), size));
        if (index < low || index > high) {
            throw cpu.fault(CpuFault.BR);
        }
    }

    @SuppressWarnings("DoNotCallSuggester") // A meaning like any other to the table.
    @Encoding({"0F 0B : UD2", "0F B9 /r : UD1 Gv,Ev", "0F FF /r : UD0 Gv,Ev"})
    static void ud(Cpu cpu, Insn insn) {
        throw cpu.ud();
    }

    @Encoding("0F AA : RSM : end")
    static void rsm(Cpu cpu, Insn insn) {
        cpu.systemManagement.resume();
    }

    // --- system calls
    // ----------------------------------------------------------------------------------------

    /**
     * #UD unless SYSCALL and SYSRET exist: with EFER.SCE, on processors of Intel in 64-bit mode
     * only, on those of AMD in all of protected mode (APM Vol. 3, SYSCALL).
     */
    private static void requireSyscall(Cpu cpu) {
        boolean there = cpu.is64() || cpu.cpuid.model().isAmd() && cpu.selectorsNameDescriptors();
        if ((cpu.efer & Msrs.EFER_SCE) == 0 || !there) {
            throw cpu.ud();
        }
    }

    @Encoding("0F 05 : SYSCALL : end +SYSCALL")
    static void syscall(Cpu cpu, Insn insn) {
        requireSyscall(cpu);
        Msrs msrs = cpu.msrs;
        boolean wide = cpu.longMode();
        long target = cpu.is64() ? msrs.lstar : wide ? msrs.cstar : msrs.star & 0xFFFF_FFFFL;
        cpu.r[Cpu.RCX] = cpu.rip;
        long flags = cpu.rflags() & ~Cpu.RF;
        if (wide) {
            cpu.r[11] = flags;
            flags = flags & ~msrs.fmask | 2;
        } else {
            flags &= ~(Cpu.IF | Cpu.VM);
        }
        int selector = (int) (msrs.star >>> 32) & 0xFFFC;
        cpu.segments.setFlat(selector, selector + 8, wide, 0);
        cpu.setStatusFlags(flags);
        cpu.setSystemFlags((int) flags & ~Cpu.STATUS | 2);
        // The flag that was masked does not step.
        cpu.stepTrap &= (flags & Cpu.TF) != 0;
        cpu.rip = target;
    }

    @Encoding("0F 07 : SYSRET : end +SYSCALL")
    static void sysret(Cpu cpu, Insn insn) {
        // Where it does not exist it is #UD at any privilege level.
        requireSyscall(cpu);
        cpu.requireCpl0();
        long target = cpu.r[Cpu.RCX];
        int selectors = (int) (cpu.msrs.star >>> 48);
        boolean wide = insn.size == 8;
        if (!wide) {
            target &= 0xFFFF_FFFFL;
        } else if (!cpu.isCanonical(target)) {
            throw cpu.gp();
        }
        cpu.segments.setFlat(selectors + (wide ? 16 : 0), selectors + 8, wide, 3);
        long flags = cpu.longMode() ? cpu.r[11] & 0x3C_7FD7 | 2 : cpu.rflags() & ~Cpu.RF | Cpu.IF;
        cpu.setStatusFlags(flags);
        cpu.setSystemFlags((int) flags & ~Cpu.STATUS | 2);
        cpu.rip = target;
    }

    /** Processors of AMD have SYSENTER and SYSEXIT in legacy mode only (APM Vol. 3). */
    private static void requireSysenter(Cpu cpu) {
        if (cpu.cpuid.model().isAmd() && cpu.longMode()) {
            throw cpu.ud();
        }
    }

    @Encoding("0F 34 : SYSENTER : end +SEP")
    static void sysenter(Cpu cpu, Insn insn) {
        requireSysenter(cpu);
        Msrs msrs = cpu.msrs;
        int selector = (int) msrs.sysenterCs & 0xFFFC;
        if (!cpu.protectedMode() || selector == 0) {
            throw cpu.gp();
        }
        boolean wide = cpu.longMode();
        cpu.setSystemFlags(cpu.systemFlags & ~(Cpu.VM | Cpu.IF | Cpu.RF));
        cpu.segments.setFlat(selector, selector + 8, wide, 0);
        cpu.r[Cpu.RSP] = wide ? msrs.sysenterEsp : msrs.sysenterEsp & 0xFFFF_FFFFL;
        cpu.rip = wide ? msrs.sysenterEip : msrs.sysenterEip & 0xFFFF_FFFFL;
    }

    @Encoding("0F 35 : SYSEXIT : end cpl0 +SEP")
    static void sysexit(Cpu cpu, Insn insn) {
        requireSysenter(cpu);
        int selector = (int) cpu.msrs.sysenterCs & 0xFFFC;
        if (!cpu.protectedMode() || selector == 0) {
            throw cpu.gp();
        }
        boolean wide = insn.size == 8;
        long target = cpu.r[Cpu.RDX];
        long stack = cpu.r[Cpu.RCX];
        if (wide && !(cpu.isCanonical(target) && cpu.isCanonical(stack))) {
            throw cpu.gp();
        }
        cpu.segments.setFlat(selector + (wide ? 32 : 16), selector + (wide ? 40 : 24), wide, 3);
        cpu.r[Cpu.RSP] = wide ? stack : stack & 0xFFFF_FFFFL;
        cpu.rip = wide ? target : target & 0xFFFF_FFFFL;
    }

    @Encoding("0F 01 =F8 : SWAPGS : o64 cpl0")
    static void swapgs(Cpu cpu, Insn insn) {
        long base = cpu.segBase[Seg.GS];
        cpu.msrs.setBase(Seg.GS, cpu.msrs.kernelGsBase);
        cpu.msrs.kernelGsBase = base;
    }
}
