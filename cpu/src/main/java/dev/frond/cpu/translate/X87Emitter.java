// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.translate.CodeStore.Kind;

import java.util.List;
import java.util.Set;

/**
 * Emits x87 instructions, and what MMX instructions need besides, for the host's x87 unit.
 *
 * <p>The unit becomes the guest's when a block first needs it, and stays so until emitted code
 * leaves. What runs here has all exceptions masked, so that none is ever pending: a guest that
 * unmasks one is interpreted ({@link Modes#X87}). The host notes where emitted code and its
 * operands are; what the guest may see instead is noted in {@link X87State#LAST} and its siblings:
 * the last instruction before anything that can leave, the operand at once.
 */
final class X87Emitter {
    private static final int MASKS = 0x3F;

    /** Of the D8 to DF opcodes, these stay with the interpreter. */
    private static final Set<String> LEFT =
            Set.of(
                    // Whole states, and what ends or may end the masking of exceptions.
                    "FNSTENV",
                    "FLDENV",
                    "FNSAVE",
                    "FRSTOR",
                    "FNINIT",
                    // Nothing since the 80287.
                    "FNENI",
                    "FNDISI",
                    "FNSETPM",
                    // Processors differ in the last place.
                    "F2XM1",
                    "FYL2X",
                    "FYL2XP1",
                    "FPTAN",
                    "FPATAN",
                    "FSIN",
                    "FCOS",
                    "FSINCOS");

    /** So the names begin of instructions that save and load whole states. */
    private static final List<String> STATES = List.of("FXSAVE", "FXRSTOR", "XSAVE", "XRSTOR");

    /** These are not noted as the last instruction. */
    private static final Set<String> CONTROL =
            Set.of("FWAIT", "EMMS", "FLDCW", "FNSTCW", "FNSTSW", "FNCLEX");

    private final BlockTranslator block;
    private final Assembler a;
    private final Stubs stubs;

    /** The unit is the guest's from here on. */
    private boolean loaded;

    /** What is to be written to {@link X87State#LAST}; -1 if it is right. */
    private int last;

    /** The last instruction's code base and selector are those of this block. */
    private boolean baseNoted;

    /** The segment whose selector is that of the last operand, or -1. */
    private int segment;

    X87Emitter(BlockTranslator block, Assembler a, Stubs stubs) {
        this.block = block;
        this.a = a;
        this.stubs = stubs;
    }

    /** Whether a form is emitted by {@link #emit}, if the host has it. */
    static boolean emits(Form form) {
        return isX87(form) && !LEFT.contains(form.mnemonic()) || form.mnemonic().equals("EMMS");
    }

    private static boolean isX87(Form form) {
        int opcode = form.opcode();
        return form.map() == 0 && !form.is(Form.VEX) && (opcode & 0xF8) == 0xD8
                || form.mnemonic().equals("FWAIT");
    }

    /** Whether the interpreter looks at or changes the x87 unit for an instruction. */
    static boolean touches(Form form) {
        if (isX87(form)) {
            return true;
        }
        for (Operand operand : form.operands()) {
            switch (operand.name().charAt(0)) {
                case 'P', 'Q', 'N' -> {
                    return true;
                }
                default -> {}
            }
        }
        String name = form.mnemonic();
        return name.equals("EMMS") || STATES.stream().anyMatch(name::startsWith);
    }

    private static boolean comparesToFlags(String name) {
        return name.startsWith("FCOMI") || name.startsWith("FUCOMI");
    }

    /** How a form of {@link #emits} is taken. */
    static Shape shape(Form form) {
        String name = form.mnemonic();
        boolean writes =
                name.startsWith("FST")
                        || name.startsWith("FIST")
                        || name.startsWith("FNST")
                        || name.equals("FBSTP");
        int bytes =
                form.operands().isEmpty()
                        ? 0
                        : switch (form.operands().getLast()) {
                            case Mw -> 2;
                            case Md -> 4;
                            case Mq -> 8;
                            default -> 10;
                        };
        return new Shape(
                Shape.Path.X87,
                flags(form),
                Shape.Kind.NOTHING,
                Shape.Kind.NOTHING,
                bytes,
                writes,
                Shape.Written.NONE,
                false,
                0,
                false,
                Shape.Kind.NOTHING,
                false);
    }

