// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.kvm.KvmSupport;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Msr;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** The state of each CPU model, from the interpreter to KVM and back. */
class KvmModelsTest {
    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    static List<CpuModel> models() {
        return CpuModel.all();
    }

    @ParameterizedTest
    @MethodSource("models")
    void aCpuGoesFromTheInterpreterToKvmAndBack(CpuModel model) {
        for (IrqChip irqChip : IrqChip.values()) {
            try (KvmEngine kvm = new KvmEngine(irqChip);
                    Accelerator interpreter = new Interpreter();
                    IrqRig board = new IrqRig(new Interpreter(), 1)) {
                Cpuid cpuid = new Cpuid(model.within(kvm.features()), 0, 1);
                Accelerator.Wiring wiring =
                        new Accelerator.Wiring(
                                board.machine.memory(),
                                board.machine.ports(),
                                board.clock,
                                board.apics.getFirst());
                Vcpu first = interpreter.createVcpu(0, cpuid, wiring);
                CpuState started = first.save();
                List<Msr> changed = new ArrayList<>(started.msrs());
                // What Linux does on processors of AMD: extended configuration cycles.
                changed.replaceAll(
                        msr -> msr.index() == 0xC001_001F ? new Msr(msr.index(), 1L << 46) : msr);
                first.load(started.withMsrs(changed));
                Vcpu second = kvm.createVcpu(0, cpuid, wiring);
                second.load(first.save());
                assertThat(sorted(second.save())).isEqualTo(sorted(first.save()));
                first.load(second.save());
                assertThat(sorted(second.save())).isEqualTo(sorted(first.save()));
            }
        }
    }

    /** The registers of the model, without those of the machine-check banks. */
    private static List<String> sorted(CpuState state) {
        return state.msrs().stream()
                .filter(msr -> msr.index() < 0x400 || msr.index() >= 0x410)
                .sorted(Comparator.comparingInt(Msr::index))
                .map(msr -> Integer.toHexString(msr.index()) + "=" + Long.toHexString(msr.value()))
                .toList();
    }
}
