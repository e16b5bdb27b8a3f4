// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** JMP to a displacement. */
@Encoding({"EB : JMP Jb : f64 end", "E9 : JMP Jz : f64 end"})
public final class DirectJump extends FarJump {
    public DirectJump(Insn insn) {
        super(insn);
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        return jump(cpu);
    }
}
