// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;

import org.jspecify.annotations.Nullable;

import java.util.Arrays;
import java.util.function.LongUnaryOperator;

/**
 * Lets the interpreter execute as many instructions as another engine has executed, and follows
 * which status flags the manual leaves undefined meanwhile.
 */
public final class Replay {
    /** Status flags are noted as six bits: CF, PF, AF, ZF, SF and OF. */
    private static final int[] FLAGS = {Cpu.CF, Cpu.PF, Cpu.AF, Cpu.ZF, Cpu.SF, Cpu.OF};

    private static final int ALL = 0x3F;
    private static final int WRITES = 6;
    private static final int UNDEFINED = 12;

    /** With a repeat prefix it may need several times to be done. */
    public static final int REPEATS = 1 << 18;

    /** What its result is may be undefined. */
    public static final int LOOSE = 1 << 19;

    private static final int NOTED = 4096;

    private final Cpu cpu;
    private final LongUnaryOperator notes;

    /** Instructions whose notes were asked for lately, by their instruction pointers. */
    private final @Nullable Node[] noted = new @Nullable Node[NOTED];

    private final int[] noteOf = new int[NOTED];
    private final long[] path;
    private final long[] first;
    private long steps;

    /** Flags that are undefined now. */
    private int undefined;

    private boolean readsUndefined;

    /**
     * For {@code cpu}, remembering the first and the latest {@code remembered} instructions, a
     * power of two.
     *
     * @param notes the {@link #note} of the instruction at an instruction pointer
     */
    public Replay(Cpu cpu, int remembered, LongUnaryOperator notes) {
        this.cpu = cpu;
        this.notes = notes;
        path = new long[remembered];
        first = new long[remembered];
        cpu.code.separate();
    }

    /**
     * What is to be known of an instruction.
     *
     * @param reads status flags that it reads
     * @param writes those that it always writes or leaves undefined
     * @param undefined those that it may leave undefined
     * @param more {@link #REPEATS}, {@link #LOOSE}
     */
    public static int note(int reads, int writes, int undefined, int more) {
        return bits(reads) | bits(writes) << WRITES | bits(undefined) << UNDEFINED | more;
    }

    private static int bits(int flags) {
        int bits = 0;
        for (int i = 0; i < FLAGS.length; i++) {
            bits |= (flags & FLAGS[i]) != 0 ? 1 << i : 0;
        }
        return bits;
    }

    /** Status flags that the instructions of the last {@link #execute} leave undefined. */
    public int undefinedFlags() {
        int flags = 0;
        for (int i = 0; i < FLAGS.length; i++) {
            flags |= (undefined & 1 << i) != 0 ? FLAGS[i] : 0;
        }
        return flags;
    }

    /**
     * Whether one of them read a flag that another left undefined, or may have an undefined result:
     * engines may part there.
     */
    public boolean readsUndefined() {
        return readsUndefined;
    }

    /** The instruction pointers of the latest instructions, the last one last. */
    public long[] path() {
        int count = (int) Math.min(steps, path.length);
        long[] latest = new long[count];
        for (int i = 0; i < count; i++) {
            latest[i] = path[(int) (steps - count + i) & path.length - 1];
        }
        return latest;
    }

    /** The instruction pointers of the first instructions, if they are not in {@link #path}. */
    public long[] firstPath() {
        return Arrays.copyOf(first, Math.clamp(steps - path.length, 0, first.length));
    }

    /** How many instructions the last {@link #execute} began with. */
    public long steps() {
        return steps;
    }

    /**
     * Executes {@code count} instructions from {@link Cpu#rip} on, and none after HLT. A {@link
     * CpuFault} comes out, {@link Cpu#rip} being that of its instruction.
     */
    public void execute(long count) {
        steps = 0;
        undefined = 0;
        readsUndefined = false;
        Node node = null;
        while (steps < count && !cpu.halted) {
            if (node == null) {
                node = cpu.code.enter();
            }
            node = node instanceof Continue ? node.execute(cpu) : step(node);
        }
        if (node != null) {
            cpu.rip = node.rip(cpu);
        }
    }

    /**
     * Executes {@code rounds} rounds of the string instruction with a repeat prefix at {@link
     * Cpu#rip} and stays there; nothing if there is none.
     */
    public void executeRounds(long rounds) {
        Node node = cpu.code.enter();
        long rip = node.rip(cpu);
        if ((noteOf(node, rip) & REPEATS) == 0) {
            return;
        }
        long rest = cpu.r[Cpu.RCX] - rounds;
        cpu.r[Cpu.RCX] = rounds;
        do {
            node.execute(cpu);
        } while (cpu.rip == rip);
        cpu.r[Cpu.RCX] = rest;
        cpu.rip = rip;
    }

    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    private int noteOf(Node node, long rip) {
        int slot = (int) (rip ^ rip >>> 12) & NOTED - 1;
        if (noted[slot] != node) {
            noted[slot] = node;
            noteOf[slot] = (int) notes.applyAsLong(rip);
        }
        return noteOf[slot];
    }

    private @Nullable Node step(Node node) {
        long rip = node.rip(cpu);
        int note = noteOf(node, rip);
        path[(int) steps & path.length - 1] = rip;
        if (steps < first.length) {
            first[(int) steps] = rip;
        }
        steps++;
        readsUndefined |= (note & (undefined | LOOSE)) != 0;
        Node next;
        try {
            next = node.execute(cpu);
        } catch (CpuFault fault) {
            if (!fault.isRipSet()) {
                cpu.rip = rip;
            }
            if (fault.isNonCanonical() && node.accessesStack()) {
                throw cpu.fault(CpuFault.SS);
            }
            throw fault;
        }
        undefined = undefined & ~(note >>> WRITES & ALL) | note >>> UNDEFINED & ALL;
        if ((note & REPEATS) != 0 && next == null && cpu.rip == rip) {
            // It goes on where it stopped.
            steps--;
        }
        return next;
    }
}
