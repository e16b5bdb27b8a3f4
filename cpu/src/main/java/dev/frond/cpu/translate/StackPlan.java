// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import java.util.Arrays;

/**
 * Which accesses to the stack of a block of 64-bit code need one check together: pushes, pops,
 * calls, returns and operands off RSP, near each other, as long as RSP changes by constants.
 */
final class StackPlan {
    /** Bytes from the first to behind the last: the more, the more often they are in two pages. */
    private static final int MAX_SPAN = 256;

    private final Insn[] insns;
    private final Shape[] shapes;

    /** By instruction: the first of its group, or -1 if it is in none. */
    private final int[] first;

    // By first instruction: the group's lowest address from RSP on, its bytes, whether it stores.
    private final int[] low;
    private final int[] span;
    private final boolean[] writes;

    // The group under way: its first instruction, what RSP has become since, its last byte, and
    // whether each instruction since was sure to execute.
    private int group;
    private long moved;
    private long high;
    private boolean certain;

    /** Groups of the blocks that these arrays hold. */
    StackPlan(Insn[] insns, Shape[] shapes) {
        this.insns = insns;
        this.shapes = shapes;
        first = new int[insns.length];
        low = new int[insns.length];
        span = new int[insns.length];
        writes = new boolean[insns.length];
    }

    /** Finds the groups of a block of {@code count} instructions; none unless {@code wanted}. */
    void find(int count, boolean wanted) {
        Arrays.fill(first, 0, count, -1);
        group = -1;
        for (int i = 0; wanted && i < count; i++) {
            if (accesses(i)) {
                add(i);
            }
            follow(i);
        }
    }

    boolean isMember(int at) {
        return first[at] >= 0;
    }

    boolean isFirst(int at) {
        return first[at] == at;
    }

    /** The group's lowest address, from RSP on as it is before the first instruction. */
    int low(int at) {
        return low[at];
    }

    int span(int at) {
        return span[at];
    }

    boolean writes(int at) {
        return writes[at];
    }

    // --- accesses
    // -------------------------------------------------------------------------------------

    private boolean accesses(int at) {
        return switch (shapes[at].path()) {
            case PUSH_REGISTER,
                    PUSH_IMMEDIATE,
                    PUSH_MEMORY,
                    POP_REGISTER,
                    CALL,
                    CALL_INDIRECT,
                    RETURN ->
                    true;
            case MODRM, X87 -> isOffRsp(insns[at]) && !shapes[at].usesCl();
            default -> false;
        };
    }

    private static boolean isOffRsp(Insn insn) {
        return insn.memory
                && insn.base == Cpu.RSP
                && insn.index == Cpu.NO_REGISTER
                && insn.addressSize == 8
                && !AddressEmitter.hasBase(insn.segment);
    }

    private boolean isPush(int at) {
        return switch (shapes[at].path()) {
            case PUSH_REGISTER, PUSH_IMMEDIATE, PUSH_MEMORY, CALL, CALL_INDIRECT -> true;
            default -> false;
        };
    }

    private boolean isOperand(int at) {
        return switch (shapes[at].path()) {
            case MODRM, X87 -> true;
            default -> false;
        };
    }

    private void add(int at) {
        boolean operand = isOperand(at);
        long from = operand ? insns[at].displacement : isPush(at) ? -8 : 0;
        int size = operand ? shapes[at].access(insns[at]) : 8;
        boolean write = operand ? shapes[at].writesMemory() : isPush(at);
        if (group >= 0) {
            long lowest = Math.min(low[group], moved + from);
            long highest = Math.max(high, moved + from + size);
            // Nothing may make a page dirty that is not stored to.
            boolean storesAnyway =
                    writes[group] || !write || certain && (operand || !insns[at].memory);
            if (highest - lowest <= MAX_SPAN && storesAnyway) {
                low[group] = (int) lowest;
                high = highest;
                span[group] = (int) (highest - lowest);
                writes[group] |= write;
                first[at] = group;
                return;
            }
        }
        group = at;
        first[at] = at;
        moved = 0;
        low[at] = (int) from;
        high = from + size;
        span[at] = size;
        writes[at] = write;
        certain = true;
    }

    // --- what instructions do to RSP
    // ------------------------------------------------------------------

    /** Lets the group under way go on behind an instruction, or end. */
    private void follow(int at) {
        if (group < 0) {
            return;
        }
        Insn insn = insns[at];
        Shape shape = shapes[at];
        switch (shape.path()) {
            case NOP, NOP_OR_EXCHANGE, PLAIN -> {}
            case ACCUMULATOR_OFFSET, FAR_BIT, EXCHANGE_8_OR_16 -> certain = false;
            case PUSH_REGISTER, PUSH_IMMEDIATE -> moved -= 8;
            case PUSH_MEMORY -> {
                moved -= 8;
                certain &= !insn.memory;
            }
            case POP_REGISTER -> {
                moved += 8;
                endIf(insn.opcodeRegister == Cpu.RSP);
            }
            case OPCODE_REGISTER, EXCHANGE_ACCUMULATOR -> endIf(insn.opcodeRegister == Cpu.RSP);
            case CONDITIONAL_JUMP -> certain = false;
            case LEA -> {
                if (insn.reg == Cpu.RSP) {
                    endIf(!isOffRsp(insn) || insn.size != 8);
                    moved += insn.displacement;
                }
            }
            case X87 -> certain = false;
            case MODRM -> {
                certain &= !insn.memory && !insn.form.mnemonic().endsWith("DIV");
                if (!insn.memory && insn.rm == Cpu.RSP && addsToRsp(insn)) {
                    moved += insn.modRm >>> 3 == 0b11_000 ? insn.immediate : -insn.immediate;
                } else {
                    endIf(writesRsp(insn, shape));
                }
            }
            default -> group = -1;
        }
        endIf(Math.abs(moved) > MAX_SPAN);
    }

    private void endIf(boolean ends) {
        if (ends) {
            group = -1;
        }
    }

    /** ADD or SUB of an immediate. */
    private static boolean addsToRsp(Insn insn) {
        boolean immediate = insn.opcode == 0x81 || insn.opcode == 0x83;
        int digit = insn.modRm >>> 3 & 7;
        return insn.form.map() == 0 && immediate && insn.size == 8 && (digit == 0 || digit == 5);
    }

    private static boolean writesRsp(Insn insn, Shape shape) {
        boolean reg = shape.registers().reg() && isRsp(insn, shape.reg(), insn.reg);
        boolean rm = !insn.memory && shape.registers().rm() && isRsp(insn, shape.rm(), insn.rm);
        boolean vvvv = shape.writesVvvv() && insn.vvvv == Cpu.RSP;
        return reg || rm || vvvv;
    }

    private static boolean isRsp(Insn insn, Shape.Kind kind, int register) {
        return switch (kind) {
            case GENERAL -> register == Cpu.RSP;
            case BYTE -> (insn.byteRegister(register) & 0x10F) == Cpu.RSP;
            default -> false;
        };
    }
}
