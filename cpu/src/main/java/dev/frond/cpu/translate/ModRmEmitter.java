// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.PF2;
import static dev.frond.cpu.translate.Assembler.PF3;
import static dev.frond.cpu.translate.Assembler.PLOCK;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RAX;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.REX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;

/** Re-encodes instructions: the same opcode with the guest's registers and memory in the host. */
final class ModRmEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final AddressEmitter addresses;

    ModRmEmitter(BlockTranslator block, Assembler a, AddressEmitter addresses) {
        this.block = block;
        this.a = a;
        this.addresses = addresses;
    }

    // --- what can be encoded --------------------------------------------------------------------

    private static boolean isGeneral(Shape.Kind kind) {
        return kind == Shape.Kind.GENERAL || kind == Shape.Kind.BYTE;
    }

    static boolean isTaken(Insn insn, Shape shape) {
        boolean opcodeRegister = shape.path() == Shape.Path.OPCODE_REGISTER;
        boolean registerRm = opcodeRegister || !insn.memory;
        int rm = opcodeRegister ? insn.opcodeRegister : insn.rm;
        switch (insn.form.mnemonic()) {
            case "BSWAP" -> {
                if (insn.size == 2) {
                    return false;
                }
            }
            case "MULX" -> {
                if (Context.isSpilled(insn.reg)
                        && Context.isSpilled(insn.vvvv)
                        && insn.reg != insn.vvvv) {
                    return false;
                }
            }
            default -> {}
        }
        if (shape.usesCl()) {
            boolean regSpilled = shape.reg() == Shape.Kind.GENERAL && Context.isSpilled(insn.reg);
            boolean rmBusy = !registerRm || Context.isSpilled(rm);
            if (regSpilled && rmBusy) {
                return false;
            }
        }
        boolean regHigh = isHigh(insn, shape.reg(), insn.reg);
        boolean rmHigh = registerRm && isHigh(insn, shape.rm(), rm);
        if (!regHigh && !rmHigh) {
            return true;
        }
        // AH to BH can be named only without REX. RCX is in a register that needs it; between
        // registers it is copied to where it does not.
        boolean copied = registerRm && !opcodeRegister;
        if (!copied
                && (regHigh && insn.byteRegister(insn.reg) == CH
                        || rmHigh && insn.byteRegister(rm) == CH)) {
            return false;
        }
        return (regHigh
                        || copied && namesRcx(shape.reg(), insn.reg)
                        || namedWithoutRex(shape.reg(), insn.reg))
                && (rmHigh
                        || !registerRm
                        || copied && namesRcx(shape.rm(), rm)
                        || namedWithoutRex(shape.rm(), rm))
                && !(shape.usesCl() && !registerRm);
    }

    private static final int CH = 0x100 | Cpu.RCX;

    private static boolean namesRcx(Shape.Kind kind, int guest) {
        return isGeneral(kind) && guest == Cpu.RCX;
    }

    static boolean isHigh(Insn insn, Shape.Kind kind, int guest) {
        return kind == Shape.Kind.BYTE && (insn.byteRegister(guest) & 0x100) != 0;
    }

    /** Whether an instruction between registers needs RCX where no REX is needed. */
    private static boolean copiesRcx(Insn insn, Shape shape) {
        boolean regHigh = isHigh(insn, shape.reg(), insn.reg);
        boolean rmHigh = isHigh(insn, shape.rm(), insn.rm);
        return (regHigh || rmHigh)
                && (namesRcx(shape.reg(), insn.reg)
                        || namesRcx(shape.rm(), insn.rm)
                        || regHigh && insn.byteRegister(insn.reg) == CH
                        || rmHigh && insn.byteRegister(insn.rm) == CH);
    }

    private static boolean namedWithoutRex(Shape.Kind kind, int guest) {
        return switch (kind) {
            case NOTHING, DIGIT, MMX -> true;
            case XMM -> guest < 8;
            case GENERAL -> !Context.isSpilled(guest) && Context.host(guest) < 8;
            case BYTE -> guest < 4 && guest != Cpu.RCX;
        };
    }

    // --- encoding -------------------------------------------------------------------------------

    /** The host's opcode: 82 of 16- and 32-bit code is 80. */
    private static int opcode(Insn insn) {
        return insn.opcode == 0x82 && insn.form.map() == 0 ? 0x80 : insn.opcode;
    }

    /** Whether prefix 66 selects the operand size, and no other instruction. */
    private static boolean hasOperandSize(Form form) {
        if (form.prefix() == Form.PREFIX_ANY) {
            return true;
        }
        for (Operand operand : form.operands()) {
            if (operand.name().endsWith("v")) {
                return true;
            }
        }
        return false;
    }

    private int prefixes(Insn insn) {
        Form form = insn.form;
        int flags =
                switch (form.prefix()) {
                    case Form.PREFIX_66 -> P66;
                    case Form.PREFIX_F2 -> PF2;
                    case Form.PREFIX_F3 -> PF3;
                    default -> 0;
                };
        if (form.sizing() == Form.Sizing.V && insn.size == 2 && hasOperandSize(form)) {
            flags |= P66;
        }
        boolean wide =
                switch (form.sizing()) {
                    case V, Y -> insn.size == 8;
                    default -> form.is(Form.W1) || isExplicitString(form) && insn.rexW();
                };
        return flags | (wide ? W : 0) | (insn.lock ? PLOCK : 0) | vex(insn);
    }

    /** The VEX prefix's fields, VEX.vvvv being a vector register or none yet. */
    private static int vex(Insn insn) {
        return insn.form.is(Form.VEX) ? Assembler.vex(0, insn.wideVector) : 0;
    }

    /**
     * What to join with the prefixes if VEX.vvvv names a register. A spilled one is in R15, where a
     * spilled destination may be too: with a VEX prefix that is only written.
     */
    private int vvvv(Insn insn, Shape shape) {
        return switch (shape.vvvv()) {
            case NOTHING -> 0;
            case GENERAL -> Assembler.vex(block.general(insn.vvvv, R15), false);
            default -> Assembler.vex(insn.vvvv, false);
        };
    }

    /** The string comparisons whose lengths are in EAX and EDX, or with REX.W in RAX and RDX. */
    private static boolean isExplicitString(Form form) {
        return form.mnemonic().startsWith("PCMPESTR") || form.mnemonic().startsWith("VPCMPESTR");
    }

    private void immediate(Insn insn, Shape shape) {
        switch (shape.immediate(insn)) {
            case 1 -> a.byte1((int) insn.immediate);
            case 2 -> a.int2((int) insn.immediate);
            case 4 -> a.int4((int) insn.immediate);
            case 8 -> a.int8(insn.immediate);
            default -> {}
        }
    }

    /** The host's name of a register operand, a spilled one being loaded to {@code scratch}. */
    private int register(Insn insn, Shape.Kind kind, int guest, int scratch) {
        return switch (kind) {
            case NOTHING -> 0;
            case DIGIT -> insn.modRm >>> 3 & 7;
            case XMM -> guest;
            case MMX -> guest & 7;
            case GENERAL -> block.general(guest, scratch);
            case BYTE -> {
                int named = insn.byteRegister(guest);
                // AH, CH, DH, BH are 4 to 7.
                yield (named & 0x100) != 0 ? (named & 3) + 4 : block.general(guest, scratch);
            }
        };
    }

    /** REX if a byte register would otherwise be AH to BH. */
    private static int rexFor(Insn insn, Shape.Kind kind, int guest, int host) {
        return kind == Shape.Kind.BYTE
                        && (insn.byteRegister(guest) & 0x100) == 0
                        && host >= RSP
                        && host < 8
                ? REX
                : 0;
    }

    void modRm(Insn insn, Shape shape) {
        int flags = prefixes(insn);
        int map = insn.form.map();
        if (insn.memory) {
            LoopEmitter.Operand operand = block.operand(insn, shape);
            block.needFlags();
            int base = RCX;
            if (shape.usesCl()) {
                a.move(R15, RCX);
                a.move4(RCX, R13);
                base = R15;
            }
            int reg = register(insn, shape.reg(), insn.reg, R15);
            mayFault(insn);
            a.memory(
                    flags | vvvv(insn, shape) | rexFor(insn, shape.reg(), insn.reg, reg),
                    map,
                    opcode(insn),
                    reg,
                    base,
                    operand.index(),
                    operand.scale(),
                    operand.displacement());
        } else {
            block.needFlags();
            boolean same =
                    isGeneral(shape.reg())
                            && isGeneral(shape.rm())
                            && insn.reg == insn.rm
                            && Context.isSpilled(insn.rm)
                            && shape.vvvv() == Shape.Kind.NOTHING;
            int rmScratch = same || shape.usesCl() ? R15 : RCX;
            boolean rcxCopied = copiesRcx(insn, shape);
            block.copyRcx(rcxCopied);
            if (rcxCopied) {
                a.move(RCX, R13);
            }
            int reg = register(insn, shape.reg(), insn.reg, R15);
            int rm = same ? reg : register(insn, shape.rm(), insn.rm, rmScratch);
            if (shape.usesCl() && !rcxCopied) {
                a.move4(RCX, R13);
            }
            mayFault(insn);
            a.registers(
                    flags
                            | vvvv(insn, shape)
                            | rexFor(insn, shape.reg(), insn.reg, reg)
                            | rexFor(insn, shape.rm(), insn.rm, rm),
                    map,
                    opcode(insn),
                    reg,
                    rm);
            immediate(insn, shape);
            if (rcxCopied) {
                a.move(R13, RCX);
                block.copyRcx(false);
            }
            if (shape.registers().rm()) {
                block.writeBack(shape.rm(), insn.rm, rmScratch);
            }
        }
        if (insn.memory) {
            immediate(insn, shape);
        }
        if (shape.registers().reg()) {
            block.writeBack(shape.reg(), insn.reg, R15);
        }
        if (shape.writesVvvv()) {
            block.writeBack(shape.vvvv(), insn.vvvv, R15);
        }
        if (writesEcx(insn.form)) {
            a.move(R13, RCX);
        }
        block.flagsAfter();
    }

    /** What the address of the memory operand must be a multiple of. */
    static int alignment(Insn insn, Shape shape) {
        int size = shape.access(insn);
        return size >= 16 && !insn.form.is(Form.UNALIGNED) ? size : 1;
    }

    /** Whether an instruction between registers needs RCX for one that is spilled, or as such. */
    static boolean needsRcx(Insn insn, Shape shape) {
        return isGeneral(shape.rm()) && Context.isSpilled(insn.rm)
                || writesEcx(insn.form)
                || copiesRcx(insn, shape);
    }

    private static boolean writesEcx(Form form) {
        return switch (form.mnemonic()) {
            case "PCMPISTRI", "PCMPESTRI", "VPCMPISTRI", "VPCMPESTRI" -> true;
            default -> false;
        };
    }

    /** Notes where a division stands: the host raises its #DE. */
    private void mayFault(Insn insn) {
        String name = insn.form.mnemonic();
        if (name.equals("DIV") || name.equals("IDIV")) {
            block.noteFault(insn);
        }
    }

    void opcodeRegister(Insn insn, Shape shape) {
        int guest = insn.opcodeRegister;
        int host = register(insn, shape.rm(), guest, R15);
        int flags = prefixes(insn) | rexFor(insn, shape.rm(), guest, host);
        if ((insn.opcode & 0xF0) == 0x40 && insn.form.map() == 0) {
            // INC and DEC of 16- and 32-bit code: where the host has REX prefixes.
            block.needFlags();
            a.registers(flags, 0, 0xFF, insn.opcode >>> 3 & 1, host);
            block.flagsAfter();
            return;
        }
        a.opcodeRegister(flags, insn.form.map(), insn.opcode & ~7, host);
        immediate(insn, shape);
        block.writeBack(shape.rm(), guest, R15);
    }

    void plain(Insn insn, Shape shape) {
        block.needFlags();
        a.plain(prefixes(insn), insn.form.map(), insn.opcode);
        immediate(insn, shape);
        block.flagsAfter();
    }

    /** MOV between the accumulator and an address in the instruction: as MOV with ModRM. */
    void accumulatorOffset(Insn insn) {
        boolean writes = insn.opcode >= 0xA2;
        int size = (insn.opcode & 1) == 0 ? 1 : insn.size;
        block.access(insn, size, writes);
        int opcode = (writes ? 0x88 : 0x8A) | insn.opcode & 1;
        a.memory(size == 1 ? 0 : prefixes(insn), 0, opcode, RAX, RCX, 0);
        block.flagsAfter();
    }

    void exchangeAccumulator(Insn insn) {
        int host = block.general(insn.opcodeRegister, R15);
        a.registers(prefixes(insn), 0, 0x87, RAX, host);
        block.writeBack(Shape.Kind.GENERAL, insn.opcodeRegister, R15);
    }

    void loadEffectiveAddress(Insn insn) {
        int to = Context.isSpilled(insn.reg) ? R15 : Context.host(insn.reg);
        int flags = insn.size == 8 && insn.addressSize == 8 ? W : insn.size == 2 ? P66 : 0;
        if (needsRcxForLea(insn)) {
            addresses.effective(insn);
            if (insn.size == 2 && to == R15) {
                // 16 bits of it are written.
                a.load(R15, RSP, Context.slot(insn.reg));
            }
            a.registers(flags, 0, 0x8B, to, RCX);
        } else {
            int index = insn.index == Cpu.NO_REGISTER ? NONE : block.general(insn.index, R15);
            int base = insn.base == Cpu.NO_REGISTER ? NONE : Context.host(insn.base);
            a.memory(flags, 0, 0x8D, to, base, index, insn.scale, (int) insn.displacement);
        }
        block.writeBack(Shape.Kind.GENERAL, insn.reg, R15);
    }

    /** Whether LEA computes in RCX: for registers that are not in the host's, mostly. */
    static boolean needsRcxForLea(Insn insn) {
        boolean none = insn.base == Cpu.NO_REGISTER && insn.index == Cpu.NO_REGISTER;
        return none
                || insn.base == Cpu.CODE_BASE
                || insn.base != Cpu.NO_REGISTER && Context.isSpilled(insn.base)
                || insn.size == 2 && Context.isSpilled(insn.reg)
                || insn.size == 4 && insn.addressSize == 2;
    }

    /** A bit of memory that a register names, which may be far from the operand. */
    void farBit(Insn insn) {
        block.saveLiveFlags();
        addresses.effective(insn);
        boolean narrow = insn.addressSize == 4;
        if (!narrow) {
            addresses.linear(insn.segment, insn.size, false);
        }
        int scale = insn.size == 8 ? 3 : 2;
        int register = block.general(insn.reg, R15);
        if (insn.size == 8) {
            if (register != R15) {
                a.move(R15, register);
            }
        } else {
            // MOVSXD
            a.registers(W, 0, 0x63, R15, register);
        }
        // SAR r15,6 or 5
        a.registers(W, 0, 0xC1, 7, R15);
        a.byte1(scale + 3);
        a.memory(narrow ? 0 : W, 0, 0x8D, RCX, RCX, R15, scale, 0);
        boolean write = !insn.form.mnemonic().equals("BT");
        if (narrow) {
            addresses.linear(insn.segment, insn.size, write);
        }
        block.check(insn.size, write);
        register = block.general(insn.reg, R15);
        if (register != R15) {
            a.move4(R15, register);
        }
        // AND r15d,63 or 31
        a.registers(0, 0, 0x83, 4, R15);
        a.byte1(8 * insn.size - 1);
        a.store(RSP, Context.TARGET, R15);
        block.needFlags();
        a.load(R15, RSP, Context.TARGET);
        a.memory(prefixes(insn), 1, insn.opcode, R15, RCX, 0);
        block.flagsAfter();
    }

    /** CMPXCHG8B and CMPXCHG16B. */
    void exchangeTwo(Insn insn) {
        int size = insn.size == 8 ? 16 : 8;
        block.access(insn, size, true);
        if (size == 16) {
            block.align(16);
        }
        block.needFlags();
        a.move(R15, RCX);
        a.move(RCX, R13);
        a.memory((size == 16 ? W : 0) | (insn.lock ? PLOCK : 0), 1, 0xC7, 1, R15, 0);
        block.flagsAfter();
    }
}
