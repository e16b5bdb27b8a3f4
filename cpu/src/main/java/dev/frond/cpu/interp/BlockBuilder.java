// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;

import org.jspecify.annotations.Nullable;

/** Makes the linked nodes of one block out of its instructions. */
final class BlockBuilder {
    /** Jcc that no other node executes. */
    private static final class SeparateJump extends ConditionalJump {
        SeparateJump(Insn insn) {
            super(insn);
        }
    }

    private final boolean separate;
    private int count;
    private int nodes;
    private boolean open = true;
    private @Nullable Node first;
    private @Nullable Node last;

    /**
     * An empty block.
     *
     * @param separate whether each instruction has a node that does nothing else
     */
    BlockBuilder(boolean separate) {
        this.separate = separate;
    }

    /** Adds the next instruction. */
    void add(Insn insn) {
        count++;
        open = !insn.form.is(Form.END);
        if (insn.isNop() && !separate) {
            return;
        }
        Node node = node(insn);
        append(separate && node instanceof ConditionalJump ? new SeparateJump(insn) : node);
    }

    /** Adds, at the end, bytes that are no instruction. */
    void add(FaultNode fault) {
        count++;
        open = false;
        append(fault);
    }

    /** The node of one instruction. */
    static Node node(Insn insn) {
        return Table.make(insn.form.node(insn.size, insn.memory, insn.lock), insn);
    }

    private void append(Node node) {
        nodes++;
        if (node instanceof BlockExit exit) {
            exit.setCount(count);
        }
        if (last == null) {
            first = node;
        } else {
            last.next = node;
        }
        last = node;
    }

    /** Whether more instructions can follow. */
    boolean isOpen() {
        return open;
    }

    /** The number of instructions. */
    int count() {
        return count;
    }

    /** The number of nodes. */
    int nodes() {
        return nodes;
    }

    /** Ends the block, at {@code offset} in its page if no instruction did, and gives its start. */
    Node end(int offset) {
        if (open) {
            append(new Continue(offset));
        }
        if (first == null) {
            throw new AssertionError("a block without an instruction");
        }
        return first;
    }
}
