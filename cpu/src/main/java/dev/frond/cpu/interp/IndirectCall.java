// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** CALL of the value of a register or of memory. */
@Encoding("FF /2 : CALL Ev : f64 end")
public final class IndirectCall extends EndNode implements Caller {
    private final Insn insn;
    private @Nullable Node after;

    public IndirectCall(Insn insn) {
        super(insn);
        this.insn = insn;
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        int size = insn.size;
        long target = Width.zx(size, insn.readE(cpu, size));
        long back = nextRip(cpu);
        cpu.code.checkCall(target, size, back);
        cpu.push(size, back);
        cpu.code.called(this, back);
        count(cpu);
        cpu.rip = target;
        return cpu.code.follow(cpu);
    }

    @Override
    public boolean accessesStack() {
        return insn.segment == Seg.FLAT_STACK;
    }

    @Override
    public @Nullable Node after() {
        return after;
    }

    @Override
    public void setAfter(@Nullable Node node) {
        after = node;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    void replace(Node from, Node to) {
        if (after == from) {
            after = to;
        }
    }
}
