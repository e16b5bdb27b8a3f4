// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

/** A node at which a block can be left: it counts the instructions of its block up to itself. */
abstract class BlockExit extends Node {
    private byte count;

    BlockExit(Insn insn) {
        super(insn);
    }

    BlockExit(int offset, int length) {
        super(offset, length);
    }

    /** Sets the number of instructions from the block's start to here, this one included. */
    final void setCount(int instructions) {
        count = (byte) instructions;
    }

    /** Goes to {@code to} from now on instead of {@code from}, which does the same. */
    void replace(Node from, Node to) {}

    /** Counts the instructions of the block that is left here. */
    final void count(Cpu cpu) {
        long instructions = cpu.instructions + count;
        cpu.instructions = instructions;
        if (instructions >= cpu.sampleAt) {
            cpu.sample();
        }
    }
}
