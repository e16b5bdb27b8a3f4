// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.device.Longs;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Segment;
import dev.frond.machine.vcpu.CpuState.Table;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The state in which boot protocols enter a kernel: flat segments, interrupts off, no IDT, made
 * from the power-on state by replacing what a boot loader would have changed.
 */
final class StartState {
    /** The number of general-purpose registers, and the numbers of those that protocols fill. */
    private static final int GPRS = 16;

    static final int RAX = 0;
    static final int RBX = 3;
    static final int RSP = 4;
    static final int RSI = 6;

    /** The selectors that the Linux boot protocol asks for: __BOOT_CS and __BOOT_DS. */
    static final int CS = 0x10;

    static final int DS = 0x18;

    /** A task-state segment at 0, as the PVH protocol asks for. */
    static final int TR = 0x20;

    /** The size of the descriptor table that {@link #writeGdt} writes. */
    static final int GDT_SIZE = 0x30;

    private static final int CODE_32 = 0xC09B;
    private static final int CODE_64 = 0xA09B;
    private static final int DATA = 0xC093;
    private static final int BUSY_TSS = 0x8B;

    private static final long CR0_PE = 1;
    private static final long CR0_ET = 1 << 4;
    private static final long CR0_PG = 1L << 31;
    private static final long CR4_PAE = 1 << 5;
    private static final long EFER_LME = 1 << 8;
    private static final long EFER_LMA = 1 << 10;

    private final CpuState powerOn;
    private final long gdt;
    private final long[] gprs = new long[GPRS];

    /** Starts from {@code powerOn}; {@link #writeGdt} put the descriptor table at {@code gdt}. */
    StartState(CpuState powerOn, long gdt) {
        this.powerOn = powerOn;
        this.gdt = gdt;
    }

    /** Sets a general-purpose register; those never set are 0. */
    StartState with(int register, long value) {
        gprs[register] = value;
        return this;
    }

    /** 32-bit protected mode without paging at {@code entry}. */
    CpuState protectedMode(long entry) {
        return state(entry, CODE_32, CR0_PE | CR0_ET, 0, 0, 0);
    }

    /** 64-bit mode at {@code entry} with the page tables at {@code cr3}. */
    CpuState longMode(long entry, long cr3) {
        return state(entry, CODE_64, CR0_PE | CR0_ET | CR0_PG, cr3, CR4_PAE, EFER_LME | EFER_LMA);
    }

    /**
     * Writes the descriptors of {@link #CS} (for 64-bit code if {@code is64}), {@link #DS} and
     * {@link #TR}.
     */
    static void writeGdt(AddressSpace memory, long address, boolean is64) {
        ByteBuffer table = ByteBuffer.allocate(GDT_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        table.putLong(CS, descriptor(is64 ? CODE_64 : CODE_32, 0xFFFFF));
        table.putLong(DS, descriptor(DATA, 0xFFFFF));
        table.putLong(TR, descriptor(BUSY_TSS, 0x67));
        memory.writeBytes(address, table.array());
    }

    /** A descriptor of base 0 (SDM Vol. 3A, 3.4.5); {@code limit} in the unit that bit G says. */
    private static long descriptor(int attributes, int limit) {
        return (limit & 0xFFFF)
                | (attributes & 0xFFL) << 40
                | (limit >>> 16 & 0xFL) << 48
                | (attributes >>> 12 & 0xFL) << 52;
    }

    private CpuState state(long entry, int code, long cr0, long cr3, long cr4, long efer) {
        Segment data = new Segment(DS, 0, -1, DATA);
        return new CpuState(
                Longs.of(gprs),
                entry,
                2,
                data,
                new Segment(CS, 0, -1, code),
                data,
                data,
                data,
                data,
                new Segment(0, 0, 0, Segment.UNUSABLE),
                new Segment(TR, 0, 0x67, BUSY_TSS),
                new Table(gdt, GDT_SIZE - 1),
                new Table(0, 0),
                cr0,
                0,
                cr3,
                cr4,
                efer,
                powerOn.xcr0(),
                powerOn.dr(),
                powerOn.fxsave(),
                powerOn.ymmHigh(),
                powerOn.msrs(),
                powerOn.tsc(),
                CpuState.Activity.ACTIVE,
                false,
                false,
                false,
                0,
                0,
                CpuState.Smm.RESET,
                CpuState.NONE);
    }
}
