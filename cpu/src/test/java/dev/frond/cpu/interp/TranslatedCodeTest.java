// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.CpuModel;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.SplittableRandom;

/** What belongs to the translator and not to single instructions. Programs end in HLT, a #GP. */
@NullMarked
final class TranslatedCodeTest {
    private static final long CODE = 0x40_0000;
    private static final long DATA = 0x50_0000;
    private static final long BYTES = 0x0101_0101_0101_0101L;

    private final CpuHarness harness = new CpuHarness(CpuModel.X86_64_V2, 3);
    private final Cpu cpu = harness.cpu;
    private Translator translator = new Translator();
    private Runner runner = Runner.NODES;

    @BeforeEach
    void create() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        use(new Translator());
        harness.map(CODE, 4 * 4096);
        harness.map(DATA, 2 * 4096);
    }

    private void use(Translator next) {
        translator.close();
        translator = next;
        runner = next.runner(cpu);
        runner.setOwner(Thread.currentThread());
    }

    @AfterEach
    void close() {
        translator.close();
    }

    private void load(long at, String hex) {
        harness.write(at, HexFormat.ofDelimiter(" ").parseHex(hex));
    }

    /** Runs from {@code at} to the HLT at {@code end}. */
    private void run(long at, long end) {
        cpu.rip = at;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.GP);
        assertThat(cpu.rip).isEqualTo(end);
    }

    @Test
    void aStoreIntoTheRunningBlockTakesEffectAtTheNextInstruction() {
        // mov byte [rip+1],7; mov al,1; hlt
        load(CODE, "C6 05 01 00 00 00 07 B0 01 F4");
        run(CODE, CODE + 9);
        assertThat(cpu.r[Cpu.RAX] & 0xFF).isEqualTo(7);
    }

    @Test
    void aLoopThatChangesItselfRunsWhatItWrote() {
        // mov ecx,100; again: add eax,1; inc byte [rip-7]; loop again: the immediate grows
        load(CODE, "31 C0 B9 64 00 00 00 83 C0 01 FE 05 F9 FF FF FF FF C9 75 F3 F4");
        run(CODE, CODE + 20);
        int sum = 0;
        for (int i = 0; i < 100; i++) {
            sum += (byte) (1 + i);
        }
        assertThat((int) cpu.r[Cpu.RAX]).isEqualTo(sum);
    }

    @Test
    void anIndirectCallLeavesTheKernelsGsBaseAlone() {
        SystemRig rig = new SystemRig(CpuModel.X86_64_V2, translator::runner);
        rig.longMode(0);
        rig.kickAtPort(0xEE);
        // mov ecx,3; again: call rax; dec ecx; jnz again; swapgs; out 0EEh,al; hlt; f: ret
        rig.write(SystemRig.CODE, "b903000000ffd0ffc975fa0f01f8e6eef4c3");
        rig.cpu.rip = SystemRig.CODE;
        rig.cpu.r[Cpu.RAX] = SystemRig.CODE + 17;
        rig.cpu.msrs.setBase(Seg.GS, 0x5678_0000);
        rig.cpu.msrs.kernelGsBase = 0x1234_0000;
        rig.vcpu.run();
        assertThat(rig.cpu.segBase[Seg.GS]).isEqualTo(0x1234_0000);
        assertThat(rig.cpu.msrs.kernelGsBase).isEqualTo(0x5678_0000);
    }

    @Test
    void codeThatAnotherThreadChangedIsTranslatedAnew() throws InterruptedException {
        load(CODE, "B0 01 F4");
        run(CODE, CODE + 2);
        Thread other = new Thread(() -> load(CODE, "B0 02"));
        other.start();
        other.join();
        run(CODE, CODE + 2);
        assertThat(cpu.r[Cpu.RAX] & 0xFF).isEqualTo(2);
    }

    @Test
    void anInstructionAcrossTwoPagesIsExecuted() {
        // mov eax,12345678h with its immediate in the next page
        load(CODE + 4094, "B8 78 56 34 12 F4");
        run(CODE + 4094, CODE + 4099);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x1234_5678);
    }

    @Test
    void anInstructionAcrossTwoPagesFollowsBothOfThem() {
        harness.map(0x60_0000, 4096);
        // mov eax,imm32 across two pages, in a loop that comes to it from before and from behind:
        // xor ebx,ebx; mov ecx,1000; jmp page end; page end: mov eax,1; add ebx,eax; loop page end
        load(CODE, "31 DB B9 E8 03 00 00 E9 F2 0F 00 00");
        load(CODE + 4094, "B8 01 00 00 00 01 C3 FF C9 75 F5 F4");
        run(CODE, CODE + 4105);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(1000);
        assertThat(runner.counters().get("instructions interpreted")).isLessThan(10L);
        // A store to its second part.
        load(CODE + 4096, "02");
        run(CODE, CODE + 4105);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(0x0201 * 1000);
        // Another page behind the first.
        load(0x60_0000, "00 00 00 01 C3 FF C9 75 F5 F4");
        harness.remap(CODE + 4096, 0x60_0000);
        run(CODE, CODE + 4105);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(1000);
    }

    @Test
    void anAccessAcrossTwoPagesIsExecuted() {
        // mov [rdi],rax; mov rbx,[rdi]; hlt
        load(CODE, "48 89 07 48 8B 1F F4");
        cpu.r[Cpu.RDI] = DATA + 4093;
        cpu.r[Cpu.RAX] = 0x1122_3344_5566_7788L;
        run(CODE, CODE + 6);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(0x1122_3344_5566_7788L);
    }

    @Test
    void aLoadAcrossTwoPagesIsJoinedWithoutTheInterpreter() {
        // movdqu xmm1,[rdi]; mov rbx,[rdi+8]; add rbx,[rdi+16]; pop rax; hlt
        load(CODE, "F3 0F 6F 0F 48 8B 5F 08 48 03 5F 10 58 F4");
        for (int inFirst = 1; inFirst < 16; inFirst++) {
            byte[] bytes = new byte[32];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) (i + 1);
            }
            harness.write(DATA + 4096 - inFirst, bytes);
            cpu.r[Cpu.RDI] = DATA + 4096 - inFirst;
            cpu.r[Cpu.RSP] = DATA + 4096 - inFirst % 8;
            run(CODE, CODE + 13);
            assertThat(cpu.v[4]).isEqualTo(0x0807_0605_0403_0201L);
            assertThat(cpu.v[5]).isEqualTo(0x100F_0E0D_0C0B_0A09L);
            assertThat(cpu.r[Cpu.RBX]).isEqualTo(0x100F_0E0D_0C0B_0A09L + 0x1817_1615_1413_1211L);
            int below = inFirst - inFirst % 8;
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x0807_0605_0403_0201L + below * BYTES);
        }
        assertThat(runner.counters().get("operands joined")).isGreaterThan(15L);
        assertThat(runner.counters().get("instructions interpreted")).isLessThan(20L);
    }

    @Test
    void aLoadThatReachesIntoAPageThatIsNotThereFaults() {
        // mov rbx,[rdi]; hlt
        load(CODE, "48 8B 1F F4");
        cpu.r[Cpu.RBX] = 7;
        cpu.r[Cpu.RDI] = DATA + 8192 - 3;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.PF);
        assertThat(cpu.rip).isEqualTo(CODE);
        assertThat(cpu.cr2).isEqualTo(DATA + 8192);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(7);
    }

    @Test
    void aPageFaultShowsTheInstructionAndItsAddress() {
        // add rax,1; mov rbx,[rdi]: nothing of the second instruction has happened
        load(CODE, "48 83 C0 01 48 8B 1F F4");
        cpu.r[Cpu.RAX] = 41;
        cpu.r[Cpu.RBX] = 5;
        cpu.r[Cpu.RDI] = DATA + 2 * 4096 - 4;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.PF);
        assertThat(cpu.rip).isEqualTo(CODE + 4);
        assertThat(cpu.cr2).isEqualTo(DATA + 2 * 4096);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(42);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(5);
    }

    @Test
    @Timeout(60)
    void aCopyBetweenPagesThatShareATlbEntryEnds() {
        // rep movsb from a page to one 2048 pages further, twice; hlt
        long far = DATA + 2048 * 4096L;
        harness.map(far, 4096);
        byte[] bytes = new byte[4096];
        new SplittableRandom(3).nextBytes(bytes);
        harness.write(DATA, bytes);
        load(CODE, "F3 A4 F4");
        cpu.r[Cpu.RSI] = DATA;
        cpu.r[Cpu.RDI] = far;
        cpu.r[Cpu.RCX] = 4096;
        run(CODE, CODE + 2);
        byte[] copied = new byte[4096];
        harness.read(far, copied);
        assertThat(copied).isEqualTo(bytes);
        assertThat(cpu.r[Cpu.RCX]).isZero();
    }

    @Test
    void aRepeatedStoreGoesOnAcrossPagesUpToAFault() {
        // rep stosq; hlt
        load(CODE, "F3 48 AB F4");
        cpu.r[Cpu.RAX] = 0x0102_0304_0506_0708L;
        cpu.r[Cpu.RDI] = DATA + 4096 - 16;
        cpu.r[Cpu.RCX] = 1000;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.PF);
        assertThat(cpu.cr2).isEqualTo(DATA + 2 * 4096);
        assertThat(cpu.r[Cpu.RDI]).isEqualTo(DATA + 2 * 4096);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(1000 - 2 - 512);
        byte[] stored = new byte[16];
        harness.read(DATA + 4096 - 16, stored);
        assertThat(stored).startsWith(8, 7, 6, 5, 4, 3, 2, 1, 8, 7);
    }

    @Test
    @Timeout(60)
    void anEndlessLoopIsLeftWhenSomethingIsPosted() throws InterruptedException {
        // jmp self
        load(CODE, "EB FE");
        cpu.rip = CODE;
        Thread other = new Thread(() -> cpu.post(Cpu.EVENT_KICK));
        other.start();
        assertThat(runner.run()).isTrue();
        assertThat(cpu.rip).isEqualTo(CODE);
        assertThat(cpu.takeEvents()).isEqualTo(Cpu.EVENT_KICK);
        other.join();
    }

    @Test
    void returnsFindTheirCallersAcrossPages() {
        // mov ecx,1000; again: call far; dec ecx; jnz again; hlt; far: add eax,ecx; ret
        load(CODE, "31 C0 B9 E8 03 00 00 E8 F4 0F 00 00 FF C9 75 F7 F4");
        load(CODE + 4096, "01 C8 C3");
        cpu.r[Cpu.RSP] = DATA + 4096;
        run(CODE, CODE + 16);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1000 * 1001 / 2);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(DATA + 4096);
    }

    @Test
    void operandsThatLieInTwoPagesAgainAndAgainAreLookedUpOneByOne() {
        // mov ecx,10000; again: push rax; push rbx; push rdx; pop rdx; pop rbx; pop rax;
        // add eax,[rdi]; add eax,[rdi+8]; dec ecx; jnz again; hlt
        load(CODE, "B9 10 27 00 00 50 53 52 5A 5B 58 03 07 03 47 08 FF C9 75 F1 F4");
        cpu.r[Cpu.RSP] = CODE + 8192 + 8;
        cpu.r[Cpu.RDI] = DATA + 4096 - 8;
        cpu.r[Cpu.RAX] = 0;
        harness.write(DATA + 4096 - 8, new byte[] {1});
        harness.write(DATA + 4096, new byte[] {2});
        run(CODE, CODE + 20);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(30_000);
        assertThat(runner.counters().get("instructions interpreted")).isLessThan(200L);
    }

    @Test
    void aCallReadsItsTargetBeforeItPushesOverIt() {
        // mov [rbx],rax; call [rbx]; hlt; in the next page: hlt
        load(CODE, "48 89 03 FF 13 F4");
        load(CODE + 4096, "F4");
        cpu.r[Cpu.RAX] = CODE + 4096;
        for (int i = 0; i < 3; i++) {
            cpu.r[Cpu.RBX] = DATA + 64;
            cpu.r[Cpu.RSP] = DATA + 64 + 10;
            run(CODE, CODE + 4096);
            byte[] pushed = new byte[8];
            harness.read(DATA + 66, pushed);
            assertThat(pushed).startsWith(5);
            assertThat(cpu.r[Cpu.RSP]).isEqualTo(DATA + 66);
        }
    }

    @Test
    void jumpsToLowAddressesAreLookedUp() {
        harness.map(0x1000, 4096);
        byte[] halts = new byte[4096];
        Arrays.fill(halts, (byte) 0xF4);
        harness.write(0x1000, halts);
        // mov eax,edx; jmp rax
        load(CODE, "89 D0 FF E0");
        for (int target = 0x1000; target < 0x2000; target++) {
            cpu.r[Cpu.RDX] = target;
            run(CODE, target);
        }
    }

    /** The tables that emitted code looks in are empty, and nothing is the kernel's page 0. */
    @Test
    void theKernelsFirstJumpToPageZeroIsAPageFault() {
        CpuHarness kernel = new CpuHarness(CpuModel.X86_64_V2, 0);
        // Not at the same place of the tables as page 0.
        long code = CODE + 4096;
        kernel.map(code, 4096);
        // jmp rax
        kernel.write(code, new byte[] {(byte) 0xFF, (byte) 0xE0});
        try (Translator first = new Translator(Translator.Settings.DEFAULT.eagerly())) {
            Runner run = first.runner(kernel.cpu);
            run.setOwner(Thread.currentThread());
            for (int target = 0; target < 16; target++) {
                kernel.cpu.r[Cpu.RAX] = target;
                kernel.cpu.rip = code;
                assertThat(kernel.run(run)).isEqualTo(CpuFault.PF);
                assertThat(kernel.cpu.rip).isEqualTo(target);
            }
        }
    }

    @Test
    void aReturnToANonCanonicalAddressFaultsAtTheReturn() {
        load(CODE, "C3");
        byte[] target = new byte[8];
        Arrays.fill(target, (byte) 0x5A);
        harness.write(DATA, target);
        cpu.r[Cpu.RSP] = DATA;
        cpu.rip = CODE;
        assertThat(harness.run(runner)).isEqualTo(CpuFault.GP);
        assertThat(cpu.rip).isEqualTo(CODE);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(DATA);
    }

    @Test
    void whenTheRoomForCodeIsFullTranslationBeginsAnew() {
        use(new Translator(Translator.Settings.DEFAULT.withCodeSize(256 << 10)));
        SplittableRandom random = new SplittableRandom(1);
        byte[] code = new byte[4096];
        // Each byte starts another block of up to 64 instructions: add eax,1 in three bytes.
        for (int i = 0; i + 3 <= 3000; i += 3) {
            code[i] = (byte) 0x83;
            code[i + 1] = (byte) 0xC0;
            code[i + 2] = 1;
        }
        code[3000] = (byte) 0xF4;
        harness.write(CODE, code);
        for (int i = 0; i < 3000; i++) {
            int start = random.nextInt(1000);
            cpu.r[Cpu.RAX] = 0;
            run(CODE + 3L * start, CODE + 3000);
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(1000 - start);
        }
    }

    @Test
    void aFunctionThatIsWrittenAnewBeforeEachCallIsSeldomTranslated() {
        // again: mov byte [rdi],0B8h; mov [rdi+1],ecx; mov byte [rdi+5],0C3h; call rdi;
        // add ebx,eax; dec ecx; jnz again
        load(
                CODE,
                "31 DB B9 E8 03 00 00 BF 00 20 40 00 C6 07 B8 89 4F 01 C6 47 05 C3 FF D7 01 C3 FF"
                        + " C9 75 EE F4");
        cpu.r[Cpu.RSP] = DATA + 4096;
        run(CODE, CODE + 30);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(500_500);
        assertThat(runner.counters().get("blocks translated")).isLessThan(200L);
    }

    @Test
    void whatWasNotChangedInAPageIsTakenUpAgain() {
        use(new Translator(Translator.Settings.DEFAULT.eagerly()));
        // xor eax,eax; jmp 40h; 40h: add eax,1; jmp 80h; 80h: add eax,imm8; hlt
        load(CODE, "31 C0 EB 3C");
        load(CODE + 0x40, "83 C0 01 EB 3B");
        load(CODE + 0x80, "83 C0 00 F4");
        for (int i = 0; i < 100; i++) {
            load(CODE + 0x82, "%02X".formatted(i));
            run(CODE, CODE + 0x83);
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(1 + i);
        }
        assertThat(runner.counters().get("blocks translated")).isBetween(100L, 110L);
        for (int i = 0; i < 100; i++) {
            // The same once more.
            load(CODE + 0x80, "83 C0 63 F4");
            run(CODE, CODE + 0x83);
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(100);
        }
        assertThat(runner.counters().get("blocks translated")).isLessThan(110L);
    }

    @Test
    void whatBecomesAnInstructionBehindABlockIsWhatItIsNow() {
        use(new Translator(Translator.Settings.DEFAULT.eagerly()));
        for (int i = 0; i < 3; i++) {
            // mov edi,8, and what is no instruction
            load(CODE, "BF 08 00 00 00 06");
            cpu.rip = CODE;
            assertThat(harness.run(runner)).isEqualTo(CpuFault.UD);
            assertThat(cpu.rip).isEqualTo(CODE + 5);
        }
        // inc ebx; hlt
        load(CODE + 5, "FF C3 F4");
        run(CODE, CODE + 7);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(1);
        // add ecx,2; hlt
        load(CODE + 5, "83 C1 02 F4");
        run(CODE, CODE + 8);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(1);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(2);
    }

    @Test
    void blocksOfAPageThatChangesAllTheTimeLeadToWhatIsThereNow() {
        use(new Translator(Translator.Settings.DEFAULT.eagerly()));
        SplittableRandom random = new SplittableRandom(3);
        int count = 24;
        int[] added = new int[count];
        int[] odd = new int[count];
        int[] even = new int[count];
        for (int round = 0; round < 3000; round++) {
            for (int i = 0; i < count; i++) {
                if (round == 0 || random.nextInt(12) == 0) {
                    // Few values each, so that what was there before comes again.
                    added[i] = random.nextInt(3);
                    odd[i] = i + 1 + random.nextInt(Math.min(3, count - i));
                    even[i] = i + 1 + random.nextInt(Math.min(3, count - i));
                    load(CODE + 64L * i, hop(i, added[i], odd[i], even[i]));
                }
            }
            load(CODE + 64L * count, "F4");
            // Blocks are translated behind those that go to them, and before.
            for (int start : new int[] {count / 2, 0}) {
                int sum = 0;
                for (int i = start; i < count; ) {
                    sum += added[i];
                    i = (sum & 1) != 0 ? odd[i] : even[i];
                }
                cpu.r[Cpu.RAX] = 0;
                run(CODE + 64L * start, CODE + 64L * count);
                assertThat(cpu.r[Cpu.RAX]).as("round %d", round).isEqualTo(sum);
            }
        }
    }

    /** At number {@code at} of 64 bytes each: add eax,added; test al,1; jnz odd; jmp even. */
    private static String hop(int at, int added, int odd, int even) {
        ByteBuffer code = ByteBuffer.allocate(18).order(ByteOrder.LITTLE_ENDIAN);
        code.put((byte) 0x05).putInt(added).put((byte) 0xA8).put((byte) 1);
        code.put((byte) 0x0F).put((byte) 0x85).putInt(64 * (odd - at) - 13);
        code.put((byte) 0xE9).putInt(64 * (even - at) - 18);
        return HexFormat.ofDelimiter(" ").formatHex(code.array());
    }

    @Test
    void swapgsExchangesTheBasesAndClearFlagsStayClear() {
        CpuHarness kernel = new CpuHarness(CpuModel.X86_64_V2, 0);
        Cpu supervisor = kernel.cpu;
        kernel.map(CODE, 4096);
        kernel.map(DATA, 2 * 4096);
        // cld; clac; swapgs; mov rax,gs:[8]; mov ecx,IA32_GS_BASE; swapgs; mov rdx,gs:[8]; swapgs;
        // ud2
        kernel.write(
                CODE,
                HexFormat.ofDelimiter(" ")
                        .parseHex(
                                "FC 0F 01 CA 0F 01 F8 65 48 8B 04 25 08 00 00 00 B9 01 01 00 C0 0F"
                                        + " 01 F8 65 48 8B 14 25 08 00 00 00 0F 01 F8 0F 0B"));
        kernel.write(DATA + 8, new byte[] {1, 0, 0, 0, 0, 0, 0, 0});
        kernel.write(DATA + 4096 + 8, new byte[] {2, 0, 0, 0, 0, 0, 0, 0});
        for (int flags : new int[] {0, Cpu.DF | Cpu.AC}) {
            try (Translator own = new Translator()) {
                Runner nodes = own.runner(supervisor);
                nodes.setOwner(Thread.currentThread());
                supervisor.msrs.setBase(Seg.GS, DATA);
                supervisor.msrs.kernelGsBase = DATA + 4096;
                supervisor.setSystemFlags(supervisor.systemFlags | flags);
                supervisor.rip = CODE;
                assertThat(kernel.run(nodes)).isEqualTo(CpuFault.UD);
                assertThat(supervisor.rip).isEqualTo(CODE + 36);
                assertThat(supervisor.r[Cpu.RAX]).isEqualTo(2);
                assertThat(supervisor.r[Cpu.RDX]).isEqualTo(1);
                assertThat(supervisor.segBase[Seg.GS]).isEqualTo(DATA + 4096);
                assertThat(supervisor.msrs.kernelGsBase).isEqualTo(DATA);
                assertThat(supervisor.systemFlags & (Cpu.DF | Cpu.AC)).isZero();
            }
        }
    }

    @Test
    void codeUnderBreakpointsIsLeftToTheNodes() {
        cpu.rip = CODE;
        cpu.dr[7] = 1;
        assertThat(runner.run()).isFalse();
    }

    @Test
    void theRoomForCodeIsChecked() {
        assertThatThrownBy(() -> Translator.Settings.DEFAULT.withCodeSize(1000))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("code size 1000")
                .hasMessageContaining("multiples of 4096 from 262144");
    }
}
