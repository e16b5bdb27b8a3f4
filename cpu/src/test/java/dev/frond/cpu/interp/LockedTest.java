// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.function.Supplier;
import java.util.stream.Stream;

/** Locked instructions are atomic towards every access of other CPUs, wherever their operand is. */
final class LockedTest {
    private static final int TIMES = 40_000;

    /** MOV EBX,40000; L: LOCK ADD dword [R15],10000h; DEC EBX; JNZ L. */
    private static final String ADD_ABOVE = "bb409c0000 f0418107 00000100 ffcb 75f4";

    /** MOV EBX,40000; L: LOCK INC word [R15]; DEC EBX; JNZ L. */
    private static final String INCREMENT = "bb409c0000 f06641ff07 ffcb 75f7";

    /** MOV byte [42004h],1: tells the other CPU that this one has done its part. */
    private static final String DONE = "c604250420040001";

    /**
     * MOV EBX,1; XOR EDX,EDX; MOV [R14],BX; L: MOV AX,[R14]; CMP AX,BX; SETNE CL; MOVZX ECX,CL; ADD
     * EDX,ECX; INC EBX; MOV [R14],BX; CMP byte [42004h],0; JE L: EDX is how often a store was lost,
     * which shows until the next one.
     */
    private static final String STORE_WORDS =
            "bb01000000 31d2 6641891e 66418b06 6639d8 0f95c1 0fb6c9 01ca ffc3 6641891e"
                    + " 803c250420040000 74e1";

    /** The same with MOV [R14],RBX. */
    private static final String STORE_LONGS =
            "bb01000000 31d2 49891e 498b06 4839d8 0f95c1 0fb6c9 01ca ffc3 49891e"
                    + " 803c250420040000 74e3";

    /** MOV EBX,40000; L: MOV [R14],RBX; JMP L. */
    private static final String STORE_FOR_EVER = "bb409c0000 49891e ebfb";

    /**
     * MOV ESI,1000000; XOR EAX,EAX; XOR EDX,EDX; L: MOV RBX,RAX; LEA RCX,[RDX+1]; LOCK CMPXCHG16B
     * [R14]; JNZ L; DEC ESI; JNZ L: adds to the high half and leaves the low one.
     */
    private static final String ADD_WIDE =
            "be40420f00 31c0 31d2 4889c3 488d4a01 f0490fc70e 75f2 ffce 75ee";

    /** LOCK INC dword [42000h]; L: MOV EAX,[42000h]; CMP EAX,2; JB L: both start together. */
    private static final String TOGETHER = "f0ff042500200400 8b042500200400 83f802 72f4";

    /** An engine, and an operand of 4 bytes whose upper half is beyond a boundary. */
    record Case(String name, Supplier<Accelerator> engine, long operand) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Case> engines() {
        Stream<Case> interpreter = Stream.of(new Case("interpreter", Interpreter::new, 0));
        return Translator.isSupported()
                ? Stream.concat(interpreter, Stream.of(new Case("translator", Translator::new, 0)))
                : interpreter;
    }

    static Stream<Case> operands() {
        return engines()
                .flatMap(each ->
                        Stream.of(
                                new Case(each.name + ", 8 bytes", each.engine, SmpRig.DATA + 6),
                                new Case(each.name + ", a line", each.engine, SmpRig.DATA + 62),
                                new Case(each.name + ", a page", each.engine, SmpRig.DATA + 4094)));
    }

    private static SmpRig rig(Case each, long operand) {
        SmpRig rig = new SmpRig(2, each.engine.get(), CpuModel.X86_64_V2);
        for (int i = 0; i < 2; i++) {
            rig.cpu(i).r[14] = operand;
            rig.cpu(i).r[15] = operand;
        }
        return rig;
    }

    @ParameterizedTest
    @MethodSource("operands")
    void aSplitOperandIsAtomicTowardsPlainStores(Case each) throws Exception {
        try (SmpRig rig = rig(each, each.operand)) {
            rig.program(0, TOGETHER + ADD_ABOVE + DONE + SmpRig.END);
            rig.program(1, TOGETHER + STORE_WORDS + SmpRig.END);
            rig.runAll();
            assertThat(rig.cpu(1).r[Cpu.RDX]).as("stores that were lost").isZero();
            assertThat(rig.load(each.operand + 2, 2)).isEqualTo(TIMES & 0xFFFF);
        }
    }

    @ParameterizedTest
    @MethodSource("operands")
    void aSplitOperandIsAtomicTowardsLockedOnesThatAreNot(Case each) throws Exception {
        try (SmpRig rig = rig(each, each.operand)) {
            rig.program(0, TOGETHER + ADD_ABOVE + SmpRig.END);
            rig.program(1, TOGETHER + INCREMENT + SmpRig.END);
            rig.runAll();
            assertThat(rig.load(each.operand, 2)).isEqualTo(TIMES & 0xFFFF);
            assertThat(rig.load(each.operand + 2, 2)).isEqualTo(TIMES & 0xFFFF);
        }
    }

    @ParameterizedTest
    @MethodSource("operands")
    void twoSplitOperandsAreAtomicTowardsEachOther(Case each) throws Exception {
        try (SmpRig rig = rig(each, each.operand)) {
            for (int i = 0; i < 2; i++) {
                rig.program(i, TOGETHER + ADD_ABOVE + SmpRig.END);
            }
            rig.runAll();
            assertThat(rig.load(each.operand + 2, 2)).isEqualTo(2 * TIMES & 0xFFFF);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void sixteenBytesAreAtomicTowardsPlainStores(Case each) throws Exception {
        try (SmpRig rig = rig(each, SmpRig.DATA)) {
            rig.program(0, TOGETHER + ADD_WIDE + DONE + SmpRig.END);
            rig.program(1, TOGETHER + STORE_LONGS + SmpRig.END);
            rig.runAll();
            assertThat(rig.cpu(1).r[Cpu.RDX]).as("stores that were lost").isZero();
            assertThat(rig.load(SmpRig.DATA + 8, 8)).isEqualTo(1_000_000);
        }
    }

    /** As it is where the host has no such instruction. */
    @ParameterizedTest
    @MethodSource("engines")
    void oneCpuAloneIsAlone(Case each) throws Exception {
        try (SmpRig rig = rig(each, SmpRig.DATA)) {
            rig.program(1, STORE_FOR_EVER + SmpRig.END);
            rig.start(1);
            SmpRig.until(() -> rig.load(SmpRig.DATA, 8) != 0);
            Cpu first = rig.cpu(0);
            for (int i = 0; i < 200; i++) {
                boolean still =
                        first.group.alone(
                                first,
                                () -> {
                                    rig.ram.store(SmpRig.DATA, 8, -1);
                                    long until = System.nanoTime() + 20_000;
                                    while (System.nanoTime() < until) {
                                        if (rig.load(SmpRig.DATA, 8) != -1) {
                                            return false;
                                        }
                                    }
                                    return true;
                                });
                assertThat(still).isTrue();
                long seen = i;
                SmpRig.until(() -> rig.load(SmpRig.DATA, 8) != -1 || seen < 0);
            }
        }
    }
}
