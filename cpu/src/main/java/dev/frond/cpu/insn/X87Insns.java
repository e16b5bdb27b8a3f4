// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.fpu.X87;
import dev.frond.cpu.fpu.X87Compare;
import dev.frond.cpu.fpu.X87Image;
import dev.frond.cpu.fpu.X87Math;
import dev.frond.cpu.fpu.X87Transcendental;

/**
 * The x87 instructions, D8 to DF. What can fault in memory comes before any change of the unit.
 * Encodings that the manual leaves out but every CPU executes as an alias are in, with the numbers
 * that they have elsewhere (FCOM2, FXCH4).
 */
public final class X87Insns {
    private X87Insns() {}

    /** The unit, for an instruction that waits: #NM or #MF may stop it. */
    private static X87 waiting(Cpu cpu) {
        cpu.requireX87();
        cpu.requireNoX87Exception();
        return cpu.x87;
    }

    /** The unit, for an instruction that waits and uses no memory: noted as the last one. */
    private static X87 start(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        note(cpu, insn);
        return f;
    }

    /**
     * Notes the last instruction and, if it has one, its operand; after memory has been reached.
     */
    private static void note(Cpu cpu, Insn insn) {
        cpu.x87.instruction(
                insn.rip(cpu), cpu.selector[Seg.CS], (insn.opcode & 7) << 8 | insn.modRm);
        if (insn.memory) {
            int seg =
                    switch (insn.segment) {
                        case Seg.FLAT -> Seg.DS;
                        case Seg.FLAT_STACK -> Seg.SS;
                        case Seg.FS64 -> Seg.FS;
                        case Seg.GS64 -> Seg.GS;
                        default -> insn.segment;
                    };
            cpu.x87.operand(insn.effectiveAddress(cpu), cpu.selector[seg]);
        }
    }

    private static int digit(Insn insn) {
        return insn.modRm >>> 3 & 7;
    }

    private static int sti(Insn insn) {
        return insn.modRm & 7;
    }

    private static int loadM32(Cpu cpu, Insn insn) {
        int value = cpu.load32(insn.linear(cpu, 4, false));
        note(cpu, insn);
        return value;
    }

    private static long loadM64(Cpu cpu, Insn insn) {
        long value = cpu.load64(insn.linear(cpu, 8, false));
        note(cpu, insn);
        return value;
    }

    private static int loadM16(Cpu cpu, Insn insn) {
        int value = (short) cpu.load16(insn.linear(cpu, 2, false));
        note(cpu, insn);
        return value;
    }

    // --- arithmetic
    // --------------------------------------------------------------------------------------

