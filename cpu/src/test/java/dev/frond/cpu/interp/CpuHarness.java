// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.CpuStates;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Decoder;
import dev.frond.host.HostCpu;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.testkit.ManualClock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One CPU of the interpreter in flat 64-bit or 32-bit compatibility mode, with pages of memory at
 * linear addresses of one's choice, which executes one instruction at a time and tells its fault.
 */
final class CpuHarness {
    /** A model with all that the interpreter has, of the vendor of the processor tests run on. */
    static final CpuModel EVERYTHING =
            ofHostsVendor(
                    new CpuModel("everything", "", 6, 1, 1, "", new Interpreter().features()));

    /**
     * {@code model}, but of the vendor of the processor that tests run on: what is held against
     * that processor follows its rules where vendors differ.
     */
    static CpuModel ofHostsVendor(CpuModel model) {
        return ofVendor(HostCpu.isAmd() ? CpuModel.AMD : "GenuineIntel", model);
    }

    /** {@code model} with another vendor. */
    static CpuModel ofVendor(String vendor, CpuModel model) {
        return new CpuModel(
                model.name(),
                vendor,
                model.family(),
                model.model(),
                model.stepping(),
                model.brand(),
                model.features());
    }

    /** What {@link #step} gives when there is no fault. */
    static final int NO_FAULT = -1;

    private static final long RAM = 1 << 20;
    private static final long PML4 = 0x1000;
    private static final long FIRST_FREE = 0x2000;
    private static final long P_RW_US = 7;
    private static final long P_RW = 2;
    private static final long P_US = 4;
    private static final long DIRTY = 64;
    private static final long XD = 1L << 63;
    private static final long FRAME = 0x000F_FFFF_FFFF_F000L;

