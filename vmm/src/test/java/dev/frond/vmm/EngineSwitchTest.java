// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.cpu.translate.Translator;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import org.junit.jupiter.api.Test;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** What is left of an engine when another one has taken over. */
class EngineSwitchTest {
    /** Notes which CPUs an engine makes, but holds neither them nor an engine that is closed. */
    private static final class Noted implements Accelerator {
        private final String name;
        private Accelerator engine;
        final List<WeakReference<Vcpu>> made = new ArrayList<>();

        Noted(Accelerator engine) {
            name = engine.name();
            this.engine = engine;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public Set<CpuFeature> features() {
            return engine.features();
        }

        @Override
        public Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring) {
            Vcpu vcpu = engine.createVcpu(id, cpuid, wiring);
            made.add(new WeakReference<>(vcpu));
            return vcpu;
        }

        @Override
        public void close() {
            engine.close();
            engine = new Interpreter();
        }
    }

    @Test
    void theCpusOfAnEngineThatHandedOverAreForgotten() throws Exception {
        List<Supplier<Accelerator>> kinds = new ArrayList<>(List.of(Interpreter::new));
        if (Translator.isSupported()) {
            kinds.add(Translator::new);
        }
        if (KvmSupport.whyUnavailable().isEmpty()) {
            kinds.add(() -> new KvmEngine(IrqChip.OFF));
            kinds.add(() -> new KvmEngine(IrqChip.SPLIT));
        }
        for (Supplier<Accelerator> kind : kinds) {
            Noted first = new Noted(kind.get());
            try (IrqRig rig = new IrqRig(first, 2)) {
                rig.engine.handOver(new Interpreter());
                assertThat(first.made).hasSize(2);
                for (int i = 0;
                        i < 100 && first.made.stream().anyMatch(EngineSwitchTest::isThere);
                        i++) {
                    System.gc();
                    Thread.sleep(20);
                }
                assertThat(first.made)
                        .as("CPUs of engine " + first.name())
                        .noneMatch(EngineSwitchTest::isThere);
            }
        }
    }

    private static boolean isThere(WeakReference<Vcpu> vcpu) {
        return vcpu.get() != null;
    }
}
