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
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The same address of code means what the page tables say now (SDM Vol. 3A, 4.10.4). */
@Timeout(60)
final class AddressSpacesTest {
    /** Where the functions are called; 16 bytes each. */
    private static final long FUNCTIONS = 0x20_0000;

    private static final long ONE = 0x6_0000;
    private static final long THREE = 0x6_1000;

    /** Page tables: four pages each. */
    private static final long FIRST_SPACE = 0x7_0000;

    private static final long SECOND_SPACE = 0x7_8000;
    private static final long HIGH = 0x8000_0000L;
    private static final int TABLE = 0x3;
    private static final int LARGE = 0x83;
    private static final int GLOBAL = 0x100;
    private static final long[] PLACES = {FUNCTIONS, FUNCTIONS + 0x4000};
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
        callInTwoPlaces(jumps, 4096 - 16);
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

    /** Lets {@code page} be at both {@link #PLACES}, with another page behind it in each. */
    private void inTwoPlaces(long page) {
        long[] beside = {ONE, THREE};
        for (int i = 0; i < 2; i++) {
            long entry = FIRST_SPACE + 0x3000 + (PLACES[i] - FUNCTIONS) / 4096 * 8;
            rig.store(entry, 8, page | TABLE);
            rig.store(entry + 8, 8, beside[i] | TABLE);
        }
        rig.cpu.mmu.flush();
    }