    /** The CPU; registers may be read and written between steps. */
    final Cpu cpu;

    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(RAM, 4096));
    private long free = FIRST_FREE;
    private int errorCode;

    /** A CPU of {@code model} at privilege level {@code cpl}, 0 or 3, in 64-bit mode. */
    CpuHarness(CpuModel model, int cpl) {
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, RAM));
        AddressSpace ports = new AddressSpace("ports");
        cpu = new Cpu(new Cpuid(model, 0, 1), memory, ports, ram, new ManualClock(), new Wires());
        cpu.code.setOwner(Thread.currentThread());
        CpuStates.load(cpu, CpuState.powerOn(cpu.cpuid.signature()));
        cpu.cr0 =
                ControlRegisters.PE
                        | ControlRegisters.MP
                        | ControlRegisters.ET
                        | ControlRegisters.NE
                        | ControlRegisters.WP
                        | ControlRegisters.PG;
        cpu.cr3 = PML4;
        cpu.cr4 =
                ControlRegisters.PAE
                        | ControlRegisters.OSFXSR
                        | ControlRegisters.OSXMMEXCPT
                        | ControlRegisters.OSXSAVE
                        | ControlRegisters.FSGSBASE;
        cpu.efer = Msrs.EFER_LME | Msrs.EFER_LMA | Msrs.EFER_SCE | Msrs.EFER_NXE;
        cpu.xcr0 = cpu.cpuid.xcr0Mask();
        cpu.cpl = cpl;
        flatData();
        longMode();
        cpu.segments.setCpl(cpl);
        cpu.mmu.flush();
    }

    private void segment(int seg, int selector, int attributes) {
        cpu.selector[seg] = selector;
        cpu.segBase[seg] = 0;
        cpu.segLimit[seg] = -1;
        cpu.segAttributes[seg] = attributes;
        cpu.segments.followSegment(seg);
    }

    /** Lets all segments of data be flat. */
    void flatData() {
        for (int seg : new int[] {Seg.ES, Seg.SS, Seg.DS, Seg.FS, Seg.GS}) {
            segment(seg, LocalTable.FLAT_DATA, 0xC093 | cpu.cpl << Seg.DPL_SHIFT);
        }
    }

    /** Goes to 64-bit mode. */
    void longMode() {
        segment(Seg.CS, 0x33, 0xA09B | cpu.cpl << Seg.DPL_SHIFT);
    }

    /** Goes to 32-bit compatibility mode. */
    void compatibilityMode() {
        segment(Seg.CS, 0x23, 0xC09B | cpu.cpl << Seg.DPL_SHIFT);
    }

    // --- memory ---------------------------------------------------------------------------------

    private long allocate() {
        long page = free;
        free += 4096;
        if (free > RAM) {
            throw new IllegalStateException("the harness has " + RAM + " bytes of memory");
        }
        return page;
    }

    /** Puts memory, all zeros, at the pages from {@code linear} on. */
    void map(long linear, long bytes) {
        for (long page = linear & -4096; page < linear + bytes; page += 4096) {
            long table = PML4;
            for (int shift = 39; shift >= 12; shift -= 9) {
                long entry = table + (page >>> shift & 511) * 8;
                if ((ram.load(entry, 8) & 1) == 0) {
                    ram.store(entry, 8, allocate() | P_RW_US);
                }
                table = ram.load(entry, 8) & -4096;
            }
        }
        cpu.mmu.flush();
    }

    private long physical(long linear) {
        return ram.load(entry(linear), 8) & FRAME | linear & 4095;
    }

    /** Where the page table has the page of {@code linear}. */
    private long entry(long linear) {
        long table = PML4;
        for (int shift = 39; ; shift -= 9) {
            long at = table + (linear >>> shift & 511) * 8;
            long entry = ram.load(at, 8);
            if ((entry & 1) == 0) {
                throw new IllegalArgumentException(
                        "nothing is mapped at 0x" + Long.toHexString(linear));
            }
            if (shift == 12) {
                return at;
            }
            table = entry & -4096;
        }
    }

    /** Lets the mapped page of {@code linear} be the supervisor's alone. */
    void takeFromUser(long linear) {
        long at = entry(linear);
        ram.store(at, 8, ram.load(at, 8) & ~P_US);
        cpu.mmu.flush();
    }

    /** Lets the mapped page of {@code linear} be one that cannot be stored to. */
    void protect(long linear) {
        long at = entry(linear);
        ram.store(at, 8, ram.load(at, 8) & ~P_RW);
        cpu.mmu.flush();
    }

    /** Lets the mapped page of {@code linear} be one that cannot be executed. */
    void forbidCode(long linear) {
        long at = entry(linear);
        ram.store(at, 8, ram.load(at, 8) | XD);
        cpu.mmu.flush();
    }

    /** Whether the mapped page of {@code linear} was stored to, by its page-table entry. */
    boolean isDirty(long linear) {
        return (ram.load(entry(linear), 8) & DIRTY) != 0;
    }

    /** Lets the mapped page of {@code linear} be the memory that is behind {@code other}. */
    void remap(long linear, long other) {
        ram.store(entry(linear), 8, physical(other) & -4096 | P_RW_US);
        cpu.mmu.flushPage(linear);
    }

    /** The memory behind linear addresses within one mapped page; no code may be stored there. */
    MemorySegment memory(long linear, long bytes) {
        return ram.segment().asSlice(physical(linear), bytes);
    }

    /** Writes bytes that lie within mapped pages. */
    void write(long linear, byte[] bytes) {
        for (int done = 0; done < bytes.length; ) {
            int run = (int) Math.min(bytes.length - done, 4096 - (linear + done & 4095));
            long at = physical(linear + done);
            MemorySegment.copy(MemorySegment.ofArray(bytes), done, ram.segment(), at, run);
            ram.wrote(at, run);
            done += run;
        }
    }

    /** Reads bytes that lie within mapped pages. */
    void read(long linear, byte[] bytes) {
        for (int done = 0; done < bytes.length; ) {
            int run = (int) Math.min(bytes.length - done, 4096 - (linear + done & 4095));
            MemorySegment.copy(
                    ram.segment(),
                    physical(linear + done),
                    MemorySegment.ofArray(bytes),
                    done,
                    run);
            done += run;
        }
    }

    // --- execution ------------------------------------------------------------------------------

    /**
     * Executes the instruction at RIP and moves RIP on.
     *
     * @return the vector of the exception that it raised, before any delivery, or {@link #NO_FAULT}
     */
    @SuppressWarnings("ReferenceEquality") // Nodes are compared by identity: they have no value.
    int step() {
        errorCode = 0;
        cpu.alone = true;
        if (ExecutedForms.isRecording()) {
            byte[] code = new byte[Decoder.MAX_LENGTH];
            read(cpu.rip, code);
            ExecutedForms.record(cpu, code);
        }
        Node node = null;
        try {
            node = cpu.code.enterAlone();
            Node next = node.execute(cpu);
            if (next == node.next) {
                cpu.rip = node.nextRip(cpu);
            }
            return NO_FAULT;
        } catch (CpuFault fault) {
            errorCode = fault.errorCode();
            if (node == null) {
                return fault.vector();
            }
            cpu.rip = node.rip(cpu);
            return fault.isNonCanonical() && node.accessesStack() ? CpuFault.SS : fault.vector();
        } finally {
            cpu.alone = false;
            cpu.takeEvents();
        }
    }

    /** Executes with {@code runner} until a fault, and tells that as {@link #step} does. */
    int run(Runner runner) {
        errorCode = 0;
        try {
            while (runner.run()) {
                cpu.takeEvents();
            }
            throw new IllegalStateException("the code is none for this runner");
        } catch (CpuFault fault) {
            errorCode = fault.errorCode();
            return fault.vector();
        } finally {
            cpu.takeEvents();
        }
    }

    /** The error code of the last fault. */
    int errorCode() {
        return errorCode;
    }
}
