// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JA;
import static dev.frond.cpu.translate.Assembler.JAE;
import static dev.frond.cpu.translate.Assembler.JB;
import static dev.frond.cpu.translate.Assembler.JNZ;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.decode.Insn;

import java.util.ArrayList;
import java.util.List;

/**
 * Emits a loop (see {@link LoopPlan}) a second time, for rounds in which the operands are known to
 * stay in their pages. Its head finds out how many there are; the last of them goes back there.
 */
final class LoopEmitter {
    /** Rounds after which somebody may want the CPU. */
    private static final int MAX_ROUNDS = 1024;

    private static final int PAGE = 4096;

    private final BlockTranslator block;
    private final Assembler a;
    private final AddressEmitter addresses;
    private final LoopPlan plan;
    private final List<Integer> others = new ArrayList<>();

    /** Where the head is, from the start of the block's code. */
    private int head;

    private int body;

    /**
     * Whether R15 holds the instructions that are left of all rounds; otherwise their number is in
     * memory.
     */
    private final boolean closed;

    LoopEmitter(BlockTranslator block, Assembler a, AddressEmitter addresses, LoopPlan plan) {
        this.block = block;
        this.a = a;
        this.addresses = addresses;
        this.plan = plan;
        closed = plan.isClosed();
    }

    /** Where to go for another round, from the start of the block's code. */
    int head() {
        return head;
    }

    /**
     * The head; the flags are the guest's no more. {@code start} is the loop as it is elsewhere.
     */
    void emitHead(int start) {
        head = a.size();
        a.storeImmediate4(RSP, Context.LOOP_LEFT, MAX_ROUNDS);
        for (LoopPlan.Group group : plan.groups()) {
            emitHead(group);
        }
        // CMP dword [left],2
        a.memory(0, 0, 0x83, 7, RSP, Context.LOOP_LEFT);
        a.byte1(2);
        others.add(a.jump(JB));
        for (int jump : others) {
            a.patch4(jump, start - jump - 4);
        }
        if (closed) {
            // IMUL r15d,[left],instructions
            a.memory(0, 0, 0x69, R15, RSP, Context.LOOP_LEFT);
            a.int4(plan.last + 1);
        }
        if (closed && block.isCounted()) {
            a.load(RCX, RSP, Context.COUNT);
            a.memory(W, 0, 0x8D, RCX, RCX, R15, 0, 0);
            a.store(RSP, Context.LOOP_COUNT, RCX);
        }
        body = a.size();
    }

    private void emitHead(LoopPlan.Group group) {
        addresses.effective(group.insn, group.low);
        addresses.linear(group.insn.segment, group.span(), group.writes);
        if (group.alignment > 1) {
            // TEST cl,alignment - 1
            a.registers(0, 0, 0xF6, 0, RCX);
            a.byte1(group.alignment - 1);
            others.add(a.jump(JNZ));
        }
        int table = NativeTlb.table(Modes.tlb(block.mode()));
        block.look(table + (group.writes ? NativeTlb.WRITE : NativeTlb.READ), group.span());
        others.add(a.jump(JA));
        a.memory(W, 0, 0x8B, R15, RSP, R15, 0, table + NativeTlb.HOST);
        // What moves is added again by the operand.
        a.memory(W, 0, 0x8D, R15, R15, RCX, 0, (int) -group.low);
        int place = place(group);
        a.store(RSP, place, R15);
        if (group.baseMoves) {
            // SUB [place],base
            a.memory(W, 0, 0x29, block.general(group.insn.base, R15), RSP, place);
        }
        if (group.indexMoves) {
            a.move(R15, block.general(group.insn.index, R15));
            // SHL r15,scale
            a.registers(W, 0, 0xC1, 4, R15);
            a.byte1(group.insn.scale);
            a.memory(W, 0, 0x29, R15, RSP, place);
        }
        if (group.stride != 0) {
            countRounds(group);
        }
    }

    /** From the offset in the page in RCX: how many rounds stay in it, but for one at times. */
    private void countRounds(LoopPlan.Group group) {
        if (group.stride > 0) {
            // NEG ecx; ADD ecx,page - span
            a.registers(0, 0, 0xF7, 3, RCX);
            a.registers(0, 0, 0x81, 0, RCX);
            a.int4(PAGE - group.span());
        }
        // Divided by the stride: IMUL ecx,ecx,65536 / stride; SHR ecx,16; ADD ecx,1
        a.registers(0, 0, 0x69, RCX, RCX);
        a.int4(65536 / Math.abs(group.stride));
        a.registers(0, 0, 0xC1, 5, RCX);
        a.byte1(16);
        a.registers(0, 0, 0x83, 0, RCX);
        a.byte1(1);
        // CMP ecx,[left]
        a.memory(0, 0, 0x3B, RCX, RSP, Context.LOOP_LEFT);
        int more = a.jump(JAE);
        a.store4(RSP, Context.LOOP_LEFT, RCX);
        a.land4(more);
    }

    private static int place(LoopPlan.Group group) {
        return Context.LOOP_BASES + 8 * group.number;
    }

    /** Lets the operand of an instruction be in memory at RCX and what the result names. */
    Operand operand(Insn insn, LoopPlan.Group group, boolean withoutRex) {
        a.load(RCX, RSP, place(group));
        int index = NONE;
        int scale = 0;
        if (group.baseMoves && group.indexMoves) {
            add(insn.base, 0);
        }
        if (group.baseMoves || group.indexMoves) {
            int register = group.indexMoves ? insn.index : insn.base;
            scale = group.indexMoves ? insn.scale : 0;
            if (withoutRex || Context.isSpilled(register)) {
                add(register, scale);
            } else {
                index = Context.host(register);
            }
        }
        return new Operand(index, index == NONE ? 0 : scale, (int) insn.displacement);
    }

    /** A memory operand besides its base register. */
    record Operand(int index, int scale, int displacement) {}

    /** LEA rcx,[rcx + register * 2^scale]. */
    private void add(int register, int scale) {
        a.memory(W, 0, 0x8D, RCX, RCX, block.general(register, R15), scale, 0);
    }

    /** The end of a round: to the next, or to the head. */
    void emitBack(Insn jump) {
        int instructions = plan.last + 1;
        if (closed) {
            // SUB r15d,instructions
            a.registers(0, 0, 0x83, 5, R15);
            a.byte1(instructions);
        } else {
            if (block.isCounted()) {
                // ADD qword [count],instructions
                a.memory(W, 0, 0x83, 0, RSP, Context.COUNT);
                a.byte1(instructions);
            }
            // SUB dword [left],1
            a.memory(0, 0, 0x83, 5, RSP, Context.LOOP_LEFT);
            a.byte1(1);
        }
        int again = a.jump(JNZ);
        a.patch4(again, body - again - 4);
        if (closed && block.isCounted()) {
            a.load(RCX, RSP, Context.LOOP_COUNT);
            a.store(RSP, Context.COUNT, RCX);
        }
        block.poll(BlockTranslator.target(jump), instructions, 0);
        int restart = a.jump();
        a.patch4(restart, head - restart - 4);
    }

    /** Behind the last jump when it is not taken: the rounds before this one, flags untouched. */
    void emitOut() {
        if (closed && block.isCounted()) {
            // NOT r15; LEA rcx,[rcx + r15 + 1]
            a.registers(W, 0, 0xF7, 2, R15);
            a.load(RCX, RSP, Context.LOOP_COUNT);
            a.memory(W, 0, 0x8D, RCX, RCX, R15, 0, 1);
            a.store(RSP, Context.COUNT, RCX);
        }
    }
}
