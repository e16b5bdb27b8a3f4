// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.testkit.ManualClock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * Some CPUs over one megabyte of memory, in 64-bit mode at privilege level 0 with the memory mapped
 * to itself, each on a thread of its own. A program ends with {@link #END}.
 */
final class SmpRig implements AutoCloseable {
    /** {@code out E0h, al; jmp $}: ends the program of a CPU. */
    static final String END = " e6e0 ebfe";

    private static final long IDT = 0x1000;
    private static final long GDT = 0x2000;
    private static final long PML4 = 0x4000;
    private static final long HANDLERS = 0x7000;
    private static final long CODE = 0x10000;
    private static final long STACKS = 0x20000;

    /** Memory from here on is free for data. */
    static final long DATA = 0x40000;

    private static final long RAM = 1 << 20;
    private static final int END_PORT = 0xE0;
    private static final long PATIENCE_SECONDS = 60;

    final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(RAM, 4096));
    final ManualClock clock = new ManualClock();
    final List<InterpretedCpu> vcpus = new ArrayList<>();
    final List<Wires> wires = new ArrayList<>();

    private final Accelerator engine;
    private final List<CompletableFuture<Void>> ends = new ArrayList<>();

    SmpRig(int cpus, Accelerator engine, CpuModel model) {
        this.engine = engine;
        tables();
        for (int i = 0; i < cpus; i++) {
            int number = i;
            AddressSpace memory = new AddressSpace("memory");
            memory.map(0, new Region.Ram(ram, 0, RAM));
            AddressSpace ports = new AddressSpace("ports");
            ports.map(
                    END_PORT,
                    new Region.Io(
                            new End(number), 1, AccessWidths.UP_TO_DWORD, new ReentrantLock()));
            Wires own = new Wires();
            wires.add(own);
            InterpretedCpu vcpu =
                    (InterpretedCpu)
                            engine.createVcpu(
                                    i,
                                    new Cpuid(model, i, cpus),
                                    new Accelerator.Wiring(memory, ports, clock, own));
            vcpus.add(vcpu);
            ends.add(CompletableFuture.completedFuture(null));
            start(vcpu, i);
        }
    }

    private void tables() {
        store(PML4, 8, PML4 + 0x1000 | 7);
        store(PML4 + 0x1000, 8, PML4 + 0x2000 | 7);
        // Writable, accessed, dirty, 2 MiB.
        store(PML4 + 0x2000, 8, 0xE7);
        store(GDT + 8, 8, SystemRig.descriptor(0, -1, 0xA09B));
        store(GDT + 16, 8, SystemRig.descriptor(0, -1, 0xC093));
        for (int vector = 0; vector < 256; vector++) {
            store(IDT + 16L * vector, 8, SystemRig.gate(0x8E, 8, HANDLERS));
        }
        // INC qword [R15]; IRETQ
        write(HANDLERS, "49ff07 48cf");
    }

    private static void start(InterpretedCpu vcpu, int number) {
        Cpu cpu = vcpu.cpu();
        vcpu.load(vcpu.save().withActivity(dev.frond.machine.vcpu.CpuState.Activity.ACTIVE));
        cpu.takeEvents();
        cpu.cr0 =
                ControlRegisters.PE
                        | ControlRegisters.ET
                        | ControlRegisters.NE
                        | ControlRegisters.WP
                        | ControlRegisters.PG;
        cpu.cr3 = PML4;
        cpu.cr4 = ControlRegisters.PAE | ControlRegisters.OSFXSR;
        cpu.efer = Msrs.EFER_LME | Msrs.EFER_LMA;
        cpu.gdtBase = GDT;
        cpu.gdtLimit = 0xFF;
        cpu.idtBase = IDT;
        cpu.idtLimit = 0xFFF;
        cpu.cpl = 0;
        cpu.segments.set(Seg.CS, 8, SystemRig.descriptor(0, -1, 0xA09B));
        for (int seg : new int[] {Seg.SS, Seg.DS, Seg.ES, Seg.FS, Seg.GS}) {
            cpu.segments.set(seg, 16, SystemRig.descriptor(0, -1, 0xC093));
            cpu.segments.followSegment(seg);
        }
        cpu.r[Cpu.RSP] = STACKS + 0x1000L * (number + 1);
        cpu.segments.setCpl(0);
        cpu.mmu.flush();
        cpu.segments.modeChanged();
    }

    // --- memory ---------------------------------------------------------------------------------

    void store(long at, int size, long value) {
        for (int i = 0; i < size; i++) {
            ram.segment().set(JAVA_BYTE, at + i, (byte) (value >>> 8 * i));
        }
        ram.wrote(at, size);
    }

    long load(long at, int size) {
        return ram.load(at, size);
    }

    private void write(long at, String hex) {
        byte[] code = HexFormat.of().parseHex(hex.replace(" ", ""));
        MemorySegment.copy(code, 0, ram.segment(), JAVA_BYTE, at, code.length);
        ram.wrote(at, code.length);
    }

    // --- execution ------------------------------------------------------------------------------

    Cpu cpu(int number) {
        return vcpus.get(number).cpu();
    }

    /** Where a program of CPU {@code number} starts. */
    static long code(int number) {
        return CODE + 0x1000L * number;
    }

    /** Gives CPU {@code number} the program {@code hex}. */
    void program(int number, String hex) {
        write(code(number), hex);
        cpu(number).rip = code(number);
    }

    /** Starts CPU {@code number} on a thread; it runs until its program ends. */
    void start(int number) {
        InterpretedCpu vcpu = vcpus.get(number);
        CompletableFuture<Void> end = new CompletableFuture<>();
        ends.set(number, end);
        stopping[number] = false;
        Thread.ofPlatform()
                .daemon()
                .name("cpu" + number)
                .start(() -> {
                    try {
                        do {
                            var _ = vcpu.run();
                        } while (!stopping[number]);
                        end.complete(null);
                    } catch (RuntimeException | Error e) {
                        end.completeExceptionally(e);
                    }
                });
    }

    private final boolean[] stopping = new boolean[16];

    /** Waits for the end of the program of CPU {@code number}. */
    void join(int number) throws Exception {
        ends.get(number).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    /** Waits until {@code condition} holds. */
    static void until(BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("it does not come");
            }
            Thread.sleep(1);
        }
    }

    boolean hasEnded(int number) {
        return ends.get(number).isDone();
    }

    /** Runs the programs of all CPUs side by side until each has ended. */
    void runAll() throws Exception {
        for (int i = 0; i < vcpus.size(); i++) {
            start(i);
        }
        for (int i = 0; i < vcpus.size(); i++) {
            join(i);
        }
    }

    @Override
    public void close() {
        for (int i = 0; i < vcpus.size(); i++) {
            stopping[i] = true;
            vcpus.get(i).kick();
        }
        for (CompletableFuture<Void> end : ends) {
            end.handle((_, _) -> true).orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
        }
        engine.close();
    }

    private final class End implements IoHandler {
        private final int number;

        End(int number) {
            this.number = number;
        }

        @Override
        public long read(long offset, int size) {
            return 0;
        }

        @Override
        public void write(long offset, int size, long value) {
            stopping[number] = true;
            vcpus.get(number).kick();
        }
    }
}