    /** What a form does to the status flags. */
    private static FlagUse flags(Form form) {
        if (comparesToFlags(form.mnemonic())) {
            return FlagUse.DEFINES;
        }
        return switch (form.mnemonic()) {
            case "FCMOVB", "FCMOVNB" -> new FlagUse(Cpu.CF, 0, false);
            case "FCMOVE", "FCMOVNE" -> new FlagUse(Cpu.ZF, 0, false);
            case "FCMOVBE", "FCMOVNBE" -> new FlagUse(Cpu.CF | Cpu.ZF, 0, false);
            case "FCMOVU", "FCMOVNU" -> new FlagUse(Cpu.PF, 0, false);
            default -> FlagUse.NONE;
        };
    }

    /** A block begins, or somebody else had the unit. */
    void begin() {
        loaded = false;
        last = -1;
        baseNoted = false;
        segment = -1;
    }

    /** Comes before each instruction. */
    void before(Insn insn, Shape shape) {
        boolean uses = shape.x87();
        if (insn.memory || !uses) {
            noteLast();
        }
        if (uses && !loaded) {
            load(insn);
        }
    }

    private void load(Insn insn) {
        a.load4(RCX, RSP, X87State.AWAY);
        int here = a.jrcxz();
        boolean saved = block.areFlagsSaved();
        block.call(saved ? stubs.loadX87Saved : stubs.loadX87);
        a.int4(block.site(Kind.X87, insn));
        a.land1(here);
        loaded = true;
    }

    /** Notes the last instruction, as everything must that can leave. */
    void noteLast() {
        if (last < 0) {
            return;
        }
        if (!baseNoted) {
            boolean offset = Modes.limitsCode(block.mode());
            if (offset) {
                block.saveFlags();
            }
            a.load(R15, RSP, Context.CODE_BASE);
            if (offset) {
                // SUB r15,[CS's base]
                a.memory(W, 0, 0x2B, R15, RSP, Context.CODE_SEGMENT);
            }
            a.store(RSP, X87State.CODE, R15);
            a.load4(R15, RSP, Context.SELECTORS + 4 * Seg.CS);
            a.store4(RSP, X87State.CODE_SELECTOR, R15);
            baseNoted = true;
        }
        a.storeImmediate4(RSP, X87State.LAST, last);
        last = -1;
    }

    /** Emits an instruction, the unit being the guest's. */
    void emit(Insn insn, Shape shape) {
        String name = insn.form.mnemonic();
        switch (name) {
            // No exception is pending, and CR0.TS is clear.
            case "FWAIT" -> {}
            case "EMMS" -> a.plain(0, 1, 0x77);
            case "FLDCW" -> loadControl(insn, shape);
            default -> {
                if (insn.memory) {
                    memory(insn, shape, !CONTROL.contains(name));
                } else {
                    if (comparesToFlags(name)) {
                        // FINCSTP, FDECSTP: C1 becomes 0. Processors of AMD would leave it alone.
                        a.int4(0xF6D9_F7D9);
                    }
                    block.needFlags();
                    a.byte1(insn.opcode);
                    a.byte1(insn.modRm);
                    block.flagsAfter();
                }
            }
        }
        if (!CONTROL.contains(name)) {
            last = ((insn.opcode & 7) << 8 | insn.modRm) << 16 | insn.offset;
        }
    }

