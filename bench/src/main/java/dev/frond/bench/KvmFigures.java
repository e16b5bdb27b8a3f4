// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.bench;

import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.LocalApic;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * How long a KVM machine takes from the opening of /dev/kvm to the exit of its first instruction,
 * and an exit for a port and for memory, beside a C program that gives the bare ioctls ({@code
 * bench/host/kvm.c}, which executes the same instructions).
 */
public final class KvmFigures implements AutoCloseable {
    private static final int SIZE = 1 << 20;
    private static final int RESET_VECTOR = 0xFFFF0;
    private static final int EXITS = 20_000;
    private static final int ROUNDS = 5;

    /** Again: out 80h, al; jmp again. */
    private static final byte[] PORT = {(byte) 0xE6, (byte) 0x80, (byte) 0xEB, -4};

    /** Mov ax, FFFFh; mov ds, ax; again: mov [10h], al, which is at 1 MiB; jmp again. */
    private static final byte[] MEMORY = {
        (byte) 0xB8, -1, -1, (byte) 0x8E, (byte) 0xD8, (byte) 0xA2, 0x10, 0, (byte) 0xEB, -5
    };

    /** The time to the first instruction in milliseconds, and of an exit in nanoseconds. */
    private record Figure(double start, double exit) {
        Figure best(Figure other) {
            return new Figure(Math.min(start, other.start), Math.min(exit, other.exit));
        }
    }

    private final HostClock clock = new HostClock(0, Instant.EPOCH);
    private final KvmEngine engine;
    private final Vcpu vcpu;
    private int left;

    private KvmFigures(IrqChip irqChip, byte[] code) {
        engine = new KvmEngine(irqChip);
        GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, SIZE));
        // The reset vector shows the last page of the first MiB.
        memory.map(0xFFFF_F000L, new Region.Ram(ram, SIZE - 4096, 4096));
        for (int i = 0; i < code.length; i++) {
            ram.store(RESET_VECTOR + i, 1, code[i]);
        }
        Region.Io counter = new Region.Io(new Counter(), 1, AccessWidths.BYTE, new ReentrantLock());
        memory.map(SIZE, counter);
        AddressSpace ports = new AddressSpace("ports");
        ports.map(0x80, counter);
        Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2.within(engine.features()), 0, 1);
        LocalApic apic = new LocalApic(new ApicBus(), cpuid, clock, () -> 0);
        vcpu = engine.createVcpu(0, cpuid, new Accelerator.Wiring(memory, ports, clock, apic));
        apic.connect(vcpu);
        clock.resume();
    }

    /** Stops the CPU when it has been entered as often as wanted. */
    private final class Counter implements IoHandler {
        @Override
        public long read(long offset, int size) {
            return 0;
        }

        @Override
        public void write(long offset, int size, long value) {
            if (--left == 0) {
                vcpu.kick();
            }
        }
    }

    private void run(int exits) {
        left = exits;
        VcpuExit exit = vcpu.run();
        if (!exit.equals(VcpuExit.KICKED)) {
            throw new IllegalStateException(exit.toString());
        }
    }

    @Override
    public void close() {
        clock.close();
        engine.close();
    }

    private static Figure frond(IrqChip irqChip, byte[] code) {
        long begin = System.nanoTime();
        try (KvmFigures machine = new KvmFigures(irqChip, code)) {
            machine.run(1);
            double start = (System.nanoTime() - begin) / 1e6;
            double best = Double.MAX_VALUE;
            for (int i = 0; i < ROUNDS; i++) {
                long from = System.nanoTime();
                machine.run(EXITS);
                best = Math.min(best, (System.nanoTime() - from) / (double) EXITS);
            }
            return new Figure(start, best);
        }
    }

    private static Path compile() throws IOException, InterruptedException {
        Path directory = Files.createDirectories(Path.of("bench/target"));
        Path program = directory.resolve("kvm-figures").toAbsolutePath();
        String source = "bench/host/kvm.c";
        List<String> command =
                List.of(
                        "cc",
                        "-O2",
                        "-Wall",
                        "-Wextra",
                        "-Werror",
                        "-o",
                        program.toString(),
                        source);
        if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
            throw new IOException(source + " does not compile");
        }
        return program;
    }

    /** The lines of the C program: a port, memory. */
    private static List<Figure> bare(Path program) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(program.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        process.getOutputStream().close();
        try (InputStream said = process.getInputStream()) {
            String text = new String(said.readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new IOException(program + " failed");
            }
            return text.lines()
                    .map(line -> line.split(" ", -1))
                    .map(words ->
                            new Figure(Double.parseDouble(words[0]), Double.parseDouble(words[1])))
                    .toList();
        }
    }

    private static void print(String what, Figure port, Figure memory) {
        System.out.printf(
                Locale.ROOT,
                "%-24s %10.1f %12.0f %12.0f%n",
                what,
                Math.min(port.start, memory.start),
                port.exit,
                memory.exit);
    }

    /** With the argument {@code once}, one machine only, as training for a cache of classes. */
    public static void main(String[] args) throws Exception {
        Optional<String> why = KvmSupport.whyUnavailable();
        if (why.isPresent()) {
            System.err.println("bench/kvm: " + why.get());
            System.exit(69);
        }
        Figure cold = frond(IrqChip.OFF, PORT);
        if (args.length > 0) {
            return;
        }
        Path program = compile();
        // In turns, and the best of each: others use the host too.
        List<Figure> c = bare(program);
        Figure[][] best = new Figure[IrqChip.values().length][];
        for (int round = 0; round < 3; round++) {
            List<Figure> again = bare(program);
            c = List.of(c.get(0).best(again.get(0)), c.get(1).best(again.get(1)));
            for (IrqChip irqChip : IrqChip.values()) {
                Figure port = frond(irqChip, PORT);
                Figure memory = frond(irqChip, MEMORY);
                Figure[] known = best[irqChip.ordinal()];
                best[irqChip.ordinal()] =
                        known == null
                                ? new Figure[] {port, memory}
                                : new Figure[] {known[0].best(port), known[1].best(memory)};
            }
        }
        System.out.printf(
                Locale.ROOT, "%-24s %10s %12s %12s%n", "", "start, ms", "port, ns", "memory, ns");
        print("bare ioctls in C", c.get(0), c.get(1));
        System.out.printf(Locale.ROOT, "%-24s %10.1f%n", "the process's first", cold.start);
        for (IrqChip irqChip : IrqChip.values()) {
            Figure[] known = best[irqChip.ordinal()];
            print("--irqchip " + irqChip.name().toLowerCase(Locale.ROOT), known[0], known[1]);
        }
    }
}
