// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;

import java.util.List;

/**
 * Everything architectural of one x86-64 CPU at an instruction boundary; the form in which engines
 * hand a CPU over to each other and in which it is saved. The local APIC is a device of its own.
 *
 * @param gprs RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15: 16 values
 * @param dr DR0..DR7: 8 values (4 and 5 unused)
 * @param fxsave x87, MMX, XMM0-15 and MXCSR as the 512-byte FXSAVE64 image (SDM Vol. 1, 10.5.1)
 * @param ymmHigh bits 255:128 of YMM0-15: 32 values, low half first
 * @param msrs all other model-specific registers that hold state
 * @param tsc the time-stamp counter as RDTSC would read it
 * @param debugTraps bits of DR6 for a debug trap that is due before the next instruction
 * @param acknowledged the vector of an interrupt that the CPU took from its controller and is to
 *     deliver before the next instruction, -1 for none
 */
public record CpuState(
        Longs gprs,
        long rip,
        long rflags,
        Segment es,
        Segment cs,
        Segment ss,
        Segment ds,
        Segment fs,
        Segment gs,
        Segment ldtr,
        Segment tr,
        Table gdtr,
        Table idtr,
        long cr0,
        long cr2,
        long cr3,
        long cr4,
        long efer,
        long xcr0,
        Longs dr,
        Bytes fxsave,
        Longs ymmHigh,
        List<Msr> msrs,
        long tsc,
        Activity activity,
        boolean interruptShadow,
        boolean nmiPending,
        boolean nmiBlocked,
        int pkru,
        int debugTraps,
        Smm smm,
        int acknowledged) {

    /** No interrupt is {@link #acknowledged}. */
    public static final int NONE = -1;

    /** CR0.CD and CR0.NW. */
    private static final long CR0_CACHE = 0x6000_0000L;

    /** What the CPU is doing between instructions (SDM Vol. 3C, 25.4.2, for the names). */
    public enum Activity {
        /** Executes instructions. */
        ACTIVE,
        /** After HLT, until an interrupt. */
        HLT,
        /** After a triple fault, until a reset. */
        SHUTDOWN,
        /** Waits for a start-up IPI. */
        WAIT_FOR_SIPI
    }

    /**
     * A segment register with its hidden part. {@code attributes} are bits 15:0 of a descriptor's
     * access rights as LAR shows them, shifted right by 8: type 3:0, S 4, DPL 6:5, P 7, AVL 12, L
     * 13, D/B 14, G 15; bit 16 set means unusable. {@code limit} is in bytes, scaled.
     */
    public record Segment(int selector, long base, int limit, int attributes) {
        public static final int UNUSABLE = 1 << 16;
    }

    /** GDTR or IDTR. */
    public record Table(long base, int limit) {}

    /**
     * System-management mode.
     *
     * @param base SMBASE, where its memory is
     * @param active the CPU executes in it
     * @param pending an SMI waits
     * @param initPending an INIT waits for the end of it
     */
    public record Smm(int base, boolean active, boolean pending, boolean initPending) {
        public static final Smm RESET = new Smm(0x3_0000, false, false, false);
    }

    /** One model-specific register. */
    public record Msr(int index, long value) {}

    public CpuState {
        check("gprs", gprs.length(), 16);
        check("dr", dr.length(), 8);
        check("fxsave", fxsave.length(), 512);
        check("ymmHigh", ymmHigh.length(), 32);
        if (acknowledged < -1 || acknowledged > 255) {
            throw new IllegalArgumentException(
                    "cpu state: acknowledged is " + acknowledged + "; accepted are -1 to 255");
        }
        msrs = List.copyOf(msrs);
    }

    /**
     * The state after power-on of a CPU: real mode, at the reset vector (SDM Vol. 3A, table 10-1).
     */
    public static CpuState powerOn(int familyModelStepping) {
        Segment data = new Segment(0, 0, 0xFFFF, 0x93);
        Longs gprs = Longs.of(0, 0, familyModelStepping, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        byte[] fxsave = new byte[512];
        fxsave[0] = 0x40;
        fxsave[24] = (byte) 0x80;
        fxsave[25] = 0x1F;
        // FCW 0040h; abridged tag FFh: after power-on all registers hold +0, tagged as in use.
        fxsave[4] = (byte) 0xFF;
        return new CpuState(
                gprs,
                0xFFF0,
                2,
                data,
                new Segment(0xF000, 0xFFFF_0000L, 0xFFFF, 0x9B),
                data,
                data,
                data,
                data,
                new Segment(0, 0, 0xFFFF, 0x82),
                new Segment(0, 0, 0xFFFF, 0x8B),
                new Table(0, 0xFFFF),
                new Table(0, 0xFFFF),
                0x6000_0010L,
                0,
                0,
                0,
                0,
                1,
                Longs.of(0, 0, 0, 0, 0, 0, 0xFFFF_0FF0L, 0x400),
                Bytes.of(fxsave),
                Longs.zeros(32),
                List.of(),
                0,
                Activity.ACTIVE,
                false,
                false,
                false,
                0,
                0,
                Smm.RESET,
                NONE);
    }

    /** This state with another activity. */
    public CpuState withActivity(Activity other) {
        return with(msrs, other, acknowledged);
    }

    /** This state with an interrupt to deliver first, or {@link #NONE}. */
    public CpuState withAcknowledged(int vector) {
        return with(msrs, activity, vector);
    }

    /** This state with other model-specific registers. */
    public CpuState withMsrs(List<Msr> others) {
        return with(others, activity, acknowledged);
    }

    private CpuState with(List<Msr> msrs, Activity activity, int acknowledged) {
        return new CpuState(
                gprs,
                rip,
                rflags,
                es,
                cs,
                ss,
                ds,
                fs,
                gs,
                ldtr,
                tr,
                gdtr,
                idtr,
                cr0,
                cr2,
                cr3,
                cr4,
                efer,
                xcr0,
                dr,
                fxsave,
                ymmHigh,
                msrs,
                tsc,
                activity,
                interruptShadow,
                nmiPending,
                nmiBlocked,
                pkru,
                debugTraps,
                smm,
                acknowledged);
    }

    /**
     * What INIT makes of this state: {@link #powerOn} but for floating point, MSRs, time and the
     * cache control of CR0 (SDM Vol. 3A, 10.1), waiting for a start-up IPI.
     */
    public CpuState afterInit(int familyModelStepping) {
        CpuState reset = powerOn(familyModelStepping);
        return new CpuState(
                reset.gprs,
                reset.rip,
                reset.rflags,
                reset.es,
                reset.cs,
                reset.ss,
                reset.ds,
                reset.fs,
                reset.gs,
                reset.ldtr,
                reset.tr,
                reset.gdtr,
                reset.idtr,
                reset.cr0 & ~CR0_CACHE | cr0 & CR0_CACHE,
                reset.cr2,
                reset.cr3,
                reset.cr4,
                reset.efer,
                xcr0,
                reset.dr,
                fxsave,
                ymmHigh,
                msrs,
                tsc,
                Activity.WAIT_FOR_SIPI,
                false,
                false,
                false,
                pkru,
                0,
                new Smm(smm.base, false, smm.pending, false),
                NONE);
    }

    private static void check(String field, int actual, int expected) {
        if (actual != expected) {
            throw new IllegalArgumentException(
                    "cpu state: " + field + " has " + actual + " elements, not " + expected);
        }
    }
}
