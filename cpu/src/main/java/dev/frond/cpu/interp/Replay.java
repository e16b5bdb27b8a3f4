// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.memory.GuestMemory;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.BooleanSupplier;

/** Lets the interpreter execute what another engine has executed, up to the same instruction. */
public final class Replay {
    private final Cpu cpu;
    private final Decoder decoder;
    private final byte[] buffer = new byte[4096];
    private final long[] path;
    private final long[] first;
    private long steps;

    /**
     * For {@code cpu}, remembering the first and the latest {@code remembered} instructions, a
     * power of two.
     */
    public Replay(Cpu cpu, int remembered) {
        this.cpu = cpu;
        path = new long[remembered];
        first = new long[remembered];
        decoder = new Decoder(Table.forms(), cpu.cpuid.model().features());
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

    /** How many nodes the last {@link #to} executed. */
    public long steps() {
        return steps;
    }

    /**
     * Executes from {@link Cpu#rip} on, at least one instruction, until {@code end} is reached and
     * {@code accepted} says that it is this time; false if that is not within {@code most} steps. A
     * {@link CpuFault} comes out, {@link Cpu#rip} being that of its instruction.
     */
    public boolean to(long end, long most, BooleanSupplier accepted) {
        steps = 0;
        Node node = null;
        // Where execution is: before instructions that do nothing and have no node.
        long at = cpu.rip;
        while (steps < most) {
            if (node == null) {
                cpu.rip = at;
                node = cpu.code.enter();
            }
            long rip = node.rip(cpu);
            if (end - at > 0 && end - at <= rip - at && arrive(end, accepted)) {
                return true;
            }
            path[(int) steps & path.length - 1] = rip;
            if (steps < first.length) {
                first[(int) steps] = rip;
            }
            steps++;
            long following = node.nextRip(cpu);
            Node next = execute(node, rip, following == end);
            at = next == null ? cpu.rip : at(node, next, rip, following, end);
            if (at == end && arrive(end, accepted)) {
                return true;
            }
            node = next;
        }
        cpu.rip = at;
        return false;
    }

    private boolean arrive(long end, BooleanSupplier accepted) {
        cpu.rip = end;
        return accepted.getAsBoolean();
    }

    private @Nullable Node execute(Node node, long rip, boolean alone) {
        ConditionalJump jump = node.jump;
        try {
            if (alone) {
                // Not together with the jump that follows.
                node.jump = null;
            }
            return node.execute(cpu);
        } catch (CpuFault fault) {
            if (!fault.isRipSet()) {
                cpu.rip = rip;
            }
            throw fault;
        } finally {
            node.jump = jump;
        }
    }

    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    private long at(Node node, Node next, long rip, long following, long end) {
        if (next == node.next) {
            return following;
        }
        ConditionalJump jump = node.jump;
        if (jump != null && next == jump.next) {
            return rip - node.offset() + jump.end();
        }
        long target = next.rip(cpu);
        return end != target && onlyNops(end, target) ? end : target;
    }

    /** Whether nothing but instructions that do nothing stand between two places of a page. */
    private boolean onlyNops(long from, long to) {
        int offset = (int) from & 4095;
        if (to - from <= 0 || to - from > 4096 - offset) {
            return false;
        }
        long physical = cpu.mmu.translateCode(from);
        if (!cpu.mmu.isRam(physical)) {
            return false;
        }
        long page = cpu.mmu.ramOffset(physical) & -(1L << GuestMemory.PAGE_SHIFT);
        MemorySegment.copy(
                cpu.ram.segment(), ValueLayout.JAVA_BYTE, page, buffer, 0, buffer.length);
        int limit = offset + (int) (to - from);
        while (offset < limit) {
            Insn insn = decoder.decode(buffer, offset, limit, offset, cpu.mode & ~Cpu.USER);
            if (insn == null || !insn.isNop()) {
                return false;
            }
            offset += insn.length;
        }
        return true;
    }
}
