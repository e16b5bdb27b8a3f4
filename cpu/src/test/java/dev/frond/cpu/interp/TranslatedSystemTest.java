// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Msrs;
import dev.frond.cpu.Seg;
import dev.frond.cpu.translate.Translator;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.Consumer;

/**
 * A user's program that calls a kernel fifty times, and the kernel's entry and exits: executed one
 * instruction after the other by the interpreter, and by the translator, to the same end.
 */
@NullMarked
final class TranslatedSystemTest {
    private static final long USER_CODE = 0x40_0000;
    private static final long USER_STACK = 0x50_0000;
    private static final long KERNEL = 0xFFFF_8000_0010_0000L;
    private static final long GDT = 0xFFFF_8000_0020_0000L;
    private static final long KERNEL_DATA = 0xFFFF_8000_0030_0000L;

    /**
     * mov r15d,50; again: add eax,r15d; cmp eax,700; syscall; pushfq; pop rbx; add r14,rbx; add
     * r13,[rsp-8]; mov [rsp-16],r14; dec r15d; jnz again; hlt.
     */
    private static final String USER =
            "41bf320000004401f83dbc0200000f059c5b4901de4c036c24f84c897424f041ffcf75e2f4";

    /**
     * swapgs; mov r10,rsp; mov rsp,gs:[16]; push r10; push rcx; push r11; mov dx,ss; add r9,rdx;
     * call [function]; rdgsbase rsi; add r9,rsi; rdfsbase rsi; lea rsi,[rsi+64]; wrfsbase rsi;
     * stac; mov rdi,[r10-16]; call function; clac; add r9,rdi; then IRETQ to the next instruction;
     * pop r11; pop rcx; and depending on bit 0 of AL: pop rsp; swapgs; sysretq, or the same by
     * IRETQ.
     */
    private static final String ENTRY =
            "0f01f84989e265488b2425100000004152514153668cd24901d1ff1568000000f3480faece4901f1"
                    + "f3480faec6488d7640f3480faed60f01cb498b7af0e8bb0f00000f01ca4901f94889e7be"
                    + "00000000668cd656579cbe00000000668cce56488d35030000005648cf415b59a8017407"
                    + "5c0f01f8480f07415a6a2b415241536a33510f01f848cf90fd0f10000080ffff";

    /** At the end of a page: add r8,1; adc r8,0; ret. */
    private static final String FUNCTION = "4983c0014983d000c3";

    private static final int FUNCTION_AT = 0xFFD;

    @BeforeEach
    void check() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    private static CpuHarness machine() {
        CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
        harness.map(USER_CODE, 4096);
        harness.map(USER_STACK, 4096);
        harness.map(KERNEL, 2 * 4096);
        harness.map(GDT, 4096);
        harness.map(KERNEL_DATA, 4096);
        for (long page : new long[] {KERNEL, KERNEL + 4096, GDT, KERNEL_DATA}) {
            harness.takeFromUser(page);
        }
        harness.write(USER_CODE, HexFormat.of().parseHex(USER));
        harness.write(KERNEL, HexFormat.of().parseHex(ENTRY));
        harness.write(KERNEL + FUNCTION_AT, HexFormat.of().parseHex(FUNCTION));
        put(harness, GDT + 0x10, 0x00AF_9B00_0000_FFFFL);
        put(harness, GDT + 0x18, 0x00CF_9300_0000_FFFFL);
        put(harness, GDT + 0x28, 0x00CF_F300_0000_FFFFL);
        put(harness, GDT + 0x30, 0x00AF_FB00_0000_FFFFL);
        put(harness, KERNEL_DATA + 16, KERNEL_DATA + 4096);
        Cpu cpu = harness.cpu;
        cpu.gdtBase = GDT;
        cpu.gdtLimit = 0x3F;
        cpu.cr4 |= ControlRegisters.SMAP;
        cpu.msrs.star = 0x0020_0010L << 32;
        cpu.msrs.lstar = KERNEL;
        cpu.msrs.fmask = 0x25_7FD5;
        cpu.msrs.kernelGsBase = KERNEL_DATA;
        cpu.msrs.setBase(Seg.GS, 0x1234_5678);
        cpu.msrs.setBase(Seg.FS, 0x10_0000);
        cpu.setSystemFlags(Cpu.IF | 2);
        cpu.r[Cpu.RSP] = USER_STACK + 2048;
        cpu.rip = USER_CODE;
        return harness;
    }

