// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** A node with a fixed target relative to its page. */
public abstract class Jump extends BlockExit {
    /** The target's instruction pointer minus that of the page's start. */
    private final int target;

    /** What instruction pointers are cut to: with 16-bit operands to 16 bits. */
    private final boolean word;

    /** The node at the target if it is in the same page. */
    private @Nullable Node near;

    protected Jump(Insn insn) {
        super(insn);
        target = insn.offset + insn.length + (int) insn.immediate;
        word = insn.operandSize == 2;
    }

    Jump(int offset) {
        super(offset, 0);
        target = offset;
        word = false;
    }

    /** The node at the target if it is in the same page and was gone to before. */
    final @Nullable Node near() {
        return near;
    }

    /** Goes to {@code to} from now on instead of {@code from}, which does the same. */
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    final void replace(Node from, Node to) {
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
        return jumpSlow(cpu);
    }

    private long targetRip(Cpu cpu) {
        long rip = cpu.r[Cpu.CODE_BASE] + target;
        rip = word ? rip & 0xFFFF : cpu.is64() ? rip : rip & 0xFFFF_FFFFL;
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

    private @Nullable Node jumpSlow(Cpu cpu) {
        if (!word && target >= 0 && target < 4096 && cpu.code.mayLink()) {
            Node node = cpu.code.inPage(target);
            if (node != null) {
                near = node;
                return node;
            }
        }
        cpu.rip = targetRip(cpu);
        return cpu.code.lookup(cpu.rip);
    }
}
