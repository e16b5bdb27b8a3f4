// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.IoApic;
import dev.frond.devices.irq.LocalApic;
import dev.frond.devices.isa.DebugExitPort;
import dev.frond.devices.isa.I8254Pit;
import dev.frond.devices.isa.I8259PicPair;
import dev.frond.host.HostMemory;
import dev.frond.machine.Machine;
import dev.frond.machine.MachineEnd;
import dev.frond.machine.MachineState;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.device.Longs;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.CpuState.Segment;
import dev.frond.machine.vcpu.CpuState.Smm;
import dev.frond.machine.vcpu.CpuState.Table;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A machine with CPUs and the interrupt controllers of a PC for small programs in 64-bit mode. Port
 * E9h records what is written; a write to E8h drops the wire at pin 16 of the I/O APIC; a write of
 * v to F4h ends the machine.
 */
final class IrqRig implements AutoCloseable {
    static final int SIZE = 1 << 20;
    static final int CODE = 0x1000;
    static final int HANDLERS = 0x4000;
    private static final int IDT = 0x6000;
    private static final int STACK = 0x9000;
    private static final int GDT = 0x500;
    private static final int PML4 = 0xA000;
    private static final int PIN = 16;

    private final HostMemory memory = HostMemory.anonymous(SIZE);
    final GuestMemory ram = new GuestMemory(memory.segment());
    final HostClock clock = new HostClock(0, Instant.EPOCH);
    final Machine machine = new Machine("irq", CpuModel.X86_64_V2, ram, clock);
    final EngineSwitch engine;
    final ApicBus bus = new ApicBus();
    final I8259PicPair pic;
    final List<LocalApic> apics = new ArrayList<>();
    final IoApic ioApic;
    final I8254Pit pit;
    final IrqLine wire;
    final List<Long> written = new CopyOnWriteArrayList<>();

