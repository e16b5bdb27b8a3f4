// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** HLT: the CPU sleeps until an interrupt. */
@Encoding("F4 : HLT : end cpl0")
public final class Halt extends EndNode {
    public Halt(Insn insn) {
        super(insn);
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        cpu.requireCpl0();
        leave(cpu);
        cpu.halted = true;
        return null;
    }
}
