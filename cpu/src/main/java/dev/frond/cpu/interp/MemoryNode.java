// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

/** An instruction with a memory operand by ModRM. */
public abstract class MemoryNode extends Node {
    private final byte base;
    private final byte index;
    private final byte scale;
    private final byte segment;

    /** A base and a displacement in a flat 64-bit segment: most of what compilers make. */
    private final boolean plain;

    private final int displacement;

    /** What cuts an address to its size: bits to shift up and down again. */
    private final byte cut;

    protected MemoryNode(Insn insn) {
        super(insn);
        base = (byte) insn.base;
        index = (byte) insn.index;
        scale = (byte) insn.scale;
        segment = (byte) insn.segment;
        displacement = (int) insn.displacement;
        cut = (byte) (64 - 8 * insn.addressSize);
        plain =
                cut == 0
                        && insn.index == Cpu.NO_REGISTER
                        && (insn.segment == Seg.FLAT || insn.segment == Seg.FLAT_STACK);
    }

    /** The effective address. */
    protected final long effectiveAddress(Cpu cpu) {
        long[] r = cpu.r;
        return r[base] + (r[index] << scale) + displacement << cut >>> cut;
    }

    /** The linear address of {@code size} bytes to load. */
    protected final long load(Cpu cpu, int size) {
        return plain ? cpu.r[base] + displacement : linear(cpu, size, false);
    }

    /** The linear address of {@code size} bytes to store. */
    protected final long store(Cpu cpu, int size) {
        return plain ? cpu.r[base] + displacement : linear(cpu, size, true);
    }

    private long linear(Cpu cpu, int size, boolean write) {
        int seg = segment;
        return seg >= Seg.FLAT
                ? effectiveAddress(cpu) + cpu.segBase[seg]
                : cpu.linear(seg, effectiveAddress(cpu), size, write);
    }

    @Override
    public boolean accessesStack() {
        return segment == Seg.FLAT_STACK;
    }
}
