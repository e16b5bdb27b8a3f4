// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** JMP to the value of a register or of memory. */
@Encoding("FF /4 : JMP Ev : f64 end")
public final class IndirectJump extends EndNode {
    private final Insn insn;

    public IndirectJump(Insn insn) {
        super(insn);
        this.insn = insn;
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        long target = Width.zx(insn.size, insn.readE(cpu, insn.size));
        cpu.code.checkTarget(target);
        count(cpu);
        cpu.rip = target;
        return cpu.code.follow(cpu);
    }

    @Override
    public boolean accessesStack() {
        return insn.segment == Seg.FLAT_STACK;
    }
}
