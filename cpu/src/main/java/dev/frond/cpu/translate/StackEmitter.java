// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.translate.Assembler.JA;
import static dev.frond.cpu.translate.Assembler.NONE;
import static dev.frond.cpu.translate.Assembler.R14;
import static dev.frond.cpu.translate.Assembler.R15;
import static dev.frond.cpu.translate.Assembler.RBP;
import static dev.frond.cpu.translate.Assembler.RCX;
import static dev.frond.cpu.translate.Assembler.RSP;
import static dev.frond.cpu.translate.Assembler.W;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import java.util.ArrayList;
import java.util.List;

/**
 * Emits pushes, pops, and what else accesses the stack. The page of the stack is known without a
 * look into the TLB: see {@link Context#stackPage}. One comparison does for a whole group of {@link
 * StackPlan}.
 */
final class StackEmitter {
    private static final int PAGE = 4096;

    /** Code that is put behind the block: where it is looked for the page of the stack. */
    private record Miss(int jump, int back, int site, int how, boolean write, int span) {}

    private final BlockTranslator block;
    private final Assembler a;
    private final Insn[] insns;
    private final Shape[] shapes;
    private final StackPlan plan;
    private final List<Miss> misses = new ArrayList<>();

    StackEmitter(BlockTranslator block, Assembler a, Insn[] insns, Shape[] shapes) {
        this.block = block;
        this.a = a;
        this.insns = insns;
        this.shapes = shapes;
        plan = new StackPlan(insns, shapes);
    }

    /** Begins a block of so many instructions, its accesses being looked up together or not. */
    void begin(int count, boolean together) {
        misses.clear();
        plan.find(count, together);
    }

    /** Whether {@link #base} is for an instruction. */
    boolean isMember(int index) {
        return plan.isMember(index);
    }

    /** Lets RCX be what makes guest addresses of the stack the host's, or leaves. */
    void base(int index) {
        int how = Modes.tlb(block.mode());
        int page = Context.stackPage(how);
        if (plan.isFirst(index)) {
            boolean write = plan.writes(index);
            int known = page + (write ? Context.STACK_WRITE : Context.STACK_READ);
            int span = plan.span(index);
            block.saveLiveFlags();
            int low = plan.low(index);
            if (low == 0) {
                a.move(RCX, R14);
            } else {
                a.lea(RCX, R14, low);
            }
            // SUB rcx,[page]; CMP rcx,PAGE - span
            a.memory(W, 0, 0x2B, RCX, RSP, known);
            a.registers(W, 0, 0x81, 7, RCX);
            a.int4(PAGE - span);
            int site = block.stackSite(write, span);
            misses.add(new Miss(a.jump(JA), a.size(), site, how, write, span));
        }
        a.load(RCX, RSP, page + Context.STACK_HOST);
    }

    /** Emits what is behind the block. */
    void emitMisses() {
        for (Miss miss : misses) {
            a.land4(miss.jump);
            int page = Context.stackPage(miss.how);
            // ADD rcx,[page]
            a.memory(
                    W,
                    0,
                    0x03,
                    RCX,
                    RSP,
                    page + (miss.write ? Context.STACK_WRITE : Context.STACK_READ));
            int table = NativeTlb.table(miss.how);
            block.look(table + (miss.write ? NativeTlb.WRITE : NativeTlb.READ), miss.span);
            int absent = a.jump(JA);
            block.callTakeStack(miss.how, miss.write);
            block.jumpBack(miss.back);
            a.land4(absent);
            block.leaveAt(miss.site);
        }
    }

    void push(int index) {
        Insn insn = insns[index];
        Shape.Path path = shapes[index].path();
        if (path == Shape.Path.PUSH_MEMORY) {
            if (insn.memory) {
                block.access(insn, 8, false);
                a.load(RCX, RCX, 0);
                a.store(RSP, Context.TARGET, RCX);
            } else {
                a.store(RSP, Context.TARGET, block.general(insn.rm, RCX));
            }
        }
        int from = top(index, -8, 8, true);
        switch (path) {
            case PUSH_REGISTER -> store(from, -8, block.general(insn.opcodeRegister, R15));
            case PUSH_IMMEDIATE -> {
                a.memory(W, 0, 0xC7, 0, RCX, from, 0, from == NONE ? 0 : -8);
                a.int4((int) insn.immediate);
            }
            default -> {
                a.load(R15, RSP, Context.TARGET);
                store(from, -8, R15);
            }
        }
        a.lea(R14, R14, -8);
    }

    /**
     * Lets {@code size} bytes, {@code offset} from the guest's RSP on, be at RCX; or at RCX and R14
     * and the offset if that is the result.
     */
    private int top(int index, int offset, int size, boolean write) {
        if (isTogether(index)) {
            base(index);
            return R14;
        }
        block.saveLiveFlags();
        if (offset == 0) {
            a.move(RCX, R14);
        } else {
            a.lea(RCX, R14, offset);
        }
        block.check(size, write);
        return NONE;
    }

    private boolean isTogether(int index) {
        return plan.isMember(index) && !block.isInLoop();
    }

    /** Stores a register where {@link #reserve} said. */
    void store(int index, int offset, int register) {
        a.memory(W, 0, 0x89, register, RCX, index, 0, index == NONE ? 0 : offset);
    }

    private void load(int register, int index, int offset) {
        a.memory(W, 0, 0x8B, register, RCX, index, 0, index == NONE ? 0 : offset);
    }

    /**
     * Looks whether 8 bytes can be pushed; the result is for {@link #store}, to be said again with
     * -8, or NONE if they would be at RCX.
     */
    int reserve(int index) {
        return top(index, -8, 8, true);
    }

    /** Loads the top of the stack to RCX. */
    void peek(int index) {
        load(RCX, top(index, 0, 8, false), 0);
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
                && insns[end].opcodeRegister != Cpu.RSP
                && (end == index || !plan.isFirst(end))) {
            end++;
        }
        return end - index;
    }

    /** Pushes or pops without a look at the page in between. */
    void emitRun(int index, int run) {
        boolean pushes = shapes[index].path() == Shape.Path.PUSH_REGISTER;
        base(index);
        for (int i = 0; i < run; i++) {
            int guest = insns[index + i].opcodeRegister;
            if (pushes) {
                store(R14, -8 * (i + 1), block.general(guest, R15));
            } else {
                int host = Context.isSpilled(guest) ? R15 : Context.host(guest);
                load(host, R14, 8 * i);
                block.writeBack(Shape.Kind.GENERAL, guest, R15);
            }
        }
        a.lea(R14, R14, pushes ? -8 * run : 8 * run);
    }

    void pop(int index) {
        int from = top(index, 0, 8, false);
        int guest = insns[index].opcodeRegister;
        if (guest == Cpu.RSP) {
            load(R14, from, 0);
            return;
        }
        load(Context.isSpilled(guest) ? R15 : Context.host(guest), from, 0);
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
