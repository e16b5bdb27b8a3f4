// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Translator;
import dev.frond.testkit.ContextProgram;
import dev.frond.testkit.ContextProgram.Operation;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Process-context identifiers: what MOV to CR3 with and without bit 63, INVPCID of each kind,
 * INVLPG and MOV to CR4 invalidate, and what they leave (SDM Vol. 3A, 4.10.4.1).
 */
final class ContextTest {
    private static final class Memory implements ContextProgram.Memory {
        private final SystemRig rig;

        Memory(SystemRig rig) {
            this.rig = rig;
        }

        @Override
        public void store(long address, int size, long value) {
            rig.store(address, size, value);
        }

        @Override
        public long load(long address) {
            return rig.load(address, 8);
        }
    }

    private static void check(SystemRig rig, Operation operation) {
        Memory memory = new Memory(rig);
        rig.longMode(0);
        ContextProgram.install(memory, operation);
        rig.kickAtPort(ContextProgram.END_PORT);
        rig.cpu.rip = ContextProgram.ENTRY;
        rig.cpu.r[Cpu.RSP] = SystemRig.KERNEL_STACK;
        rig.vcpu.run();
        assertThat(ContextProgram.before(memory)).isEqualTo("OOOO OOOO OOOO");
        String after = ContextProgram.after(memory);
        assertThat(after).matches(ContextProgram.pattern(operation.required()));
        assertThat(after).matches(ContextProgram.pattern(operation.kept()));
    }

    @ParameterizedTest
    @EnumSource
    void theInterpreterForgetsWhatItMustAndKeepsTheRest(Operation operation) {
        check(new SystemRig(CpuHarness.EVERYTHING), operation);
    }

    @ParameterizedTest
    @EnumSource
    void theTranslatorForgetsWhatItMustAndKeepsTheRest(Operation operation) {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (Translator translator = new Translator()) {
            check(new SystemRig(CpuHarness.EVERYTHING, translator::runner), operation);
        }
    }
}
