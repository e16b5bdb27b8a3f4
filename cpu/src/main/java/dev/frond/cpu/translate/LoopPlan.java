// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Insn;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.List;

/**
 * A loop that is one block, and those of its memory operands that move on by the same in each
 * round: for as many rounds as they stay in their pages they need no look into the TLB.
 */
final class LoopPlan {
    /** Operands off the same registers. */
    static final class Group {
        /** An instruction with such an operand. */
        final Insn insn;

        /** How far the operand moves on in a round. */
        final int stride;

        final boolean baseMoves;
        final boolean indexMoves;

        /**
         * The lowest displacement, as of the start of a round, and the one behind the last byte.
         */
        long low;

        long high;

        /** What the lowest address must be a multiple of. */
        int alignment = 1;

        boolean writes;

        /** The number of the group. */
        final int number;

        Group(Insn insn, int stride, boolean baseMoves, boolean indexMoves, int number) {
            this.insn = insn;
            this.stride = stride;
            this.baseMoves = baseMoves;
            this.indexMoves = indexMoves;
            this.number = number;
            low = Long.MAX_VALUE;
            high = Long.MIN_VALUE;
        }

        int span() {
            return (int) (high - low);
        }

        private boolean isFor(Insn other) {
            return insn.base == other.base
                    && insn.index == other.index
                    && (insn.index == Cpu.NO_REGISTER || insn.scale == other.scale);
        }
    }

    private static final int MAX_GROUPS = Context.LOOP_GROUPS;
    private static final int MAX_SPAN = 1024;
    private static final int MAX_STRIDE = 1024;

    private final Insn[] insns;
    private final Shape[] shapes;
    private final List<Group> groups = new ArrayList<>();
    private final @Nullable Group[] byInsn;

    /** The number of the instruction that jumps back. */
    final int last;

    /** By register: by how much it grows in a round, if {@link #moved} says nothing else. */
    private final long[] steps = new long[16];

    private final boolean[] written = new boolean[16];
    private final boolean[] moved = new boolean[16];

    private LoopPlan(Insn[] insns, Shape[] shapes, int last) {
        this.insns = insns;
        this.shapes = shapes;
        this.last = last;
        byInsn = new @Nullable Group[last + 1];
    }

    /** The plan for the loop that a block of {@code count} instructions begins with, or null. */
    static @Nullable LoopPlan of(Insn[] insns, Shape[] shapes, int count, int offset) {
        for (int i = 0; i < count; i++) {
            if (shapes[i].x87()) {
                return null;
            }
            switch (shapes[i].path()) {
                case CONDITIONAL_JUMP, JUMP -> {
                    if (BlockTranslator.target(insns[i]) == offset) {
                        LoopPlan plan = new LoopPlan(insns, shapes, i);
                        plan.findSteps();
                        plan.findGroups();
                        return plan.groups.isEmpty() ? null : plan;
                    }
                }
                case MODRM, OPCODE_REGISTER, PLAIN, NOP, LEA, EXCHANGE_ACCUMULATOR -> {}
                default -> {
                    return null;
                }
            }
        }
        return null;
    }

    /** Whether nothing leaves the loop but its end, and R15 is free. */
    boolean isClosed() {
        for (int i = 0; i <= last; i++) {
            Insn insn = insns[i];
            Shape shape = shapes[i];
            boolean open =
                    i < last && shape.path() == Shape.Path.CONDITIONAL_JUMP
                            || insn.memory
                                    && shape.path() == Shape.Path.MODRM
                                    && (byInsn[i] == null || shape.usesCl())
                            || insn.form.mnemonic().equals("DIV")
                            || insn.form.mnemonic().equals("IDIV");
            if (open || namesSpilled(insn, shape)) {
                return false;
            }
        }
        return true;
    }

    private static boolean namesSpilled(Insn insn, Shape shape) {
        return switch (shape.path()) {
            case LEA -> isSpilled(insn.reg) || namesSpilledAddress(insn);
            case OPCODE_REGISTER, EXCHANGE_ACCUMULATOR -> isSpilled(insn.opcodeRegister);
            case MODRM ->
                    isSpilled(shape.reg(), insn.reg)
                            || isSpilled(shape.vvvv(), insn.vvvv)
                            || (insn.memory
                                    ? namesSpilledAddress(insn)
                                    : isSpilled(shape.rm(), insn.rm));
            default -> false;
        };
    }

    private static boolean namesSpilledAddress(Insn insn) {
        return isSpilled(insn.base) || isSpilled(insn.index);
    }

    private static boolean isSpilled(Shape.Kind kind, int register) {
        return (kind == Shape.Kind.GENERAL || kind == Shape.Kind.BYTE) && isSpilled(register);
    }

    private static boolean isSpilled(int register) {
        return isRegister(register) && Context.isSpilled(register);
    }

    List<Group> groups() {
        return groups;
    }

    /** The group of an instruction's operand; null if it must be looked up each time. */
    @Nullable Group group(int at) {
        return byInsn[at];
    }

    // --- what registers do in a round -----------------------------------------------------------

