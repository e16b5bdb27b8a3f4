// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/**
 * Far JMP, CALL and RET: to code segments, through call gates and to tasks (SDM Vol. 3A, 6.8, and
 * the instructions' own pages). {@link Cpu#rip} is that of the next instruction when they are
 * called.
 */
public final class FarTransfers {
    private static final int CALL_GATE_16 = 4;
    private static final int CALL_GATE = 12;

    /** Words that a call gate copies at most: its count has five bits. */
    private static final int MOST_PARAMETERS = 31;

    private final Cpu cpu;
    private final StackSwitch stack;
    private final long[] parameters = new long[MOST_PARAMETERS];

    /** What {@link #readGate} found. */
    private int gateSelector;

    private long gateTarget;
    private long gateCode;

    FarTransfers(Cpu cpu) {
        this.cpu = cpu;
        stack = new StackSwitch(cpu);
    }

    // --- JMP
    // --------------------------------------------------------------------------------------

    /** JMP to {@code target} in what {@code selector} names. */
    public void jump(int selector, long target) {
        if (!cpu.selectorsNameDescriptors()) {
            cpu.code.checkTarget(target);
            cpu.segments.setReal(CS, selector);
            cpu.segments.followSegment(CS);
            cpu.rip = target;
            return;
        }
        long raw = read(selector);
        int attributes = Segments.attributes(raw);
        if ((attributes & CODE_OR_DATA) != 0) {
            checkCode(selector, raw, true);
            checkTarget(raw, target);
            cpu.segments.markAccessed(selector, raw);
            enter(selector, raw, target, cpu.cpl);
        } else if (isCallGate(attributes)) {
            readGate(selector, raw);
            checkCode(gateSelector, gateCode, false);
            checkTarget(gateCode, gateTarget);
            cpu.segments.markAccessed(gateSelector, gateCode);
            enter(gateSelector, gateCode, gateTarget, cpu.cpl);
        } else {
            toTask(selector, raw, Tasks.Kind.JUMP);
        }
    }

    private long read(int selector) {
        if ((selector & 0xFFFC) == 0) {
            throw cpu.gp();
        }
        return cpu.segments.read(selector, CpuFault.GP);
    }

    private CpuFault about(int vector, int selector) {
        return cpu.fault(vector, selector & 0xFFFC);
    }

    private boolean isCallGate(int attributes) {
        int type = attributes & 15;
        return type == CALL_GATE || type == CALL_GATE_16 && !cpu.longMode();
    }

    /**
     * Checks a code segment that is entered at the current level, by a selector of the program
     * ({@code direct}) or of a gate, whose RPL does not count.
     */
    private void checkCode(int selector, long raw, boolean direct) {
        int attributes = Segments.attributes(raw);
        boolean ok = (attributes & (CODE_OR_DATA | CODE)) == (CODE_OR_DATA | CODE);
        if ((attributes & CONFORMING) != 0) {
            ok &= Segments.dpl(attributes) <= cpu.cpl;
        } else {
            ok &= Segments.dpl(attributes) == cpu.cpl && (!direct || (selector & 3) <= cpu.cpl);
        }
        ok &= !cpu.longMode() || (attributes & (LONG | BIG)) != (LONG | BIG);
        if (!ok) {
            throw about(CpuFault.GP, selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw about(CpuFault.NP, selector);
        }
    }

    /** #GP(0) unless {@code target} is in the code segment {@code raw}. */
    void checkTarget(long raw, long target) {
        if (cpu.longMode() && (Segments.attributes(raw) & LONG) != 0) {
            if (!cpu.isCanonical(target)) {
                throw cpu.gp();
            }
        } else if (Long.compareUnsigned(target, Segments.limit(raw) & 0xFFFF_FFFFL) > 0) {
            throw cpu.gp();
        }
    }

    private void enter(int selector, long raw, long target, int cpl) {
        cpu.segments.set(CS, selector & ~3 | cpl, raw);
        cpu.segments.setCpl(cpl);
        cpu.rip = target;
    }

    // --- call gates
    // -------------------------------------------------------------------------------

    /** Checks the gate {@code raw} itself and reads the code descriptor that it names. */
    private void readGate(int selector, long raw) {
        checkPrivilege(selector, raw);
        boolean wide = (Segments.attributes(raw) & 15) == CALL_GATE;
        gateSelector = (int) (raw >>> 16) & 0xFFFF;
        gateTarget = raw & 0xFFFF | (wide ? raw >>> 32 & 0xFFFF_0000L : 0);
        if (cpu.longMode()) {
            gateTarget |= upperHalf(selector) << 32;
        }
        gateCode = read(gateSelector);
        int attributes = Segments.attributes(gateCode);
        if ((attributes & (CODE_OR_DATA | CODE)) != (CODE_OR_DATA | CODE)
                || Segments.dpl(attributes) > cpu.cpl
                || cpu.longMode() && (attributes & (LONG | BIG)) != LONG) {
            throw about(CpuFault.GP, gateSelector);
        }
    }

    private void checkPrivilege(int selector, long raw) {
        int attributes = Segments.attributes(raw);
        if (Segments.dpl(attributes) < Math.max(cpu.cpl, selector & 3)) {
            throw about(CpuFault.GP, selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw about(CpuFault.NP, selector);
        }
    }

    /** The second 8 bytes of a 64-bit call gate (SDM Vol. 3A, 6.8.3.1). */
    private long upperHalf(int selector) {
        long address = cpu.segments.descriptorAddress(selector, 16);
        if (address == -1) {
            throw about(CpuFault.GP, selector);
        }
        long upper = cpu.mmu.loadSystem(address + 8, 8);
        if ((upper >>> 40 & 0x1F) != 0) {
            throw about(CpuFault.GP, selector);
        }
        return upper & 0xFFFF_FFFFL;
    }

    // --- CALL
    // -------------------------------------------------------------------------------------

    /**
     * CALL with operands of {@code size} bytes to {@code target} in what {@code selector} names.
     */
    public void call(int size, int selector, long target) {
        if (!cpu.selectorsNameDescriptors()) {
            cpu.code.checkTarget(target);
            pushReturn(size);
            cpu.segments.setReal(CS, selector);
            cpu.segments.followSegment(CS);
            cpu.rip = target;
            return;
        }
        long raw = read(selector);
        int attributes = Segments.attributes(raw);
        if ((attributes & CODE_OR_DATA) != 0) {
            checkCode(selector, raw, true);
            checkTarget(raw, target);
            cpu.segments.markAccessed(selector, raw);
            pushReturn(size);
            enter(selector, raw, target, cpu.cpl);
        } else if (isCallGate(attributes)) {
            callGate(selector, raw);
        } else {
            toTask(selector, raw, Tasks.Kind.CALL);
        }
    }

    /** Pushes CS and the instruction pointer: both or a fault. */
    private void pushReturn(int size) {
        long old = cpu.r[Cpu.RSP];
        try {
            cpu.push(size, cpu.selector[CS]);
            cpu.push(size, cpu.rip);
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = old;
            throw fault;
        }
    }

    private void callGate(int selector, long gate) {
        readGate(selector, gate);
        int attributes = Segments.attributes(gateCode);
        if ((attributes & PRESENT) == 0) {
            throw about(CpuFault.NP, gateSelector);
        }
        int dpl = Segments.dpl(attributes);
        boolean inner = (attributes & CONFORMING) == 0 && dpl < cpu.cpl;
        if (cpu.longMode()) {
            callGate64(inner ? dpl : cpu.cpl, inner);
            return;
        }
        int size = (Segments.attributes(gate) & 15) == CALL_GATE ? 4 : 2;
        if (inner) {
            callInner(size, dpl, (int) (gate >>> 32) & MOST_PARAMETERS);
        } else {
            checkTarget(gateCode, gateTarget);
            cpu.segments.markAccessed(gateSelector, gateCode);
            pushReturn(size);
            enter(gateSelector, gateCode, gateTarget, cpu.cpl);
        }
    }

    private void callInner(int size, int newCpl, int count) {
        stack.find(newCpl, 0);
        checkTarget(gateCode, gateTarget);
        for (int i = 0; i < count; i++) {
            parameters[i] = cpu.peek(size, (long) i * size);
        }
        cpu.segments.markAccessed(gateSelector, gateCode);
        stack.begin(newCpl);
        try {
            cpu.push(size, stack.oldSelector());
            cpu.push(size, stack.oldPointer());
            for (int i = count - 1; i >= 0; i--) {
                cpu.push(size, parameters[i]);
            }
            cpu.push(size, cpu.selector[CS]);
            cpu.push(size, cpu.rip);
        } catch (CpuFault fault) {
            throw stack.undo(fault);
        }
        enter(gateSelector, gateCode, gateTarget, newCpl);
    }

    /** A call into 64-bit code: frames of 8 bytes, no parameters (SDM Vol. 3A, 6.8.5.1). */
    private void callGate64(int newCpl, boolean inner) {
        long top = inner ? cpu.delivery.tssStack(4 + 8 * newCpl, 0) : cpu.r[Cpu.RSP];
        checkTarget(gateCode, gateTarget);
        cpu.segments.markAccessed(gateSelector, gateCode);
        int bytes = inner ? 32 : 16;
        long at = top - bytes;
        int oldCpl = cpu.cpl;
        cpu.cpl = newCpl;
        cpu.mmu.selectTlb();
        try {
            cpu.mmu.checkStore(at, bytes);
            cpu.store64(at, cpu.rip);
            cpu.store64(at + 8, cpu.selector[CS]);
            if (inner) {
                cpu.store64(at + 16, cpu.r[Cpu.RSP]);
                cpu.store64(at + 24, cpu.selector[SS]);
            }
        } catch (CpuFault fault) {
            cpu.cpl = oldCpl;
            cpu.mmu.selectTlb();
            throw fault.ofStack();
        }
        cpu.r[Cpu.RSP] = at;
        if (inner) {
            cpu.segments.setNull(SS, newCpl);
        }
        enter(gateSelector, gateCode, gateTarget, newCpl);
    }

    // --- tasks
    // ------------------------------------------------------------------------------------

    private void toTask(int selector, long raw, Tasks.Kind kind) {
        int type = Segments.attributes(raw) & 15;
        boolean gate = type == Tasks.GATE;
        if (cpu.longMode() || !gate && type != Tasks.AVAILABLE_16 && type != Tasks.AVAILABLE_32) {
            throw about(CpuFault.GP, selector);
        }
        checkPrivilege(selector, raw);
        if (gate) {
            cpu.tasks.throughGate(raw, kind, cpu.rflags(), 0);
        } else {
            cpu.tasks.switchTo(selector, raw, kind, cpu.rflags(), 0);
        }
    }

    // --- RET
    // --------------------------------------------------------------------------------------

    /**
     * RET with operands of {@code size} bytes that releases {@code release} bytes of parameters.
     */
    public void ret(int size, int release) {
        long target = Width.zx(size, cpu.peek(size, 0));
        int selector = cpu.peekSelector(size, size);
        if (!cpu.selectorsNameDescriptors()) {
            cpu.code.checkTarget(target);
            cpu.segments.setReal(CS, selector);
            cpu.setStackPointer(cpu.r[Cpu.RSP] + 2L * size + release);
            cpu.segments.followSegment(CS);
            cpu.rip = target;
            return;
        }
        long code = returnCode(selector);
        int rpl = selector & 3;
        checkTarget(code, target);
        if (rpl == cpu.cpl) {
            cpu.segments.markAccessed(selector, code);
            cpu.setStackPointer(cpu.r[Cpu.RSP] + 2L * size + release);
            cpu.segments.set(CS, selector, code);
            cpu.segments.followSegment(CS);
            cpu.rip = target;
            return;
        }
        long newSp = Width.zx(size, cpu.peek(size, 2L * size + release));
        int newSs = cpu.peekSelector(size, 3L * size + release);
        boolean to64 = cpu.longMode() && (Segments.attributes(code) & LONG) != 0;
        long raw = cpu.delivery.checkOuterStack(newSs, rpl, to64);
        cpu.segments.markAccessed(selector, code);
        cpu.segments.set(CS, selector, code);
        cpu.cpl = rpl;
        if ((newSs & 0xFFFC) == 0) {
            cpu.segments.setNull(SS, newSs);
        } else {
            cpu.segments.set(SS, newSs, raw);
        }
        cpu.segments.modeChanged();
        cpu.setStackPointer(newSp + release);
        cpu.segments.dropPrivilegedData();
        cpu.rip = target;
    }

    /** The code segment that RET and IRET return to, checked: at the same level or an outer one. */
    long returnCode(int selector) {
        long code = read(selector);
        int attributes = Segments.attributes(code);
        int rpl = selector & 3;
        if ((attributes & (CODE_OR_DATA | CODE)) != (CODE_OR_DATA | CODE)
                || rpl < cpu.cpl
                || ((attributes & CONFORMING) != 0
                        ? Segments.dpl(attributes) > rpl
                        : Segments.dpl(attributes) != rpl)
                || cpu.longMode() && (attributes & (LONG | BIG)) == (LONG | BIG)) {
            throw about(CpuFault.GP, selector);
        }
        if ((attributes & PRESENT) == 0) {
            throw about(CpuFault.NP, selector);
        }
        return code;
    }
}
