// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** CALL of a displacement. */
@Encoding("E8 : CALL Jz : f64 end")
public final class DirectCall extends FarJump implements Caller {
    private @Nullable Node after;

    public DirectCall(Insn insn) {
        super(insn);
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        checkJump(cpu);
        long back = nextRip(cpu);
        cpu.push(operandSize(), back);
        cpu.code.called(this, back);
        return jump(cpu);
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
        super.replace(from, to);
        if (after == from) {
            after = to;
        }
    }
}
