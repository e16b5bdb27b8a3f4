// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuGroup;
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

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/** A machine that has what recorded-vectors.asm needs: memory, port E9h and a port that ends it. */
final class RecordedGuest {
    private static final long RAM = 16 << 20;
    private static final int TELL = 0xE9;
    private static final int END = 0x501;

    /** Where the program starts, in real mode. */
    private static final int ENTRY = 0x1000;

    private final InterpretedCpu vcpu;
    private final ByteArrayOutputStream told = new ByteArrayOutputStream();

    RecordedGuest(byte[] program, byte[] table, Function<Cpu, Runner> runner) {
        GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(RAM, 4096));
        MemorySegment.copy(MemorySegment.ofArray(program), 0, ram.segment(), 0, program.length);
        MemorySegment.copy(
                MemorySegment.ofArray(table),
                0,
                ram.segment(),
                RecordedVectors.TABLE,
                table.length);
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
                        // As the processor that was recorded.
                        new Cpuid(CpuHarness.ofVendor(CpuModel.AMD, CpuModel.X86_64_V3), 0, 1),
                        new Accelerator.Wiring(memory, ports, new ManualClock(), new Wires()),
                        ram,
                        runner);
        Cpu cpu = vcpu.cpu();
        cpu.segments.setReal(Seg.CS, 0);
        cpu.segments.followSegment(Seg.CS);
        cpu.rip = ENTRY;
        cpu.segments.modeChanged();
    }

    /** Runs to the end, at most {@code seconds}, and gives what was told. */
    byte[] run(int seconds) {
        try (ScheduledExecutorService watch = Executors.newSingleThreadScheduledExecutor()) {
            ScheduledFuture<?> end = watch.schedule(vcpu::kick, seconds, TimeUnit.SECONDS);
            vcpu.run();
            end.cancel(false);
        }
        return told.toByteArray();
    }

    private final class Ports implements IoHandler {
        @Override
        public long read(long offset, int size) {
            return -1;
        }

        @Override
        public void write(long offset, int size, long value) {
            if (offset == TELL) {
                told.write((int) value);
            } else if (offset == END) {
                vcpu.kick();
            }
        }
    }
}
