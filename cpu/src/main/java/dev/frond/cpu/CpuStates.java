// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;

import java.util.Arrays;

/** A {@link Cpu} to and from the {@link CpuState} in which engines hand CPUs over. */
public final class CpuStates {
    private CpuStates() {}

    /**
     * The state of {@code cpu} between two instructions, with what its surroundings know: whether
     * an NMI waits, and the interrupt to deliver first, or -1.
     */
    public static CpuState save(Cpu cpu, Activity activity, boolean nmiPending, int acknowledged) {
        byte[] fxsave = new byte[512];
        FxImage.save(cpu, fxsave);
        long[] high = new long[32];
        for (int i = 0; i < 16; i++) {
            high[2 * i] = cpu.v[4 * i + 2];
            high[2 * i + 1] = cpu.v[4 * i + 3];
        }
        return new CpuState(
                Longs.of(Arrays.copyOf(cpu.r, 16)),
                cpu.rip,
                cpu.rflags() | (cpu.resumeRip == cpu.rip ? Cpu.RF : 0),
                segment(cpu, Seg.ES),
                segment(cpu, Seg.CS),
                segment(cpu, Seg.SS),
                segment(cpu, Seg.DS),
                segment(cpu, Seg.FS),
                segment(cpu, Seg.GS),
                segment(cpu, Seg.LDTR),
                segment(cpu, Seg.TR),
                new CpuState.Table(cpu.gdtBase, cpu.gdtLimit),
                new CpuState.Table(cpu.idtBase, cpu.idtLimit),
                cpu.cr0,
                cpu.cr2,
                cpu.cr3,
                cpu.cr4,
                cpu.efer,
                cpu.xcr0,
                Longs.of(cpu.dr),
                Bytes.of(fxsave),
                Longs.of(high),
                cpu.msrs.save(),
                cpu.msrs.tsc(),
                activity,
                cpu.shadowRip == cpu.rip,
                nmiPending,
                cpu.nmiBlocked,
                cpu.pkru,
                cpu.debugTraps,
                cpu.systemManagement.save(),
                acknowledged);
    }

    private static CpuState.Segment segment(Cpu cpu, int seg) {
        return new CpuState.Segment(
                cpu.selector[seg], cpu.segBase[seg], cpu.segLimit[seg], cpu.segAttributes[seg]);
    }

    /** Makes {@code cpu} have {@code state}; what it does between instructions is the caller's. */
    public static void load(Cpu cpu, CpuState state) {
        System.arraycopy(state.gprs().toArray(), 0, cpu.r, 0, 16);
        cpu.rip = state.rip();
        CpuState.Segment[] segments = {
            state.es(),
            state.cs(),
            state.ss(),
            state.ds(),
            state.fs(),
            state.gs(),
            state.ldtr(),
            state.tr()
        };
        for (int seg = 0; seg < segments.length; seg++) {
            cpu.selector[seg] = segments[seg].selector();
            cpu.segBase[seg] = segments[seg].base();
            cpu.segLimit[seg] = segments[seg].limit();
            cpu.segAttributes[seg] = segments[seg].attributes();
        }
        cpu.gdtBase = state.gdtr().base();
        cpu.gdtLimit = state.gdtr().limit();
        cpu.idtBase = state.idtr().base();
        cpu.idtLimit = state.idtr().limit();
        cpu.cr0 = state.cr0();
        cpu.cr2 = state.cr2();
        cpu.cr3 = state.cr3();
        cpu.cr4 = state.cr4();
        cpu.efer = state.efer();
        cpu.xcr0 = state.xcr0();
        System.arraycopy(state.dr().toArray(), 0, cpu.dr, 0, 8);
        FxImage.load(cpu, state.fxsave().toArray());
        for (int i = 0; i < 16; i++) {
            cpu.v[4 * i + 2] = state.ymmHigh().at(2 * i);
            cpu.v[4 * i + 3] = state.ymmHigh().at(2 * i + 1);
        }
        cpu.msrs.load(state.msrs(), state.tsc());
        // CPL is the DPL of SS, in every mode (SDM Vol. 3C, 25.4.1, on VM entry).
        cpu.cpl =
                (state.rflags() & Cpu.VM) != 0
                        ? 3
                        : cpu.segAttributes[Seg.SS] >>> Seg.DPL_SHIFT & 3;
        cpu.systemFlags = 2;
        cpu.setRflags(state.rflags());
        cpu.debug.follow();
        cpu.resume(state.rflags());
        cpu.pkru = state.pkru();
        cpu.debugTraps = state.debugTraps();
        cpu.systemManagement.load(state.smm());
        cpu.nmiBlocked = state.nmiBlocked();
        cpu.shadowRip = state.interruptShadow() ? state.rip() : -1;
        cpu.interruptHeld = false;
        cpu.segments.followSegment(Seg.FS);
        cpu.segments.followSegment(Seg.GS);
        if ((cpu.cr0 & ControlRegisters.PG) != 0
                && (cpu.cr4 & ControlRegisters.PAE) != 0
                && !cpu.longMode()) {
            cpu.mmu.loadPdptes(cpu.cr3);
        }
        cpu.mmu.mapChanged();
        cpu.segments.modeChanged();
    }
}
