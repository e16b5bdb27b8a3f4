// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The same address of code means what the page tables say now (SDM Vol. 3A, 4.10.4). */
final class AddressSpacesTest {
    /** Where the functions are called; 16 bytes each. */
    private static final long FUNCTIONS = 0x20_0000;

    private static final long ONE = 0x6_0000;
    private static final long THREE = 0x6_1000;

    /** Page tables: four pages each. */
    private static final long FIRST_SPACE = 0x7_0000;

    private static final long SECOND_SPACE = 0x7_8000;
    private static final int TABLE = 0x3;
    private static final int LARGE = 0x83;
    private static final int GLOBAL = 0x100;
    private static final long ROUNDS = 200;
    private static final int CALLED = 8;

    private Translator translator = new Translator();
    private SystemRig rig = new SystemRig();

    @AfterEach
    void close() {
        translator.close();
    }

    private void start(boolean translated, int attributes) {
        assumeThat(!translated || Translator.isSupported())
                .as("x86-64 Linux with executable memory")
                .isTrue();
        rig =
                translated
                        ? new SystemRig(CpuModel.X86_64_V2, translator::runner)
                        : new SystemRig(CpuModel.X86_64_V2);
        rig.longMode(0);
        rig.cpu.cr4 |= ControlRegisters.PGE;
        functions(ONE, 1);
        functions(THREE, 3);
        space(FIRST_SPACE, ONE, attributes);
        space(SECOND_SPACE, THREE, attributes);
        rig.cpu.cr3 = FIRST_SPACE;
        rig.cpu.mmu.flush();
        rig.cpu.r[Cpu.RBX] = 0;
        rig.cpu.r[Cpu.RSI] = FUNCTIONS;
        rig.cpu.r[Cpu.RSP] = SystemRig.KERNEL_STACK;
        rig.cpu.rip = SystemRig.CODE;
        rig.kickAtPort(0xEE);
    }

    /** Functions that add {@code number} to EBX: add ebx,number; ret. */
    private void functions(long page, int number) {
        for (int i = 0; i < CALLED; i++) {
            rig.write(page + 16L * i, "83c3" + SystemRig.little(number, 1) + "c3");
        }
    }

    private void space(long at, long functions, int attributes) {
        rig.store(at, 8, at + 0x1000 | TABLE);
        rig.store(at + 0x1000, 8, at + 0x2000 | TABLE);
        rig.store(at + 0x2000, 8, LARGE);
        rig.store(at + 0x2008, 8, at + 0x3000 | TABLE);
        rig.store(at + 0x3000, 8, functions | TABLE | attributes);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aChangeOfTheAddressSpaceChangesTheCode(boolean translated) {
        start(translated, 0);
        rig.cpu.r[Cpu.RAX] = FIRST_SPACE;
        rig.cpu.r[Cpu.RDI] = SECOND_SPACE;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: mov cr3,rax; mov esi,FUNCTIONS; mov edx,8
        // next: call rsi; add esi,16; dec edx; jnz next; xchg rax,rdi; dec ecx; jnz again;
        // out 0EEh,al; hlt
        rig.write(
                SystemRig.CODE, "0f22d8be00002000ba08000000ffd683c610ffca75f74887c7ffc975e3e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * CALLED * (1 + 3));
        if (translated) {
            // Once for each page, not for each function.
            assertThat(rig.vcpu.stats().exits().get("blocks looked up")).isLessThan(4 * ROUNDS);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aPageInTwoPlacesGoesOnInThePageBesideIt(boolean translated) {
        start(translated, 0);
        // At its end: jmp to the next page. There: the functions.
        long jumps = 0x6_2000;
        rig.write(jumps + 4096 - 16, "e90b000000");
        long[] places = {FUNCTIONS, FUNCTIONS + 0x4000};
        long[] beside = {ONE, THREE};
        for (int i = 0; i < 2; i++) {
            long entry = FIRST_SPACE + 0x3000 + (places[i] - FUNCTIONS) / 4096 * 8;
            rig.store(entry, 8, jumps | TABLE);
            rig.store(entry + 8, 8, beside[i] | TABLE);
        }
        rig.cpu.mmu.flush();
        rig.cpu.r[Cpu.RAX] = places[0] + 4096 - 16;
        rig.cpu.r[Cpu.RDI] = places[1] + 4096 - 16;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rax; xchg rax,rdi; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd04887c7ffc975f7e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void invlpgForgetsAllOfALargePage(boolean translated) {
        start(translated, 0);
        // 2 MiB at 4 MiB, whose first bytes are main memory, then a table of small pages.
        long directory = FIRST_SPACE + 0x2000 + 2 * 8;
        rig.store(directory, 8, LARGE);
        rig.store(SECOND_SPACE + 0x3000 + (ONE >>> 12) * 8, 8, THREE | TABLE);
        rig.store(ONE, 8, 1);
        rig.store(THREE, 8, 3);
        rig.cpu.mmu.flush();
        rig.cpu.r[Cpu.RSI] = 2 * FUNCTIONS + ONE;
        rig.cpu.r[Cpu.RDI] = 2 * FUNCTIONS;
        rig.cpu.r[Cpu.RDX] = directory;
        rig.cpu.r[Cpu.RAX] = SECOND_SPACE + 0x3000 | TABLE;
        // mov rbx,[rsi]; mov [rdx],rax; invlpg [rdi]; add rbx,[rsi]; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "488b1e4889020f013f48031ee6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(1 + 3);
    }

    @ParameterizedTest
    @CsvSource({"false, 0", "true, 0", "false, 256", "true, 256"})
    void invlpgChangesTheCode(boolean translated, int attributes) {
        start(translated, attributes);
        rig.cpu.r[Cpu.RAX] = THREE | TABLE | attributes;
        rig.cpu.r[Cpu.RDX] = FIRST_SPACE + 0x3000;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rsi; xchg [rdx],rax; invlpg [rsi]; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd64887020f013effc975f4e6eef4");
        rig.vcpu.run();
        assertThat(attributes & ~GLOBAL).isZero();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * (1 + 3));
    }
}
