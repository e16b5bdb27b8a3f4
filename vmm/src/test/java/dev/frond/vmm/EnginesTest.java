// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.cpu.interp.Interpreter;
import dev.frond.host.HostException;
import dev.frond.kvm.KvmEngine;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.vmm.Engines.Choice;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** Which engine {@code auto} means. */
class EnginesTest {
    private static final String BUSY =
            "KVM_CREATE_VM of /dev/kvm: EBUSY (Device or resource busy); another hypervisor";

    private final List<String> asked = new ArrayList<>();

    private Accelerator open(String name) {
        asked.add(name);
        if (name.equals("kvm")) {
            throw new HostException("KVM_CREATE_VM", "/dev/kvm", 16)
                    .withAdvice("another hypervisor");
        }
        return new Interpreter();
    }

    @Test
    void kvmIsTakenWhereNothingSpeaksAgainstIt() {
        assertThat(Engines.choose(Optional.empty(), true).name()).isEqualTo("kvm");
        assertThat(Engines.choose(Optional.empty(), false).name()).isEqualTo("kvm");
    }

    @Test
    void withoutKvmTheChoiceSaysWhatSpeaksAgainstIt() {
        assertThat(Engines.choose(Optional.of("no KVM here"), true))
                .isEqualTo(
                        new Choice(
                                "translator",
                                "the fastest that runs every guest here; kvm is not taken: no KVM"
                                        + " here"));
        assertThat(Engines.choose(Optional.of("no KVM here"), false).why())
                .startsWith("this host is no x86-64 Linux")
                .endsWith("; kvm is not taken: no KVM here");
    }

    @Test
    void localApicsAreTheKernelsWhereKvmIsWhole() {
        assertThat(Engines.automaticIrqChip(Optional.empty())).isEqualTo(KvmEngine.IrqChip.SPLIT);
        assertThat(Engines.automaticIrqChip(Optional.of("software")))
                .isEqualTo(KvmEngine.IrqChip.OFF);
    }

    @Test
    void aKvmThatRefusesGivesWayToTheNextBest() {
        Function<String, Accelerator> opener = this::open;
        Engines.Opened opened =
                Engines.openAutomatic(Engines.choose(Optional.empty(), true), opener, true);
        assertThat(asked).containsExactly("kvm", "translator");
        assertThat(opened.why()).endsWith("; kvm is not taken: " + BUSY);
    }

    @Test
    void anEngineThatTheUserNamedGivesWayToNone() {
        assertThatThrownBy(() -> Engines.open("xen", VmSpec.IrqChip.AUTO, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine xen: accepted are auto, interpreter, translator, kvm");
        Choice translator = new Choice("translator", "");
        assertThatThrownBy(() ->
                        Engines.openAutomatic(
                                translator,
                                name -> {
                                    throw new HostException("mmap", name, 12);
                                },
                                true))
                .isInstanceOf(HostException.class);
    }
}
