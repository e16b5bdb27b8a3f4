// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** Jcc: its block goes on where it is not taken. */
@Encoding({"70+cc : J Jb : f64", "0F 80+cc : J Jz : f64"})
public final class ConditionalJump extends Jump {
    private final byte condition;

    public ConditionalJump(Insn insn) {
        super(insn);
        condition = (byte) (insn.opcode & 15);
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        return decide(cpu);
    }

    /** Jumps if the condition holds. */
    @Nullable Node decide(Cpu cpu) {
        return cpu.condition(condition) ? jump(cpu) : next;
    }
}
