// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/**
 * Jcc: its block goes on where it is not taken. Some nodes before it execute it themselves ({@link
 * Node#nextOrJump}), but no subclass of it.
 */
@Encoding({"70+cc : J Jb : f64", "0F 80+cc : J Jz : f64"})
public class ConditionalJump extends Jump {
    public ConditionalJump(Insn insn) {
        super(insn);
    }

    @Override
    public final @Nullable Node execute(Cpu cpu) {
        return decide(cpu);
    }

    /** Jumps if the condition holds. */
    final @Nullable Node decide(Cpu cpu) {
        return cpu.condition(opcode()) ? jump(cpu) : next;
    }
}
