// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

/** An instruction after which the next one must be looked up anew. */
public abstract class EndNode extends BlockExit {
    protected EndNode(Insn insn) {
        super(insn);
    }

    /**
     * Leaves the block for the next instruction; the meaning may then set another {@link Cpu#rip}.
     */
    protected final void leave(Cpu cpu) {
        count(cpu);
        cpu.rip = nextRip(cpu);
    }
}
