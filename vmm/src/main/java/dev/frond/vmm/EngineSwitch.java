// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.EngineKept;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuStats;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/** The engine of a machine, which can be another one from one instruction to the next. */
final class EngineSwitch implements Accelerator {
    private volatile Accelerator engine;
    private final List<SwitchedVcpu> vcpus = new ArrayList<>();
    private List<EngineKept> chips = List.of();

    EngineSwitch(Accelerator first) {
        engine = first;
    }

    @Override
    public String name() {
        return engine.name();
    }

    @Override
    public Set<CpuFeature> features() {
        return engine.features();
    }

    @Override
    public Set<CpuFeature> best() {
        return engine.best();
    }

    @Override
    public Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring) {
        SwitchedVcpu vcpu =
                new SwitchedVcpu(id, cpuid, wiring, engine.createVcpu(id, cpuid, wiring));
        vcpus.add(vcpu);
        return vcpu;
    }

    @Override
    public void chips(List<EngineKept> board) {
        chips = List.copyOf(board);
        engine.chips(chips);
    }

    /**
     * Has {@code next} execute the guest from here on; the machine must stand still. The engine
     * until now is closed, or {@code next} if it cannot.
     *
     * @throws IllegalArgumentException if the guest was told of a feature that {@code next} lacks
     * @throws UnsupportedOperationException if a debugger wants what {@code next} cannot
     */
    void handOver(Accelerator next) {
        List<Vcpu> made = new ArrayList<>();
        // First the wires: an interrupt must not end at local APICs that nobody looks at any more.
        engine.chips(List.of());
        try {
            for (SwitchedVcpu vcpu : vcpus) {
                made.add(vcpu.on(next));
            }
            next.chips(chips);
        } catch (RuntimeException e) {
            next.close();
            engine.chips(chips);
            throw e;
        }
        for (int i = 0; i < made.size(); i++) {
            vcpus.get(i).current = made.get(i);
        }
        Accelerator before = engine;
        engine = next;
        before.close();
    }

    @Override
    public void close() {
        engine.close();
    }

    /** A CPU that passes everything on to that of the engine. */
    private static final class SwitchedVcpu implements Vcpu {
        private final int id;
        private final Cpuid cpuid;
        private final Wiring wiring;
        private volatile Vcpu current;
        private DebugRequest request = DebugRequest.NONE;

        SwitchedVcpu(int id, Cpuid cpuid, Wiring wiring, Vcpu first) {
            this.id = id;
            this.cpuid = cpuid;
            this.wiring = wiring;
            current = first;
        }

        /** The same CPU, in the same state, of another engine. */
        Vcpu on(Accelerator next) {
            Set<CpuFeature> missing = EnumSet.noneOf(CpuFeature.class);
            missing.addAll(cpuid.model().features());
            missing.removeAll(next.features());
            if (!missing.isEmpty()) {
                throw new IllegalArgumentException(
                        "engine "
                                + next.name()
                                + ": it lacks "
                                + missing
                                + ", which the running guest was told of");
            }
            Vcpu made = next.createVcpu(id, cpuid, wiring);
            made.load(current.save());
            made.debug(request);
            return made;
        }

        @Override
        public VcpuExit run() {
            return current.run();
        }

        @Override
        public void kick() {
            current.kick();
        }

        @Override
        public CpuState save() {
            return current.save();
        }

        @Override
        public void load(CpuState state) {
            current.load(state);
        }

        @Override
        public void debug(DebugRequest wanted) {
            current.debug(wanted);
            request = wanted;
        }

        @Override
        public VcpuStats stats() {
            return current.stats();
        }

        @Override
        public void interruptChanged() {
            current.interruptChanged();
        }

        @Override
        public void nmi() {
            current.nmi();
        }

        @Override
        public void smi() {
            current.smi();
        }

        @Override
        public void init() {
            current.init();
        }

        @Override
        public void startup(int vector) {
            current.startup(vector);
        }
    }
}
