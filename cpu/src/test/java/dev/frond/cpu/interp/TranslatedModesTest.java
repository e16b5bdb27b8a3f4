// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.translate.Translator;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Programs of 16- and 32-bit code at limits, wraps and changes of mode: what the translator makes
 * of them, and that the interpreter makes the same.
 */
@Timeout(60)
final class TranslatedModesTest {
    private static final int KICK_PORT = 0xEE;
    private static final int CODE_SEGMENT = FREE;
    private static final int DATA_SEGMENT = FREE + 8;
    private static final int STACK_SEGMENT = FREE + 16;

    /** OUT KICK_PORT,AL; HLT. */
    private static final String END = "e6eef4";

    private Translator translator;
    private SystemRig rig;
    private Cpu cpu;

    @BeforeEach
    void makeTranslator() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        translator = new Translator(Translator.Settings.DEFAULT.eagerly().withCodeSize(1 << 20));
        rig = new SystemRig(CpuHarness.EVERYTHING, translator::runner);
        cpu = rig.cpu;
    }

    @AfterEach
    void closeTranslator() {
        if (translator != null) {
            translator.close();
        }
    }

    /** Runs a program on both engines to its end; {@link #rig} is the translator's. */
    private void run(Consumer<SystemRig> program) {
        SystemRig nodes = new SystemRig(CpuHarness.EVERYTHING);
        for (SystemRig each : new SystemRig[] {nodes, rig}) {
            each.kickAtPort(KICK_PORT);
            for (int vector = 0; vector < 32; vector++) {
                each.write(HANDLERS + 16L * vector, END);
            }
            program.accept(each);
            each.cpu.segments.modeChanged();
            each.vcpu.run();
        }
        assertThat(rig.vcpu.stats().exits().get("blocks translated")).isPositive();
        assertThat(cpu.r).startsWith(Arrays.copyOf(nodes.cpu.r, 16));
        assertThat(cpu.rip).isEqualTo(nodes.cpu.rip);
        assertThat(cpu.rflags()).isEqualTo(nodes.cpu.rflags());
        assertThat(cpu.selector).isEqualTo(nodes.cpu.selector);
        assertThat(cpu.segBase).isEqualTo(nodes.cpu.segBase);
        assertThat(cpu.segLimit).isEqualTo(nodes.cpu.segLimit);
        assertThat(cpu.segAttributes).isEqualTo(nodes.cpu.segAttributes);
        assertThat(rig.memory()).isEqualTo(nodes.memory());
    }

    private void assertFault(int vector, long error, long rip) {
        assertThat((cpu.rip - HANDLERS) >> 4).isEqualTo(vector);
        assertThat(rig.stack(4, 2)).containsExactly(error, rip);
    }

    /** 16-bit code from {@link SystemRig#CODE} on, with a flat stack. */
    private static void code16(SystemRig rig, int limit, String hex) {
        rig.gdt(CODE_SEGMENT, descriptor(CODE, limit, 0x9B));
        rig.segment(Seg.CS, CODE_SEGMENT);
        rig.write(CODE, hex);
        rig.cpu.rip = 0;
    }

    /** Real mode with DS and SS at 0x60000, and code from {@link SystemRig#CODE} on. */
    private static void real(SystemRig rig) {
        Cpu cpu = rig.cpu;
        cpu.cr0 &= ~ControlRegisters.PE;
        for (int seg = 0; seg < 6; seg++) {
            cpu.segments.setReal(seg, seg == Seg.CS ? (int) CODE >>> 4 : 0x6000);
            cpu.segLimit[seg] = 0xFFFF;
            cpu.segments.followSegment(seg);
        }
        cpu.segAttributes[Seg.CS] &= ~Seg.BIG;
        cpu.segAttributes[Seg.SS] &= ~Seg.BIG;
        cpu.r[Cpu.RSP] = 0x1000;
        cpu.rip = 0;
    }

    /** Real mode's vectors, to the handlers that end the run. */
    private static void realVectors(SystemRig rig) {
        for (int vector = 0; vector < 32; vector++) {
            rig.store(0x4000 + 4L * vector, 2, 16L * vector);
            rig.store(0x4000 + 4L * vector + 2, 2, HANDLERS >>> 4);
        }
        rig.cpu.idtBase = 0x4000;
        rig.cpu.idtLimit = 0x3FF;
    }

    // --- limits ---------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({"3e, 13", "36, 12"})
    void aStoreBeyondTheLimitFaultsInTheMiddleOfABlockAndChangesNothing(String prefix, int vector) {
        run(each -> {
            each.gdt(DATA_SEGMENT, descriptor(0x6_0000, 0xFFF, 0x93 | Seg.BIG));
            each.segment(Seg.DS, DATA_SEGMENT);
            each.segment(Seg.SS, DATA_SEGMENT);
            each.cpu.r[Cpu.RSP] = 0x800;
            each.cpu.r[Cpu.RBX] = 0xFFC;
            // MOV eax,1; MOV [ebx],eax; MOV ecx,2; MOV [ebx+1],eax; MOV ecx,3
            each.write(
                    CODE,
                    "b801000000"
                            + prefix
                            + "8903"
                            + "b902000000"
                            + prefix
                            + "894301"
                            + "b903000000"
                            + END);
            each.cpu.rip = CODE;
        });
        assertFault(vector, 0, CODE + 13);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(2);
        assertThat(rig.load(0x6_0FFC, 8)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 6, 7})
    void codeThatRunsOnBeyondTheLimitOfCsFaultsAtItsInstruction(int limit) {
        // MOV ax,1; MOV bx,2; MOV cx,3
        run(each -> code16(each, limit, "b80100" + "bb0200" + "b90300" + END));
        assertFault(CpuFault.GP, 0, 6);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1);
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(2);
        assertThat(cpu.r[Cpu.RCX]).isZero();
    }

    /** In the page, out of it, CALL, JMP ax, CALL ax, JZ, LOOP, JCXZ. */
    @ParameterizedTest
    @ValueSource(strings = {"eb20", "e9fd1f", "e8fd1f", "ffe0", "ffd0", "7420", "e220", "e320"})
    void aJumpBeyondTheLimitOfCsFaultsItself(String jump) {
        boolean counts = jump.startsWith("e2");
        run(each -> {
            each.cpu.r[Cpu.RCX] = counts ? 7 : 0;
            // MOV ax,2000; XOR dx,dx
            code16(each, 0x1F, "b80020" + "31d2" + jump);
        });
        assertFault(CpuFault.GP, 0, 5);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(counts ? 7 : 0);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 16);
    }

    @Test
    void aReturnBeyondTheLimitOfCsFaultsWithTheStackAsItWas() {
        // PUSH 2000; RET
        run(each -> code16(each, 0x1F, "680020" + "c3"));
        assertFault(CpuFault.GP, 0, 3);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 2 - 16);
    }

    // --- stacks ---------------------------------------------------------------------------------

    @Test
    void pushesOnAStackThatUsesSpWrapAtZeroAndKeepTheUpperHalf() {
        run(each -> {
            each.gdt(STACK_SEGMENT, descriptor(0x6_2000, 0xFFFF, 0x93));
            each.segment(Seg.SS, STACK_SEGMENT);
            each.cpu.r[Cpu.RSP] = 0x1234_0000;
            each.cpu.r[Cpu.RAX] = 0x1122_3344;
            each.cpu.r[Cpu.RCX] = 0x5566;
            // PUSH eax; PUSH cx; POP edx
            each.write(CODE, "50" + "6651" + "5a" + END);
            each.cpu.rip = CODE;
        });
        assertThat(rig.load(0x6_2000 + 0xFFFC, 4)).isEqualTo(0x1122_3344);
        assertThat(cpu.r[Cpu.RDX]).isEqualTo(0x3344_5566);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(0x1234_FFFE);
    }

    @Test
    void aRunOfPushesAndPopsAcrossZeroWraps() {
        run(each -> {
            real(each);
            each.cpu.r[Cpu.RSP] = 4;
            each.cpu.r[Cpu.RAX] = 0x1111;
            // PUSH ax four times; POP bx; POP cx; POP dx
            each.write(CODE, "50505050" + "5b595a" + END);
        });
        assertThat(rig.load(0x6_0000, 4)).isEqualTo(0x1111_1111);
        assertThat(rig.load(0x6_FFFC, 4)).isEqualTo(0x1111_1111);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(2);
    }

    @Test
    void aRunOfPushesOnAFlatStackThatUsesSpWraps() {
        run(each -> {
            each.gdt(STACK_SEGMENT, descriptor(0, -1, 0x8093));
            each.segment(Seg.SS, STACK_SEGMENT);
            each.cpu.r[Cpu.RSP] = 4;
            each.cpu.r[Cpu.RAX] = 0x1111_2222;
            // PUSH eax four times; POP ebx; POP ecx
            each.write(CODE, "50505050" + "5b59" + END);
            each.cpu.rip = CODE;
        });
        assertThat(rig.load(0, 4)).isEqualTo(0x1111_2222);
        assertThat(rig.load(0xFFF4, 4)).isEqualTo(0x1111_2222);
        assertThat(rig.load(0x1_0000, 1)).isEqualTo(0x50);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(0xFFFC);
    }

    @ParameterizedTest
    @ValueSource(ints = {0x1002, 14, 18, 6, 2, 7})
    void allRegistersArePushedAndPoppedWhereverTheStackWraps(int sp) {
        run(each -> {
            real(each);
            realVectors(each);
            for (int i = 0; i < 8; i++) {
                each.cpu.r[i] = 0x5555_0000L + 0x1111L * i;
            }
            each.cpu.r[Cpu.RSP] = 0x7777_0000L + sp;
            // PUSHA; POP cx; POPA; 66 PUSHA; 66 POPA
            each.write(CODE, "60" + "59" + "61" + "6660" + "6661" + END);
        });
    }

    // --- strings --------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // REP MOVSB, REP MOVSW, REP STOSB, REP STOSW, and with 32-bit addresses; SI, DI, CX, limit
        "f3a4, 0, 8000, 2345, ffff",
        "f3a4, 0, 1, 4000, ffff",
        "f3a4, f000, f800, 2000, ffff",
        "f3a5, f001, 100, 1000, ffff",
        "f3a5, ffe, 3fff, 1801, ffff",
        "f3a5, 100, f100, 900, ffffffff",
        "f3a5, fff1, 200, 20, ffffffff",
        "f3aa, 0, f000, 2000, ffff",
        "f3ab, 0, f001, 1000, ffffffff",
        "f3ab, 0, 800, 1000, 17ff",
        "67f3a4, 1000, 2000, 1234, ffff",
        "67f3a5, f000, ff00, 1000, 1ffff",
        "67f366ab, 0, ff00, 400, ffff",
        "a4, ffff, ffff, 1, ffff",
        "a5, ffff, fff, 1, ffffffff",
        "ac, ffff, 0, 1, ffff",
        "ad, fffe, 0, 1, ffff",
        "66ad, fffe, 0, 1, ffffffff"
    })
    void stringsStopAtLimitsAndWrapAsTheInterpretersDo(
            String code, String si, String di, String cx, String limit) {
        run(each -> {
            real(each);
            realVectors(each);
            for (int at = 0x6_0000; at < 0x8_2000; at++) {
                each.store(at, 1, at * 37 >>> 3);
            }
            each.cpu.segLimit[Seg.DS] = (int) Long.parseLong(limit, 16);
            each.cpu.segLimit[Seg.ES] = (int) Long.parseLong(limit, 16);
            each.cpu.r[Cpu.RSI] = Long.parseLong(si, 16);
            each.cpu.r[Cpu.RDI] = Long.parseLong(di, 16);
            each.cpu.r[Cpu.RCX] = Long.parseLong(cx, 16);
            each.cpu.r[Cpu.RAX] = 0x1234_5678;
            each.write(CODE, code + END);
        });
    }

    // --- code that changes, modes that change ---------------------------------------------------

    @Test
    void codeOf16BitsThatChangesItselfRunsAsChanged() {
        run(each -> {
            real(each);
            // MOV cx,5; INC byte cs:[a]; ADD ax,0; LOOP
            each.write(CODE, "b90500" + "2efe060a00" + "83c000" + "e2f6" + END);
        });
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1 + 2 + 3 + 4 + 5);
    }

    @Test
    void realModeGoesToProtectedModeTo32BitCodeAndBackThreeTimes() {
        run(each -> {
            each.gdt(CODE_SEGMENT, descriptor(CODE, 0xFFFF, 0x9B));
            each.gdt(DATA_SEGMENT, descriptor(0, 0xFFFF, 0x93));
            real(each);
            each.cpu.r[Cpu.RSI] = 3;
            // MOV ax,1; MOV ebx,cr0; OR ebx,1; MOV cr0,ebx; JMP 8:30000
            each.write(CODE, "b80100" + "0f20c3" + "6683cb01" + "0f22c3" + "66ea000003000800");
            // MOV ecx,10; MOV ds,cx; MOV ss,cx; MOV esp,8000; ADD eax,2; PUSH eax;
            // MOV [60000],eax; CALL next; POP edx; JMP 40:100
            each.write(
                    0x3_0000,
                    "b910000000"
                            + "8ed9"
                            + "8ed1"
                            + "bc00800000"
                            + "83c002"
                            + "50"
                            + "a300000600"
                            + "e800000000"
                            + "5a"
                            + "ea000100004000");
            // MOV cx,48; MOV ds,cx; MOV ss,cx; AND ebx,-2; MOV cr0,ebx; JMP 1000:113;
            // MOV cx,6000; MOV ds,cx; MOV ss,cx; MOV sp,1000; ADD ax,4; MOV [10],ax;
            // PUSH ax; DEC si; JNZ 0
            each.write(
                    CODE + 0x100,
                    "b94800"
                            + "8ed9"
                            + "8ed1"
                            + "6683e3fe"
                            + "0f22c3"
                            + "ea13010010"
                            + "b90060"
                            + "8ed9"
                            + "8ed1"
                            + "bc0010"
                            + "050400"
                            + "a31000"
                            + "50"
                            + "4e"
                            + "0f85d7fe"
                            + END);
        });
        assertThat(cpu.r[Cpu.RSI]).isZero();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(7);
        assertThat(rig.load(0x6_0000, 4)).isEqualTo(3);
        assertThat(rig.load(0x6_0010, 2)).isEqualTo(7);
        assertThat(rig.load(0x6_0FFE, 2)).isEqualTo(7);
        assertThat(rig.load(0x7FF8, 4)).isEqualTo(0x3_001C);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(0x1000);
        assertThat(cpu.cr0 & ControlRegisters.PE).isZero();
    }

    @Test
    void anIntOfVirtual8086ModeIsReflectedByItsMonitor() {
        run(each -> {
            long frame = KERNEL_STACK - 36;
            long[] values = {0, CODE >>> 4, Cpu.VM | Cpu.IOPL | 2, 0x1000, 0x6000, 0, 0x6000, 0, 0};
            for (int i = 0; i < values.length; i++) {
                each.store(frame + 4L * i, 4, values[i]);
            }
            each.store(TSS_BASE + 0x66, 2, 0x68);
            each.store(0x21 * 4, 4, 0x7000_0000L);
            // MOV ax,1234; INT 21; ADD ax,1
            each.write(CODE, "b83412" + "cd21" + "050100" + END);
            // ADD ah,1; IRET
            each.write(0x7_0000, "80c401" + "cf");
            each.write(HANDLERS + 16L * CpuFault.GP, "e9" + little(0xFF2B, 4));
            // MOV ebx,10; MOV ds,bx; ADD esp,4; SUB word [esp+c],6; EBX = SS:SP
            each.write(
                    0x3_0000,
                    "bb10000000"
                            + "8edb"
                            + "83c404"
                            + "66836c240c06"
                            + "0fb75c2410"
                            + "c1e304"
                            + "0fb74c240c"
                            + "01cb"
                            // IP behind INT, CS and flags to there
                            + "8b0c24"
                            + "83c102"
                            + "66890b"
                            + "8b4c2404"
                            + "66894b02"
                            + "8b4c2408"
                            + "66894b04"
                            // the vector to the frame; IRET
                            + "0fb70d84000000"
                            + "890c24"
                            + "0fb70d86000000"
                            + "894c2404"
                            + "cf");
            each.write(0x2_8000, "cf");
            each.cpu.r[Cpu.RSP] = frame;
            each.cpu.rip = 0x2_8000;
        });
        assertThat(cpu.v8086()).isTrue();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x1335);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(0x1000);
        assertThat(cpu.rip).isEqualTo(10);
        assertThat(rig.load(0x6_0FFA, 4)).isEqualTo(0x1000_0005);
    }
}
