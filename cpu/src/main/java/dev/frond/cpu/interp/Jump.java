// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** A node with a fixed target relative to its page. */
public abstract class Jump extends BlockExit {
    /** Bits 3:0 of {@link #detail}: those of the opcode, which are the condition of Jcc. */
    private static final int OPCODE = 0xF;

    /** {@link #detail}: 16-bit operands, and instruction pointers that are cut to that. */
    private static final int WORD = 0x10;

    /** {@link #detail}: the operands have 32 bits; 64 without both. */
    private static final int DOUBLE_WORD = 0x20;

    private final byte detail;

    /** From the end of the instruction to the target. */
    private final int displacement;

    /** The node at the target if it is in the same page. */
    private @Nullable Node near;

    protected Jump(Insn insn) {
        super(insn);
        displacement = (int) insn.immediate;
        int size = insn.operandSize == 2 ? WORD : insn.operandSize == 4 ? DOUBLE_WORD : 0;
        detail = (byte) (size | insn.opcode & OPCODE);
    }

    /** To {@code offset} in the page, 1..4096. */
    Jump(int offset) {
        super(0, 0);
        displacement = offset;
        detail = 0;
    }

    /** The low four bits of the opcode. */
    final int opcode() {
        return detail & OPCODE;
    }

    /** The operand size in bytes. */
    final int operandSize() {
        return (detail & WORD) != 0 ? 2 : (detail & DOUBLE_WORD) != 0 ? 4 : 8;
    }

    /** The target's instruction pointer minus that of the page's start. */
    final long target() {
        return (long) end() + displacement;
    }

    /** The node at the target if it is in the same page and was gone to before. */
    final @Nullable Node near() {
        return near;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    void replace(Node from, Node to) {
        if (near == from) {
            near = to;
        }
    }

    /** Goes to the target: the next node, or null with {@link Cpu#rip} set. */
    protected final @Nullable Node jump(Cpu cpu) {
        count(cpu);
        if (cpu.hasEvents()) {
            cpu.rip = targetRip(cpu);
            return null;
        }
        Node node = near;
        if (node != null) {
            return node;
        }
        return jumpOut(cpu);
    }

    /** Goes to the target, which is not in the same page, or was not looked for yet. */
    @Nullable Node jumpOut(Cpu cpu) {
        return jumpSlow(cpu);
    }

    /** The start of the target's page in 64-bit mode. */
    final long farBase(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + target() & -4096L;
    }

    private long targetRip(Cpu cpu) {
        long rip = cpu.r[Cpu.CODE_BASE] + target();
        rip = (detail & WORD) != 0 ? rip & 0xFFFF : cpu.is64() ? rip : rip & 0xFFFF_FFFFL;
        checkTarget(cpu, rip);
        return rip;
    }

    /** #GP(0) if the branch may not go to {@code target}. */
    void checkTarget(Cpu cpu, long target) {
        if (!cpu.code.mayBranch(target)) {
            // Its own, also where the node before executes it.
            throw cpu.gpAt(rip(cpu));
        }
    }

    /** Faults as {@link #jump} would: for what must do something between the two. */
    protected final void checkJump(Cpu cpu) {
        // A link within the page stands for a target that has been checked and stays allowed.
        if (near == null) {
            targetRip(cpu);
        }
    }

    /** Whether the target may be a node of this page that is to be executed itself. */
    boolean mayBeNear() {
        return true;
    }

    final @Nullable Node jumpSlow(Cpu cpu) {
        long target = target();
        boolean inPage = target >= 0 && target < 4096;
        if (inPage && (detail & WORD) == 0 && mayBeNear() && cpu.code.mayLink()) {
            Node node = cpu.code.inPage((int) target);
            if (node != null) {
                near = node;
                return node;
            }
        }
        cpu.rip = targetRip(cpu);
        long from = cpu.r[Cpu.CODE_BASE];
        KnownCode code = cpu.code.known(cpu.rip);
        if (code == null) {
            return null;
        }
        found(cpu, from, code);
        return cpu.code.go(code);
    }

    /** Told that the target of the jump out of the page at {@code from} was found to be known. */
    void found(Cpu cpu, long from, KnownCode code) {}
}
