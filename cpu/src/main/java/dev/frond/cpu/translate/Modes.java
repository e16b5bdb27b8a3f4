// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Mmu;
import dev.frond.cpu.Seg;

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

    /** Stack accesses use ESP: SS.B is set. The bits from here on are 0 for 64-bit code. */
    static final int STACK_32 = 128;

    /** DS, ES and SS begin at 0, end at 4 GiB, and may be read and written. */
    static final int FLAT_DATA = 256;

    /** CS has 32-bit code, begins at 0 and ends at 4 GiB. */
    static final int FLAT_CODE = 512;

    /** Selectors name descriptors: neither real mode nor virtual-8086 mode. */
    static final int PROTECTED = 1024;

    /**
     * Some bytes of the block's page are outside of CS's limit. Of single blocks, never of the CPU.
     */
    static final int EDGE = 2048;

    /**
     * Each memory operand of the block is looked up on its own. Of single blocks, never of the CPU.
     */
    static final int SEPARATE = 4096;

    /** All keys are below. */
    static final int LIMIT = 8192;

    private static final int MXCSR_MASKS = 0x1F80;
    private static final long CR4_LA57 = 1 << 12;
    private static final int DR7_ENABLES = 0xFF;

    private Modes() {}

    /** The mode of {@code cpu}. */
    static int of(Cpu cpu) {
        if (cpu.cpl == 1
                || cpu.cpl == 2
                || (cpu.dr[7] & DR7_ENABLES) != 0
                || (cpu.cr4 & CR4_LA57) != 0) {
            return NOT_TAKEN;
        }
        int segments = cpu.is64() ? 0 : segments(cpu);
        if (segments == NOT_TAKEN) {
            return NOT_TAKEN;
        }
        boolean masked = (cpu.sse.mxcsr() & MXCSR_MASKS) == MXCSR_MASKS;
        return cpu.mode
                | segments
                | (cpu.mmu.context() == Mmu.SUPERVISOR_AC ? ACCESS : 0)
                | (masked && cpu.mayUseSse() ? VECTORS : 0)
                | (masked && cpu.mayUseAvx() ? WIDE_VECTORS : 0)
                | (cpu.mayUseX87() && cpu.x87.masksAll() ? X87 : 0);
    }

    /** What 16- and 32-bit code relies on. */
    private static int segments(Cpu cpu) {
        int bits = 0;
        if (cpu.stackMask == 0xFFFF_FFFFL) {
            // Emitted code clears the upper half of RSP with ESP, which the interpreter keeps.
            if (cpu.r[Cpu.RSP] >>> 32 != 0) {
                return NOT_TAKEN;
            }
            bits = STACK_32;
        }
        if (isFlat(cpu, Seg.DS) && isFlat(cpu, Seg.ES) && isFlat(cpu, Seg.SS)) {
            bits |= FLAT_DATA;
        }
        if ((cpu.mode & Cpu.CODE_32) != 0
                && cpu.segBase[Seg.CS] == 0
                && cpu.segLimit[Seg.CS] == -1) {
            bits |= FLAT_CODE;
        }
        return bits | (cpu.selectorsNameDescriptors() ? PROTECTED : 0);
    }

    private static final int DATA_TYPE = Seg.UNUSABLE | Seg.CODE | Seg.CONFORMING | Seg.WRITABLE;

    private static boolean isFlat(Cpu cpu, int segment) {
        return cpu.segBase[segment] == 0
                && cpu.segLimit[segment] == -1
                && (cpu.segAttributes[segment] & DATA_TYPE) == Seg.WRITABLE;
    }

    /** Whether a mode is that of 16- or 32-bit code. */
    static boolean isNarrow(int key) {
        return (key & Cpu.CODE_64) == 0;
    }

    /** Whether jumps of a mode must be compared with CS's limit. */
    static boolean limitsCode(int key) {
        return (key & (Cpu.CODE_64 | FLAT_CODE)) == 0;
    }

    /** Which table of the TLB a mode uses. */
    static int tlb(int key) {
        return (key & ACCESS) != 0
                ? Mmu.SUPERVISOR_AC
                : (key & USER) != 0 ? Mmu.USER : Mmu.SUPERVISOR;
    }
}