    IrqRig(Accelerator first, int cpus) {
        engine = new EngineSwitch(first);
        machine.memory().map(0, new Region.Ram(ram, 0, SIZE));
        pic = machine.add("pic", new I8259PicPair(bus.lint0()));
        machine.ports().map(0x20, pic.masterRegisters());
        machine.ports().map(0xA0, pic.slaveRegisters());
        for (int id = 0; id < cpus; id++) {
            Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2.within(engine.features()), id, cpus);
            LocalApic apic = machine.add("apic" + id, new LocalApic(bus, cpuid, clock, pic));
            Vcpu vcpu =
                    engine.createVcpu(
                            id,
                            cpuid,
                            new Accelerator.Wiring(machine.memory(), machine.ports(), clock, apic));
            apic.connect(vcpu);
            apics.add(apic);
            machine.add(vcpu);
        }
        ioApic = machine.add("ioapic", new IoApic(bus, 0));
        machine.memory().map(0xFEC0_0000L, ioApic.registers());
        pit =
                machine.add(
                        "pit",
                        new I8254Pit(
                                clock,
                                level -> {
                                    pic.input(0).set(level);
                                    ioApic.pin(2).set(level);
                                }));
        machine.ports().map(0x40, pit.registers());
        machine.ports().map(0x61, pit.portB());
        engine.chips(List.of(pic.kept(), ioApic.kept(), pit.kept()));
        wire = ioApic.pin(PIN);
        machine.ports().map(0xE9, port(written::add));
        machine.ports().map(0xE8, port(_ -> wire.set(false)));
        machine.ports().map(0xF4, new DebugExitPort(machine).registers());
        machine.onTripleFault(Machine.OnReset.END);
        machine.firmware((_, _) -> {
            apics.getFirst().programVirtualWire();
            return longMode(CODE, STACK);
        });
    }

    private static Region.Io port(java.util.function.LongConsumer taker) {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return 0;
                    }

                    @Override
                    public void write(long offset, int size, long value) {
                        taker.accept(value);
                    }
                };
        return new Region.Io(handler, 1, AccessWidths.BYTE, new ReentrantLock());
    }

    /**
     * Puts the program there that CPU 0 starts with: RBX is the APIC's page, RBP the I/O APIC's.
     */
    IrqRig code(String text) throws IOException, InterruptedException {
        assemble(CODE, 64, "mov ebx, 0xFEE00000\nmov ebp, 0xFEC00000\n" + text);
        return this;
    }

    /** Puts the handler of {@code vector} there. */
    IrqRig handler(int vector, String text) throws IOException, InterruptedException {
        int address = HANDLERS + (vector & 0xF) * 0x100 + (vector >> 4) * 0x10;
        assemble(address, 64, text);
        ram.store(IDT + 16 * vector, 8, 0x8E00_0008_0000L | address);
        ram.store(IDT + 16 * vector + 8, 8, 0);
        return this;
    }

    IrqRig assemble(int address, int bits, String text) throws IOException, InterruptedException {
        Path source = Files.createTempFile("frond", ".asm");
        Path binary = Files.createTempFile("frond", ".bin");
        try {
            Files.writeString(source, "bits " + bits + "\norg " + address + "\n" + text);
            Process nasm =
                    new ProcessBuilder(
                                    "nasm", "-f", "bin", "-o", binary.toString(), source.toString())
                            .redirectErrorStream(true)
                            .start();
            try (InputStream said = nasm.getInputStream()) {
                String lines = new String(said.readAllBytes(), StandardCharsets.UTF_8);
                assertThat(nasm.waitFor()).as(lines).isZero();
            }
            machine.memory().writeBytes(address, Files.readAllBytes(binary));
        } finally {
            Files.delete(source);
            Files.delete(binary);
        }
        return this;
    }

    /** Runs from here on what is at these addresses, each on a CPU of its own. */
    void start(long[] codes, long[] stacks) {
        apics.getFirst().programVirtualWire();
        List<CpuState> states = new ArrayList<>();
        for (int i = 0; i < codes.length; i++) {
            states.add(longMode(codes[i], stacks[i]));
        }
        MachineState now = machine.save();
        machine.start(
                new MachineState(
                        now.board(),
                        now.cpuModel(),
                        now.cpuFeatures(),
                        now.memory(),
                        now.clock(),
                        now.wallClock(),
                        states,
                        now.devices()));
    }

    private CpuState longMode(long code, long stack) {
        ram.store(PML4, 8, PML4 + 0x1003);
        ram.store(PML4 + 0x1000, 8, PML4 + 0x2003);
        ram.store(PML4 + 0x1000 + 8 * 3, 8, PML4 + 0x3003);
        for (int i = 0; i < 512; i++) {
            ram.store(PML4 + 0x2000 + 8 * i, 8, ((long) i << 21) | 0x83);
            ram.store(PML4 + 0x3000 + 8 * i, 8, 0xC000_0000L + ((long) i << 21) | 0x83);
        }
        ram.store(GDT + 0x8, 8, 0x00AF_9B00_0000_FFFFL);
        ram.store(GDT + 0x10, 8, 0x00CF_9300_0000_FFFFL);
        CpuState powerOn = CpuState.powerOn(0);
        long[] gprs = new long[16];
        gprs[4] = stack;
        Segment data = new Segment(0x10, 0, -1, 0xC093);
        return new CpuState(
                Longs.of(gprs),
                code,
                2,
                data,
                new Segment(0x8, 0, -1, 0xA09B),
                data,
                data,
                data,
                data,
                new Segment(0, 0, 0xFFFF, 0x82),
                new Segment(0x18, 0, 0x67, 0x8B),
                new Table(GDT, 0x1F),
                new Table(IDT, 0xFFF),
                0x8000_0031L,
                0,
                PML4,
                0x20,
                0x500,
                1,
                powerOn.dr(),
                powerOn.fxsave(),
                powerOn.ymmHigh(),
                powerOn.msrs(),
                0,
                Activity.ACTIVE,
                false,
                false,
                false,
                0,
                0,
                Smm.RESET,
                CpuState.NONE);
    }

    /** Starts the machine and waits for its end; the value that it ended with. */
    long run() throws Exception {
        machine.start();
        return end();
    }

    /** Waits for the end of the machine; a guest that hangs fails here. */
    long end() throws Exception {
        MachineEnd end;
        try {
            end = machine.end().get(20, TimeUnit.SECONDS);
        } catch (java.util.concurrent.TimeoutException e) {
            machine.pause();
            throw new AssertionError("the guest hangs: " + machine.save(), e);
        }
        assertThat(end).isInstanceOf(MachineEnd.DebugExit.class);
        return ((MachineEnd.DebugExit) end).value();
    }

    @Override
    public void close() {
        machine.close();
        engine.close();
        memory.close();
    }
}
