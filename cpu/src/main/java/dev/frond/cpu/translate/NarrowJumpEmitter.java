// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JG;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.P66;
import static dev.frond.cpu.translate.Assembler.R13;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.decode.Insn;

/**
 * Emits calls, returns and jumps of 16- and 32-bit code. Emitted code knows linear addresses; what
 * the guest sees and gives are offsets in CS.
 *
 * <p>Unless CS is flat, a jump out of the page compares its target with CS's limit, and a block
 * that is come to from another page compares its whole page (or, if that is not within the limit,
 * itself): so CS may be loaded with another base, and nothing need be forgotten.
 */
final class NarrowJumpEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final Stubs stubs;
    private final NarrowStackEmitter stack;

    NarrowJumpEmitter(BlockTranslator block, Assembler a, Stubs stubs, NarrowStackEmitter stack) {
        this.block = block;
        this.a = a;
        this.stubs = stubs;
        this.stack = stack;
    }

    private boolean limits() {
        return Modes.limitsCode(block.mode());
    }

    /**
     * Where a block begins that RCX is the linear address of: goes back to Java unless {@code
     * bytes} bytes from there on are within CS's limit; or its page, if {@code bytes} is 0.
     */
    void checkEntry(int offset, int bytes) {
        if (!limits()) {
            return;
        }
        // LEA r15d,[rcx - offset]; SUB r15d,[CS's base]
        a.memory(0, 0, 0x8D, R15, RCX, bytes == 0 ? -offset : 0);
        a.memory(0, 0, 0x2B, R15, RSP, Context.CODE_SEGMENT);
        if (bytes > 0) {
            a.lea(R15, R15, bytes - 1);
        }
        a.memory(W, 0, 0x3B, R15, RSP, bytes == 0 ? Context.PAGE_LIMIT : Context.RIP_LIMIT);
        block.toStub(a.jump(JG), stubs.leaveFar);
    }

    /**
     * Leaves a jump to {@code target}, from the start of the page, to the interpreter if CS does
     * not permit it, or if the instruction pointer wraps; flags are saved.
     */
    int outside(int target) {
        a.load4(R15, RSP, Context.CODE_BASE);
        a.memory(0, 0, 0x8D, R15, R15, target);
        a.memory(0, 0, 0x2B, R15, RSP, Context.CODE_SEGMENT);
        a.memory(W, 0, 0x3B, R15, RSP, Context.RIP_LIMIT);
        return a.jump(JG);
    }

    /** CALL up to the jump. */
    void call(Insn insn) {
        int target = BlockTranslator.target(insn);
        if (limits() && block.leavesPage(target)) {
            block.saveFlags();
            block.aloneFrom(insn, outside(target));
        }
        stack.pushNext(insn);
    }

    /** From the offset in RCX, which has been compared with nothing yet, to the linear address. */
    private void toLinear() {
        if (limits()) {
            a.memory(W, 0, 0x3B, RCX, RSP, Context.RIP_LIMIT);
            block.alone(JG);
            // ADD ecx,[CS's base]
            a.memory(0, 0, 0x03, RCX, RSP, Context.CODE_SEGMENT);
        }
    }

    /** Loads the target of an indirect jump to RCX. */
    private void indirectTarget(Insn insn) {
        if (insn.memory) {
            block.access(insn, insn.size, false);
            a.load4OrLess(insn.size, RCX, RCX);
        } else if (insn.size == 2) {
            a.registers(0, 1, 0xB7, RCX, Context.host(insn.rm));
        } else {
            a.move4(RCX, Context.host(insn.rm));
        }
        block.saveFlags();
        toLinear();
    }

    void jumpIndirect(Insn insn) {
        indirectTarget(insn);
        dynamic();
    }

    void callIndirect(Insn insn) {
        indirectTarget(insn);
        a.store(RSP, Context.TARGET, RCX);
        stack.pushNext(insn);
        a.load(RCX, RSP, Context.TARGET);
        dynamic();
    }

    void ret(Insn insn) {
        block.saveFlags();
        stack.peek(insn.size);
        toLinear();
        stack.drop(insn.size + (insn.opcode == 0xC2 ? (int) insn.immediate & 0xFFFF : 0));
        dynamic();
    }

    /** Goes to the linear address in RCX: all that the instruction does is done. */
    private void dynamic() {
        block.countBlock();
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        block.toStub(a.jump(JNZ), stubs.leaveFar);
        Stubs.probe(a);
        block.toStub(a.jump(JNZ), stubs.jumpFar);
        Stubs.through(a);
    }

    /** LOOP, LOOPZ, LOOPNZ, JCXZ: gives the displacement of the jump to the target. */
    int countJump(Insn insn) {
        int skip;
        int zeroFlag = insn.opcode & 3;
        if (zeroFlag < 2) {
            block.needFlags();
        }
        if (zeroFlag == 3) {
            counter(insn.addressSize, R13);
            int taken = a.jrcxz();
            skip = a.shortJump();
            a.land1(taken);
        } else {
            // The counter goes down, the flags stay.
            a.memory(0, 0, 0x8D, RCX, R13, -1);
            a.registers(insn.addressSize == 2 ? P66 : 0, 0, 0x8B, R13, RCX);
            counter(insn.addressSize, RCX);
            skip = a.jrcxz();
            if (zeroFlag < 2) {
                // LOOPZ goes on while ZF is set, LOOPNZ while it is clear.
                return conditional(zeroFlag == 1, skip);
            }
        }
        int jump = a.jump();
        a.land1(skip);
        return jump;
    }

    private int conditional(boolean whileZero, int skip) {
        int jump = a.jump(whileZero ? Assembler.JZ : JNZ);
        a.land1(skip);
        return jump;
    }

    /** Lets RCX be the counter in a register. */
    private void counter(int size, int register) {
        if (size == 2) {
            a.registers(0, 1, 0xB7, RCX, register);
        } else {
            a.move4(RCX, register);
        }
    }
}
