// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** Data movement, conversion, and the stack. */
public final class Moves {
    private Moves() {}

    @Encoding({
        "88 /r : MOV Eb,Gb", "89 /r : MOV Ev,Gv", "8A /r : MOV Gb,Eb", "8B /r : MOV Gv,Ev",
        "B0+r : MOV Zb,Ib", "B8+r : MOV Zv,Iv", "C6 /0 : MOV Eb,Ib", "C7 /0 : MOV Ev,Iz",
        "NP 0F C3 /r mem : MOVNTI My,Gy : +SSE2"
    })
    static long mov(long source) {
        return source;
    }

    @Encoding({"A0 : MOV AL,Ob", "A1 : MOV rAX,Ov"})
    static void movFromOffset(Cpu cpu, Insn insn) {
        int size = offsetSize(insn);
        cpu.setRegister(Cpu.RAX, size, cpu.load(insn.linear(cpu, size, false), size));
    }

    @Encoding({"A2 : MOV Ob,AL", "A3 : MOV Ov,rAX"})
    static void movToOffset(Cpu cpu, Insn insn) {
        int size = offsetSize(insn);
        cpu.store(insn.linear(cpu, size, true), size, cpu.r[Cpu.RAX]);
    }

    private static int offsetSize(Insn insn) {
        return (insn.opcode & 1) == 0 ? 1 : insn.size;
    }

    @Encoding("0F B6 /r : MOVZX Gv,Eb")
    static long movzxByte(long source) {
        return source & 0xFF;
    }

    @Encoding("0F B7 /r : MOVZX Gv,Ew")
    static long movzxWord(long source) {
        return source & 0xFFFF;
    }

    @Encoding("0F BE /r : MOVSX Gv,Eb")
    static long movsxByte(long source) {
        return (byte) source;
    }

    @Encoding("0F BF /r : MOVSX Gv,Ew")
    static long movsxWord(long source) {
        return (short) source;
    }

    @Encoding("63 /r : MOVSXD Gv,Ed : o64")
    static long movsxd(long source) {
        return (int) source;
    }

    @Encoding("8D /r mem : LEA Gv,M")
    static long lea(long address) {
        return address;
    }

    @Encoding("0F 40+cc /r : CMOV Gv,Ev : +CMOV")
    static long cmov(Cpu cpu, int cc, long destination, long source) {
        return cpu.condition(cc) ? source : destination;
    }

    @Encoding("0F 90+cc /r : SET Eb")
    static long set(Cpu cpu, int cc) {
        return cpu.condition(cc) ? 1 : 0;
    }

    @Encoding({"86 /r : XCHG Eb,Gb : lock", "87 /r : XCHG Ev,Gv : lock"})
    static void xchg(Cpu cpu, Insn insn) {
        int size = insn.size;
        long value = insn.readG(cpu, size);
        if (!insn.memory) {
            long other = insn.readE(cpu, size);
            insn.writeE(cpu, size, value);
            insn.writeG(cpu, size, other);
            return;
        }
        // With memory always locked, prefix or not.
        long at = insn.linear(cpu, size, true);
        long old;
        do {
            old = cpu.loadForUpdate(at, size);
        } while (!cpu.compareAndSet(at, size, old, value));
        insn.writeG(cpu, size, old);
    }

    @Encoding({
        "90 : NOP : nop",
        "0F 1F /r : NOP Ev : nop",
        "0F 0D /r mem : PREFETCHW Mb : nop",
        "F3 0F 1E =FA : ENDBR64 : nop",
        "0F 1E /r : NOP Ev : nop",
        "0F 18 /r : PREFETCH Ev : nop"
    })
    static void nop(Cpu cpu, Insn insn) {
        // 90 with REX.B is XCHG R8,rAX.
        if (insn.form.map() == 0 && insn.opcodeRegister == 8) {
            xchgAccumulator(cpu, insn);
        }
    }

    @Encoding({
        "91 : XCHG rAX,Zv",
        "92 : XCHG rAX,Zv",
        "93 : XCHG rAX,Zv",
        "94 : XCHG rAX,Zv",
        "95 : XCHG rAX,Zv",
        "96 : XCHG rAX,Zv",
        "97 : XCHG rAX,Zv"
    })
    static void xchgAccumulator(Cpu cpu, Insn insn) {
        long other = cpu.r[insn.opcodeRegister];
        cpu.setRegister(insn.opcodeRegister, insn.size, cpu.r[Cpu.RAX]);
        cpu.setRegister(Cpu.RAX, insn.size, other);
    }

