// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Types, limits and privilege of segments, and the instructions that ask for them. */
final class SegmentRulesTest {
    private static final int SELECTOR = FREE;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    // --- limits ---------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // Expand-up: the last byte is at the limit.
        "0x4093, 0xFFF, 0xFFC, true",
        "0x4093, 0xFFF, 0xFFD, false",
        // Expand-down: above the limit, up to 64 KiB or 4 GiB.
        "0x4097, 0xFFF, 0xFFF, false",
        "0x4097, 0xFFF, 0x1000, true",
        "0x4097, 0xFFF, 0x10000, true",
        "0x0097, 0xFFF, 0x1000, true",
        "0x0097, 0xFFF, 0xFFFC, true",
        "0x0097, 0xFFF, 0xFFFD, false",
        "0x0097, 0xFFF, 0x10000, false",
        // Scaled limits.
        "0xC093, 0x1FFF, 0x1FFC, true",
        "0xC093, 0x1FFF, 0x1FFD, false",
        "0xC097, 0x1FFF, 0x1FFF, false",
        "0xC097, 0x1FFF, 0x2000, true",
    })
    void anAccessMustBeWithinTheLimit(int attributes, int limit, long offset, boolean allowed) {
        rig.gdt(SELECTOR, descriptor(0, limit, attributes));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("8ed8");
        cpu.r[Cpu.RBX] = offset;
        rig.execute("8b03");
        assertThat(rig.handling()).isEqualTo(allowed ? -1 : CpuFault.GP);
    }

    @Test
    void anAccessBeyondTheStacksLimitIsAStackFault() {
        rig.gdt(SELECTOR, descriptor(0, 0x8FFF, 0x4093));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("8ed0");
        cpu.r[Cpu.RBP] = 0x9000;
        rig.execute("8b4500");
        assertThat(rig.handling()).isEqualTo(CpuFault.SS);
    }

    @ParameterizedTest
    @CsvSource({
        // MOV [EBX],EAX and MOV EAX,[EBX]: data, read-only data, code, code that only executes.
        "0xC093, 8903, -1",
        "0xC091, 8903, 13",
        "0xC091, 8b03, -1",
        "0xC09B, 8903, 13",
        "0xC09B, 8b03, -1",
    })
    void theTypeDecidesOnAccesses(int attributes, String instruction, int vector) {
        rig.gdt(SELECTOR, descriptor(0, -1, attributes));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("8ed8");
        cpu.r[Cpu.RBX] = 0x9000;
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(vector);
    }

    @Test
    void aNullSegmentCanBeLoadedButNotUsed() {
        cpu.r[Cpu.RAX] = 3;
        rig.execute("8ed8");
        assertThat(rig.handling()).isEqualTo(-1);
        rig.execute("8b03");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @ParameterizedTest
    @CsvSource({
        // From level 3: RPL and level against the segment's, conforming code, code without reading.
        "0xC0F3, 0x43, -1, 0",
        "0xC0D3, 0x40, 13, 0x40",
        "0xC0F3, 0x40, -1, 0",
        "0xC09F, 0x43, -1, 0",
        "0xC09D, 0x43, 13, 0x40",
        "0xC073, 0x43, 11, 0x40",
        "0x00E2, 0x43, 13, 0x40",
    })
    void loadingADataSegmentChecksIt(int attributes, int selector, int vector, int errorCode) {
        rig.gdt(SELECTOR, descriptor(0, -1, attributes));
        rig.enter(3);
        cpu.r[Cpu.RAX] = selector;
        rig.execute("8ed8");
        assertThat(rig.handling()).isEqualTo(vector);
        if (vector >= 0) {
            assertThat(rig.stack(4, 1)).containsExactly((long) errorCode);
        }
    }

    @Test
    void loadingSetsTheAccessedBitInTheTable() {
        rig.gdt(SELECTOR, descriptor(0, -1, 0xC092));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("8ed8");
        assertThat(rig.gdt(SELECTOR) >>> 40 & 0xFF).isEqualTo(0x93);
    }

    // --- LAR, LSL, VERR, VERW, ARPL -------------------------------------------------------------

    private boolean zf() {
        return (cpu.rflags() & Cpu.ZF) != 0;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void larAndLslSeeTheTypesOfTheMode(boolean longMode) {
        if (longMode) {
            rig.longMode(0);
        }
        for (int type = 0; type < 16; type++) {
            rig.gdt(SELECTOR, descriptor(0x1_0000, 0x123, 0x80 | type));
            cpu.r[Cpu.RCX] = SELECTOR;
            cpu.r[Cpu.RAX] = 0;
            rig.execute("0f02c1");
            boolean lar =
                    longMode
                            ? java.util.List.of(2, 9, 11, 12).contains(type)
                            : java.util.List.of(1, 2, 3, 4, 5, 9, 11, 12).contains(type);
            assertThat(zf()).as("LAR of type %d", type).isEqualTo(lar);
            assertThat(cpu.r[Cpu.RAX]).isEqualTo(lar ? (0x80 | type) << 8 : 0);
            rig.execute("0f03d1");
            boolean lsl = lar && type != 4 && type != 5 && type != 12;
            assertThat(zf()).as("LSL of type %d", type).isEqualTo(lsl);
        }
        rig.gdt(SELECTOR, descriptor(0, -1, 0xC093));
        rig.execute("0f03d1");
        assertThat(cpu.r[Cpu.RDX]).isEqualTo(0xFFFF_FFFFL);
        rig.execute("0f02c1");
        assertThat(cpu.r[Cpu.RAX] & 0xF0_FF00).isEqualTo(0xC0_9300);
    }

    @ParameterizedTest
    @CsvSource({
        // Attributes, selector, level: LAR and LSL, VERR, VERW.
        "0xC0F3, 0x43, 3, true, true, true",
        "0xC093, 0x40, 3, false, false, false",
        "0xC093, 0x43, 0, false, false, false",
        "0xC0F1, 0x43, 3, true, true, false",
        "0xC0FB, 0x43, 3, true, true, false",
        "0xC0F9, 0x43, 3, true, false, false",
        "0xC09F, 0x43, 3, true, true, false",
        // Not there, but visible.
        "0xC073, 0x43, 3, true, true, true",
        "0x00E9, 0x43, 3, true, false, false",
        "0xC0F3, 0, 3, false, false, false",
        "0xC0F3, 0x7FF8, 3, false, false, false",
    })
    void aProgramSeesWhatItsLevelLetsItSee(
            int attributes, int selector, int cpl, boolean lar, boolean verr, boolean verw) {
        rig.gdt(SELECTOR, descriptor(0, -1, attributes));
        rig.enter(cpl);
        cpu.r[Cpu.RCX] = selector;
        rig.execute("0f02c1");
        assertThat(zf()).isEqualTo(lar);
        rig.execute("0f03c1");
        assertThat(zf()).isEqualTo(lar);
        rig.execute("0f00e1");
        assertThat(zf()).isEqualTo(verr);
        rig.execute("0f00e9");
        assertThat(zf()).isEqualTo(verw);
    }

    @Test
    void arplRaisesTheRpl() {
        cpu.r[Cpu.RAX] = 0x40;
        cpu.r[Cpu.RCX] = 3;
        rig.execute("63c8");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x43);
        assertThat(zf()).isTrue();
        rig.execute("63c8");
        assertThat(zf()).isFalse();
    }

    // --- tables ---------------------------------------------------------------------------------

    @Test
    void loadingTheTaskRegisterMarksTheTaskBusy() {
        rig.gdt(SELECTOR, descriptor(0x5000, 0x67, 0x89));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("0f00d8");
        assertThat(cpu.selector[Seg.TR]).isEqualTo(SELECTOR);
        assertThat(rig.gdt(SELECTOR) >>> 40 & 0xFF).isEqualTo(0x8B);
        rig.execute("0f00d8");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 1)).containsExactly((long) SELECTOR);
    }

    @ParameterizedTest
    @CsvSource({
        // LLDT: an LDT, null, a local selector, a TSS, one that is not there.
        "0x82, 0x40, -1, 0",
        "0x82, 0, -1, 0",
        "0x82, 0x44, 13, 0x44",
        "0x89, 0x40, 13, 0x40",
        "0x02, 0x40, 11, 0x40",
    })
    void loadingALocalTableChecksIt(int attributes, int selector, int vector, int errorCode) {
        rig.gdt(SELECTOR, descriptor(0x5000, 0xFF, attributes));
        cpu.r[Cpu.RAX] = selector;
        rig.execute("0f00d0");
        assertThat(rig.handling()).isEqualTo(vector);
        if (vector >= 0) {
            assertThat(rig.stack(4, 1)).containsExactly((long) errorCode);
        }
    }

    @Test
    void aLocalSelectorComesFromTheLocalTable() {
        rig.gdt(SELECTOR, descriptor(0x5000, 0xF, 0x82));
        rig.store(0x5008, 8, descriptor(0x1234, -1, 0xC093));
        cpu.r[Cpu.RAX] = SELECTOR;
        rig.execute("0f00d0");
        cpu.r[Cpu.RAX] = 0xC;
        rig.execute("8ed8");
        assertThat(cpu.segBase[Seg.DS]).isEqualTo(0x1234);
        cpu.r[Cpu.RAX] = 0x14;
        rig.execute("8ed8");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 1)).containsExactly(0x14L);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0f0105 00900000", "0f010d 00900000", "0f00c0", "0f00c8", "0f01e0"})
    void umipKeepsTablesFromPrograms(String instruction) {
        rig.enter(3);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(-1);
        cpu.cr4 |= dev.frond.cpu.ControlRegisters.UMIP;
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        rig.enter(0);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(-1);
    }

    // --- near branches --------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(
            strings = {
                "e9 00200000",
                "eb 7e",
                "0f84 00200000",
                "74 7e",
                "e8 00200000",
                "e3 7e",
                "e2 7e",
                "e1 7e",
                "ffe3",
                "ffd3",
                "ff23",
                "ff13",
                "c3",
                "c20400",
            })
    void aNearBranchBeyondTheLimitFaultsOnTheBranch(String instruction) {
        int limit = 0x100;
        rig.gdt(SELECTOR, descriptor(CODE - 0xC0, limit, 0x409B));
        rig.segment(Seg.CS, SELECTOR);
        // ECX: JECXZ jumps with 0, LOOP with more than 1.
        cpu.r[Cpu.RCX] = instruction.startsWith("e3") ? 0 : 0x5555;
        cpu.r[Cpu.RBX] = limit + 1L;
        cpu.setRflags(Cpu.ZF | 2);
        if (instruction.startsWith("ff23") || instruction.startsWith("ff13")) {
            cpu.r[Cpu.RBX] = 0x9000;
            rig.store(0x9000, 4, limit + 1);
        }
        long stack = cpu.r[Cpu.RSP];
        rig.store(stack, 4, limit + 1);
        long counter = cpu.r[Cpu.RCX];
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 3)).containsExactly(0L, 0xC0L, (long) SELECTOR);
        assertThat(cpu.r[Cpu.RSP]).as("nothing was pushed or popped").isEqualTo(stack - 16);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(counter);
    }

    @Test
    void codeThatRunsIntoTheLimitFaultsBehindItsLastInstruction() {
        rig.gdt(SELECTOR, descriptor(CODE, 0, 0x409B));
        rig.segment(Seg.CS, SELECTOR);
        rig.execute("90");
        assertThat(cpu.rip).isEqualTo(1);
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 2)).containsExactly(0L, 1L);
    }

    @Test
    void anInstructionThatReachesBeyondTheLimitFaults() {
        rig.gdt(SELECTOR, descriptor(CODE, 3, 0x409B));
        rig.segment(Seg.CS, SELECTOR);
        rig.execute("b8 01000000");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 2)).containsExactly(0L, 0L);
    }

    @ParameterizedTest
    @ValueSource(strings = {"66e9 feff", "66eb fe", "66e2 fd", "6674 fd", "66e3 fd"})
    void aNearBranchWithA16BitOperandWraps(String instruction) {
        cpu.r[Cpu.RCX] = instruction.startsWith("66e3") ? 0 : 2;
        cpu.setRflags(Cpu.ZF | 2);
        rig.execute(instruction);
        int length = instruction.replace(" ", "").length() / 2;
        int displacement = Byte.parseByte("-" + (instruction.endsWith("fd") ? 3 : 2));
        assertThat(cpu.rip).isEqualTo(CODE + length + displacement & 0xFFFF);
    }

    @Test
    void aJumpThatIsExecutedWithTheComparisonBeforeFaultsByItself() {
        rig.gdt(SELECTOR, descriptor(CODE, 0xFFFF, 0x409B));
        rig.segment(Seg.CS, SELECTOR);
        rig.write(CODE, "3bc0 0f84 00000100");
        rig.write(HANDLERS + 16 * CpuFault.GP, "e6f4f4");
        rig.kickAtPort(0xF4);
        cpu.rip = 0;
        rig.vcpu.run();
        assertThat(rig.stack(4, 2)).containsExactly(0L, 2L);
    }

    @Test
    void aNearBranchOutOfTheCanonicalHalfFaultsOnTheBranch() {
        rig.longMode(0);
        // The last page of the lower half is mapped to the page of the code.
        rig.store(0x40000 + 255 * 8, 8, 0x43003);
        rig.store(0x43000 + 511 * 8, 8, 0x44003);
        rig.store(0x44000 + 511 * 8, 8, 0x45003);
        rig.store(0x45000 + 511 * 8, 8, CODE | 3);
        long at = 0x7FFF_FFFF_FF00L;
        rig.write(CODE + 0xF00, "e8 00100000");
        cpu.rip = at;
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(8, 2)).containsExactly(0L, at);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 48);
    }
}
