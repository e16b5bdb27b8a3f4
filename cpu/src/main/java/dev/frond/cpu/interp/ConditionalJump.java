// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.decode.Insn;

/** A conditional jump: its block goes on where it is not taken. */
public abstract class ConditionalJump extends Jump {
    protected ConditionalJump(Insn insn) {
        super(insn);
    }
}