    @Encoding("F3 90 : PAUSE")
    static void pause(Cpu cpu, Insn insn) {
        Thread.onSpinWait();
    }

    @Encoding("0F C8+r : BSWAP Zv")
    static long bswap(int size, long value) {
        // With 16-bit operands undefined; CPUs give 0.
        return size == 8
                ? Long.reverseBytes(value)
                : size == 4 ? Integer.reverseBytes((int) value) : 0;
    }

    @Encoding("98 : CBW rAX")
    static long cbw(int size, long value) {
        return Width.sx(size / 2, value);
    }

    @Encoding("99 : CWD")
    static void cwd(Cpu cpu, Insn insn) {
        cpu.setRegister(Cpu.RDX, insn.size, Width.sx(insn.size, cpu.r[Cpu.RAX]) >> 63);
    }

    @Encoding("D7 : XLAT")
    static void xlat(Cpu cpu, Insn insn) {
        long address = cpu.r[Cpu.RBX] + (cpu.r[Cpu.RAX] & 0xFF) & insn.addressMask();
        cpu.setRegister(Cpu.RAX, 1, cpu.load8(cpu.linear(insn.stringSegment, address, 1, false)));
    }

    // --- the stack
    // ---------------------------------------------------------------------------------------

    @Encoding({
        "50+r : PUSH Zv : d64",
        "FF /6 : PUSH Ev : d64",
        "68 : PUSH Iz : d64",
        "6A : PUSH sIb : d64"
    })
    static void push(Cpu cpu, int size, long a) {
        cpu.push(size, a);
    }

    @Encoding("58+r : POP Zv : d64")
    static long pop(Cpu cpu, int size) {
        return cpu.pop(size);
    }

    @Encoding("8F /0 : POP Ev : d64")
    static void popE(Cpu cpu, Insn insn) {
        int size = insn.size;
        long value = cpu.peek(size, 0);
        long old = cpu.r[Cpu.RSP];
        // The address is computed with RSP already moved.
        cpu.setStackPointer(old + size);
        try {
            insn.writeE(cpu, size, value);
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = old;
            throw fault;
        }
    }

    @Encoding({
        "06 : PUSH ES : i64",
        "0E : PUSH CS : i64",
        "16 : PUSH SS : i64",
        "1E : PUSH DS : i64",
        "0F A0 : PUSH FS : d64",
        "0F A8 : PUSH GS : d64"
    })
    static void pushSegment(Cpu cpu, Insn insn) {
        int selector = cpu.selector[insn.opcode >>> 3 & 7];
        if (insn.size == 4 && !cpu.cpuid.model().isAmd()) {
            // Processors of Intel leave the upper half of the place alone (SDM Vol. 2B, PUSH).
            cpu.pushLow(4, 2, selector);
        } else {
            cpu.push(insn.size, selector);
        }
    }

    @Encoding({
        "07 : POP ES : i64",
        "1F : POP DS : i64",
        "0F A1 : POP FS : d64",
        "0F A9 : POP GS : d64"
    })
    static void popSegment(Cpu cpu, Insn insn) {
        int selector = cpu.peekSelector(insn.size, 0);
        cpu.segments.load(insn.opcode >>> 3 & 7, selector);
        cpu.setStackPointer(cpu.r[Cpu.RSP] + insn.size);
    }

    @Encoding("17 : POP SS : i64 end")
    static void popSs(Cpu cpu, Insn insn) {
        long mask = cpu.stackMask;
        int selector = cpu.peekSelector(insn.size, 0);
        cpu.segments.load(Seg.SS, selector);
        cpu.r[Cpu.RSP] = cpu.r[Cpu.RSP] & ~mask | cpu.r[Cpu.RSP] + insn.size & mask;
        shadowStack(cpu);
    }

    /** The load of a stack pointer that follows is not parted from this instruction. */
    private static void shadowStack(Cpu cpu) {
        cpu.shadowRip = cpu.rip;
        cpu.stackShadowRip = cpu.rip;
    }

