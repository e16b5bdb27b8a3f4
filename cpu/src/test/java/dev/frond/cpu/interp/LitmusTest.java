// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.stream.Stream;

/** The memory order of x86 processors between CPUs (SDM Vol. 3A, 9.2.3). */
final class LitmusTest {
    private static final int TRIALS = 2000;
    private static final int STRIDE = 64;

    /** Where the first and the second variable of each trial are, and the results. */
    private static final long X = SmpRig.DATA;

    private static final long Y = X + 0x2_0000 + 64;
    private static final long RESULTS = X + 0x4_0100;
    private static final long RESULTS_SIZE = 0x2_0000;

    /** MOV RBX,R12; L: MOV dword [RBX],1; ADD RBX,64; DEC R11D; JNZ L. */
    private static final String WRITE = "4c89e3 c70301000000 4883c340 41ffcb 75f1";

    static Stream<LockedTest.Case> engines() {
        return LockedTest.engines();
    }

    /** Starts all CPUs together: LOCK INC dword [42000h]; L: CMP dword [42000h],n; JB L. */
    private static String together(int cpus) {
        return "f0ff0425c0fb0300 8b0425c0fb0300 83f80" + cpus + "72f4";
    }

    /** A CPU that goes through the trials from {@code first}, with another variable that far. */
    private static void program(SmpRig rig, int cpu, String code, long first, long other) {
        Cpu it = rig.cpu(cpu);
        it.r[11] = TRIALS;
        it.r[12] = first;
        it.r[13] = other - first;
        it.r[14] = RESULTS + cpu * RESULTS_SIZE - first;
        rig.program(cpu, together(rig.vcpus.size()) + code + SmpRig.END);
    }

    private static long result(SmpRig rig, int cpu, int trial) {
        return rig.load(RESULTS + cpu * RESULTS_SIZE + (long) trial * STRIDE, 4);
    }

    private static SmpRig rig(int cpus, LockedTest.Case each) {
        return new SmpRig(cpus, each.engine().get(), CpuModel.X86_64_V2);
    }

    @ParameterizedTest
    @MethodSource("engines")
    void storesAreSeenInTheirOrder(LockedTest.Case each) throws Exception {
        try (SmpRig rig = rig(2, each)) {
            // MOV EBX,1; L: MOV [40000h],EBX; MOV [41000h],EBX; INC EBX; CMP EBX,200000; JNZ L
            rig.program(
                    0,
                    "bb01000000 891c2500000400 891c2500100400 ffc3 81fb400d0300 75e8" + SmpRig.END);
            // XOR EDX,EDX; L: MOV EAX,[41000h]; MOV ECX,[40000h]; CMP ECX,EAX; SETB CL;
            // MOVZX ECX,CL; ADD EDX,ECX; CMP EAX,199999; JNZ L
            rig.program(
                    1,
                    "31d2 8b042500100400 8b0c2500000400 39c1 0f92c1 0fb6c9 01ca 3d3f0d0300 75e1"
                            + SmpRig.END);
            rig.runAll();
            assertThat(rig.cpu(1).r[Cpu.RDX]).as("the second store before the first").isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aFenceStandsBetweenAStoreAndALoad(LockedTest.Case each) throws Exception {
        try (SmpRig rig = rig(2, each)) {
            // L: MOV dword [RBX],1; MFENCE; MOV EAX,[RBX+R13]; MOV [RBX+R14],EAX; ADD RBX,64; ...
            String code = "4c89e3 c70301000000 0faef0 428b042b 42890433 4883c340 41ffcb 75e6";
            program(rig, 0, code, X, Y);
            program(rig, 1, code, Y, X);
            rig.runAll();
            for (int i = 0; i < TRIALS; i++) {
                assertThat(result(rig, 0, i) + result(rig, 1, i)).as("trial %d", i).isPositive();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void noStoreIsSeenBeforeTheLoadsInFrontOfIt(LockedTest.Case each) throws Exception {
        try (SmpRig rig = rig(2, each)) {
            // L: MOV EAX,[RBX]; MOV dword [RBX+R13],1; MOV [RBX+R14],EAX; ADD RBX,64; ...
            String code = "4c89e3 8b03 42c7042b01000000 42890433 4883c340 41ffcb 75e9";
            program(rig, 0, code, X, Y);
            program(rig, 1, code, Y, X);
            rig.runAll();
            for (int i = 0; i < TRIALS; i++) {
                assertThat(result(rig, 0, i) + result(rig, 1, i)).as("trial %d", i).isLessThan(2);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void allSeeTheStoresOfTwoInTheSameOrder(LockedTest.Case each) throws Exception {
        try (SmpRig rig = rig(4, each)) {
            // L: MOV EAX,[RBX]; MOV ECX,[RBX+R13]; LEA EAX,[RAX+RCX*2]; MOV [RBX+R14],EAX; ...
            String read = "4c89e3 8b03 428b0c2b 8d0448 42890433 4883c340 41ffcb 75ea";
            program(rig, 0, read, X, Y);
            program(rig, 1, read, Y, X);
            program(rig, 2, WRITE, X, Y);
            program(rig, 3, WRITE, Y, X);
            rig.runAll();
            for (int i = 0; i < TRIALS; i++) {
                boolean firstThenNot = result(rig, 0, i) == 1;
                boolean secondThenNot = result(rig, 1, i) == 1;
                assertThat(firstThenNot && secondThenNot).as("trial %d", i).isFalse();
            }
        }
    }
}