    private void findSteps() {
        for (int i = 0; i <= last; i++) {
            Insn insn = insns[i];
            int register = steppedRegister(i);
            if (register >= 0) {
                moved[register] = true;
                steps[register] += step(insn);
                continue;
            }
            Shape shape = shapes[i];
            switch (shape.path()) {
                case LEA -> written[insn.reg] = true;
                case OPCODE_REGISTER -> write(insn, shape.rm(), insn.opcodeRegister);
                case EXCHANGE_ACCUMULATOR -> {
                    written[Cpu.RAX] = true;
                    written[insn.opcodeRegister] = true;
                }
                case PLAIN -> {
                    boolean compares =
                            insn.form.mnemonic().equals("CMP")
                                    || insn.form.mnemonic().equals("TEST");
                    written[Cpu.RAX] |= !compares;
                    written[Cpu.RDX] |= !compares;
                }
                case MODRM -> {
                    if (shape.registers().reg()) {
                        write(insn, shape.reg(), insn.reg);
                    }
                    if (!insn.memory && shape.registers().rm()) {
                        write(insn, shape.rm(), insn.rm);
                    }
                    if (shape.writesVvvv()) {
                        write(insn, shape.vvvv(), insn.vvvv);
                    }
                    if (AccessGroups.writesUnsaid(insn.form)) {
                        written[Cpu.RAX] = true;
                        written[Cpu.RCX] = true;
                        written[Cpu.RDX] = true;
                    }
                }
                default -> {}
            }
        }
    }

    private void write(Insn insn, Shape.Kind kind, int register) {
        switch (kind) {
            case GENERAL -> written[register] = true;
            case BYTE -> written[insn.byteRegister(register) & 15] = true;
            default -> {}
        }
    }

    /** The register that an instruction adds a constant to, in all its 64 bits; or -1. */
    private int steppedRegister(int at) {
        Insn insn = insns[at];
        if (insn.size != 8 || insn.memory && shapes[at].path() != Shape.Path.LEA) {
            return -1;
        }
        return switch (insn.form.mnemonic()) {
            case "ADD", "SUB" -> {
                if (shapes[at].immediate(insn) == 0) {
                    yield -1;
                }
                yield shapes[at].path() == Shape.Path.PLAIN ? Cpu.RAX : insn.rm;
            }
            case "INC", "DEC" -> insn.rm;
            case "LEA" ->
                    insn.base == insn.reg && insn.index == Cpu.NO_REGISTER && insn.addressSize == 8
                            ? insn.reg
                            : -1;
            default -> -1;
        };
    }

    private static long step(Insn insn) {
        return switch (insn.form.mnemonic()) {
            case "ADD" -> insn.immediate;
            case "SUB" -> -insn.immediate;
            case "INC" -> 1;
            case "DEC" -> -1;
            default -> insn.displacement;
        };
    }

    // --- operands -------------------------------------------------------------------------------

    private void findGroups() {
        // What the registers have grown by since the start of the round.
        long[] so = new long[16];
        for (int i = 0; i <= last; i++) {
            Insn insn = insns[i];
            if (insn.memory && shapes[i].path() == Shape.Path.MODRM) {
                join(i, so);
            }
            int register = steppedRegister(i);
            if (register >= 0) {
                so[register] += step(insn);
            }
        }
    }

    private void join(int at, long[] so) {
        Insn insn = insns[at];
        if (insn.addressSize != 8
                || insn.segment == Seg.FS64
                || insn.segment == Seg.GS64
                || !isLinear(insn.base)
                || !isLinear(insn.index)) {
            return;
        }
        long stride = steps(insn.base) + (steps(insn.index) << insn.scale);
        long low = insn.displacement + so(so, insn.base) + (so(so, insn.index) << insn.scale);
        int size = shapes[at].access(insn);
        int alignment = ModRmEmitter.alignment(insn, shapes[at]);
        if (Math.abs(stride) > MAX_STRIDE || stride % alignment != 0 || Math.abs(low) > 1 << 30) {
            return;
        }
        Group group = groupFor(insn, (int) stride);
        if (group == null) {
            return;
        }
        boolean first = group.high == Long.MIN_VALUE;
        long newLow = Math.min(group.low, low);
        long newHigh = Math.max(group.high, low + size);
        int newAlignment = Math.max(group.alignment, alignment);
        if (newHigh - newLow > MAX_SPAN || !first && !fits(group, newLow, low, newAlignment)) {
            return;
        }
        group.low = newLow;
        group.high = newHigh;
        group.alignment = newAlignment;
        group.writes |= shapes[at].writesMemory();
        byInsn[at] = group;
    }

    /** Whether the lowest address still tells about the alignment of all. */
    private static boolean fits(Group group, long newLow, long low, int alignment) {
        return (group.low - newLow) % alignment == 0 && (low - newLow) % alignment == 0;
    }

    private @Nullable Group groupFor(Insn insn, int stride) {
        for (Group group : groups) {
            if (group.isFor(insn)) {
                return group;
            }
        }
        if (groups.size() == MAX_GROUPS) {
            return null;
        }
        Group made = new Group(insn, stride, moves(insn.base), moves(insn.index), groups.size());
        groups.add(made);
        return made;
    }

    private static boolean isRegister(int register) {
        return register != Cpu.NO_REGISTER && register != Cpu.CODE_BASE;
    }

    private boolean isLinear(int register) {
        return !isRegister(register) || !written[register];
    }

    private boolean moves(int register) {
        return isRegister(register) && moved[register];
    }

    private long steps(int register) {
        return isRegister(register) ? steps[register] : 0;
    }

    private static long so(long[] so, int register) {
        return isRegister(register) ? so[register] : 0;
    }
}
