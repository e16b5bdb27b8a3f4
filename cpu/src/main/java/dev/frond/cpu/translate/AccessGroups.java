// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;

import java.util.Arrays;

/**
 * Which memory operands of a block are off the same registers, near each other, with nothing in
 * between that changes those or needs RCX: one look into the TLB does for all of them, and the
 * host's address stays in RCX.
 */
final class AccessGroups {
    /** Bytes from the first to behind the last: the more, the more often they are in two pages. */
    private static final int MAX_SPAN = 256;

    private final Insn[] insns;
    private final Shape[] shapes;

    /** By instruction: bytes from the group's lowest address on, or -1 if it is in no group. */
    private final int[] offset;

    /** By instruction: the group's bytes, or 0 if it is not the first of one. */
    private final int[] span;

    /** Whether the block is 16- or 32-bit code. */
    private boolean narrow;

    /** By first instruction: whether something is stored. */
    private final boolean[] writes;

    /** Groups of the blocks that these arrays hold. */
    AccessGroups(Insn[] insns, Shape[] shapes) {
        this.insns = insns;
        this.shapes = shapes;
        offset = new int[insns.length];
        span = new int[insns.length];
        writes = new boolean[insns.length];
    }

    /** Finds the groups of a block of {@code count} instructions; none unless {@code wanted}. */
    void find(int count, boolean wanted, boolean narrow) {
        this.narrow = narrow;
        Arrays.fill(offset, 0, count, -1);
        Arrays.fill(span, 0, count, 0);
        for (int i = 0; wanted && i < count; i++) {
            if (offset[i] < 0 && mayJoin(i)) {
                find(i, count);
            }
        }
    }

    boolean isMember(int at) {
        return offset[at] >= 0;
    }

    boolean isFirst(int at) {
        return span[at] != 0;
    }

    int offset(int at) {
        return offset[at];
    }

    int span(int at) {
        return span[at];
    }

    boolean writes(int at) {
        return writes[at];
    }

    private void find(int first, int count) {
        Insn insn = insns[first];
        long low = insn.displacement;
        long high = low + shapes[first].access(insn);
        boolean write = shapes[first].writesMemory();
        int last = first;
        boolean certain = true;
        for (int i = first + 1; i < count && keeps(i - 1, insn); i++) {
            if (shapes[i].path() == Shape.Path.CONDITIONAL_JUMP) {
                certain = false;
            }
            if (shapes[i].x87() && !shapes[first].x87()) {
                // It may have to load the unit, for which it needs RCX.
                break;
            }
            if (!insns[i].memory || shapes[i].path() == Shape.Path.LEA) {
                continue;
            }
            if (!mayJoin(i) || !isSameBase(insns[i], insn)) {
                break;
            }
            long from = Math.min(low, insns[i].displacement);
            long to = Math.max(high, insns[i].displacement + shapes[i].access(insns[i]));
            if (to - from > MAX_SPAN || !staysAligned(first, i, from)) {
                break;
            }
            if (!write && !certain && shapes[i].writesMemory()) {
                // Nothing may make a page dirty that is not stored to.
                break;
            }
            low = from;
            high = to;
            write |= shapes[i].writesMemory();
            offset[i] = 0;
            last = i;
        }
        if (last == first) {
            return;
        }
        offset[first] = 0;
        span[first] = (int) (high - low);
        writes[first] = write;
        for (int i = first; i <= last; i++) {
            if (offset[i] == 0) {
                offset[i] = (int) (insns[i].displacement - low);
            }
        }
    }

    private boolean mayJoin(int at) {
        Insn insn = insns[at];
        Shape shape = shapes[at];
        return insn.memory
                // Those off RSP are the stack's: see StackPlan.
                && (narrow || insn.base != Cpu.RSP)
                && (shape.path() == Shape.Path.MODRM || shape.path() == Shape.Path.X87)
                && !shape.usesCl()
                && (insn.addressSize == 8 || narrow && insn.addressSize == 4);
    }

    private static boolean isSameBase(Insn one, Insn other) {
        return one.base == other.base
                && one.index == other.index
                && (one.index == Cpu.NO_REGISTER || one.scale == other.scale)
                && one.segment == other.segment;
    }

    /** Whether those that must be aligned can tell by the low bits of the lowest address. */
    private boolean staysAligned(int first, int last, long low) {
        for (int i = first; i <= last; i++) {
            if ((i == first || i == last || offset[i] == 0) && mayJoin(i)) {
                int size = ModRmEmitter.alignment(insns[i], shapes[i]);
                if ((insns[i].displacement - low) % size != 0) {
                    return false;
                }
            }
        }
        return true;
    }

    /**
     * Whether RCX and the registers that {@code address} names are the same after an instruction.
     */
    private boolean keeps(int at, Insn address) {
        Insn insn = insns[at];
        Shape shape = shapes[at];
        return switch (shape.path()) {
            case NOP, CONDITIONAL_JUMP -> true;
            case LEA -> !ModRmEmitter.needsRcxForLea(insn) && !names(address, insn.reg);
            case OPCODE_REGISTER -> !names(address, named(insn, shape.rm(), insn.opcodeRegister));
            // FNSTSW writes AX.
            case X87 -> insn.memory || !names(address, Cpu.RAX);
            case MODRM -> keepsOperands(insn, shape, address) && !writesUnsaid(insn.form);
            default -> false;
        };
    }

    private static boolean keepsOperands(Insn insn, Shape shape, Insn address) {
        if (shape.usesCl() || !insn.memory && ModRmEmitter.needsRcx(insn, shape)) {
            return false;
        }
        boolean writesReg = shape.registers().reg() && isGeneral(shape.reg());
        boolean writesRm = !insn.memory && shape.registers().rm() && isGeneral(shape.rm());
        boolean writesVvvv = shape.writesVvvv() && isGeneral(shape.vvvv());
        return !(writesReg && names(address, named(insn, shape.reg(), insn.reg)))
                && !(writesRm && names(address, named(insn, shape.rm(), insn.rm)))
                && !(writesVvvv && names(address, insn.vvvv));
    }

    private static int named(Insn insn, Shape.Kind kind, int register) {
        return kind == Shape.Kind.BYTE ? insn.byteRegister(register) & 15 : register;
    }

    private static boolean isGeneral(Shape.Kind kind) {
        return kind == Shape.Kind.GENERAL || kind == Shape.Kind.BYTE;
    }

    private static boolean names(Insn address, int register) {
        return address.base == register || address.index == register;
    }

    /** Whether registers are written that no operand names. */
    static boolean writesUnsaid(Form form) {
        return switch (form.mnemonic()) {
            case "MUL", "IMUL", "DIV", "IDIV", "CMPXCHG" -> true;
            default -> form.mnemonic().contains("STRI");
        };
    }
}