    @Encoding({"60 : PUSHA : i64"})
    static void pusha(Cpu cpu, Insn insn) {
        int size = insn.size;
        long old = cpu.r[Cpu.RSP];
        try {
            for (int i = Cpu.RAX; i <= Cpu.RDI; i++) {
                cpu.push(size, i == Cpu.RSP ? old : cpu.r[i]);
            }
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = old;
            throw fault;
        }
    }

    @Encoding("61 : POPA : i64")
    static void popa(Cpu cpu, Insn insn) {
        int size = insn.size;
        long[] values = cpu.scratch;
        for (int i = Cpu.RDI; i >= Cpu.RAX; i--) {
            values[i] = cpu.peek(size, (7L - i) * size);
        }
        cpu.setStackPointer(cpu.r[Cpu.RSP] + 8L * size);
        for (int i = Cpu.RAX; i <= Cpu.RDI; i++) {
            if (i != Cpu.RSP) {
                cpu.setRegister(i, size, values[i]);
            }
        }
    }

    @Encoding("9C : PUSHF : d64")
    static void pushf(Cpu cpu, Insn insn) {
        cpu.push(insn.size, cpu.virtualInterrupts.pushed(insn.size));
    }

    @Encoding("9D : POPF : d64 end")
    static void popf(Cpu cpu, Insn insn) {
        long flags = cpu.peek(insn.size, 0);
        boolean virtual = cpu.virtualInterrupts.isVirtualPop(insn.size, flags);
        cpu.setStackPointer(cpu.r[Cpu.RSP] + insn.size);
        if (virtual) {
            cpu.virtualInterrupts.popVirtual(flags);
            return;
        }
        int mask = insn.size == 2 ? 0x7FD5 : 0x24_7FD5;
        if (cpu.protectedMode()) {
            if (cpu.cpl != 0) {
                mask &= ~Cpu.IOPL;
            }
            if (cpu.cpl > cpu.iopl()) {
                mask &= ~Cpu.IF;
            }
        }
        cpu.setStatusFlags(flags);
        int system = mask & ~Cpu.STATUS;
        cpu.setSystemFlags(cpu.systemFlags & ~system & ~Cpu.RF | (int) flags & system | 2);
    }

    @Encoding("C8 : ENTER Iw,Ib : d64")
    static void enter(Cpu cpu, Insn insn) {
        int size = insn.size;
        int level = insn.immediate2 & 31;
        long oldRsp = cpu.r[Cpu.RSP];
        long oldRbp = cpu.r[Cpu.RBP];
        try {
            cpu.push(size, oldRbp);
            long frame = cpu.r[Cpu.RSP];
            if (size == 4 && !cpu.cpuid.model().isAmd()) {
                // On processors of Intel it borrows from the upper half also where SP does not.
                frame = oldRsp - size;
            }
            for (int i = 1; i < level; i++) {
                cpu.push(size, cpu.loadStack(oldRbp - (long) i * size, size));
            }
            if (level > 0) {
                cpu.push(size, frame);
            }
            cpu.setStackPointer(cpu.r[Cpu.RSP] - (insn.immediate & 0xFFFF));
            // The new top must be writable, though nothing is written.
            cpu.checkStack(cpu.r[Cpu.RSP], size);
            cpu.setRegister(Cpu.RBP, size, frame);
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = oldRsp;
            throw fault;
        }
    }

    @Encoding("C9 : LEAVE : d64")
    static void leave(Cpu cpu, Insn insn) {
        int size = insn.size;
        long frame = cpu.r[Cpu.RBP] & cpu.stackMask;
        long value = cpu.loadStack(frame, size);
        cpu.setStackPointer(frame + size);
        cpu.setRegister(Cpu.RBP, size, value);
    }

    // --- segment registers
    // -----------------------------------------------------------------------------------

    @Encoding("8C /r : MOV Ev,Sw")
    static void movFromSegment(Cpu cpu, Insn insn) {
        int seg = insn.reg & 7;
        if (seg > Seg.GS) {
            throw cpu.ud();
        }
        // Memory gets 16 bits whatever the operand size.
        insn.writeE(cpu, insn.memory ? 2 : insn.size, cpu.selector[seg]);
    }

