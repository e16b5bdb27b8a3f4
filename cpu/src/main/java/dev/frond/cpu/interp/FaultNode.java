// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;

import org.jspecify.annotations.Nullable;

/** Bytes that are no instruction: they fault when they are reached. */
final class FaultNode extends BlockExit {
    private final int vector;

    FaultNode(int offset, int vector) {
        super(offset, 0);
        this.vector = vector;
    }

    @Override
    public @Nullable Node execute(Cpu cpu) {
        throw cpu.fault(vector);
    }
}
