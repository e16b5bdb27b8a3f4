// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.JZ;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.PF3;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RAX;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RDI;
import static dev.frond.cpu.translate.Assembler.RSI;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

/**
 * Emits MOVS, STOS and LODS of 16- and 32-bit code, upwards. With a repeat prefix MOVS and STOS do
 * whole runs, each within a page, the segment's limit and the address size on each side.
 */
final class NarrowStringEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final AddressEmitter addresses;

    NarrowStringEmitter(BlockTranslator block, Assembler a, AddressEmitter addresses) {
        this.block = block;
        this.a = a;
        this.addresses = addresses;
    }

    private static int size(Insn insn) {
        return (insn.opcode & 1) == 0 ? 1 : insn.size;
    }

    private void unlessUpwards(Insn insn) {
        block.saveFlags();
        // TEST dword [system flags],DF
        a.memory(0, 0, 0xF7, 0, RSP, Context.SYSTEM_FLAGS);
        a.int4(Cpu.DF);
        block.alone(insn, JNZ);
    }

    /** Lets RCX be the host's address of the element at a register; destroys R15. */
    private void reach(Insn insn, int register, int segment, int size, boolean write) {
        addresses.offset(insn.addressSize, register);
        addresses.linear(segment, size, write);
        block.checkPage(size, write);
    }

    void load(Insn insn) {
        int size = size(insn);
        unlessUpwards(insn);
        reach(insn, RSI, insn.stringSegment, size, false);
        a.memory(size == 2 ? P66 : 0, 0, size == 1 ? 0x8A : 0x8B, RAX, RCX, 0);
        advance(insn, RSI, size);
    }

    void emit(Insn insn, Shape shape) {
        boolean moves = shape.path() == Shape.Path.MOVE_STRING;
        int size = size(insn);
        int log = Integer.numberOfTrailingZeros(size);
        boolean repeats = insn.repeat != 0;
        unlessUpwards(insn);
        int loop = a.size();
        int done = -1;
        if (repeats) {
            a.registers(insn.addressSize == 2 ? P66 : 0, 0, 0x85, R13, R13);
            done = a.jump(JZ);
        }
        if (moves) {
            reach(insn, RSI, insn.stringSegment, size, false);
            a.store(RSP, Context.STRING, RCX);
        }
        reach(insn, RDI, Seg.ES, size, true);
        if (repeats) {
            a.store(RSP, Context.STRING + 8, RCX);
            toPageEnd(RCX, R15, log);
            withinSegment(insn, RDI, Seg.ES, Context.WRITE_LIMIT, log);
            if (moves) {
                a.load(RCX, RSP, Context.STRING);
                toPageEnd(RCX, RCX, log);
                atMost();
                withinSegment(insn, RSI, insn.stringSegment, Context.READ_LIMIT, log);
            }
            addresses.offset(insn.addressSize, R13);
            atMost();
            if (insn.addressSize == 2 && size > 1) {
                // The last element may begin at FFFFh.
                a.registers(0, 0, 0x85, R15, R15);
                block.alone(insn, JZ);
            }
            a.load(RCX, RSP, Context.STRING + 8);
        }
        a.store(RSP, Context.STRING + 16, RDI);
        a.move(RDI, RCX);
        if (moves) {
            a.store(RSP, Context.STRING + 24, RSI);
            a.load(RSI, RSP, Context.STRING);
        }
        if (repeats) {
            a.move(RCX, R15);
        }
        int flags = (repeats ? PF3 : 0) | (size == 2 ? P66 : 0);
        a.plain(flags, 0, (moves ? 0xA4 : 0xAA) | (size > 1 ? 1 : 0));
        a.load(RDI, RSP, Context.STRING + 16);
        if (moves) {
            a.load(RSI, RSP, Context.STRING + 24);
        }
        if (!repeats) {
            advance(insn, RDI, size);
            if (moves) {
                advance(insn, RSI, size);
            }
            return;
        }
        advanceRun(insn, RDI, log);
        if (moves) {
            advanceRun(insn, RSI, log);
        }
        // SUB ecx',r15d
        a.registers(insn.addressSize == 2 ? P66 : 0, 0, 0x2B, R13, R15);
        int complete = a.jump(JZ);
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        int again = a.jump(JZ);
        a.patch4(again, loop - again - 4);
        block.leaveToPoll(insn);
        a.land4(done);
        a.land4(complete);
    }

    /** Lets {@code to} be how many elements begin and end between an address and its page's end. */
    private void toPageEnd(int address, int to, int log) {
        if (to != address) {
            a.move4(to, address);
        }
        // OR to,~0FFFh; NEG to; SHR to,log
        a.registers(0, 0, 0x81, 1, to);
        a.int4(-4096);
        a.registers(0, 0, 0xF7, 3, to);
        shift(0, to, log);
    }

    private void shift(int flags, int register, int log) {
        if (log > 0) {
            a.registers(flags, 0, 0xC1, 5, register);
            a.byte1(log);
        }
    }

    /** Lets R15 be no more elements than fit up to the segment's limit and 64 KiB; destroys RCX. */
    private void withinSegment(Insn insn, int register, int segment, int limit, int log) {
        if (!addresses.isFlat(segment)) {
            addresses.offset(insn.addressSize, register);
            // NEG rcx; ADD rcx,[limit]; ADD rcx,1
            a.registers(W, 0, 0xF7, 3, RCX);
            a.memory(W, 0, 0x03, RCX, RSP, Context.segment(segment) + limit);
            a.registers(W, 0, 0x83, 0, RCX);
            a.byte1(1);
            shift(W, RCX, log);
            atMost();
        }
        if (insn.addressSize == 2) {
            addresses.offset(2, register);
            // NEG ecx; ADD ecx,10000h
            a.registers(0, 0, 0xF7, 3, RCX);
            a.registers(0, 0, 0x81, 0, RCX);
            a.int4(0x1_0000);
            shift(0, RCX, log);
            atMost();
        }
    }

    /** Lets R15 be no more than RCX. */
    private void atMost() {
        // CMP r15,rcx; CMOVA r15,rcx
        a.registers(W, 0, 0x3B, R15, RCX);
        a.registers(W, 1, 0x47, R15, RCX);
    }

    private void advance(Insn insn, int register, int by) {
        if (insn.addressSize == 2) {
            a.memory(0, 0, 0x8D, RCX, register, by);
            a.registers(P66, 0, 0x8B, register, RCX);
        } else {
            a.memory(0, 0, 0x8D, register, register, by);
        }
    }

    /** Moves a register on by R15 elements. */
    private void advanceRun(Insn insn, int register, int log) {
        if (insn.addressSize == 2) {
            a.memory(0, 0, 0x8D, RCX, register, R15, log, 0);
            a.registers(P66, 0, 0x8B, register, RCX);
        } else {
            a.memory(0, 0, 0x8D, register, register, R15, log, 0);
        }
    }
}
