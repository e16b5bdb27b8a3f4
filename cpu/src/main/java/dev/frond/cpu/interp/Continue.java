// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;

import org.jspecify.annotations.Nullable;

/** The end of a block that no instruction ends: what follows is looked up. */
class Continue extends FarJump {
    Continue(int offset) {
        super(offset);
    }

    @Override
    public int offset() {
        return (int) target();
    }

    @Override
    void checkTarget(Cpu cpu, long target) {
        // No branch: the fetch of what follows faults, with its own instruction pointer.
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        return jump(cpu);
    }
}