    private static void put(CpuHarness harness, long at, long value) {
        harness.write(
                at, ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    /** What the two have come to. */
    private record End(
            int fault,
            long rip,
            String registers,
            int status,
            int system,
            int cpl,
            String selectors,
            String attributes,
            String bases,
            long kernelGsBase,
            long fsBase) {
        static End of(CpuHarness harness, int fault) {
            Cpu cpu = harness.cpu;
            return new End(
                    fault,
                    cpu.rip,
                    hex(cpu.r),
                    cpu.statusFlags(),
                    cpu.systemFlags,
                    cpu.cpl,
                    Arrays.toString(cpu.selector),
                    Arrays.toString(cpu.segAttributes),
                    hex(cpu.segBase),
                    cpu.msrs.kernelGsBase,
                    cpu.segBase[Seg.FS]);
        }

        private static String hex(long[] values) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 8 + values.length / 2 && i < values.length; i++) {
                text.append(Long.toHexString(values[i])).append(' ');
            }
            return text.toString();
        }
    }

    /** Executes by both with a change; returns the translator's counters. */
    private static Map<String, Long> compare(int expected, Consumer<CpuHarness> change) {
        CpuHarness reference = machine();
        change.accept(reference);
        int fault;
        do {
            fault = reference.step();
        } while (fault == CpuHarness.NO_FAULT);
        assertThat(fault).isEqualTo(expected);

        CpuHarness translated = machine();
        change.accept(translated);
        try (Translator translator = new Translator()) {
            Runner runner = translator.runner(translated.cpu);
            runner.setOwner(Thread.currentThread());
            int last = translated.run(runner);
            assertThat(End.of(translated, last)).isEqualTo(End.of(reference, fault));
            return runner.counters();
        }
    }

    @Test
    void theKernelIsEnteredAndLeftWithoutTheInterpreter() {
        Map<String, Long> counters = compare(CpuFault.GP, harness -> {});
        assertThat(counters)
                .doesNotContainKeys(
                        "left: SYSRET", "left: SWAPGS", "left: RET", "left: STAC", "left: MOV");
        // The first SYSCALL, because the kernel's mode is not known yet, and IRET within the
        // kernel when nothing else has come from emitted code to Java since SYSCALL.
        assertThat(counters.get("left: SYSCALL")).isEqualTo(1);
        assertThat(counters.get("left: IRET")).isEqualTo(50);
        assertThat(counters.get("instructions interpreted")).isLessThan(60L);
    }

    @Test
    void withoutSmapAccessesAreAsBefore() {
        compare(CpuFault.GP, harness -> harness.cpu.cr4 &= ~ControlRegisters.SMAP);
    }

    @Test
    void flagsThatAreNotPlainAreKept() {
        for (int flag : new int[] {Cpu.AC, Cpu.DF, 1 << 21, Cpu.NT}) {
            compare(CpuFault.GP, harness -> harness.cpu.setSystemFlags(Cpu.IF | flag | 2));
        }
    }

    @Test
    void theMaskDecidesWhichFlagsTheKernelSees() {
        for (long mask : new long[] {0, 0x200, 0x4_0000, 0x4_0241, 0x25_7FD5}) {
            // Without AC in the mask: the kernel reads the user's memory all the same.
            compare(CpuFault.GP, harness -> harness.cpu.msrs.fmask = mask);
        }
    }

    @Test
    void descriptorsAreReadByIret() {
        // Not accessed yet; of another level; not present; with a base; of 32 bits.
        long[] codes = {
            0x00AF_FA00_0000_FFFFL,
            0x00AF_BB00_0000_FFFFL,
            0x00AF_7B00_0000_FFFFL,
            0x00AF_FB12_3456_FFFFL
        };
        int[] faults = {CpuFault.GP, CpuFault.GP, CpuFault.NP, CpuFault.GP};
        for (int i = 0; i < codes.length; i++) {
            long code = codes[i];
            compare(faults[i], harness -> put(harness, GDT + 0x30, code));
        }
        compare(CpuFault.SS, harness -> put(harness, GDT + 0x28, 0x00CF_7300_0000_FFFFL));
        compare(CpuFault.GP, harness -> harness.cpu.gdtLimit = 0x2F);
    }

    @Test
    void aDescriptorThatChangesIsSeen() {
        // The kernel's stack lies in the GDT's page, so that each entry writes there, too.
        compare(
                CpuFault.GP,
                harness -> {
                    put(harness, KERNEL_DATA + 16, GDT + 0x800);
                });
    }

    @Test
    void whatDoesNotExistIsUndefined() {
        compare(CpuFault.UD, harness -> harness.cpu.efer &= ~Msrs.EFER_SCE);
        compare(CpuFault.UD, harness -> harness.cpu.cr4 &= ~ControlRegisters.FSGSBASE);
    }

    @Test
    void aBaseThatIsNotCanonicalFaults() {
        compare(CpuFault.GP, harness -> harness.cpu.msrs.setBase(Seg.FS, 0x0000_7FFF_FFFF_F000L));
    }

    @Test
    void dataSegmentsOfTheKernelBecomeNull() {
        compare(
                CpuFault.GP,
                harness -> {
                    harness.cpu.selector[Seg.DS] = 0x18;
                    harness.cpu.segAttributes[Seg.DS] = 0xC093;
                });
    }
}