    /** Calls what is at {@code offset} of {@code page} in both {@link #PLACES} in turn. */
    private void callInTwoPlaces(long page, int offset) {
        inTwoPlaces(page);
        rig.cpu.r[Cpu.RAX] = PLACES[0] + offset;
        rig.cpu.r[Cpu.RDI] = PLACES[1] + offset;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rax; xchg rax,rdi; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd04887c7ffc975f7e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @CsvSource({
        // Across the end of the page: add ebx,1 or 3; ret.
        "false, 83c3, 01c3, 03c3",
        "true, 83c3, 01c3, 03c3",
        // Up to its end: call rsi (a RET), and behind it the functions.
        "false, ffd6, 83c301c3, 83c303c3",
        "true, ffd6, 83c301c3, 83c303c3",
        // Up to its end: call of a RET in the same page, and behind it the functions.
        "false, e811f0ffff, 83c301c3, 83c303c3",
        "true, e811f0ffff, 83c301c3, 83c303c3",
        // Across the end of the page: call of a RET in the same page, and behind it the functions.
        "false, e80ff0, ffff83c301c3, ffff83c303c3",
        "true, e80ff0, ffff83c301c3, ffff83c303c3"
    })
    void aPageInTwoPlacesGoesOnInThePageBehindIt(
            boolean translated, String end, String one, String three) {
        start(translated, 0);
        long page = 0x6_2000;
        int first = 4096 - end.length() / 2;
        // A RET for whoever calls it, at the place that both calls name.
        rig.write(page + 0x11, "c3c3");
        rig.write(page + first, end);
        rig.write(ONE, one);
        rig.write(THREE, three);
        rig.cpu.r[Cpu.RSI] = FUNCTIONS + 0x11;
        callInTwoPlaces(page, first);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aCallAtTheEndOfAPageThatIsBehindItselfReturnsToThePageBehindIt(boolean translated) {
        start(translated, 0);
        // At its start: add ebx,1; ret. At its end: call of the RET.
        long page = 0x6_2000;
        rig.write(page, "83c301c3");
        rig.write(page + 4091, "e803f0ffff");
        rig.write(THREE, "83c303c3");
        inTwoPlaces(page);
        rig.store(FIRST_SPACE + 0x3008, 8, page | TABLE);
        rig.cpu.mmu.flush();
        rig.cpu.r[Cpu.RAX] = PLACES[0] + 4091;
        rig.cpu.r[Cpu.RDI] = PLACES[1] + 4091;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rax; call rax; xchg rax,rdi; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd0ffd04887c7ffc975f5e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(2 * ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @CsvSource({
        "false, 0, 0",
        "true, 0, 0",
        "false, 0, 256",
        "true, 0, 256",
        "false, 256, 0",
        "true, 256, 0",
        "false, 256, 256",
        "true, 256, 256"
    })
    void invlpgOfTheSecondPageChangesAnInstructionInTwo(boolean translated, int first, int second) {
        start(translated, 0);
        long page = 0x6_2000;
        rig.write(page + 4094, "83c3");
        rig.write(ONE, "01c3");
        rig.write(THREE, "03c3");
        rig.store(FIRST_SPACE + 0x3000, 8, page | TABLE | first);
        rig.store(FIRST_SPACE + 0x3008, 8, ONE | TABLE | second);
        rig.cpu.mmu.flush();
        rig.cpu.r[Cpu.RSI] = FUNCTIONS + 4094;
        rig.cpu.r[Cpu.RDI] = FUNCTIONS + 4096;
        rig.cpu.r[Cpu.RAX] = THREE | TABLE | second;
        rig.cpu.r[Cpu.RDX] = FIRST_SPACE + 0x3008;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rsi; xchg [rdx],rax; invlpg [rdi]; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd64887020f013fffc975f4e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @CsvSource({"false, 0", "true, 0", "false, 256", "true, 256"})
    void aReturnGoesWhereThePageOfTheCallIsNow(boolean translated, int attributes) {
        start(translated, attributes);
        // call rbp; add ebx,1 or 3; ret
        rig.write(ONE, "ffd583c301c3");
        rig.write(THREE, "ffd583c303c3");
        rig.cpu.r[Cpu.RAX] = THREE | TABLE | attributes;
        rig.cpu.r[Cpu.RDX] = FIRST_SPACE + 0x3000;
        rig.cpu.r[Cpu.RBP] = SystemRig.CODE + 0x100;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rsi; dec ecx; jnz again; out 0EEh,al; hlt
        rig.write(SystemRig.CODE, "ffd6ffc975fae6eef4");
        // xchg [rdx],rax; invlpg [rsi]; ret
        rig.write(SystemRig.CODE + 0x100, "4887020f013ec3");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aJumpOutOfAPageSeesWhatIsStoredAtItsTarget(boolean translated) {
        start(translated, 0);
        rig.cpu.r[Cpu.RSI] = SystemRig.CODE + 0x1000;
        rig.cpu.r[Cpu.RDX] = SystemRig.CODE + 0x2002;
        rig.cpu.r[Cpu.RCX] = ROUNDS;
        // again: call rsi; call rsi; call rsi; xor byte [rdx],2; dec ecx; jnz again; out 0EEh,al;
        // hlt
        rig.write(SystemRig.CODE, "ffd6ffd6ffd6803202ffc975f3e6eef4");
        // jmp to the next page. There: add ebx,1; ret
        rig.write(SystemRig.CODE + 0x1000, "e9fb0f0000");
        rig.write(SystemRig.CODE + 0x2000, "83c301c3");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(3 * ROUNDS / 2 * (1 + 3));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void codeReachesTwoGigabytesFromItsEndWhereverItBegins(boolean translated) {
        start(translated, 0);
        // What is at 0 is at 2 GiB, too.
        rig.store(FIRST_SPACE + 0x1010, 8, FIRST_SPACE + 0x2000 | TABLE);
        long data = SystemRig.CODE + 0x100;
        rig.store(data, 8, 0x1122_3344_5566_7788L);
        long at = SystemRig.CODE + 0x800;
        rig.cpu.rip = at;
        // lea rax,[data]; mov rdi,[data]; imul rdx,[data],3
        at = write(at, "488d05", HIGH + data, "");
        at = write(at, "488b3d", HIGH + data, "");
        at = write(at, "486b15", HIGH + data, "03");
        // call: inc ebx; ret
        rig.write(SystemRig.CODE + 0x200, "ffc3c3");
        at = write(at, "e8", HIGH + SystemRig.CODE + 0x200, "");
        // test esp,esp; jnz: add ebx,2; jmp back
        rig.write(at, "85e4");
        at = write(at + 2, "0f85", HIGH + SystemRig.CODE + 0x300, "");
        rig.write(SystemRig.CODE + 0x300, "83c302");
        write(SystemRig.CODE + 0x303, HIGH, "e9", at, "");
        // jmp: add ebx,4; out 0EEh,al; hlt
        write(at, "e9", HIGH + SystemRig.CODE + 0x400, "");
        rig.write(SystemRig.CODE + 0x400, "83c304e6eef4");
        rig.vcpu.run();
        assertThat(rig.cpu.r[Cpu.RBX]).isEqualTo(1 + 2 + 4);
        assertThat(rig.cpu.r[Cpu.RAX]).isEqualTo(HIGH + data);
        assertThat(rig.cpu.r[Cpu.RDI]).isEqualTo(0x1122_3344_5566_7788L);
        assertThat(rig.cpu.r[Cpu.RDX]).isEqualTo(3 * 0x1122_3344_5566_7788L);
        assertThat(rig.cpu.rip).isEqualTo(HIGH + SystemRig.CODE + 0x405);
    }

    /**
     * Writes an instruction that names {@code target} relative to its end, where {@code after}
     * stands behind the displacement; returns its end.
     */
    private long write(long at, String before, long target, String after) {
        return write(at, 0, before, target, after);
    }

    /** The same for an instruction that is executed at {@code base} plus its place. */
    private long write(long at, long base, String before, long target, String after) {
        long end = at + (before.length() + after.length()) / 2 + 4;
        long displacement = target - base - end;
        assertThat(displacement).isBetween((long) Integer.MIN_VALUE, (long) Integer.MAX_VALUE);
        rig.write(at, before + SystemRig.little(displacement, 4) + after);
        return end;
    }
}
