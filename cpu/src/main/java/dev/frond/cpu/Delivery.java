// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/** Delivery of interrupts and exceptions, and IRET (SDM Vol. 3A, chapter 7). */
public final class Delivery {
    /** Where an event comes from: it decides on error codes and privilege checks. */
    public enum Source {
        /** An interrupt from outside. */
        EXTERNAL,
        /** INT n, INT3, INTO. */
        SOFTWARE,
        /** An exception of the CPU. */
        EXCEPTION
    }

    /** Error code bits: the event was external; the selector is an IDT index. */
    private static final int EXT = 1;

    private static final int IDT = 2;

    private final Cpu cpu;
    private final StackSwitch stackSwitch;

    Delivery(Cpu cpu) {
        this.cpu = cpu;
        stackSwitch = new StackSwitch(cpu);
    }

    /**
     * Delivers {@code vector} with {@link Cpu#rip} as return address. Throws the fault of the
     * delivery itself, with nothing changed.
     */
    public void deliver(int vector, Source source, int errorCode) {
        boolean withError = source == Source.EXCEPTION && CpuFault.hasErrorCode(vector);
        if (!cpu.protectedMode()) {
            real(vector);
        } else if (cpu.longMode()) {
            long64(vector, source, withError, errorCode);
        } else {
            protectedMode(vector, source, withError, errorCode);
        }
        cpu.wakeUp();
        // What steps into a handler does not trap there.
        cpu.stepTrap = false;
        if (vector == CpuFault.DB && source == Source.EXCEPTION) {
            cpu.debug.entered();
        }
    }

    private void real(int vector) {
        int at = vector * 4;
        if (at + 3 > cpu.idtLimit) {
            throw cpu.gp();
        }
        int entry = (int) cpu.mmu.loadSystem(cpu.idtBase + at, 4);
        long flags = cpu.rflags();
        long stack = cpu.r[Cpu.RSP];
        try {
            cpu.push(2, flags);
            cpu.push(2, cpu.selector[CS]);
            cpu.push(2, cpu.rip);
        } catch (CpuFault fault) {
            cpu.r[Cpu.RSP] = stack;
            throw fault;
        }
        cpu.setSystemFlags(cpu.systemFlags & ~(Cpu.IF | Cpu.TF | Cpu.AC | Cpu.RF));
        cpu.segments.setReal(CS, entry >>> 16);
        cpu.segments.followSegment(CS);
        cpu.rip = entry & 0xFFFF;
    }

    private static int ext(Source source) {
        return source == Source.SOFTWARE ? 0 : EXT;
    }

    private CpuFault gateFault(int kind, int vector, Source source) {
        return cpu.fault(kind, vector << 3 | IDT | ext(source));
    }

    // --- 64-bit
    // ---------------------------------------------------------------------------------------

