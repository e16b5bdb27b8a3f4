// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JG;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

/**
 * Emits the computation of addresses: the effective address, and from that the linear one. In 16-
 * and 32-bit code the second step compares with the segment's limit (SDM Vol. 3A, 6.3 and 6.5),
 * unless the block is for flat segments.
 */
final class AddressEmitter {
    private final BlockTranslator block;
    private final Assembler a;

    AddressEmitter(BlockTranslator block, Assembler a) {
        this.block = block;
        this.a = a;
    }

    /** Lets RCX be the effective address of an instruction's operand, and leaves the flags. */
    void effective(Insn insn) {
        effective(insn, insn.displacement);
    }

    /** As with the instruction's own displacement, but for another. */
    void effective(Insn insn, long displacement) {
        if (insn.addressSize == 2) {
            effective16(insn, displacement);
            return;
        }
        boolean cut = insn.addressSize == 4;
        int base = insn.base == Cpu.NO_REGISTER ? NONE : insn.base;
        int index = insn.index == Cpu.NO_REGISTER ? NONE : insn.index;
        if (base == NONE && index == NONE) {
            a.moveImmediate(RCX, cut ? displacement & 0xFFFF_FFFFL : displacement);
            return;
        }
        int hostIndex = NONE;
        if (index != NONE) {
            hostIndex = block.general(index, R15);
        }
        int hostBase = NONE;
        if (base == Cpu.CODE_BASE) {
            a.load(RCX, RSP, Context.CODE_BASE);
            hostBase = RCX;
        } else if (base != NONE) {
            hostBase = block.general(base, RCX);
        }
        if (hostIndex == NONE && displacement == 0) {
            if (cut) {
                a.move4(RCX, hostBase);
            } else if (hostBase != RCX) {
                a.move(RCX, hostBase);
            }
        } else {
            a.memory(
                    cut ? 0 : W, 0, 0x8D, RCX, hostBase, hostIndex, insn.scale, (int) displacement);
        }
    }

    private void effective16(Insn insn, long displacement) {
        if (insn.base == Cpu.NO_REGISTER) {
            a.moveImmediate(RCX, displacement & 0xFFFF);
            return;
        }
        int base = Context.host(insn.base);
        if (insn.index == Cpu.NO_REGISTER && displacement == 0) {
            cut16(base);
            return;
        }
        int index = insn.index == Cpu.NO_REGISTER ? NONE : Context.host(insn.index);
        a.memory(0, 0, 0x8D, RCX, base, index, 0, (int) displacement);
        cut16(RCX);
    }

    /** MOVZX ecx,word: lets RCX be the lower 16 bits of a register. */
    private void cut16(int register) {
        a.registers(0, 1, 0xB7, RCX, register);
    }

    /** Lets RCX be a register's lower 16, 32 or all bits. */
    void offset(int size, int register) {
        switch (size) {
            case 2 -> cut16(register);
            case 4 -> a.move4(RCX, register);
            default -> a.move(RCX, register);
        }
    }

    /**
     * Whether {@link #linear} changes nothing, and looks at nothing, for a segment of 16- or 32-bit
     * code.
     */
    boolean isFlat(int segment) {
        return (block.mode() & Modes.FLAT_DATA) != 0
                && (segment == Seg.DS || segment == Seg.ES || segment == Seg.SS);
    }

    /** Whether a segment of 64-bit code has a base. */
    static boolean hasBase(int segment) {
        return segment != Seg.FLAT && segment != Seg.FLAT_STACK;
    }

    /**
     * From the effective address in RCX to the linear one, of an operand of {@code size} bytes;
     * leaves the instruction if the segment does not permit that. Outside of 64-bit code this
     * destroys R15 and the flags.
     */
    void linear(int segment, int size, boolean write) {
        switch (segment) {
            case Seg.FS64 -> addBase(Context.FS_BASE);
            case Seg.GS64 -> addBase(Context.GS_BASE);
            case Seg.FLAT, Seg.FLAT_STACK -> {}
            default -> {
                if (!isFlat(segment)) {
                    checked(segment, size, write);
                }
            }
        }
    }

    private void addBase(int place) {
        a.load(R15, RSP, place);
        a.memory(W, 0, 0x8D, RCX, RCX, R15, 0, 0);
    }

    private void checked(int segment, int size, boolean write) {
        int place = Context.segment(segment);
        int limit = place + (write ? Context.WRITE_LIMIT : Context.READ_LIMIT);
        int last = RCX;
        if (size > 1) {
            a.lea(R15, RCX, size - 1);
            last = R15;
        }
        // CMP last,[limit]
        a.memory(W, 0, 0x3B, last, RSP, limit);
        block.alone(JG);
        // ADD ecx,[base]
        a.memory(0, 0, 0x03, RCX, RSP, place + Context.BASE);
    }
}