    private void memory(Insn insn, Shape shape, boolean noted) {
        LoopEmitter.Operand operand = block.operand(insn, shape);
        if (noted) {
            noteOperand(insn);
        }
        a.memory(
                0,
                0,
                insn.opcode,
                insn.modRm >>> 3 & 7,
                RCX,
                operand.index(),
                operand.scale(),
                operand.displacement());
    }

    /** A control word that unmasks an exception is the interpreter's, and so is what follows. */
    private void loadControl(Insn insn, Shape shape) {
        LoopEmitter.Operand operand = block.operand(insn, shape);
        block.saveLiveFlags();
        // MOVZX r15d,word [rcx]; MOV [control],r15d; NOT r15d; TEST r15b,masks
        a.memory(0, 1, 0xB7, R15, RCX, operand.index(), operand.scale(), operand.displacement());
        a.store4(RSP, X87State.CONTROL, R15);
        a.registers(0, 0, 0xF7, 2, R15);
        a.registers(0, 0, 0xF6, 0, R15);
        a.byte1(MASKS);
        block.alone(insn, JNZ);
        a.memory(0, 0, insn.opcode, 5, RSP, X87State.CONTROL);
    }

    /** Notes the operand, which has been reached; RCX is kept. */
    private void noteOperand(Insn insn) {
        effectiveAddress(insn);
        a.store(RSP, X87State.OPERAND, R15);
        int of =
                switch (insn.segment) {
                    case Seg.FS64 -> Seg.FS;
                    case Seg.GS64 -> Seg.GS;
                    case Seg.FLAT_STACK -> Seg.SS;
                    case Seg.FLAT -> Seg.DS;
                    default -> insn.segment;
                };
        if (of != segment) {
            a.load4(R15, RSP, Context.SELECTORS + 4 * of);
            a.store4(RSP, X87State.DATA_SELECTOR, R15);
            segment = of;
        }
    }

    /** Lets R15 be the effective address; RCX is kept. */
    private void effectiveAddress(Insn insn) {
        if (insn.addressSize == 2) {
            effectiveAddress16(insn);
            return;
        }
        boolean cut = insn.addressSize == 4;
        int width = cut ? 0 : W;
        int displacement = (int) insn.displacement;
        boolean indexed = insn.index != Cpu.NO_REGISTER;
        if (insn.base == Cpu.NO_REGISTER) {
            if (indexed) {
                int index = block.general(insn.index, R15);
                a.memory(width, 0, 0x8D, R15, NONE, index, insn.scale, displacement);
            } else {
                a.moveImmediate(R15, cut ? displacement & 0xFFFF_FFFFL : displacement);
            }
            return;
        }
        int base = R15;
        if (insn.base == Cpu.CODE_BASE) {
            a.load(R15, RSP, Context.CODE_BASE);
        } else if (!indexed || !Context.isSpilled(insn.index)) {
            base = block.general(insn.base, R15);
        } else if (!Context.isSpilled(insn.base)) {
            base = Context.host(insn.base);
        } else {
            // Both are in memory: ADD destroys the flags.
            block.saveLiveFlags();
            a.load(R15, RSP, Context.slot(insn.index));
            a.memory(width, 0, 0x8D, R15, NONE, R15, insn.scale, displacement);
            a.memory(width, 0, 0x03, R15, RSP, Context.slot(insn.base));
            return;
        }
        int index = indexed ? block.general(insn.index, R15) : NONE;
        a.memory(width, 0, 0x8D, R15, base, index, insn.scale, displacement);
    }

    private void effectiveAddress16(Insn insn) {
        int displacement = (int) insn.displacement;
        if (insn.base == Cpu.NO_REGISTER) {
            a.moveImmediate(R15, displacement & 0xFFFF);
            return;
        }
        int index = insn.index == Cpu.NO_REGISTER ? NONE : Context.host(insn.index);
        a.memory(0, 0, 0x8D, R15, Context.host(insn.base), index, 0, displacement);
        // MOVZX r15d,r15w
        a.registers(0, 1, 0xB7, R15, R15);
    }
}
