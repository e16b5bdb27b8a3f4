// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuGroup;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Decoder;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.testkit.ManualClock;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/**
 * One CPU with a megabyte of memory, descriptor tables and handlers: begins at privilege level 0
 * with flat 32-bit segments and no paging, and delivers what it raises, one instruction a step.
 */
final class SystemRig {
    static final int KERNEL_CODE = 0x08;
    static final int KERNEL_DATA = 0x10;
    static final int USER_CODE = 0x1B;
    static final int USER_DATA = 0x23;
    static final int TSS = 0x28;

    /** The first selector that tests may use. */
    static final int FREE = 0x40;

    static final long IDT = 0x1000;
    static final long GDT = 0x2000;
    static final long TSS_BASE = 0x3000;
    static final long CODE = 0x10000;
    static final long USER_STACK = 0x9000;
    static final long KERNEL_STACK = 0x8000;

    /** Where the handler of vector n starts: at {@code HANDLERS + 16 * n}, with HLT. */
    static final long HANDLERS = 0x20000;

    private static final long PML4 = 0x40000;
    private static final long RAM = 1 << 20;

    final Wires wires = new Wires();
    final ManualClock clock = new ManualClock();
    final InterpretedCpu vcpu;
    final Cpu cpu;

    /** What was written to ports, as {@code port=value}, in hexadecimal. */
    final List<String> portWrites = new ArrayList<>();

