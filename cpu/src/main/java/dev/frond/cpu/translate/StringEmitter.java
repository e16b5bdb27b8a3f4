// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.JZ;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.PF3;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RDI;
import static dev.frond.cpu.translate.Assembler.RSI;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

/** Emits MOVS and STOS. */
final class StringEmitter {
    private final BlockTranslator block;
    private final Assembler a;

    StringEmitter(BlockTranslator block, Assembler a) {
        this.block = block;
        this.a = a;
    }

    /** MOVS and STOS, upwards: with a repeat prefix whole runs within a page of each side. */
    void emit(Insn insn, Shape shape) {
        boolean moves = shape.path() == Shape.Path.MOVE_STRING;
        int size = (insn.opcode & 1) == 0 ? 1 : insn.size;
        int log = Integer.numberOfTrailingZeros(size);
        boolean repeats = insn.repeat != 0;
        block.saveFlags();
        // TEST dword [system flags],DF
        a.memory(0, 0, 0xF7, 0, RSP, Context.SYSTEM_FLAGS);
        a.int4(Cpu.DF);
        block.alone(insn, JNZ);
        int loop = a.size();
        int done = -1;
        if (repeats) {
            a.registers(W, 0, 0x85, R13, R13);
            done = a.jump(JZ);
        }
        if (moves) {
            a.move(RCX, RSI);
            block.checkPage(size, false);
            a.store(RSP, Context.STRING, RCX);
        }
        a.move(RCX, RDI);
        block.checkPage(size, true);
        if (repeats) {
            toPageEnd(RDI, R15, log);
            if (moves) {
                a.store(RSP, Context.STRING + 8, RCX);
                toPageEnd(RSI, RCX, log);
                atMost(R15, RCX);
                a.load(RCX, RSP, Context.STRING + 8);
            }
            atMost(R15, R13);
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
        int flags = (repeats ? PF3 : 0) | (size == 8 ? W : size == 2 ? P66 : 0);
        a.plain(flags, 0, (moves ? 0xA4 : 0xAA) | (size > 1 ? 1 : 0));
        a.load(RDI, RSP, Context.STRING + 16);
        advance(RDI, repeats, size, log);
        if (moves) {
            a.load(RSI, RSP, Context.STRING + 24);
            advance(RSI, repeats, size, log);
        }
        if (repeats) {
            // SUB r13,r15
            a.registers(W, 0, 0x2B, R13, R15);
            int complete = a.jump(JZ);
            a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
            a.byte1(0);
            int again = a.jump(JZ);
            a.patch4(again, loop - again - 4);
            block.leaveToPoll(insn);
            a.land4(done);
            a.land4(complete);
        }
    }

    /** Lets {@code to} be how many elements begin and end between an address and its page's end. */
    private void toPageEnd(int address, int to, int log) {
        a.move4(to, address);
        // OR to,~0FFFh; NEG to; SHR to,log
        a.registers(0, 0, 0x81, 1, to);
        a.int4(-4096);
        a.registers(0, 0, 0xF7, 3, to);
        if (log > 0) {
            a.registers(0, 0, 0xC1, 5, to);
            a.byte1(log);
        }
    }

    private void atMost(int register, int limit) {
        // CMP register,limit; CMOVA register,limit
        a.registers(W, 0, 0x3B, register, limit);
        a.registers(W, 1, 0x47, register, limit);
    }

    private void advance(int register, boolean repeats, int size, int log) {
        if (repeats) {
            a.memory(W, 0, 0x8D, register, register, R15, log, 0);
        } else {
            a.lea(register, register, size);
        }
    }
}
