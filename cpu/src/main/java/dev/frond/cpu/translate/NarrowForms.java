// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;

/** What is taken of 16- and 32-bit code. */
final class NarrowForms {
    private NarrowForms() {}

    /** Whether an instruction is emitted in blocks for the mode {@code key}. */
    static boolean isTaken(Insn insn, Shape shape, int key) {
        boolean isProtected = (key & Modes.PROTECTED) != 0;
        boolean supervisor = (key & Modes.USER) == 0;
        return switch (shape.path()) {
            case MODRM, OPCODE_REGISTER ->
                    (isProtected || !insn.form.is(Form.VEX)) && ModRmEmitter.isTaken(insn, shape);
            case FAR_BIT -> insn.size == 4 && insn.addressSize == 4;
            // Virtual-8086 mode asks IOPL.
            case PUSH_FLAGS -> isProtected || supervisor;
            case INTERRUPT_FLAG -> supervisor;
            case CLEAR_FLAG -> insn.form.map() == 0;
            case MOVE_SELECTOR -> !insn.memory && insn.reg <= Seg.GS;
            case LOAD_SELECTOR -> isSelectorPlain(key) && insn.reg <= Seg.GS && isData(insn.reg);
            case POP_SELECTOR -> isSelectorPlain(key) && isData(insn.opcode >>> 3 & 7);
            case JUMP, CONDITIONAL_JUMP -> isWhole(insn.operandSize, key);
            case CALL, CALL_INDIRECT, JUMP_INDIRECT, RETURN -> isWhole(insn.size, key);
            case COUNT_JUMP ->
                    isWhole(insn.operandSize, key)
                            && ((key & Modes.FLAT_CODE) != 0 || staysInPage(insn, key));
            // VZEROUPPER and VZEROALL leave registers 8 to 15 alone.
            case PLAIN -> !shape.vector();
            case LOAD_STRING -> insn.repeat == 0;
            case ACCUMULATOR_OFFSET,
                    EXCHANGE_ACCUMULATOR,
                    NOP_OR_EXCHANGE,
                    LEA,
                    NOP,
                    PUSH_REGISTER,
                    PUSH_IMMEDIATE,
                    PUSH_MEMORY,
                    PUSH_SELECTOR,
                    POP_REGISTER,
                    PUSH_ALL,
                    POP_ALL,
                    LEAVE,
                    TIME,
                    EXCHANGE_8_OR_16,
                    MOVE_STRING,
                    STORE_STRING,
                    X87 ->
                    true;
            case SET_ACCESS,
                    SYSTEM_CALL,
                    SYSTEM_RETURN,
                    INTERRUPT_RETURN,
                    SEGMENT_BASE,
                    SWAP_GS,
                    NOT_TAKEN ->
                    false;
        };
    }

    /** Whether a selector tells the segment's base, which no block relies on. */
    private static boolean isSelectorPlain(int key) {
        return (key & (Modes.PROTECTED | Modes.FLAT_DATA)) == 0;
    }

    /** Whether a segment is one of data: a load of SS keeps interrupts away. */
    private static boolean isData(int segment) {
        return segment != Seg.CS && segment != Seg.SS;
    }

    /** Whether a jump does not cut the instruction pointer of 32-bit code. */
    private static boolean isWhole(int size, int key) {
        return size != 2 || (key & Cpu.CODE_32) == 0;
    }

    private static boolean staysInPage(Insn insn, int key) {
        int target = BlockTranslator.target(insn);
        return (key & Modes.EDGE) == 0 && target >= 0 && target < 4096;
    }
}
