// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuGroup;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** The interpreting engine: runs on every host. */
public final class Interpreter implements Accelerator {
    /** What the instruction table and the architecture behind it implement. */
    private static final Set<CpuFeature> FEATURES =
            Collections.unmodifiableSet(
                    EnumSet.complementOf(EnumSet.of(CpuFeature.MISALIGNSSE, CpuFeature.FFXSR)));

    private final CpuGroup group = new CpuGroup();
    private final List<InterpretedCpu> cpus = new CopyOnWriteArrayList<>();

    /** The engine of one machine; it holds nothing of the host. */
    public Interpreter() {}

    @Override
    public String name() {
        return "interpreter";
    }

    @Override
    public Set<CpuFeature> features() {
        return FEATURES;
    }

    @Override
    public Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring) {
        return createVcpu(
                id,
                cpuid,
                wiring,
                cpu -> {
                    // Only where nodes execute everything it pays to fuse some.
                    cpu.sample();
                    return Runner.NODES;
                });
    }

    /** A CPU that has blocks executed by what {@code runner} makes for it, where that does. */
    public Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring, Function<Cpu, Runner> runner) {
        GuestMemory ram = mainMemory(wiring.memory());
        InterpretedCpu cpu = new InterpretedCpu(group, id, cpuid, wiring, ram, runner);
        cpus.add(cpu);
        return cpu;
    }

    /** The largest memory on the bus: the one that fast paths reach. */
    private static GuestMemory mainMemory(AddressSpace memory) {
        GuestMemory largest = null;
        for (FlatView.Range range : memory.view().ranges()) {
            if (range.region() instanceof Region.Ram ram
                    && (largest == null || ram.memory().size() > largest.size())) {
                largest = ram.memory();
            }
        }
        if (largest == null) {
            throw new IllegalArgumentException("address space " + memory.name() + " has no RAM");
        }
        return largest;
    }

    /** Lets go of the machine's memory; no CPU may be running. */
    @Override
    public void close() {
        cpus.forEach(InterpretedCpu::close);
        cpus.clear();
    }
}