    private void long64(int vector, Source source, boolean withError, int errorCode) {
        if (vector * 16 + 15 > cpu.idtLimit) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        long low = cpu.mmu.loadSystem(cpu.idtBase + vector * 16L, 8);
        long high = cpu.mmu.loadSystem(cpu.idtBase + vector * 16L + 8, 8);
        int attributes = attributes(low);
        int type = attributes & 0x1F;
        if (type != 0xE && type != 0xF || (high >>> 40 & 0x1F) != 0) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        if (source == Source.SOFTWARE && Segments.dpl(attributes) < cpu.cpl) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        if ((attributes & PRESENT) == 0) {
            throw gateFault(CpuFault.NP, vector, source);
        }
        int selector = (int) (low >>> 16) & 0xFFFF;
        long target = low & 0xFFFF | low >>> 32 & 0xFFFF_0000L | high << 32;
        long code = readCode(selector, source);
        int codeAttributes = Segments.attributes(code);
        if ((codeAttributes & LONG) == 0 || (codeAttributes & BIG) != 0) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | ext(source));
        }
        boolean inner =
                (codeAttributes & CONFORMING) == 0 && Segments.dpl(codeAttributes) < cpu.cpl;
        int newCpl = inner ? Segments.dpl(codeAttributes) : cpu.cpl;
        int ist = (int) (low >>> 32) & 7;
        long stack;
        if (ist != 0) {
            stack = tssStack(28 + 8 * ist, ext(source));
        } else if (inner) {
            stack = tssStack(4 + 8 * newCpl, ext(source));
        } else {
            stack = cpu.r[Cpu.RSP];
        }
        if (!cpu.isCanonical(target)) {
            throw cpu.fault(CpuFault.GP, ext(source));
        }
        stack &= -16L;
        int words = withError ? 6 : 5;
        long top = stack - 8L * words;
        int oldCpl = cpu.cpl;
        int oldSs = cpu.selector[SS];
        cpu.cpl = newCpl;
        cpu.mmu.selectTlb();
        try {
            long at = top;
            cpu.mmu.checkStore(at, 8 * words);
            if (withError) {
                cpu.store64(at, errorCode);
                at += 8;
            }
            cpu.store64(at, cpu.rip);
            cpu.store64(at + 8, cpu.selector[CS]);
            cpu.store64(at + 16, pushedFlags(source, vector));
            cpu.store64(at + 24, cpu.r[Cpu.RSP]);
            cpu.store64(at + 32, oldSs);
        } catch (CpuFault fault) {
            cpu.cpl = oldCpl;
            cpu.mmu.selectTlb();
            fault.ofStack();
            if (fault.vector == CpuFault.SS) {
                fault.errorCode = ext(source);
            }
            throw fault;
        }
        cpu.r[Cpu.RSP] = top;
        if (inner) {
            cpu.segments.setNull(SS, newCpl);
        }
        enter(selector & ~3 | newCpl, code, target, newCpl, type == 0xE);
    }

    private static int attributes(long gate) {
        return (int) (gate >>> 40) & 0xFF;
    }

    /** A stack pointer in a 64-bit TSS; {@code external} is the EXT bit of error codes. */
    long tssStack(int offset, int external) {
        if (Integer.compareUnsigned(offset + 7, cpu.segLimit[TR]) > 0) {
            throw cpu.fault(CpuFault.TS, cpu.selector[TR] & 0xFFFC | external);
        }
        long stack = cpu.mmu.loadSystem(cpu.segBase[TR] + offset, 8);
        if (!cpu.isCanonical(stack)) {
            throw cpu.fault(CpuFault.SS, external);
        }
        return stack;
    }

    /** The code descriptor that a gate names, checked but for the mode's own rules. */
    private long readCode(int selector, Source source) {
        if ((selector & 0xFFFC) == 0) {
            throw cpu.fault(CpuFault.GP, ext(source));
        }
        long address = cpu.segments.descriptorAddress(selector);
        if (address == -1) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | ext(source));
        }
        long code = cpu.mmu.loadSystem(address, 8);
        int attributes = Segments.attributes(code);
        if ((attributes & (CODE_OR_DATA | CODE)) != (CODE_OR_DATA | CODE)
                || Segments.dpl(attributes) > cpu.cpl) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | ext(source));
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.NP, selector & 0xFFFC | ext(source));
        }
        cpu.segments.markAccessed(selector, code);
        return code;
    }

    private long pushedFlags(Source source, int vector) {
        // A fault's image has RF set, so that an instruction breakpoint does not hit again
        // (7.3.1.1).
        boolean fault =
                source == Source.EXCEPTION && vector != CpuFault.DB && vector != CpuFault.DF;
        return cpu.rflags() | (fault || cpu.resumeRip == cpu.rip ? Cpu.RF : 0);
    }

    private void enter(int selector, long code, long target, int newCpl, boolean interruptGate) {
        cpu.segments.set(CS, selector, code);
        cpu.cpl = newCpl;
        int cleared = Cpu.TF | Cpu.NT | Cpu.RF | Cpu.VM | (interruptGate ? Cpu.IF : 0);
        cpu.setSystemFlags(cpu.systemFlags & ~cleared);
        cpu.segments.modeChanged();
        cpu.rip = target;
    }

    // --- 16- and 32-bit protected mode
    // ---------------------------------------------------------------------

    private void protectedMode(int vector, Source source, boolean withError, int errorCode) {
        if (vector * 8 + 7 > cpu.idtLimit) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        long gate = cpu.mmu.loadSystem(cpu.idtBase + vector * 8L, 8);
        int attributes = attributes(gate);
        int type = attributes & 0x1F;
        // Task gates (5), interrupt and trap gates, 16-bit (6, 7) and 32-bit (E, F).
        if (type != Tasks.GATE && (type & 0x16) != 0x06) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        if (source == Source.SOFTWARE && Segments.dpl(attributes) < cpu.cpl) {
            throw gateFault(CpuFault.GP, vector, source);
        }
        if ((attributes & PRESENT) == 0) {
            throw gateFault(CpuFault.NP, vector, source);
        }
        if (type == Tasks.GATE) {
            throughTaskGate(gate, vector, source, withError, errorCode);
            return;
        }
        int size = (type & 8) != 0 ? 4 : 2;
        int selector = (int) (gate >>> 16) & 0xFFFF;
        long target = gate & 0xFFFF | (size == 4 ? gate >>> 32 & 0xFFFF_0000L : 0);
        long code = readCode(selector, source);
        int codeAttributes = Segments.attributes(code);
        boolean inner =
                (codeAttributes & CONFORMING) == 0 && Segments.dpl(codeAttributes) < cpu.cpl;
        if (cpu.v8086() && (!inner || Segments.dpl(codeAttributes) != 0)) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC | ext(source));
        }
        if (Long.compareUnsigned(target, Segments.limit(code) & 0xFFFF_FFFFL) > 0) {
            throw cpu.fault(CpuFault.GP, ext(source));
        }
        int newCpl = inner ? Segments.dpl(codeAttributes) : cpu.cpl;
        long flags = pushedFlags(source, vector);
        if (inner) {
            pushToInner(newCpl, size, flags, source, withError, errorCode);
        } else {
            long stack = cpu.r[Cpu.RSP];
            try {
                pushFrame(size, flags, withError, errorCode);
            } catch (CpuFault fault) {
                cpu.r[Cpu.RSP] = stack;
                throw fault;
            }
        }
        enter(selector & ~3 | newCpl, code, target, newCpl, (type & 1) == 0);
    }

    private void throughTaskGate(
            long gate, int vector, Source source, boolean withError, int errorCode) {
        cpu.tasks.throughGate(gate, Tasks.Kind.CALL, pushedFlags(source, vector), ext(source));
        if (withError) {
            try {
                cpu.push((cpu.segAttributes[TR] & 8) != 0 ? 4 : 2, errorCode);
            } catch (CpuFault fault) {
                // The new task's own, on its first instruction.
                fault.ripIsSet = true;
                throw fault;
            }
        }
    }

    private void pushFrame(int size, long flags, boolean withError, int errorCode) {
        cpu.push(size, flags);
        cpu.push(size, cpu.selector[CS]);
        cpu.push(size, cpu.rip);
        if (withError) {
            cpu.push(size, errorCode);
        }
    }

    /** Switches to the stack of {@code newCpl} and pushes the frame there. */
    private void pushToInner(
            int newCpl, int size, long flags, Source source, boolean withError, int errorCode) {
        stackSwitch.find(newCpl, ext(source));
        boolean fromV8086 = cpu.v8086();
        stackSwitch.begin(newCpl);
        try {
            if (fromV8086) {
                for (int seg : DATA_SEGMENTS) {
                    cpu.push(size, cpu.selector[seg]);
                }
            }
            cpu.push(size, stackSwitch.oldSelector());
            cpu.push(size, stackSwitch.oldPointer());
            pushFrame(size, flags, withError, errorCode);
        } catch (CpuFault fault) {
            throw stackSwitch.undo(fault);
        }
        if (fromV8086) {
            for (int seg : DATA_SEGMENTS) {
                cpu.segments.setNull(seg, 0);
                cpu.segments.followSegment(seg);
            }
        }
    }

    private static final int[] DATA_SEGMENTS = {GS, FS, DS, ES};

    // --- IRET
    // -------------------------------------------------------------------------------------------------

    /** IRET with operands of {@code size} bytes; {@link Cpu#rip} is set. */
    public void iret(int size) {
        if (cpu.nmiBlocked) {
            // Even if the instruction faults (SDM Vol. 3A, 7.7.1). One may be waiting.
            cpu.nmiBlocked = false;
            cpu.post(Cpu.EVENT_INTERRUPT);
        }
        if (!cpu.protectedMode() || cpu.v8086()) {
            iretReal(size);
        } else if ((cpu.systemFlags & Cpu.NT) == 0) {
            iretProtected(size);
        } else if (cpu.longMode()) {
            throw cpu.gp();
        } else {
            cpu.tasks.back(cpu.rflags());
        }
    }

    private void iretReal(int size) {
        long target = Width.zx(size, cpu.peek(size, 0));
        int selector = cpu.peekSelector(size, size);
        long flags = cpu.peek(size, 2L * size);
        boolean virtual = cpu.virtualInterrupts.isVirtualPop(size, flags);
        cpu.code.checkTarget(target);
        cpu.setStackPointer(cpu.r[Cpu.RSP] + 3L * size);
        if (virtual) {
            cpu.virtualInterrupts.popVirtual(flags);
        } else {
            int kept = Cpu.VM | Cpu.VIF | Cpu.VIP;
            setFlags(flags, size, cpu.v8086() ? kept | Cpu.IOPL : kept);
        }
        cpu.segments.setReal(CS, selector);
        cpu.segments.followSegment(CS);
        cpu.rip = target;
        cpu.resume(size == 2 ? 0 : flags);
    }

    private void iretProtected(int size) {
        long target = Width.zx(size, cpu.peek(size, 0));
        int selector = cpu.peekSelector(size, size);
        long flags = cpu.peek(size, 2L * size);
        if (size == 4 && (flags & Cpu.VM) != 0 && cpu.cpl == 0 && !cpu.longMode()) {
            iretToV8086(target, selector, flags);
            return;
        }
        long code = cpu.farTransfers.returnCode(selector);
        cpu.farTransfers.checkTarget(code, target);
        int rpl = selector & 3;
        boolean to64 = cpu.longMode() && (Segments.attributes(code) & LONG) != 0;
        boolean outer = rpl > cpu.cpl;
        if (outer || cpu.is64()) {
            long newSp = Width.zx(size, cpu.peek(size, 3L * size));
            int newSs = cpu.peekSelector(size, 4L * size);
            long raw = checkOuterStack(newSs, rpl, to64);
            cpu.segments.markAccessed(selector, code);
            returnTo(selector, code, target, flags, size, rpl);
            if ((newSs & 0xFFFC) == 0) {
                cpu.segments.setNull(SS, newSs);
            } else {
                cpu.segments.set(SS, newSs, raw);
            }
            cpu.segments.modeChanged();
            if (cpu.is64()) {
                cpu.r[Cpu.RSP] = newSp;
            } else {
                cpu.setStackPointer(newSp);
            }
            if (outer) {
                cpu.segments.dropPrivilegedData();
            }
        } else {
            cpu.segments.markAccessed(selector, code);
            cpu.setStackPointer(cpu.r[Cpu.RSP] + 3L * size);
            returnTo(selector, code, target, flags, size, rpl);
            cpu.segments.modeChanged();
        }
    }

    /**
     * The stack segment that a return to level {@code rpl} names, checked; 0 for a null selector.
     */
    public long checkOuterStack(int selector, int rpl, boolean to64) {
        if ((selector & 0xFFFC) == 0) {
            if (!to64 || rpl == 3 || (selector & 3) != rpl) {
                throw cpu.gp();
            }
            return 0;
        }
        long raw = cpu.segments.read(selector, CpuFault.GP);
        int attributes = Segments.attributes(raw);
        if ((selector & 3) != rpl
                || Segments.dpl(attributes) != rpl
                || (attributes & (CODE_OR_DATA | CODE | WRITABLE)) != (CODE_OR_DATA | WRITABLE)) {
            throw cpu.fault(CpuFault.GP, selector & 0xFFFC);
        }
        if ((attributes & PRESENT) == 0) {
            throw cpu.fault(CpuFault.SS, selector & 0xFFFC);
        }
        cpu.segments.markAccessed(selector, raw);
        return raw;
    }

    private void returnTo(int selector, long code, long target, long flags, int size, int rpl) {
        int kept = Cpu.VM;
        if (cpu.cpl != 0) {
            kept |= Cpu.IOPL | Cpu.VIF | Cpu.VIP;
            if (cpu.cpl > cpu.iopl()) {
                kept |= Cpu.IF;
            }
        }
        cpu.segments.set(CS, selector, code);
        cpu.cpl = rpl;
        setFlags(flags, size, kept);
        cpu.rip = target;
        cpu.resume(size == 2 ? 0 : flags);
    }

    /** Sets the flags that {@code size} bytes hold, but for {@code kept}. */
    private void setFlags(long flags, int size, int kept) {
        int writable = size == 2 ? 0xFFFF : 0x3F_7FD5;
        int mask = writable & ~kept & 0x3F_7FD5;
        cpu.setStatusFlags(flags);
        cpu.setSystemFlags(cpu.systemFlags & ~mask | (int) flags & mask & ~Cpu.STATUS | 2);
    }

    /** The segments behind the stack pointer in a frame of virtual-8086 mode. */
    private static final int[] V8086_FRAME = {SS, ES, DS, FS, GS};

    private void iretToV8086(long target, int selector, long flags) {
        long newSp = cpu.peek(4, 12);
        long[] selectors = cpu.scratch;
        for (int i = 0; i < 5; i++) {
            selectors[i] = cpu.peek(4, 16 + 4 * i) & 0xFFFF;
        }
        if (target > 0xFFFF) {
            throw cpu.gp();
        }
        cpu.setStatusFlags(flags);
        cpu.systemFlags = (int) flags & 0x3F_7FD5 & ~Cpu.STATUS | 2 | Cpu.VM;
        cpu.cpl = 3;
        for (int i = 0; i < 5; i++) {
            int seg = V8086_FRAME[i];
            cpu.segments.setReal(seg, (int) selectors[i]);
            cpu.segments.followSegment(seg);
        }
        cpu.segments.setReal(CS, selector);
        cpu.segments.modeChanged();
        cpu.setSystemFlags(cpu.systemFlags);
        cpu.r[Cpu.RSP] = newSp & 0xFFFF_FFFFL;
        cpu.rip = target;
        cpu.resume(flags);
    }
}
