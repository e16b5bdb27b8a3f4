// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

/** An instruction with a memory operand by ModRM. */
public abstract class MemoryNode extends Node {
    /** A base and a displacement in a flat 64-bit segment: most of what compilers make. */
    private static final int PLAIN = 0x80;

    private static final int CUT_TO_32 = 0x40;
    private static final int CUT_TO_16 = 0xC0;
    private static final int CUT = 0xC0;
    private static final int SCALE = 4;
    private static final int SEGMENT = 0xF;

    private final byte base;
    private final byte index;

    /** A {@link Seg} number, the scale, and how the address is cut: a node is to be small. */
    private final byte form;

    private final int displacement;

    protected MemoryNode(Insn insn) {
        super(insn);
        base = (byte) insn.base;
        index = (byte) insn.index;
        displacement = (int) insn.displacement;
        boolean flat = insn.segment == Seg.FLAT || insn.segment == Seg.FLAT_STACK;
        int how =
                switch (insn.addressSize) {
                    case 2 -> CUT_TO_16;
                    case 4 -> CUT_TO_32;
                    default -> flat && insn.index == Cpu.NO_REGISTER ? PLAIN : 0;
                };
        form = (byte) (insn.segment | insn.scale << SCALE | how);
    }

    private boolean isPlain() {
        return (form & CUT) == PLAIN;
    }

    /** The effective address. */
    protected final long effectiveAddress(Cpu cpu) {
        long[] r = cpu.r;
        if (isPlain()) {
            return r[base] + displacement;
        }
        long sum = r[base] + (r[index] << (form >> SCALE & 3)) + displacement;
        int cut = form & CUT;
        return cut == 0 ? sum : cut == CUT_TO_32 ? sum & 0xFFFF_FFFFL : sum & 0xFFFF;
    }

    /** The linear address of {@code size} bytes to load. */
    protected final long load(Cpu cpu, int size) {
        return isPlain() ? cpu.r[base] + displacement : linear(cpu, size, false);
    }

    /** The linear address of {@code size} bytes to store. */
    protected final long store(Cpu cpu, int size) {
        return isPlain() ? cpu.r[base] + displacement : linear(cpu, size, true);
    }

    private long linear(Cpu cpu, int size, boolean write) {
        int seg = form & SEGMENT;
        return seg >= Seg.FLAT
                ? effectiveAddress(cpu) + cpu.segBase[seg]
                : cpu.linear(seg, effectiveAddress(cpu), size, write);
    }

    @Override
    public boolean accessesStack() {
        return (form & SEGMENT) == Seg.FLAT_STACK;
    }
}
