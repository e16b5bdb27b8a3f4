// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RBP;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

/** Emits pushes and pops. */
final class StackEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final Insn[] insns;
    private final Shape[] shapes;

    StackEmitter(BlockTranslator block, Assembler a, Insn[] insns, Shape[] shapes) {
        this.block = block;
        this.a = a;
        this.insns = insns;
        this.shapes = shapes;
    }

    void push(Insn insn, Shape shape) {
        if (shape.path() == Shape.Path.PUSH_MEMORY) {
            if (insn.memory) {
                block.access(insn, 8, false);
                a.load(RCX, RCX, 0);
                a.store(RSP, Context.TARGET, RCX);
            } else {
                a.store(RSP, Context.TARGET, block.general(insn.rm, RCX));
            }
        }
        block.saveLiveFlags();
        a.lea(RCX, R14, -8);
        block.check(8, true);
        switch (shape.path()) {
            case PUSH_REGISTER -> a.store(RCX, 0, block.general(insn.opcodeRegister, R15));
            case PUSH_IMMEDIATE -> {
                a.memory(W, 0, 0xC7, 0, RCX, 0);
                a.int4((int) insn.immediate);
            }
            default -> {
                a.load(R15, RSP, Context.TARGET);
                a.store(RCX, 0, R15);
            }
        }
        a.lea(R14, R14, -8);
    }

    /** How many pushes or pops of registers follow each other from here on; 0 if it is neither. */
    int run(int index, int count, boolean separate) {
        Shape.Path path = shapes[index].path();
        if (separate || path != Shape.Path.PUSH_REGISTER && path != Shape.Path.POP_REGISTER) {
            return 0;
        }
        int end = index;
        while (end < count
                && shapes[end].path() == path
                && insns[end].size == insns[index].size
                && insns[end].opcodeRegister != Cpu.RSP) {
            end++;
        }
        return end - index;
    }

    /**
     * Pushes or pops with one check for them all. If that fails, as it does across two pages, the
     * interpreter executes the first.
     */
    void emitRun(int index, int run) {
        boolean pushes = shapes[index].path() == Shape.Path.PUSH_REGISTER;
        int bytes = 8 * run;
        block.saveLiveFlags();
        if (pushes) {
            a.lea(RCX, R14, -bytes);
        } else {
            a.move(RCX, R14);
        }
        block.check(bytes, pushes, true);
        for (int i = 0; i < run; i++) {
            int guest = insns[index + i].opcodeRegister;
            if (pushes) {
                a.store(RCX, bytes - 8 * (i + 1), block.general(guest, R15));
            } else {
                int host = Context.isSpilled(guest) ? R15 : Context.host(guest);
                a.load(host, RCX, 8 * i);
                block.writeBack(Shape.Kind.GENERAL, guest, R15);
            }
        }
        a.lea(R14, R14, pushes ? -bytes : bytes);
    }

    void pop(Insn insn) {
        block.saveLiveFlags();
        a.move(RCX, R14);
        block.check(8, false);
        int guest = insn.opcodeRegister;
        if (guest == Cpu.RSP) {
            a.load(R14, RCX, 0);
            return;
        }
        int host = Context.isSpilled(guest) ? R15 : Context.host(guest);
        a.load(host, RCX, 0);
        block.writeBack(Shape.Kind.GENERAL, guest, R15);
        a.lea(R14, R14, 8);
    }

    void leaveFrame() {
        block.saveLiveFlags();
        a.move(RCX, RBP);
        block.check(8, false);
        a.lea(R14, RBP, 8);
        a.load(RBP, RCX, 0);
    }
}
