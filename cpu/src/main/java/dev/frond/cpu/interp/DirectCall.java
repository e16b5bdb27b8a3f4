// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** CALL of a displacement. */
@Encoding("E8 : CALL Jz : f64 end")
public final class DirectCall extends Jump {
    private final byte size;

    public DirectCall(Insn insn) {
        super(insn);
        size = (byte) insn.size;
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        checkJump(cpu);
        cpu.push(size, nextRip(cpu));
        return jump(cpu);
    }
}
