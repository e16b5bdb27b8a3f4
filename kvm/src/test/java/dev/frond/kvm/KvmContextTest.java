// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.testkit.ContextProgram;
import dev.frond.testkit.ContextProgram.Operation;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Process-context identifiers under this host's KVM: what must be invalidated is. */
class KvmContextTest {
    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    private record Memory(GuestMemory ram) implements ContextProgram.Memory {
        @Override
        public void store(long address, int size, long value) {
            ram.store(address, size, value);
        }

        @Override
        public long load(long address) {
            return ram.load(address, 8);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatAnOperationConcernsIsInvalidated(Operation operation) throws Exception {
        try (KvmRig rig = new KvmRig(KvmEngine.DirtyTracking.LOG, CpuModel.HASWELL)) {
            assumeThat(rig.cpuid.model().features()).contains(CpuFeature.PCID, CpuFeature.INVPCID);
            Memory memory = new Memory(rig.ram);
            rig.longMode("mov eax, " + ContextProgram.ENTRY + "\n jmp rax");
            ContextProgram.install(memory, operation);
            rig.run();
            assertThat(ContextProgram.before(memory)).isEqualTo("OOOO OOOO OOOO");
            assertThat(ContextProgram.after(memory))
                    .matches(ContextProgram.pattern(operation.required()));
        }
    }
}
