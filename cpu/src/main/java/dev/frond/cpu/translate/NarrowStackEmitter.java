// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RBP;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

/**
 * Emits pushes and pops of 16- and 32-bit code: of 2 or 4 bytes, in a stack segment that uses SP or
 * ESP (SDM Vol. 1, 6.2.3). With SP the upper bits of RSP are kept.
 */
final class NarrowStackEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final AddressEmitter addresses;

    NarrowStackEmitter(BlockTranslator block, Assembler a, AddressEmitter addresses) {
        this.block = block;
        this.a = a;
        this.addresses = addresses;
    }

    private boolean isWide() {
        return (block.mode() & Modes.STACK_32) != 0;
    }

    /** MOV between a register and [rcx + displacement] of 2 or 4 bytes. */
    private void move(int opcode, int size, int register, int displacement) {
        a.memory(size == 2 ? P66 : 0, 0, opcode, register, RCX, displacement);
    }

    /** Lets RCX be where {@code bytes} above a register are in the host; destroys R15 and flags. */
    private void reach(int register, int above, int bytes, boolean write, boolean group) {
        // LEA ecx,[register + above]
        a.memory(0, 0, 0x8D, RCX, register, above);
        if (!isWide()) {
            addresses.offset(2, RCX);
        }
        addresses.linear(Seg.SS, bytes, write);
        block.check(bytes, write, group);
    }

    /** Moves the stack pointer; the flags are kept, R15 is destroyed if it has 16 bits. */
    private void moveStack(int by) {
        if (isWide()) {
            a.memory(0, 0, 0x8D, R14, R14, by);
        } else {
            a.memory(0, 0, 0x8D, R15, R14, by);
            a.registers(P66, 0, 0x8B, R14, R15);
        }
    }

    void push(Insn insn, Shape shape) {
        int size = insn.size;
        if (shape.path() == Shape.Path.PUSH_MEMORY) {
            if (insn.memory) {
                block.access(insn, size, false);
                a.load4OrLess(size, RCX, RCX);
                a.store(RSP, Context.TARGET, RCX);
            } else {
                a.store(RSP, Context.TARGET, Context.host(insn.rm));
            }
        }
        boolean selector = shape.path() == Shape.Path.PUSH_SELECTOR;
        // Processors of Intel leave the upper half of the place alone.
        int stored = selector && !block.isAmd() ? 2 : size;
        block.saveLiveFlags();
        reach(R14, -size, stored, true, false);
        switch (shape.path()) {
            case PUSH_REGISTER -> move(0x89, size, Context.host(insn.opcodeRegister), 0);
            case PUSH_IMMEDIATE -> {
                move(0xC7, size, 0, 0);
                if (size == 2) {
                    a.int2((int) insn.immediate);
                } else {
                    a.int4((int) insn.immediate);
                }
            }
            case PUSH_SELECTOR -> {
                a.load4(R15, RSP, Context.SELECTORS + 4 * (insn.opcode >>> 3 & 7));
                move(0x89, stored, R15, 0);
            }
            default -> {
                a.load4(R15, RSP, Context.TARGET);
                move(0x89, size, R15, 0);
            }
        }
        moveStack(-size);
    }

    /** Pushes the instruction pointer of the next instruction. */
    void pushNext(Insn insn) {
        int size = insn.size;
        block.saveLiveFlags();
        reach(R14, -size, size, true, false);
        a.load4(R15, RSP, Context.CODE_BASE);
        a.memory(0, 0, 0x8D, R15, R15, insn.offset + insn.length);
        if (Modes.limitsCode(block.mode())) {
            // SUB r15d,[CS's base]
            a.memory(0, 0, 0x2B, R15, RSP, Context.CODE_SEGMENT);
        }
        move(0x89, size, R15, 0);
        moveStack(-size);
    }

    /** Pushes the value in {@link Context#TARGET}; flags are saved. */
    void pushTarget(int size) {
        reach(R14, -size, size, true, false);
        a.load4(R15, RSP, Context.TARGET);
        move(0x89, size, R15, 0);
        moveStack(-size);
    }

    /** Lets RCX be what would be popped; {@link #drop} follows. */
    void peek(int size) {
        block.saveLiveFlags();
        reach(R14, 0, size, false, false);
        a.load4OrLess(size, RCX, RCX);
    }

    /** Moves the stack pointer as a pop of so many bytes does; RCX is kept. */
    void drop(int bytes) {
        moveStack(bytes);
    }

    void pop(Insn insn) {
        int guest = insn.opcodeRegister;
        int size = insn.size;
        if (guest == Cpu.RSP) {
            peek(size);
            moveStack(size);
            a.registers(size == 2 ? P66 : 0, 0, 0x8B, R14, RCX);
            return;
        }
        block.saveLiveFlags();
        reach(R14, 0, size, false, false);
        move(0x8B, size, Context.host(guest), 0);
        moveStack(size);
    }

    /**
     * Pushes or pops registers with one check for them all. If that fails, the interpreter executes
     * the first.
     */
    void run(Insn[] insns, int index, int run, boolean pushes) {
        int size = insns[index].size;
        int bytes = size * run;
        block.saveLiveFlags();
        reach(R14, pushes ? -bytes : 0, bytes, pushes, true);
        for (int i = 0; i < run; i++) {
            int host = Context.host(insns[index + i].opcodeRegister);
            move(pushes ? 0x89 : 0x8B, size, host, size * (pushes ? run - 1 - i : i));
        }
        moveStack(pushes ? -bytes : bytes);
    }

    /** PUSHA: AX, CX, DX, BX, SP as it was, BP, SI, DI; with one check for them all. */
    void pushAll(Insn insn) {
        int size = insn.size;
        block.saveLiveFlags();
        reach(R14, -8 * size, 8 * size, true, false);
        for (int i = Cpu.RAX; i <= Cpu.RDI; i++) {
            move(0x89, size, Context.host(i), (7 - i) * size);
        }
        moveStack(-8 * size);
    }

    /** POPA. */
    void popAll(Insn insn) {
        int size = insn.size;
        block.saveLiveFlags();
        reach(R14, 0, 8 * size, false, false);
        for (int i = Cpu.RAX; i <= Cpu.RDI; i++) {
            if (i != Cpu.RSP) {
                move(0x8B, size, Context.host(i), (7 - i) * size);
            }
        }
        moveStack(8 * size);
    }

    void leaveFrame(Insn insn) {
        int size = insn.size;
        block.saveLiveFlags();
        reach(RBP, 0, size, false, false);
        if (isWide()) {
            a.memory(0, 0, 0x8D, R14, RBP, size);
        } else {
            a.memory(0, 0, 0x8D, R15, RBP, size);
            a.registers(P66, 0, 0x8B, R14, R15);
        }
        move(0x8B, size, RBP, 0);
    }
}
