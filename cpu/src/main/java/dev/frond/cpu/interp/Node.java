// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/**
 * One decoded instruction, ready to execute: the interpreter is {@code n = n.execute(cpu)}. Nodes
 * of a page are linked to each other; they know their place only within their page, so that one
 * decoded page serves wherever it is mapped.
 */
public abstract class Node {
    /**
     * What follows in the same block. The last node of a block is one that does not look at this.
     */
    public Node next = this;

    /**
     * A conditional jump that follows, for nodes that execute it together with themselves (see
     * {@link #nextOrJump}): one dispatch less.
     */
    @Nullable ConditionalJump jump;

    /** What {@link Replay} has noted of the instruction; 0 for nothing. */
    int note;

    private final short offset;
    private final byte length;

    protected Node(Insn insn) {
        offset = (short) insn.offset;
        length = (byte) insn.length;
    }

    protected Node(int offset, int length) {
        this.offset = (short) offset;
        this.length = (byte) length;
    }

    /**
     * Executes the instruction and returns what to execute next; null if {@link Cpu#rip} tells. A
     * {@link dev.frond.cpu.CpuFault} leaves everything as it was before the instruction.
     */
    public abstract @Nullable Node execute(Cpu cpu);

    /** Whether {@link #execute} looks at {@link #jump}. */
    protected boolean leadsToJump() {
        return false;
    }

    /** What to execute next, after a conditional jump if one follows. */
    protected final @Nullable Node nextOrJump(Cpu cpu) {
        ConditionalJump follows = jump;
        return follows == null ? next : follows.decide(cpu);
    }

    /** The offset of the first byte in the page, 0..4095. */
    public final int offset() {
        return offset;
    }

    /** The offset of the first byte after the instruction. */
    public final int end() {
        return offset + length;
    }

    /** The instruction pointer of this instruction while its page executes. */
    public final long rip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + offset;
    }

    /** The instruction pointer of the next instruction. */
    public final long nextRip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + offset + length;
    }

    /**
     * Whether the memory operand is in SS, so that a non-canonical address raises #SS; pushes and
     * pops tell themselves.
     */
    public boolean accessesStack() {
        return false;
    }

    /** The number of instructions that this node ends a block of; 0 if it does not end one. */
    public int blockLength() {
        return 0;
    }
}