    @Encoding("8E /r : MOV Sw,Ew : end")
    static void movToSegment(Cpu cpu, Insn insn) {
        int seg = insn.reg & 7;
        if (seg > Seg.GS || seg == Seg.CS) {
            throw cpu.ud();
        }
        cpu.segments.load(seg, (int) insn.readE(cpu, 2) & 0xFFFF);
        if (seg == Seg.SS) {
            shadowStack(cpu);
        }
    }

    private static void loadFar(Cpu cpu, Insn insn, int seg) {
        int size = insn.size;
        long offset = cpu.load(insn.linear(cpu, size, false), size);
        int selector = cpu.load16(insn.linear(cpu, size, 2, false)) & 0xFFFF;
        cpu.segments.load(seg, selector);
        insn.writeG(cpu, size, offset);
    }

    @Encoding("C5 /r mem : LDS Gv,Mp : i64")
    static void lds(Cpu cpu, Insn insn) {
        loadFar(cpu, insn, Seg.DS);
    }

    @Encoding("C4 /r mem : LES Gv,Mp : i64")
    static void les(Cpu cpu, Insn insn) {
        loadFar(cpu, insn, Seg.ES);
    }

    @Encoding("0F B4 /r mem : LFS Gv,Mp")
    static void lfs(Cpu cpu, Insn insn) {
        loadFar(cpu, insn, Seg.FS);
    }

    @Encoding("0F B5 /r mem : LGS Gv,Mp")
    static void lgs(Cpu cpu, Insn insn) {
        loadFar(cpu, insn, Seg.GS);
    }

    @Encoding("0F B2 /r mem : LSS Gv,Mp : end")
    static void lss(Cpu cpu, Insn insn) {
        loadFar(cpu, insn, Seg.SS);
    }

    // --- control registers
    // -------------------------------------------------------------------------------------

    private static int controlSize(Cpu cpu) {
        return cpu.is64() ? 8 : 4;
    }

    @Encoding("0F 20 /r : MOV Ry,Cy : cpl0")
    static void movFromControl(Cpu cpu, Insn insn) {
        long value =
                switch (insn.reg) {
                    case 0 -> cpu.cr0;
                    case 2 -> cpu.cr2;
                    case 3 -> cpu.cr3;
                    case 4 -> cpu.cr4;
                    case 8 -> cpu.interrupts.taskPriority();
                    default -> throw cpu.ud();
                };
        cpu.setRegister(insn.rm, controlSize(cpu), value);
    }

    @Encoding("0F 22 /r : MOV Cy,Ry : cpl0 end")
    static void movToControl(Cpu cpu, Insn insn) {
        long value = Width.zx(controlSize(cpu), cpu.r[insn.rm]);
        switch (insn.reg) {
            case 0 -> ControlRegisters.writeCr0(cpu, value);
            case 2 -> cpu.cr2 = value;
            case 3 -> ControlRegisters.writeCr3(cpu, value);
            case 4 -> ControlRegisters.writeCr4(cpu, value);
            case 8 -> {
                if (value > 15) {
                    throw cpu.gp();
                }
                cpu.interrupts.setTaskPriority(value);
                cpu.post(Cpu.EVENT_INTERRUPT);
            }
            default -> throw cpu.ud();
        }
    }

    private static int debugRegister(Cpu cpu, int number) {
        if (number == 4 || number == 5) {
            if ((cpu.cr4 & ControlRegisters.DE) != 0) {
                throw cpu.ud();
            }
            return number + 2;
        }
        if (number > 7) {
            throw cpu.ud();
        }
        return number;
    }

    @Encoding("0F 21 /r : MOV Ry,Dy : cpl0")
    static void movFromDebug(Cpu cpu, Insn insn) {
        int number = debugRegister(cpu, insn.reg);
        cpu.debug.requireAccess();
        cpu.setRegister(insn.rm, controlSize(cpu), cpu.dr[number]);
    }

    @Encoding("0F 23 /r : MOV Dy,Ry : cpl0 end")
    static void movToDebug(Cpu cpu, Insn insn) {
        int number = debugRegister(cpu, insn.reg);
        long value = Width.zx(controlSize(cpu), cpu.r[insn.rm]);
        if (number >= 6 && value >>> 32 != 0) {
            throw cpu.gp();
        }
        cpu.debug.requireAccess();
        cpu.debug.write(number, value);
    }
}
