// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

/**
 * A node whose target may well be in another page: it remembers where that was found, as long as
 * nothing changed that could make it other code.
 */
abstract class FarJump extends Jump {
    private @Nullable Node far;
    private CodePage farPage = CodePage.NONE;

    /** {@link CodeCache#links} when the target was found. */
    private int links;

    /** The instruction pointer of the start of the jump's page then. */
    private long base;

    /** The {@link KnownCode#tag} of the target. */
    private long tag;

    FarJump(Insn insn) {
        super(insn);
    }

    FarJump(int offset) {
        super(offset);
    }

    @Override
    final @Nullable Node jumpOut(Cpu cpu) {
        Node node = far;
        if (node != null
                && links == cpu.code.links
                && base == cpu.r[Cpu.CODE_BASE]
                && (tag == cpu.codeTag || tag == cpu.globalCodeTag)) {
            cpu.r[Cpu.CODE_BASE] = farBase(cpu);
            cpu.codePage = farPage;
            return node;
        }
        return jumpSlow(cpu);
    }

    @Override
    final void found(Cpu cpu, long from, KnownCode code) {
        if (cpu.code.mayLink() && cpu.is64()) {
            far = code.node;
            farPage = code.page;
            links = cpu.code.links;
            base = from;
            tag = code.tag;
        }
    }
}
