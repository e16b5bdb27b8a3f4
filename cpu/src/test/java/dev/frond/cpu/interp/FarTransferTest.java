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

/** Far JMP, CALL and RET through call gates and between privilege levels. */
final class FarTransferTest {
    private static final int GATE = FREE;
    private static final int TARGET = FREE + 8;
    private static final long ENTRY = 0x12340;

    private static final int CALL_GATE_32 = 0xEC;
    private static final int CALL_GATE_16 = 0xE4;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    private static String call(int selector) {
        return far("9a", selector, 0xDEAD_BEEFL);
    }

    private static String jump(int selector) {
        return far("ea", selector, 0xDEAD_BEEFL);
    }

    /** The vector was raised on the instruction, with the error code. */
    private void faulted(int vector, long errorCode) {
        assertThat(rig.handling()).isEqualTo(vector);
        boolean wide = cpu.is64();
        assertThat(rig.stack(wide ? 8 : 4, 2)).containsExactly(errorCode, CODE);
    }

    // --- call gates -----------------------------------------------------------------------------

    /** Calls level 0 from level 3 with three parameters. */
    private void callInwards() {
        rig.gdt(GATE, gate(CALL_GATE_32, KERNEL_CODE, ENTRY, 3));
        rig.enter(3);
        rig.store(USER_STACK, 4, 0x111);
        rig.store(USER_STACK + 4, 4, 0x222);
        rig.store(USER_STACK + 8, 4, 0x333);

        rig.execute(call(GATE));
    }

