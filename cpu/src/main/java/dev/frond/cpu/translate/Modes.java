// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Mmu;

/** What a block is translated for: bits that emitted code takes for granted. */
final class Modes {
    /** Nothing can be translated now. */
    static final int NOT_TAKEN = -1;

    /** User mode: the lowest bits are those of {@link Cpu#mode}. */
    static final int USER = Cpu.USER;

    /** Memory is accessed as supervisor with RFLAGS.AC set under CR4.SMAP. */
    static final int ACCESS = 8;

    /** SSE instructions may execute, and no exception of theirs is unmasked. */
    static final int VECTORS = 16;

    /** The same of instructions with a VEX prefix. */
    static final int WIDE_VECTORS = 32;

    /** x87 and MMX instructions may execute, and no x87 exception is unmasked. */
    static final int X87 = 64;

    /** All keys are below. */
    static final int LIMIT = 128;

    private static final int MXCSR_MASKS = 0x1F80;
    private static final long CR4_LA57 = 1 << 12;
    private static final int DR7_ENABLES = 0xFF;

    private Modes() {}

    /** The mode of {@code cpu}. */
    static int of(Cpu cpu) {
        if ((cpu.mode & Cpu.CODE_64) == 0
                || cpu.cpl == 1
                || cpu.cpl == 2
                || (cpu.dr[7] & DR7_ENABLES) != 0
                || (cpu.cr4 & CR4_LA57) != 0) {
            return NOT_TAKEN;
        }
        boolean masked = (cpu.sse.mxcsr() & MXCSR_MASKS) == MXCSR_MASKS;
        return cpu.mode
                | (cpu.mmu.context() == Mmu.SUPERVISOR_AC ? ACCESS : 0)
                | (masked && cpu.mayUseSse() ? VECTORS : 0)
                | (masked && cpu.mayUseAvx() ? WIDE_VECTORS : 0)
                | (cpu.mayUseX87() && cpu.x87.masksAll() ? X87 : 0);
    }

    /** Which table of the TLB a mode uses. */
    static int tlb(int key) {
        return (key & ACCESS) != 0
                ? Mmu.SUPERVISOR_AC
                : (key & USER) != 0 ? Mmu.USER : Mmu.SUPERVISOR;
    }
}
