// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/** RET within the code segment, with the bytes of arguments to release. */
@Encoding({"C3 : RET : f64 end", "C2 : RET Iw : f64 end"})
public final class NearReturn extends EndNode {
    private final byte size;
    private final int release;

    public NearReturn(Insn insn) {
        super(insn);
        size = (byte) insn.size;
        release = (int) insn.immediate;
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        long target = Width.zx(size, cpu.peek(size, 0));
        cpu.code.checkTarget(target);
        cpu.setStackPointer(cpu.r[Cpu.RSP] + size + release);
        count(cpu);
        return cpu.code.returned(target);
    }
}
