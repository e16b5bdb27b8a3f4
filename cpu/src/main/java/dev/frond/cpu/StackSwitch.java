// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import static dev.frond.cpu.Seg.*;

/**
 * A change to the stack of an inner privilege level, outside of long mode (SDM Vol. 3A, 6.8.5): the
 * stack that the TSS names, and what is put back if a push to it faults.
 */
final class StackSwitch {
    private final Cpu cpu;

    private int external;
    private int newSelector;
    private long newDescriptor;
    private long newPointer;

    private int cpl;
    private int flags;
    private int selector;
    private long base;
    private int limit;
    private int attributes;
    private long pointer;

    StackSwitch(Cpu cpu) {
        this.cpu = cpu;
    }

    /**
     * Finds and checks the stack of {@code newCpl}; {@code external} is the EXT bit of error codes.
     */
    void find(int newCpl, int external) {
        this.external = external;
        boolean tss32 = (cpu.segAttributes[TR] & 8) != 0;
        int offset = tss32 ? 4 + 8 * newCpl : 2 + 4 * newCpl;
        int slotBytes = tss32 ? 6 : 4;
        if (Integer.compareUnsigned(offset + slotBytes - 1, cpu.segLimit[TR]) > 0) {
            throw fault(CpuFault.TS, cpu.selector[TR]);
        }
        long at = cpu.segBase[TR] + offset;
        newPointer = Width.zx(tss32 ? 4 : 2, cpu.mmu.loadSystem(at, tss32 ? 4 : 2));
        newSelector = (int) cpu.mmu.loadSystem(at + (tss32 ? 4 : 2), 2) & 0xFFFF;
        long address = cpu.segments.descriptorAddress(newSelector);
        if ((newSelector & 0xFFFC) == 0 || address == -1) {
            throw fault(CpuFault.TS, newSelector);
        }
        newDescriptor = cpu.mmu.loadSystem(address, 8);
        int found = Segments.attributes(newDescriptor);
        if ((newSelector & 3) != newCpl
                || Segments.dpl(found) != newCpl
                || (found & (CODE_OR_DATA | CODE | WRITABLE)) != (CODE_OR_DATA | WRITABLE)) {
            throw fault(CpuFault.TS, newSelector);
        }
        if ((found & PRESENT) == 0) {
            throw fault(CpuFault.SS, newSelector);
        }
        cpu.segments.markAccessed(newSelector, newDescriptor);
    }

    private CpuFault fault(int vector, int about) {
        return cpu.fault(vector, about & 0xFFFC | external);
    }

    /** Makes the stack that was found the current one; virtual-8086 mode ends. */
    void begin(int newCpl) {
        cpl = cpu.cpl;
        flags = cpu.systemFlags;
        selector = cpu.selector[SS];
        base = cpu.segBase[SS];
        limit = cpu.segLimit[SS];
        attributes = cpu.segAttributes[SS];
        pointer = cpu.r[Cpu.RSP];
        cpu.cpl = newCpl;
        cpu.systemFlags &= ~Cpu.VM;
        cpu.segments.set(SS, newSelector, newDescriptor);
        cpu.segments.modeChanged();
        cpu.setStackPointer(newPointer);
    }

    int oldSelector() {
        return selector;
    }

    long oldPointer() {
        return pointer;
    }

    /** Puts everything back after a push faulted; returns the fault to throw. */
    CpuFault undo(CpuFault fault) {
        cpu.cpl = cpl;
        cpu.systemFlags = flags;
        cpu.selector[SS] = selector;
        cpu.segBase[SS] = base;
        cpu.segLimit[SS] = limit;
        cpu.segAttributes[SS] = attributes;
        cpu.r[Cpu.RSP] = pointer;
        cpu.segments.modeChanged();
        if (fault.vector == CpuFault.SS) {
            // The new stack has no room: its selector is told (SDM Vol. 3A, 7.15).
            fault.errorCode = newSelector & 0xFFFC | external;
        }
        return fault;
    }
}