    @Test
    void aCallGateInwardsSwitchesStacksAndCopiesParameters() {
        callInwards();
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.cpl).isZero();
        assertThat(cpu.selector[Seg.CS]).isEqualTo(KERNEL_CODE);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(KERNEL_DATA);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 7 * 4);
        assertThat(rig.stack(4, 7))
                .containsExactly(
                        CODE + 7,
                        (long) USER_CODE,
                        0x111L,
                        0x222L,
                        0x333L,
                        USER_STACK,
                        (long) USER_DATA);
    }

    @Test
    void aReturnOutwardsReleasesParametersOnBothStacksAndDropsInnerData() {
        callInwards();
        rig.segment(Seg.DS, KERNEL_DATA);
        rig.segment(Seg.ES, USER_DATA);
        cpu.segments.setNull(Seg.FS, 3);

        rig.execute("ca 0c00");

        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(USER_CODE);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_DATA);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK + 12);
        assertThat(cpu.selector[Seg.DS]).isZero();
        assertThat(cpu.selector[Seg.ES]).isEqualTo(USER_DATA);
        assertThat(cpu.selector[Seg.FS]).as("a null selector with an RPL").isZero();
    }

    @Test
    void a16BitCallGatePushesWordsAndCutsTheTarget() {
        rig.gdt(GATE, gate(CALL_GATE_16, KERNEL_CODE, 0xABCD_1234L, 1));
        rig.enter(3);
        rig.store(USER_STACK, 2, 0x777);

        rig.execute(call(GATE));

        assertThat(cpu.rip).isEqualTo(0x1234);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 5 * 2);
        assertThat(rig.stack(2, 5))
                .containsExactly(
                        CODE + 7 & 0xFFFF, (long) USER_CODE, 0x777L, USER_STACK, (long) USER_DATA);
    }

    @Test
    void aCallGateToConformingCodeKeepsLevelAndStack() {
        rig.gdt(TARGET, descriptor(0, -1, 0xC09F));
        rig.gdt(GATE, gate(CALL_GATE_32, TARGET, ENTRY, 5));
        rig.enter(3);

        rig.execute(call(GATE));

        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(TARGET | 3);
        assertThat(rig.stack(4, 2)).containsExactly(CODE + 7, (long) USER_CODE);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK - 8);
    }

    @Test
    void aJumpThroughACallGateStaysAtItsLevel() {
        rig.gdt(GATE, gate(CALL_GATE_32, USER_CODE, ENTRY, 5));
        rig.enter(3);
        rig.execute(jump(GATE));
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK);
    }

    @Test
    void aJumpThroughACallGateInwardsIsRefused() {
        rig.gdt(GATE, gate(CALL_GATE_32, KERNEL_CODE, ENTRY));
        rig.enter(3);
        rig.execute(jump(GATE));
        faulted(CpuFault.GP, KERNEL_CODE);
    }

    @ParameterizedTest
    @CsvSource({
        // A gate of level 2, a selector with an RPL above the gate's level, a gate that is not
        // there.
        "0xCC, 0x40, 13, 0x40",
        "0xAC, 0x43, 13, 0x40",
        "0x6C, 0x43, 11, 0x40",
        // An interrupt gate and a free type.
        "0xEE, 0x40, 13, 0x40",
        "0xE8, 0x40, 13, 0x40",
    })
    void theGateItselfIsCheckedFirst(int attributes, int selector, int vector, int errorCode) {
        rig.gdt(GATE, gate(attributes, 0x7FF8, ENTRY));
        rig.enter(3);
        rig.execute(call(selector));
        faulted(vector, errorCode);
    }

    @ParameterizedTest
    @CsvSource({
        // Null; outside of the table; data; not there; a level outside of the caller's.
        "0, 0, 13, 0",
        "0x7FF8, 0, 13, 0x7FF8",
        "0x4B, 0xC093, 13, 0x48",
        "0x4B, 0xC01B, 11, 0x48",
    })
    void theCodeSegmentOfAGateIsChecked(int code, int attributes, int vector, int errorCode) {
        rig.gdt(TARGET, descriptor(0, -1, attributes));
        rig.gdt(GATE, gate(CALL_GATE_32, code, ENTRY));
        rig.enter(3);
        rig.execute(call(GATE));
        faulted(vector, errorCode);
    }

    @Test
    void aGateDoesNotLeadOutwards() {
        rig.gdt(GATE, gate(CALL_GATE_32, USER_CODE, ENTRY));
        rig.execute(call(GATE));
        faulted(CpuFault.GP, USER_CODE & ~3);
    }

    @ParameterizedTest
    @CsvSource({
        // Null; outside of the table; RPL 3; a level that is not the code's; read-only; not there.
        "0, 0xC093, 10, 0",
        "0x7FF8, 0xC093, 10, 0x7FF8",
        "0x4B, 0xC093, 10, 0x48",
        "0x48, 0xC0B3, 10, 0x48",
        "0x48, 0xC091, 10, 0x48",
        "0x48, 0xC013, 12, 0x48",
    })
    void theInnerStackIsChecked(int selector, int attributes, int vector, int errorCode) {
        rig.gdt(TARGET, descriptor(0, -1, attributes));
        rig.gdt(GATE, gate(CALL_GATE_32, KERNEL_CODE, ENTRY));
        // The handler has a stack of its own.
        rig.gdt(FREE + 16, descriptor(0, -1, 0xC0FF));
        for (int i : new int[] {10, 12}) {
            rig.idt(i, gate(0x8E, FREE + 16, HANDLERS + 16L * i));
        }
        rig.store(TSS_BASE + 8, 2, selector);
        rig.enter(3);
        rig.execute(call(GATE));
        assertThat(cpu.cpl).isEqualTo(3);
        faulted(vector, errorCode);
    }

    @Test
    void aStackWithoutRoomIsToldByItsSelectorAndNothingHasChanged() {
        rig.gdt(TARGET, descriptor(0, KERNEL_STACK_LIMIT, 0x4093));
        rig.gdt(GATE, gate(CALL_GATE_32, KERNEL_CODE, ENTRY));
        rig.gdt(FREE + 16, descriptor(0, -1, 0xC0FF));
        rig.idt(CpuFault.SS, gate(0x8E, FREE + 16, HANDLERS + 16L * CpuFault.SS));
        rig.store(TSS_BASE + 8, 2, TARGET);
        rig.enter(3);
        rig.execute(call(GATE));
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_DATA);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK - 16);
        faulted(CpuFault.SS, TARGET);
    }

    private static final int KERNEL_STACK_LIMIT = (int) KERNEL_STACK - 9;

    @Test
    void aTssThatIsTooShortHasNoStack() {
        rig.gdt(GATE, gate(CALL_GATE_32, KERNEL_CODE, ENTRY));
        rig.gdt(FREE + 16, descriptor(0, -1, 0xC0FF));
        rig.idt(CpuFault.TS, gate(0x8E, FREE + 16, HANDLERS + 16L * CpuFault.TS));
        cpu.segLimit[Seg.TR] = 8;
        rig.enter(3);
        rig.execute(call(GATE));
        faulted(CpuFault.TS, TSS);
    }

    @Test
    void aTargetBeyondTheLimitIsRefusedBeforeThePush() {
        rig.gdt(TARGET, descriptor(0, 0xFFF, 0x409B));
        rig.execute(far("9a", TARGET, 0x1000));
        faulted(CpuFault.GP, 0);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 16);
        rig.enter(0);
        rig.execute(far("ea", TARGET, 0xFFF));
        assertThat(cpu.rip).isEqualTo(0xFFF);
    }

    // --- direct transfers -----------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // Code of the same level, with RPL 0 and 3; conforming code of an inner level.
        "0xC0FB, 0x48, -1, 0",
        "0xC0FB, 0x4B, -1, 0",
        "0xC09F, 0x48, -1, 0",
        // An inner level; an outer one never; data; not there.
        "0xC09B, 0x48, 13, 0x48",
        "0xC0F3, 0x48, 13, 0x48",
        "0xC07B, 0x48, 11, 0x48",
    })
    void aDirectTransferKeepsTheLevel(int attributes, int selector, int vector, int errorCode) {
        rig.gdt(TARGET, descriptor(0, -1, attributes));
        rig.enter(3);
        rig.execute(far("ea", selector, ENTRY));
        if (vector < 0) {
            assertThat(cpu.rip).isEqualTo(ENTRY);
            assertThat(cpu.selector[Seg.CS]).isEqualTo(TARGET | 3);
            assertThat(cpu.cpl).isEqualTo(3);
        } else {
            faulted(vector, errorCode);
        }
    }

    @Test
    void anRplOutsideOfTheLevelIsRefusedForCodeThatDoesNotConform() {
        rig.execute(far("ea", KERNEL_CODE | 1, ENTRY));
        faulted(CpuFault.GP, KERNEL_CODE);
    }

    @ParameterizedTest
    @CsvSource({
        // To level 3 with code of level 3, data, conforming code of level 0, then inwards.
        "0x1B, 0xC0FB, -1, 0",
        "0x4B, 0xC0F3, 13, 0x48",
        "0x4B, 0xC09F, -1, 0",
        "0x4B, 0xC09B, 13, 0x48",
        "0x4B, 0xC07B, 11, 0x48",
    })
    void aReturnOutwardsChecksTheCodeSegment(
            int selector, int attributes, int vector, int errorCode) {
        rig.gdt(TARGET, descriptor(0, -1, attributes));
        cpu.r[Cpu.RSP] = KERNEL_STACK - 16;
        rig.store(KERNEL_STACK - 16, 4, ENTRY);
        rig.store(KERNEL_STACK - 12, 4, selector);
        rig.store(KERNEL_STACK - 8, 4, USER_STACK);
        rig.store(KERNEL_STACK - 4, 4, USER_DATA);
        rig.execute("cb");
        if (vector < 0) {
            assertThat(cpu.rip).isEqualTo(ENTRY);
            assertThat(cpu.cpl).isEqualTo(3);
            assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK);
        } else {
            faulted(vector, errorCode);
        }
    }

    @Test
    void aReturnInwardsIsRefused() {
        rig.enter(3);
        rig.store(USER_STACK, 4, ENTRY);
        rig.store(USER_STACK + 4, 4, KERNEL_CODE);
        rig.execute("cb");
        faulted(CpuFault.GP, KERNEL_CODE);
    }

    // --- long mode ------------------------------------------------------------------------------

    private static final long HIGH_ENTRY = 0x7FFF_1234_5678L;

    @Test
    void a64BitCallGateInwardsPushesFourQuadsAndANullStackSegment() {
        rig.longMode(3);
        rig.gate64(GDT, GATE >> 4, 0xEC, KERNEL_CODE, HIGH_ENTRY);

        rig.store(0x9800, 8, (long) GATE << 32 | 0xDEAD_BEEFL);
        rig.execute("ff 1c25 00980000");

        assertThat(cpu.rip).isEqualTo(HIGH_ENTRY);
        assertThat(cpu.cpl).isZero();
        assertThat(cpu.selector[Seg.SS]).isZero();
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 32);
        assertThat(rig.stack(8, 4))
                .containsExactly(CODE + 7, (long) USER_CODE, USER_STACK, (long) USER_DATA);

        rig.execute("48cb");
        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_DATA);
    }

    @Test
    void a64BitCallGateAtItsOwnLevelPushesTwoQuads() {
        rig.longMode(0);
        rig.gate64(GDT, GATE >> 4, 0x8C, KERNEL_CODE, ENTRY);
        rig.store(0x9800, 8, (long) GATE << 32);
        rig.execute("ff 1c25 00980000");
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 16);
        assertThat(rig.stack(8, 2)).containsExactly(CODE + 7, (long) KERNEL_CODE);
    }

    @Test
    void a64BitCallGateIsReachedFromCompatibilityMode() {
        rig.longMode(3);
        rig.gdt(FREE + 16, descriptor(0, -1, 0xC0FB));
        rig.segment(Seg.CS, FREE + 16 | 3);
        rig.gate64(GDT, GATE >> 4, 0xEC, KERNEL_CODE, ENTRY);
        rig.execute(call(GATE));
        assertThat(cpu.is64()).isTrue();
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(rig.stack(8, 4))
                .containsExactly(CODE + 7, FREE + 16L | 3, USER_STACK, (long) USER_DATA);
    }

    @ParameterizedTest
    @CsvSource({
        // The second half has a type; the target is not canonical; the code is not 64-bit.
        "0xEC, 0x08, 0x0000010000000000, 13, 0x40",
        "0xEC, 0x08, 0x0000000000008000, 13, 0",
        "0xEC, 0x50, 0, 13, 0x50",
        // What is no gate here: 16-bit call gate, task gate, TSS.
        "0xE4, 0x08, 0, 13, 0x40",
        "0xE5, 0x08, 0, 13, 0x40",
        "0xE9, 0x08, 0, 13, 0x40",
    })
    void longModeHasItsOwnRules(int attributes, int code, long upper, int vector, int errorCode) {
        rig.longMode(3);
        rig.gdt(FREE + 16, descriptor(0, -1, 0xC09B));
        rig.store(GDT + GATE, 8, gate(attributes, code, ENTRY));
        rig.store(GDT + GATE + 8, 8, upper);
        rig.store(0x9800, 8, (long) GATE << 32);
        rig.execute("ff 1c25 00980000");
        faulted(vector, errorCode);
    }

    @Test
    void aGateWhoseSecondHalfIsOutsideOfTheTableIsRefused() {
        rig.longMode(3);
        rig.gate64(GDT, GATE >> 4, 0xEC, KERNEL_CODE, ENTRY);
        cpu.gdtLimit = GATE + 14;
        rig.store(0x9800, 8, (long) GATE << 32);
        rig.execute("ff 1c25 00980000");
        faulted(CpuFault.GP, GATE);
    }
}
