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

/**
 * The accessed and dirty flags of a page-table entry are set as by a locked instruction (SDM Vol.
 * 3A, 4.8 and 9.1.2.2): what another CPU does to the entry meanwhile is not lost, nor are the
 * flags.
 */
final class SharedTablesTest {
    private static final long TABLE = 0x5_0000;
    private static final long PAGE = 0x6_0000;

    /** Two megabytes, through a table of small pages. */
    private static final long LINEAR = 0x20_0000;

    private static final long DIRECTORY_ENTRY = 0x6008;
    private static final int ACCESSED = 0x20;
    private static final int DIRTY = 0x40;

    /** Bits that the processor ignores. */
    private static final int IGNORED_SHIFT = 52;

    /** LOCK INC dword [42000h]; L: MOV EAX,[42000h]; CMP EAX,2; JB L: both start together. */
    private static final String TOGETHER = "f0ff042500200400 8b042500200400 83f802 72f4";

    /** The rest of what CPU 0 does; before it EBX has been compared with the flags. */
    private static final String CHECK =
            " 0f95c3 0fb6db 01da f04183269f 410f013f 48c1e834 4439c0 4189c0 0f95c0 0fb6c0 4101c1"
                    + " 4181f9204e0000 7304 ffc9 75c1";

    /** What CPU 0 does to the page at R15, whose entry is at R14, and which flags that sets. */
    enum Touch {
        /**
         * MOV ECX,2000000; XOR EDX,EDX; XOR R9D,R9D; L: MOV [R15],ECX; MOV RAX,[R14]; MOV EBX,EAX;
         * AND EBX,60h; CMP EBX,60h; SETNE BL; MOVZX EBX,BL; ADD EDX,EBX; LOCK AND dword [R14],~60h;
         * INVLPG [R15]; SHR RAX,52; CMP EAX,R8D; MOV R8D,EAX; SETNE AL; MOVZX EAX,AL; ADD R9D,EAX;
         * CMP R9D,20000; JAE M; DEC ECX; JNZ L; M: EDX is how often a flag was not there; it ends
         * when the other CPU was seen at work 20000 times.
         */
        STORE("b980841e00 31d2 4531c9 41890f 498b06 89c3 83e360 83fb60" + CHECK),
        /** The same with MOV EAX,[R15], which sets the accessed flag only. */
        LOAD("b980841e00 31d2 4531c9 418b07 498b06 89c3 83e360 83fb20" + CHECK);

        private final String code;

        Touch(String code) {
            this.code = code;
        }
    }

    /** MOV byte [42004h],1: tells CPU 1 that CPU 0 has done its part. */
    private static final String DONE = "c604250420040001";

    /**
     * What CPU 1 does to the entry at R14 until CPU 0 is done: CMP byte [42004h],0; JE L. In the
     * end EBX is what bits 58 to 52 are to be, EDX how often they were wrong.
     */
    enum Change {
        /**
         * XOR EDX,EDX; XOR EBX,EBX; L: LOCK BTS qword [R14],52; ADC EDX,0; LOCK BTR qword [R14],52;
         * CMC; ADC EDX,0; CMP; JE.
         */
        TEST_AND_SET("31d2 31db f0490fba2e34 83d200 f0490fba3634 f5 83d200 803c250420040000 74e3"),
        /**
         * XOR EDX,EDX; XOR EBX,EBX; MOV RSI,1 << 52; MOV RDI,-100 << 52; L: MOV RAX,RSI; LOCK XADD
         * [R14],RAX; INC EBX; CMP EBX,100; JNE M; XOR EBX,EBX; LOCK ADD [R14],RDI; M: CMP; JE: adds
         * 1 a hundred times, then takes 100 away.
         */
        ADD(
                "31d2 31db 48be0000000000001000 48bf000000000000c0f9 4889f0 f0490fc106 ffc3"
                        + " 83fb64 7506 31db f049013e 803c250420040000 74e1"),
        /**
         * XOR EBX,EBX; MOV RSI,1 << 52; MOV RDI,7Fh << 52; MOV RAX,[R14]; L: MOV RCX,RAX; ADD
         * RCX,RSI; AND RCX,RDI; MOV RDX,RDI; NOT RDX; AND RDX,RAX; OR RCX,RDX; LOCK CMPXCHG
         * [R14],RCX; JNZ L; INC EBX; AND EBX,127; CMP; JE; XOR EDX,EDX: counts to 128 again and
         * again.
         */
        EXCHANGE(
                "31db 48be0000000000001000 48bf000000000000f007 498b06 4889c1 4801f1 4821f9"
                        + " 4889fa 48f7d2 4821c2 4809d1 f0490fb10e 75e4 ffc3 83e37f"
                        + " 803c250420040000 74d5 31d2");

        private final String code;

        Change(String code) {
            this.code = code;
        }
    }

    /** An engine, and what its CPUs do. */
    record Case(String name, Supplier<Accelerator> engine, Touch touch, Change change) {
        @Override
        public String toString() {
            return name + ", " + touch + ", " + change;
        }
    }

    static Stream<Case> cases() {
        return Stream.of(Touch.values())
                .flatMap(touch ->
                        Stream.of(Change.values())
                                .flatMap(change -> {
                                    Case interpreter =
                                            new Case(
                                                    "interpreter", Interpreter::new, touch, change);
                                    return Translator.isSupported()
                                            ? Stream.of(
                                                    interpreter,
                                                    new Case(
                                                            "translator",
                                                            Translator::new,
                                                            touch,
                                                            change))
                                            : Stream.of(interpreter);
                                }));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void noUpdateOfAnEntryIsLost(Case each) throws Exception {
        try (SmpRig rig = new SmpRig(2, each.engine.get(), CpuModel.X86_64_V2)) {
            rig.store(DIRECTORY_ENTRY, 8, TABLE | 3);
            rig.store(TABLE, 8, PAGE | 3);
            for (int i = 0; i < 2; i++) {
                rig.cpu(i).mmu.flush();
                rig.cpu(i).r[14] = TABLE;
                rig.cpu(i).r[15] = LINEAR;
            }
            rig.program(0, TOGETHER + each.touch.code + DONE + SmpRig.END);
            rig.program(1, TOGETHER + each.change.code + SmpRig.END);
            rig.runAll();
            assertThat(rig.cpu(0).r[Cpu.RDX]).as("flags that were not there").isZero();
            assertThat(rig.cpu(1).r[Cpu.RDX]).as("changes that were lost").isZero();
            assertThat(rig.load(TABLE, 8))
                    .isEqualTo(rig.cpu(1).r[Cpu.RBX] << IGNORED_SHIFT | PAGE | 3)
                    .matches(entry -> (entry & (ACCESSED | DIRTY)) == 0);
        }
    }
}