    /** Where {@link #write} put code. */
    private final BitSet written = new BitSet();

    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(RAM, 4096));

    SystemRig() {
        this(CpuModel.X86_64_V3);
    }

    SystemRig(CpuModel model) {
        this(model, _ -> Runner.NODES);
    }

    /** A CPU whose blocks are executed by what {@code runner} makes. */
    SystemRig(CpuModel model, Function<Cpu, Runner> runner) {
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, RAM));
        AddressSpace ports = new AddressSpace("ports");
        ports.map(
                0,
                new Region.Io(new Ports(), 0x10000, AccessWidths.UP_TO_DWORD, new ReentrantLock()));
        vcpu =
                new InterpretedCpu(
                        new CpuGroup(),
                        0,
                        new Cpuid(model, 0, 1),
                        new Accelerator.Wiring(memory, ports, clock, wires),
                        ram,
                        runner);
        cpu = vcpu.cpu();
        cpu.cr0 =
                ControlRegisters.PE
                        | ControlRegisters.ET
                        | ControlRegisters.NE
                        | ControlRegisters.WP;
        tables();
        enter(0);
    }

    private void tables() {
        gdt(KERNEL_CODE, descriptor(0, -1, 0xC09B));
        gdt(KERNEL_DATA, descriptor(0, -1, 0xC093));
        gdt(USER_CODE, descriptor(0, -1, 0xC0FB));
        gdt(USER_DATA, descriptor(0, -1, 0xC0F3));
        gdt(TSS, descriptor(TSS_BASE, 0xFFF, 0x8B));
        store(TSS_BASE + 4, 4, KERNEL_STACK);
        store(TSS_BASE + 8, 2, KERNEL_DATA);
        store(TSS_BASE + 0x66, 2, 0xFFFF);
        for (int vector = 0; vector < 256; vector++) {
            store(HANDLERS + 16L * vector, 1, 0xF4);
            idt(vector, gate(0x8E, KERNEL_CODE, HANDLERS + 16L * vector));
        }
        cpu.gdtBase = GDT;
        cpu.gdtLimit = 0xFFF;
        cpu.idtBase = IDT;
        cpu.idtLimit = 0x7FF;
        cpu.selector[Seg.TR] = TSS;
        cpu.segBase[Seg.TR] = TSS_BASE;
        cpu.segLimit[Seg.TR] = 0xFFF;
        cpu.segAttributes[Seg.TR] = 0x8B;
    }

    /** Flat 32-bit segments of privilege level {@code cpl}, 0 or 3. */
    void enter(int cpl) {
        cpu.cpl = cpl;
        segment(Seg.CS, cpl == 0 ? KERNEL_CODE : USER_CODE);
        for (int seg : new int[] {Seg.SS, Seg.DS, Seg.ES, Seg.FS, Seg.GS}) {
            segment(seg, cpl == 0 ? KERNEL_DATA : USER_DATA);
        }
        cpu.r[Cpu.RSP] = cpl == 0 ? KERNEL_STACK : USER_STACK;
        cpu.segments.setCpl(cpl);
    }

    /** Loads a segment register without any check. */
    void segment(int seg, int selector) {
        cpu.segments.set(seg, selector, load(GDT + (selector & 0xFFF8), 8));
        cpu.segments.followSegment(seg);
    }

    /**
     * Goes to 64-bit mode at privilege level {@code cpl}, with the first gigabyte mapped to itself
     * by one large page, 16-byte gates, and the same selectors.
     */
    void longMode(int cpl) {
        store(PML4, 8, PML4 + 0x1000 | 7);
        store(PML4 + 0x1000, 8, 0x87);
        for (int vector = 0; vector < 128; vector++) {
            gate64(IDT, vector, 0x8E, KERNEL_CODE, HANDLERS + 16L * vector);
        }
        gdt(KERNEL_CODE, descriptor(0, -1, 0xA09B));
        gdt(USER_CODE, descriptor(0, -1, 0xA0FB));
        store(TSS_BASE + 4, 8, KERNEL_STACK);
        cpu.cr3 = PML4;
        cpu.cr4 |= ControlRegisters.PAE;
        cpu.efer = Msrs.EFER_LME | Msrs.EFER_LMA | Msrs.EFER_NXE | Msrs.EFER_SCE;
        cpu.cr0 |= ControlRegisters.PG;
        cpu.mmu.flush();
        enter(cpl);
    }

    /** Writes a 16-byte gate to slot {@code index} of a table. */
    void gate64(long table, int index, int attributes, int selector, long target) {
        store(table + 16L * index, 8, gate(attributes, selector, target & 0xFFFF_FFFFL));
        store(table + 16L * index + 8, 8, target >>> 32);
    }

    // --- descriptors ----------------------------------------------------------------------------

    /** A descriptor; {@code limit} in bytes, {@code attributes} as {@link Seg} has them. */
    static long descriptor(long base, int limit, int attributes) {
        long field = (attributes & Seg.GRANULAR) != 0 ? limit >>> 12 : limit;
        return field & 0xFFFF
                | (base & 0xFF_FFFF) << 16
                | (long) attributes << 40
                | (field >>> 16 & 15) << 48
                | (base >>> 24 & 0xFF) << 56;
    }

    /** A gate with the attribute byte {@code attributes}. */
    static long gate(int attributes, int selector, long target) {
        return gate(attributes, selector, target, 0);
    }

    /** A call gate that copies {@code parameters} words. */
    static long gate(int attributes, int selector, long target, int parameters) {
        return target & 0xFFFF
                | (long) selector << 16
                | (long) parameters << 32
                | (long) attributes << 40
                | (target >>> 16 & 0xFFFF) << 48;
    }

    void gdt(int selector, long raw) {
        store(GDT + (selector & 0xFFF8), 8, raw);
    }

    long gdt(int selector) {
        return load(GDT + (selector & 0xFFF8), 8);
    }

    void idt(int vector, long raw) {
        store(IDT + 8L * vector, 8, raw);
    }

    // --- memory ---------------------------------------------------------------------------------

    void store(long at, int size, long value) {
        for (int i = 0; i < size; i++) {
            ram.segment().set(JAVA_BYTE, at + i, (byte) (value >>> 8 * i));
        }
        ram.wrote(at, size);
    }

    long load(long at, int size) {
        long value = 0;
        for (int i = 0; i < size; i++) {
            value |= (ram.segment().get(JAVA_BYTE, at + i) & 0xFFL) << 8 * i;
        }
        return value;
    }

    /** The {@code count} values of {@code size} bytes from the stack's top on. */
    List<Long> stack(int size, int count) {
        long top =
                cpu.is64()
                        ? cpu.r[Cpu.RSP]
                        : cpu.segBase[Seg.SS] + (cpu.r[Cpu.RSP] & cpu.stackMask);
        List<Long> values = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            values.add(load(top + (long) i * size, size));
        }
        return values;
    }

    /** All of the memory, as it is now. */
    byte[] memory() {
        return ram.segment().toArray(JAVA_BYTE);
    }

    /** Makes the memory what {@link #memory} gave. */
    void restore(byte[] memory) {
        MemorySegment.copy(memory, 0, ram.segment(), JAVA_BYTE, 0, memory.length);
        ram.wrote(0, RAM);
    }

    /** Writes bytes that are no program of the test's own. */
    void put(long at, byte[] bytes) {
        MemorySegment.copy(bytes, 0, ram.segment(), JAVA_BYTE, at, bytes.length);
        ram.wrote(at, bytes.length);
    }

    // --- execution ------------------------------------------------------------------------------

    /** Writes code, hexadecimal with spaces, to {@code at}. */
    void write(long at, String hex) {
        byte[] code = HexFormat.of().parseHex(hex.replace(" ", ""));
        MemorySegment.copy(MemorySegment.ofArray(code), 0, ram.segment(), at, code.length);
        ram.wrote(at, code.length);
        written.set((int) at, (int) at + code.length);
    }

    /** A far pointer instruction with opcode {@code opcode}, with 32-bit operands. */
    static String far(String opcode, int selector, long offset) {
        return opcode + little(offset, 4) + little(selector, 2);
    }

    /** {@code value} as {@code bytes} bytes of code. */
    static String little(long value, int bytes) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < bytes; i++) {
            out.append(String.format("%02x", value >>> 8 * i & 0xFF));
        }
        return out.toString();
    }

    /** Executes the one instruction {@code hex} at {@link #CODE}, or delivers its exception. */
    void execute(String hex) {
        write(CODE, hex);
        cpu.rip = CODE - cpu.segBase[Seg.CS];
        step();
    }

    /** Takes what events are there and executes one instruction. */
    @Nullable VcpuExit step() {
        long at = cpu.is64() ? cpu.rip : cpu.segBase[Seg.CS] + cpu.rip & 0xFFFF_FFFFL;
        if (ExecutedForms.isRecording() && at < RAM && written.get((int) at)) {
            int length = (int) Math.min(Decoder.MAX_LENGTH, RAM - at);
            ExecutedForms.record(cpu, ram.segment().asSlice(at, length).toArray(JAVA_BYTE));
        }
        return vcpu.step();
    }

    /** Takes {@code count} steps. */
    void steps(int count) {
        for (int i = 0; i < count; i++) {
            step();
        }
    }

    /** The vector whose handler the CPU is at the start of, or behind its HLT; -1 for none. */
    int handling() {
        long offset = cpu.rip - HANDLERS;
        return offset >= 0 && offset < 16 * 256 && (offset & 15) <= 1 ? (int) offset >> 4 : -1;
    }

    /** Lets a write to {@code port} make {@link InterpretedCpu#run} return. */
    void kickAtPort(int port) {
        kickPort = port;
    }

    private int kickPort = -1;

    /** {@link #portWrites} stays empty. */
    boolean forgetsPorts;

    private final class Ports implements IoHandler {
        @Override
        public long read(long offset, int size) {
            return 0x1111_1111L * (offset & 15);
        }

        @Override
        public void write(long offset, int size, long value) {
            if (offset == kickPort) {
                vcpu.kick();
            }
            if (forgetsPorts) {
                return;
            }
            portWrites.add(Long.toHexString(offset) + "=" + Long.toHexString(value));
        }
    }
}