    @Encoding({
        "D8 /0 mem : FADD Md",
        "D8 /1 mem : FMUL Md",
        "D8 /4 mem : FSUB Md",
        "D8 /5 mem : FSUBR Md",
        "D8 /6 mem : FDIV Md",
        "D8 /7 mem : FDIVR Md"
    })
    static void arithM32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Math.arithM32(f, digit(insn), loadM32(cpu, insn));
    }

    @Encoding({
        "DC /0 mem : FADD Mq",
        "DC /1 mem : FMUL Mq",
        "DC /4 mem : FSUB Mq",
        "DC /5 mem : FSUBR Mq",
        "DC /6 mem : FDIV Mq",
        "DC /7 mem : FDIVR Mq"
    })
    static void arithM64(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Math.arithM64(f, digit(insn), loadM64(cpu, insn));
    }

    @Encoding({
        "DA /0 mem : FIADD Md",
        "DA /1 mem : FIMUL Md",
        "DA /4 mem : FISUB Md",
        "DA /5 mem : FISUBR Md",
        "DA /6 mem : FIDIV Md",
        "DA /7 mem : FIDIVR Md"
    })
    static void arithInt32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Math.arithInteger(f, digit(insn), loadM32(cpu, insn));
    }

    @Encoding({
        "DE /0 mem : FIADD Mw",
        "DE /1 mem : FIMUL Mw",
        "DE /4 mem : FISUB Mw",
        "DE /5 mem : FISUBR Mw",
        "DE /6 mem : FIDIV Mw",
        "DE /7 mem : FIDIVR Mw"
    })
    static void arithInt16(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Math.arithInteger(f, digit(insn), loadM16(cpu, insn));
    }

    @Encoding({
        "D8 /0 reg : FADD ST0,STi",
        "D8 /1 reg : FMUL ST0,STi",
        "D8 /4 reg : FSUB ST0,STi",
        "D8 /5 reg : FSUBR ST0,STi",
        "D8 /6 reg : FDIV ST0,STi",
        "D8 /7 reg : FDIVR ST0,STi"
    })
    static void arithST0(Cpu cpu, Insn insn) {
        X87Math.arith(start(cpu, insn), digit(insn), 0, sti(insn), false);
    }

    @Encoding({
        "DC /0 reg : FADD STi,ST0",
        "DC /1 reg : FMUL STi,ST0",
        "DC /4 reg : FSUBR STi,ST0",
        "DC /5 reg : FSUB STi,ST0",
        "DC /6 reg : FDIVR STi,ST0",
        "DC /7 reg : FDIV STi,ST0",
        "DE /0 reg : FADDP STi,ST0",
        "DE /1 reg : FMULP STi,ST0",
        "DE /4 reg : FSUBRP STi,ST0",
        "DE /5 reg : FSUBP STi,ST0",
        "DE /6 reg : FDIVRP STi,ST0",
        "DE /7 reg : FDIVP STi,ST0"
    })
    static void arithSTi(Cpu cpu, Insn insn) {
        int digit = digit(insn);
        // Subtraction and division go the other way round when the destination is ST(i).
        int operation = digit >= 4 ? digit ^ 1 : digit;
        X87Math.arith(start(cpu, insn), operation, sti(insn), 0, insn.opcode == 0xDE);
    }

    @Encoding({
        "D9 =FA : FSQRT", "D9 =FC : FRNDINT", "D9 =FD : FSCALE", "D9 =F4 : FXTRACT",
                "D9 =F8 : FPREM", "D9 =F5 : FPREM1",
        "D9 =E0 : FCHS", "D9 =E1 : FABS", "D9 =E4 : FTST", "D9 =E5 : FXAM", "D9 =F6 : FDECSTP",
                "D9 =F7 : FINCSTP",
        "D9 =F0 : F2XM1", "D9 =F1 : FYL2X", "D9 =F2 : FPTAN", "D9 =F3 : FPATAN", "D9 =F9 : FYL2XP1",
                "D9 =FB : FSINCOS",
        "D9 =FE : FSIN", "D9 =FF : FCOS", "D9 =D0 : FNOP"
    })
    static void unary(Cpu cpu, Insn insn) {
        X87 f = start(cpu, insn);
        switch (insn.modRm) {
            case 0xE0 -> f.fchs();
            case 0xE1 -> f.fabs();
            case 0xE4 -> X87Compare.ftst(f);
            case 0xE5 -> X87Compare.fxam(f);
            case 0xF0 -> X87Transcendental.f2xm1(f);
            case 0xF1 -> X87Transcendental.fyl2x(f);
            case 0xF2 -> X87Transcendental.fptan(f);
            case 0xF3 -> X87Transcendental.fpatan(f);
            case 0xF4 -> X87Math.fxtract(f);
            case 0xF5 -> X87Math.fprem1(f);
            case 0xF6 -> f.fdecstp();
            case 0xF7 -> f.fincstp();
            case 0xF8 -> X87Math.fprem(f);
            case 0xF9 -> X87Transcendental.fyl2xp1(f);
            case 0xFA -> X87Math.fsqrt(f);
            case 0xFB -> X87Transcendental.fsincos(f);
            case 0xFC -> X87Math.frndint(f);
            case 0xFD -> X87Math.fscale(f);
            case 0xFE -> X87Transcendental.fsin(f);
            case 0xFF -> X87Transcendental.fcos(f);
            default -> {
                // FNOP waits and is noted, nothing more.
            }
        }
    }

    // --- comparison
    // --------------------------------------------------------------------------------------------

    /** The pops of a pair of encodings, the second of which pops. */
    private static int pops(Insn insn) {
        return digit(insn) & 1;
    }

    @Encoding({"D8 /2 mem : FCOM Md", "D8 /3 mem : FCOMP Md"})
    static void fcomM32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Compare.fcomM32(f, loadM32(cpu, insn), pops(insn));
    }

    @Encoding({"DC /2 mem : FCOM Mq", "DC /3 mem : FCOMP Mq"})
    static void fcomM64(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Compare.fcomM64(f, loadM64(cpu, insn), pops(insn));
    }

    @Encoding({"DA /2 mem : FICOM Md", "DA /3 mem : FICOMP Md"})
    static void ficom32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Compare.ficom(f, loadM32(cpu, insn), pops(insn));
    }

    @Encoding({"DE /2 mem : FICOM Mw", "DE /3 mem : FICOMP Mw"})
    static void ficom16(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Compare.ficom(f, loadM16(cpu, insn), pops(insn));
    }

    @Encoding({
        "D8 /2 reg : FCOM STi",
        "D8 /3 reg : FCOMP STi",
        "DC /2 reg : FCOM2 STi",
        "DC /3 reg : FCOMP3 STi",
        "DE /2 reg : FCOMP5 STi",
        "DE =D9 : FCOMPP"
    })
    static void fcom(Cpu cpu, Insn insn) {
        int pops = insn.opcode == 0xDE ? digit(insn) - 1 : pops(insn);
        X87Compare.fcom(start(cpu, insn), sti(insn), pops);
    }

    @Encoding({"DD /4 reg : FUCOM STi", "DD /5 reg : FUCOMP STi", "DA =E9 : FUCOMPP"})
    static void fucom(Cpu cpu, Insn insn) {
        X87Compare.fucom(start(cpu, insn), sti(insn), insn.opcode == 0xDA ? 2 : pops(insn));
    }

    @Encoding({
        "DB /5 reg : FUCOMI ST0,STi : +CMOV",
        "DB /6 reg : FCOMI ST0,STi : +CMOV",
        "DF /5 reg : FUCOMIP ST0,STi : +CMOV",
        "DF /6 reg : FCOMIP ST0,STi : +CMOV"
    })
    static void fcomi(Cpu cpu, Insn insn) {
        X87 f = start(cpu, insn);
        // CPUs of AMD leave C1 as it was.
        cpu.setStatusFlags(X87Compare.fcomi(f, sti(insn), digit(insn) == 6, insn.opcode == 0xDF));
    }

    // --- loads
    // ---------------------------------------------------------------------------------------------------

    @Encoding("D9 /0 mem : FLD Md")
    static void fldM32(Cpu cpu, Insn insn) {
        waiting(cpu).fldM32(loadM32(cpu, insn));
    }

    @Encoding("DD /0 mem : FLD Mq")
    static void fldM64(Cpu cpu, Insn insn) {
        waiting(cpu).fldM64(loadM64(cpu, insn));
    }

    /** Bytes 8 and 9 of a ten-byte operand. */
    private static int loadHigh(Cpu cpu, Insn insn) {
        return cpu.load16(insn.linear(cpu, 8, 2, false)) & 0xFFFF;
    }

    @Encoding({"DB /5 mem : FLD M", "DF /4 mem : FBLD M"})
    static void fldM80(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        long low = cpu.load64(insn.linear(cpu, 8, false));
        int high = loadHigh(cpu, insn);
        note(cpu, insn);
        if (insn.opcode == 0xDB) {
            f.fldM80(low, high);
        } else {
            f.fbld(low, high);
        }
    }

    @Encoding("DF /0 mem : FILD Mw")
    static void fild16(Cpu cpu, Insn insn) {
        waiting(cpu).fild(loadM16(cpu, insn));
    }

    @Encoding("DB /0 mem : FILD Md")
    static void fild32(Cpu cpu, Insn insn) {
        waiting(cpu).fild(loadM32(cpu, insn));
    }

    @Encoding("DF /5 mem : FILD Mq")
    static void fild64(Cpu cpu, Insn insn) {
        waiting(cpu).fild(loadM64(cpu, insn));
    }

    @Encoding("D9 /0 reg : FLD STi")
    static void fld(Cpu cpu, Insn insn) {
        start(cpu, insn).fld(sti(insn));
    }

    @Encoding({
        "D9 =E8 : FLD1",
        "D9 =E9 : FLDL2T",
        "D9 =EA : FLDL2E",
        "D9 =EB : FLDPI",
        "D9 =EC : FLDLG2",
        "D9 =ED : FLDLN2",
        "D9 =EE : FLDZ"
    })
    static void constant(Cpu cpu, Insn insn) {
        start(cpu, insn).constant(sti(insn));
    }

    // --- stores
    // --------------------------------------------------------------------------------------------------

    /** Ends a store of {@code bytes} (2, 4, 8): memory first, then the unit. */
    private static void store(Cpu cpu, Insn insn, int bytes, boolean stores, boolean pop) {
        X87 f = cpu.x87;
        if (stores) {
            cpu.store(insn.linear(cpu, bytes, true), bytes, f.storeLow());
        }
        note(cpu, insn);
        f.commitStore(pop);
    }

    @Encoding({"D9 /2 mem : FST Md", "D9 /3 mem : FSTP Md"})
    static void fstM32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        store(cpu, insn, 4, f.storeM32(), pops(insn) != 0);
    }

    @Encoding({"DD /2 mem : FST Mq", "DD /3 mem : FSTP Mq"})
    static void fstM64(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        store(cpu, insn, 8, f.storeM64(), pops(insn) != 0);
    }

    @Encoding({"DB /7 mem : FSTP M", "DF /6 mem : FBSTP M"})
    static void fstM80(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        boolean stores = insn.opcode == 0xDB ? f.storeM80() : f.storeBcd();
        if (stores) {
            long at = insn.linear(cpu, 8, true);
            long highAt = insn.linear(cpu, 8, 2, true);
            cpu.mmu.checkStore(at, 8);
            cpu.mmu.checkStore(highAt, 2);
            cpu.store64(at, f.storeLow());
            cpu.store16(highAt, f.storeHigh());
        }
        note(cpu, insn);
        f.commitStore(true);
    }

    @Encoding({"DF /2 mem : FIST Mw", "DF /3 mem : FISTP Mw"})
    static void fist16(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        store(cpu, insn, 2, f.storeInteger(16), pops(insn) != 0);
    }

    @Encoding({"DB /2 mem : FIST Md", "DB /3 mem : FISTP Md"})
    static void fist32(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        store(cpu, insn, 4, f.storeInteger(32), pops(insn) != 0);
    }

    @Encoding("DF /7 mem : FISTP Mq")
    static void fist64(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        store(cpu, insn, 8, f.storeInteger(64), true);
    }

    @Encoding({
        "DF /1 mem : FISTTP Mw : +SSE3",
        "DB /1 mem : FISTTP Md : +SSE3",
        "DD /1 mem : FISTTP Mq : +SSE3"
    })
    static void fisttp(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        int bytes =
                switch (insn.opcode) {
                    case 0xDF -> 2;
                    case 0xDB -> 4;
                    default -> 8;
                };
        store(cpu, insn, bytes, f.storeTruncated(8 * bytes), true);
    }

    @Encoding({
        "DD /2 reg : FST STi",
        "DD /3 reg : FSTP STi",
        "DF /2 reg : FSTP8 STi",
        "DF /3 reg : FSTP9 STi"
    })
    static void fst(Cpu cpu, Insn insn) {
        start(cpu, insn).fst(sti(insn), insn.opcode != 0xDD || pops(insn) != 0);
    }

    /** FSTP that takes an empty ST(0) for good: it then only pops. */
    @Encoding("D9 /3 reg : FSTP1 STi")
    static void fstp1(Cpu cpu, Insn insn) {
        X87 f = start(cpu, insn);
        if (f.empty(0)) {
            f.fincstp();
        } else {
            f.fst(sti(insn), true);
        }
    }

    // --- moves within the stack
    // ------------------------------------------------------------------------------

    @Encoding({"D9 /1 reg : FXCH STi", "DD /1 reg : FXCH4 STi", "DF /1 reg : FXCH7 STi"})
    static void fxch(Cpu cpu, Insn insn) {
        start(cpu, insn).fxch(sti(insn));
    }

    @Encoding("DD /0 reg : FFREE STi")
    static void ffree(Cpu cpu, Insn insn) {
        start(cpu, insn).ffree(sti(insn));
    }

    @Encoding("DF /0 reg : FFREEP STi")
    static void ffreep(Cpu cpu, Insn insn) {
        start(cpu, insn).ffreep(sti(insn));
    }

    @Encoding({
        "DA /0 reg : FCMOVB ST0,STi : +CMOV", "DA /1 reg : FCMOVE ST0,STi : +CMOV",
                "DA /2 reg : FCMOVBE ST0,STi : +CMOV",
        "DA /3 reg : FCMOVU ST0,STi : +CMOV", "DB /0 reg : FCMOVNB ST0,STi : +CMOV",
                "DB /1 reg : FCMOVNE ST0,STi : +CMOV",
        "DB /2 reg : FCMOVNBE ST0,STi : +CMOV", "DB /3 reg : FCMOVNU ST0,STi : +CMOV"
    })
    static void fcmov(Cpu cpu, Insn insn) {
        boolean condition =
                switch (digit(insn)) {
                    case 0 -> cpu.cf();
                    case 1 -> cpu.zf();
                    case 2 -> cpu.cf() || cpu.zf();
                    default -> cpu.pf();
                };
        start(cpu, insn).fcmov(sti(insn), condition != (insn.opcode == 0xDB));
    }

    // --- control
    // ---------------------------------------------------------------------------------------------

    @Encoding("9B : FWAIT")
    static void fwait(Cpu cpu, Insn insn) {
        cpu.requireWait();
        cpu.requireNoX87Exception();
    }

    @Encoding({
        "DB =E3 : FNINIT",
        "DB =E2 : FNCLEX",
        "DB =E0 : FNENI",
        "DB =E1 : FNDISI",
        "DB =E4 : FNSETPM"
    })
    static void control(Cpu cpu, Insn insn) {
        cpu.requireX87();
        switch (insn.modRm) {
            case 0xE2 -> cpu.x87.fnclex();
            case 0xE3 -> cpu.x87.fninit();
            default -> {
                // For the 8087 and the 80287; ignored since.
            }
        }
    }

    @Encoding("D9 /5 mem : FLDCW Mw")
    static void fldcw(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        f.controlWord(cpu.load16(insn.linear(cpu, 2, false)) & 0xFFFF);
    }

    @Encoding("D9 /7 mem : FNSTCW Mw")
    static void fnstcw(Cpu cpu, Insn insn) {
        cpu.requireX87();
        cpu.store16(insn.linear(cpu, 2, true), cpu.x87.controlWord());
    }

    @Encoding("DD /7 mem : FNSTSW Mw")
    static void fnstsw(Cpu cpu, Insn insn) {
        cpu.requireX87();
        cpu.store16(insn.linear(cpu, 2, true), cpu.x87.statusWord());
    }

    @Encoding("DF =E0 : FNSTSW AX")
    static void fnstswAx(Cpu cpu, Insn insn) {
        cpu.requireX87();
        cpu.setRegister(Cpu.RAX, 2, cpu.x87.statusWord());
    }

    // --- environment and state
    // -----------------------------------------------------------------------------------

    private static X87Image.Layout layout(Cpu cpu, Insn insn) {
        if (cpu.selectorsNameDescriptors()) {
            return insn.size == 2 ? X87Image.Layout.PROTECTED_16 : X87Image.Layout.PROTECTED_32;
        }
        return insn.size == 2 ? X87Image.Layout.REAL_16 : X87Image.Layout.REAL_32;
    }

    @Encoding("D9 /6 mem : FNSTENV M")
    static void fnstenv(Cpu cpu, Insn insn) {
        cpu.requireX87();
        X87Image.Layout layout = layout(cpu, insn);
        int bytes = layout.environmentBytes();
        long at = insn.linear(cpu, bytes, true);
        X87Image.storeEnvironment(cpu.x87, layout, cpu.image, 0);
        cpu.storeImage(at, 0, bytes);
        cpu.x87.maskAll();
    }

    @Encoding("D9 /4 mem : FLDENV M")
    static void fldenv(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Image.Layout layout = layout(cpu, insn);
        int bytes = layout.environmentBytes();
        cpu.loadImage(insn.linear(cpu, bytes, false), bytes);
        X87Image.loadEnvironment(f, layout, cpu.image, 0);
    }

    @Encoding("DD /6 mem : FNSAVE M")
    static void fnsave(Cpu cpu, Insn insn) {
        cpu.requireX87();
        X87Image.Layout layout = layout(cpu, insn);
        int bytes = layout.stateBytes();
        long at = insn.linear(cpu, bytes, true);
        X87Image.store(cpu.x87, layout, cpu.image, 0);
        cpu.storeImage(at, 0, bytes);
        cpu.x87.fninit();
    }

    @Encoding("DD /4 mem : FRSTOR M")
    static void frstor(Cpu cpu, Insn insn) {
        X87 f = waiting(cpu);
        X87Image.Layout layout = layout(cpu, insn);
        int bytes = layout.stateBytes();
        cpu.loadImage(insn.linear(cpu, bytes, false), bytes);
        X87Image.load(f, layout, cpu.image, 0);
    }
}
