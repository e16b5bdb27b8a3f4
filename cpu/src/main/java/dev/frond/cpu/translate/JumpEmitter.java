// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.translate.CodeStore.Kind;

/** Emits calls, returns and indirect jumps. */
final class JumpEmitter {
    private final BlockTranslator block;
    private final Assembler a;
    private final StackEmitter stack;

    JumpEmitter(BlockTranslator block, Assembler a, StackEmitter stack) {
        this.block = block;
        this.a = a;
        this.stack = stack;
    }

    /** CALL up to the jump. */
    void call(Insn insn, int index) {
        int from = stack.reserve(index);
        a.load(R15, RSP, Context.CODE_BASE);
        a.lea(R15, R15, insn.offset + insn.length);
        stack.store(from, -8, R15);
        a.lea(R14, R14, -8);
    }

    /** Loads the target of an indirect jump to RCX. */
    private void indirectTarget(Insn insn) {
        if (insn.memory) {
            block.access(insn, 8, false);
            a.load(RCX, RCX, 0);
        } else if (Context.isSpilled(insn.rm)) {
            a.load(RCX, RSP, Context.slot(insn.rm));
        } else {
            a.move(RCX, Context.host(insn.rm));
        }
    }

    void jumpIndirect(Insn insn) {
        indirectTarget(insn);
        dynamic(insn, Kind.JUMP);
    }

    void callIndirect(Insn insn, int index) {
        indirectTarget(insn);
        a.store(RSP, Context.TARGET, RCX);
        // Pushed once the target is found: until then the whole instruction may be interpreted, and
        // its operand may lie where it pushes.
        int from = stack.reserve(index);
        if (from == NONE) {
            // LEA rcx,[rcx + 8]; SUB rcx,r14: as of the page of the stack.
            a.lea(RCX, RCX, 8);
            a.registers(W, 0, 0x2B, RCX, R14);
        }
        a.store(RSP, Context.PUSHED_TO, RCX);
        a.load(RCX, RSP, Context.TARGET);
        dynamic(insn, Kind.CALL);
    }

    void ret(Insn insn, int index) {
        stack.peek(index);
        dynamic(insn, Kind.RETURN);
    }

    /** Goes to the guest's address in RCX by the jump cache, or leaves. */
    private void dynamic(Insn insn, Kind kind) {
        block.saveFlags();
        block.countBlock();
        int site = block.site(kind, insn);
        // CMP dword [POLL],0
        a.memory(0, 0, 0x83, 7, RSP, Context.POLL);
        a.byte1(0);
        block.slowly(a.jump(JNZ), site);
        Stubs.probe(a);
        int miss = a.jump(JNZ);
        block.find(miss, a.size(), site);
        switch (kind) {
            case RETURN -> a.lea(R14, R14, 8);
            case CALL -> {
                a.load(RCX, RSP, Context.CODE_BASE);
                a.lea(RCX, RCX, insn.offset + insn.length);
                // PUSH rcx; MOV rcx,[PUSHED_TO]; POP [rcx + r14 - 8]
                a.push(RCX);
                a.load(RCX, RSP, 8 + Context.PUSHED_TO);
                a.memory(0, 0, 0x8F, 0, RCX, R14, 0, -8);
                a.lea(R14, R14, -8);
                a.load(RCX, RSP, Context.TARGET);
            }
            default -> {}
        }
        Stubs.through(a);
    }
}
