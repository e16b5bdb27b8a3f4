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

    /** The offset in bits 11:0, the length in bits 15:12: a node is to be small. */
    private final char place;

    protected Node(Insn insn) {
        this(insn.offset, insn.length);
    }

    /** For what stands at {@code offset}, 0..4095, and is {@code length} bytes long, 0..15. */
    protected Node(int offset, int length) {
        place = (char) (length << 12 | offset & 4095);
    }

    /**
     * Executes the instruction and returns what to execute next; null if {@link Cpu#rip} tells. A
     * {@link dev.frond.cpu.CpuFault} leaves everything as it was before the instruction.
     */
    public abstract @Nullable Node execute(Cpu cpu);

    /** Whether {@link #execute} executes a conditional jump that follows, too. */
    protected boolean leadsToJump() {
        return false;
    }

    /** What to execute next, after a conditional jump if one follows: one dispatch less. */
    protected final @Nullable Node nextOrJump(Cpu cpu) {
        Node follows = next;
        return follows.getClass() == ConditionalJump.class
                ? ((ConditionalJump) follows).decide(cpu)
                : follows;
    }

    /** The conditional jump that {@link #execute} executes, too; null if there is none. */
    final @Nullable ConditionalJump jump() {
        return leadsToJump() && next.getClass() == ConditionalJump.class
                ? (ConditionalJump) next
                : null;
    }

    /** The offset of the first byte in the page, 0..4095. */
    public int offset() {
        return place & 4095;
    }

    /** The offset of the first byte after the instruction. */
    public final int end() {
        return (place & 4095) + (place >> 12);
    }

    /** The instruction pointer of this instruction while its page executes. */
    public final long rip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + offset();
    }

    /** The instruction pointer of the next instruction. */
    public final long nextRip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + end();
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
