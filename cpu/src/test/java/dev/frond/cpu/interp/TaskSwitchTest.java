// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Task switches by the processor, with 16-bit and 32-bit task-state segments. */
final class TaskSwitchTest {
    private static final int NEW = FREE;
    private static final int LDT = FREE + 8;
    private static final int OTHER = FREE + 16;
    private static final int GATE = FREE + 24;
    private static final int BUSY = 2;

    private static final long NEW_BASE = 0x5000;
    private static final long LDT_BASE = 0x6000;
    private static final long ENTRY = 0x12340;
    private static final long NEW_STACK = 0xA000;

    private static final long[] REGISTERS = {0xA0, 0xA1, 0xA2, 0xA3, NEW_STACK, 0xA5, 0xA6, 0xA7};

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    @BeforeEach
    void newTask() {
        rig.gdt(NEW, descriptor(NEW_BASE, 0x67, 0x89));
        rig.gdt(LDT, descriptor(LDT_BASE, 0xFF, 0x82));
        task32(ENTRY, 2, KERNEL_CODE, KERNEL_DATA);
        for (int i = 0; i < 8; i++) {
            if (i != Cpu.RSP) {
                cpu.r[i] = 0x1234_5600L + i;
            }
        }
    }

    private void task32(long eip, long flags, int code, int data) {
        rig.store(NEW_BASE + 0x20, 4, eip);
        rig.store(NEW_BASE + 0x24, 4, flags);
        for (int i = 0; i < 8; i++) {
            rig.store(NEW_BASE + 0x28 + 4L * i, 4, REGISTERS[i]);
        }
        for (int i = 0; i < 6; i++) {
            rig.store(NEW_BASE + 0x48 + 4L * i, 4, i == 1 ? code : data);
        }
        rig.store(NEW_BASE + 0x60, 4, LDT);
    }

    private void task16(long ip, long flags) {
        rig.gdt(NEW, descriptor(NEW_BASE, 0x2B, 0x81));
        rig.store(NEW_BASE + 0x0E, 2, ip);
        rig.store(NEW_BASE + 0x10, 2, flags);
        for (int i = 0; i < 8; i++) {
            rig.store(NEW_BASE + 0x12 + 2L * i, 2, REGISTERS[i]);
        }
        for (int i = 0; i < 4; i++) {
            rig.store(NEW_BASE + 0x22 + 2L * i, 2, i == 1 ? KERNEL_CODE : KERNEL_DATA);
        }
        rig.store(NEW_BASE + 0x2A, 2, LDT);
    }

    private boolean isBusy(int selector) {
        return (rig.gdt(selector) >>> 40 & BUSY) != 0;
    }

    private void faulted(int vector, long errorCode, long rip) {
        assertThat(rig.handling()).isEqualTo(vector);
        assertThat(rig.stack(4, 2)).containsExactly(errorCode, rip);
    }

    private static String jump(int selector) {
        return far("ea", selector, 0xDEAD_BEEFL);
    }

    private static String call(int selector) {
        return far("9a", selector, 0xDEAD_BEEFL);
    }

    // --- JMP, CALL, IRET ------------------------------------------------------------------------

    @Test
    void aJumpSavesTheOldTaskAndLoadsTheNew() {
        cpu.setRflags(0x3246);
        rig.execute(jump(NEW));

        assertThat(rig.load(TSS_BASE + 0x20, 4)).isEqualTo(CODE + 7);
        assertThat(rig.load(TSS_BASE + 0x24, 4)).isEqualTo(0x3246);
        for (int i = 0; i < 8; i++) {
            long saved = rig.load(TSS_BASE + 0x28 + 4L * i, 4);
            assertThat(saved).isEqualTo(i == Cpu.RSP ? KERNEL_STACK : 0x1234_5600 + i);
            assertThat(rig.load(TSS_BASE + 0x48 + 4L * Math.min(i, 5), 2))
                    .isEqualTo(i == 1 ? KERNEL_CODE : KERNEL_DATA);
        }
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(java.util.Arrays.copyOf(cpu.r, 8)).isEqualTo(REGISTERS);
        assertThat(cpu.rflags()).isEqualTo(2);
        assertThat(cpu.selector[Seg.TR]).isEqualTo(NEW);
        assertThat(cpu.segBase[Seg.TR]).isEqualTo(NEW_BASE);
        assertThat(cpu.selector[Seg.LDTR]).isEqualTo(LDT);
        assertThat(cpu.segBase[Seg.LDTR]).isEqualTo(LDT_BASE);
        assertThat(cpu.cr0 & ControlRegisters.TS).isNotZero();
        assertThat(isBusy(TSS)).isFalse();
        assertThat(isBusy(NEW)).isTrue();
    }

    @Test
    void aCallNestsTheNewTaskAndIretReturns() {
        rig.execute(call(NEW));
        assertThat(isBusy(TSS)).isTrue();
        assertThat(isBusy(NEW)).isTrue();
        assertThat(rig.load(NEW_BASE, 2)).isEqualTo(TSS);
        assertThat(cpu.rflags() & Cpu.NT).isNotZero();

        rig.execute("cf");
        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(cpu.selector[Seg.TR]).isEqualTo(TSS);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK);
        assertThat(cpu.rflags() & Cpu.NT).isZero();
        assertThat(isBusy(TSS)).isTrue();
        assertThat(isBusy(NEW)).isFalse();
        // The task goes on where it was, without NT.
        assertThat(rig.load(NEW_BASE + 0x20, 4)).isEqualTo(CODE + 1);
        assertThat(rig.load(NEW_BASE + 0x24, 4) & Cpu.NT).isZero();
    }

    @Test
    void aTaskOfLevel3IsEnteredFromLevel0() {
        task32(ENTRY, 0x202, USER_CODE, USER_DATA);
        rig.execute(jump(NEW));
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_DATA);
        assertThat(cpu.rflags()).isEqualTo(0x202);
    }

    @Test
    void a16BitTaskHasHalfTheRegisters() {
        task16(0x1234, 0x46);
        rig.execute(jump(NEW));
        assertThat(cpu.rip).isEqualTo(0x1234);
        assertThat(cpu.rflags()).isEqualTo(0x46);
        for (int i = 0; i < 8; i++) {
            assertThat(cpu.r[i] & 0xFFFF).isEqualTo(REGISTERS[i]);
        }
        assertThat(cpu.selector[Seg.FS]).isZero();
        assertThat(cpu.selector[Seg.GS]).isZero();
        assertThat(cpu.selector[Seg.DS]).isEqualTo(KERNEL_DATA);

        // And is saved as such when it calls the first task.
        cpu.r[Cpu.RBX] = 0x9876_5432L;
        rig.execute(call(TSS));
        assertThat(rig.load(NEW_BASE + 0x0E, 2)).isEqualTo(CODE + 7 & 0xFFFF);
        assertThat(rig.load(NEW_BASE + 0x18, 2)).isEqualTo(0x5432);
        assertThat(rig.load(TSS_BASE, 2)).isEqualTo(NEW);
        assertThat(cpu.rip).isEqualTo(CODE + 7);
        assertThat(cpu.selector[Seg.TR]).isEqualTo(TSS);
    }

    @Test
    void aTaskGateLeadsToItsTask() {
        rig.gdt(GATE, gate(0xE5, NEW, 0));
        rig.enter(3);
        rig.execute(call(GATE | 3));
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.cpl).isZero();
        assertThat(rig.load(TSS_BASE + 0x4C, 2)).isEqualTo(USER_CODE);
    }

    @Test
    void aPageDirectoryIsLoadedWithPagingOnly() {
        rig.store(NEW_BASE + 0x1C, 4, 0x70000);
        rig.execute(call(NEW));
        assertThat(cpu.cr3).isZero();
        rig.execute("cf");

        // Both directories map 4 MiB to themselves by one page.
        rig.store(0x60000, 4, 0x83);
        rig.store(0x70000, 4, 0x83);
        cpu.cr3 = 0x60000;
        cpu.cr4 |= ControlRegisters.PSE;
        ControlRegisters.writeCr0(cpu, cpu.cr0 | ControlRegisters.PG);
        rig.store(TSS_BASE + 0x1C, 4, 0x60000);
        rig.execute(call(NEW));
        assertThat(cpu.cr3).isEqualTo(0x70000);
        rig.execute("cf");
        assertThat(cpu.cr3).isEqualTo(0x60000);
    }

    @Test
    void aTaskMayBeVirtual8086() {
        task32(0x100, Cpu.VM | Cpu.IOPL | 0x202, 0x1000, 0x2000);
        rig.execute(jump(NEW));
        assertThat(cpu.v8086()).isTrue();
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.segBase[Seg.CS]).isEqualTo(0x10000);
        assertThat(cpu.segBase[Seg.GS]).isEqualTo(0x20000);
        assertThat(cpu.segLimit[Seg.SS]).isEqualTo(0xFFFF);
        assertThat(cpu.stackMask).isEqualTo(0xFFFF);
        assertThat(cpu.mode & Cpu.CODE_32).isZero();
    }

    @Test
    void theDebugFlagOfATaskTrapsBeforeItsFirstInstruction() {
        rig.store(NEW_BASE + 0x64, 2, 1);
        cpu.dr[7] = 0x455;
        rig.execute(jump(NEW));
        assertThat(cpu.dr[7]).as("local breakpoints are off").isEqualTo(0x400);
        assertThat(rig.handling()).isEqualTo(CpuFault.DB);
        assertThat(cpu.dr[6]).isEqualTo(0xFFFF_8FF0L);
        assertThat(rig.stack(4, 1)).containsExactly(ENTRY);
    }

    @Test
    void aSwitchThatChangesTheCodeThatExecutesIsDone() {
        // The old TSS lies in the page of the instruction, which the save writes to.
        long tss = CODE + 0x100;
        rig.gdt(TSS, descriptor(tss, 0x67, 0x8B));
        cpu.segBase[Seg.TR] = tss;
        rig.write(CODE, jump(NEW));
        cpu.rip = CODE;
        rig.step();
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(rig.load(tss + 0x20, 4)).isEqualTo(CODE + 7);
    }

    // --- what is refused ------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // A busy task; one that is not there; one that is too short.
        "0x8B, 0x67, 13, 0x40",
        "0x09, 0x67, 11, 0x40",
        "0x89, 0x66, 10, 0x40",
        "0x83, 0x2B, 13, 0x40",
        "0x81, 0x2A, 10, 0x40",
    })
    void theTaskIsChecked(int attributes, int limit, int vector, int errorCode) {
        rig.gdt(NEW, descriptor(NEW_BASE, limit, attributes));
        rig.execute(jump(NEW));
        faulted(vector, errorCode, CODE);
        assertThat(cpu.selector[Seg.TR]).isEqualTo(TSS);
        assertThat(isBusy(TSS)).isTrue();
    }

    @Test
    void aTaskOfAnInnerLevelIsRefused() {
        rig.enter(3);
        rig.execute(jump(NEW));
        faulted(CpuFault.GP, NEW, CODE);
    }

    @ParameterizedTest
    @CsvSource({
        // An inner gate, one that is not there; a local TSS, one outside of the table, a busy one.
        "0x85, 0x40, 13, 0x58",
        "0x65, 0x40, 11, 0x58",
        "0xE5, 0x44, 13, 0x44",
        "0xE5, 0x7FF8, 13, 0x7FF8",
        "0xE5, 0, 13, 0",
        "0xE5, 0x28, 13, 0x28",
        "0xE5, 0x10, 13, 0x10",
    })
    void aTaskGateIsChecked(int attributes, int tss, int vector, int errorCode) {
        rig.gdt(GATE, gate(attributes, tss, 0));
        rig.enter(3);
        rig.execute(call(GATE));
        faulted(vector, errorCode, CODE);
    }

    @ParameterizedTest
    @CsvSource({
        // A local link, one outside of the table, a task that is not busy, one that is not there.
        "0x44, 0x8B, 10, 0x44",
        "0x7FF8, 0x8B, 10, 0x7FF8",
        "0x40, 0x89, 10, 0x40",
        "0x40, 0x0B, 11, 0x40",
    })
    void theLinkBackIsChecked(int link, int attributes, int vector, int errorCode) {
        rig.gdt(NEW, descriptor(NEW_BASE, 0x67, attributes));
        rig.store(TSS_BASE, 2, link);
        cpu.setRflags(Cpu.NT | 2);
        rig.execute("cf");
        faulted(vector, errorCode, CODE);
    }

    @Test
    void aReturnFromATaskIsRefusedInLongMode() {
        rig.longMode(0);
        cpu.setRflags(Cpu.NT | 2);
        rig.execute("48cf");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    // --- faults of the new task -----------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // LDT: local, outside of the table, not an LDT, not there.
        "0x60, 0x4C, 0x82, 10, 0x4C",
        "0x60, 0x7FF8, 0x82, 10, 0x7FF8",
        "0x60, 0x50, 0x89, 10, 0x50",
        "0x60, 0x50, 0x02, 10, 0x50",
        // CS: null, outside of the table, data, another level, conforming but outer, not there.
        "0x4C, 0, 0x82, 10, 0",
        "0x4C, 0x7FF8, 0x82, 10, 0x7FF8",
        "0x4C, 0x50, 0xC093, 10, 0x50",
        "0x4C, 0x50, 0xC0FB, 10, 0x50",
        "0x4C, 0x50, 0xC0FF, 10, 0x50",
        "0x4C, 0x50, 0xC01B, 11, 0x50",
    })
    void theCodeAndTheTableOfTheNewTaskAreChecked(
            int field, int selector, int attributes, int vector, int errorCode) {
        faultsWithoutStack(field, selector, attributes, vector, errorCode);
    }

    private void faultsWithoutStack(
            int field, int selector, int attributes, int vector, int errorCode) {
        // The exceptions go to a task: the new task has no stack yet.
        rig.gdt(FREE + 0x20, descriptor(0x7000, 0x67, 0x89));
        rig.store(0x7020, 4, HANDLERS);
        rig.store(0x7038, 4, KERNEL_STACK - 0x100);
        for (int i = 0; i < 6; i++) {
            rig.store(0x7048 + 4L * i, 4, i == 1 ? KERNEL_CODE : KERNEL_DATA);
        }
        rig.idt(vector, gate(0x85, FREE + 0x20, 0));
        rig.gdt(OTHER, descriptor(0, -1, attributes));
        rig.store(NEW_BASE + field, 2, selector);
        rig.execute(jump(NEW));
        assertThat(cpu.rip).isEqualTo(HANDLERS);
        assertThat(rig.stack(4, 1)).containsExactly((long) errorCode);
        assertThat(rig.load(0x7000, 2)).as("the new task was current").isEqualTo(NEW);
        assertThat(rig.load(NEW_BASE + 0x20, 4)).isEqualTo(ENTRY);
    }

    @ParameterizedTest
    @CsvSource({
        // DS: another level, code that only executes, not there.
        "0x54, 0x53, 0xC093, 10, 0x50",
        "0x54, 0x50, 0xC099, 10, 0x50",
        "0x54, 0x50, 0xC013, 11, 0x50",
        "0x5C, 0x7FF8, 0xC093, 10, 0x7FF8",
    })
    void theDataSegmentsOfTheNewTaskAreCheckedInIt(
            int field, int selector, int attributes, int vector, int errorCode) {
        rig.gdt(OTHER, descriptor(0, -1, attributes));
        rig.store(NEW_BASE + field, 2, selector);
        rig.execute(jump(NEW));
        faulted(vector, errorCode, ENTRY);
        assertThat(cpu.selector[Seg.TR]).isEqualTo(NEW);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(NEW_STACK - 16);
        assertThat(cpu.r[Cpu.RDI]).isEqualTo(0xA7);
    }

    @ParameterizedTest
    @CsvSource({
        // SS: null, another level, read-only, not there.
        "0, 0xC093, 10, 0",
        "0x50, 0xC0F3, 10, 0x50",
        "0x50, 0xC091, 10, 0x50",
        "0x50, 0xC013, 12, 0x50",
    })
    void theStackOfTheNewTaskIsChecked(int selector, int attributes, int vector, int errorCode) {
        faultsWithoutStack(0x50, selector, attributes, vector, errorCode);
    }

    @Test
    void anEntryBeyondTheCodeLimitFaultsInTheNewTask() {
        rig.gdt(OTHER, descriptor(0, 0xFFF, 0x409B));
        rig.store(NEW_BASE + 0x4C, 2, OTHER);
        rig.execute(jump(NEW));
        faulted(CpuFault.GP, 0, ENTRY);
        assertThat(rig.stack(4, 3).get(2)).isEqualTo(OTHER);
    }

    // --- interrupts and exceptions --------------------------------------------------------------

    @Test
    void anExceptionThroughATaskGatePushesItsErrorCodeThere() {
        rig.idt(CpuFault.GP, gate(0x85, NEW, 0));
        // MOV DS to a selector outside of the table.
        cpu.r[Cpu.RAX] = 0x7FF8;
        rig.execute("8ed8");
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(NEW_STACK - 4);
        assertThat(rig.stack(4, 1)).containsExactly(0x7FF8L);
        assertThat(rig.load(TSS_BASE + 0x20, 4)).isEqualTo(CODE);
        assertThat(rig.load(TSS_BASE + 0x24, 4) & Cpu.RF).isNotZero();
        assertThat(cpu.rflags() & Cpu.NT).isNotZero();

        cpu.r[Cpu.RSP] += 4;
        rig.execute("cf");
        assertThat(cpu.rip).isEqualTo(CODE);
    }

    @Test
    void anErrorCodeForA16BitTaskIsAWord() {
        task16(0x1234, 2);
        rig.idt(CpuFault.GP, gate(0x85, NEW, 0));
        cpu.r[Cpu.RAX] = 0x7FF8;
        rig.execute("8ed8");
        assertThat(cpu.rip).isEqualTo(0x1234);
        assertThat(cpu.r[Cpu.RSP] & 0xFFFF).isEqualTo(NEW_STACK - 2);
    }

    @Test
    void aSoftwareInterruptThroughATaskGateReturnsBehindItself() {
        rig.idt(0x80, gate(0xE5, NEW, 0));
        rig.enter(3);
        rig.execute("cd80");
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(cpu.cpl).isZero();
        rig.execute("cf");
        assertThat(cpu.rip).isEqualTo(CODE + 2);
        assertThat(cpu.cpl).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"cd80", "cc"})
    void aSoftwareInterruptNeedsThePrivilegeOfTheTaskGate(String instruction) {
        int vector = instruction.equals("cc") ? 3 : 0x80;
        rig.idt(vector, gate(0x85, NEW, 0));
        rig.enter(3);
        rig.execute(instruction);
        faulted(CpuFault.GP, vector * 8L + 2, CODE);
    }

    @Test
    void anInterruptFromOutsideSwitchesTasks() {
        rig.idt(0x40, gate(0x85, NEW, 0));
        rig.write(ENTRY, "90");
        cpu.setRflags(0x202);
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.execute("90");
        assertThat(cpu.rip).isEqualTo(ENTRY + 1);
        assertThat(rig.load(TSS_BASE + 0x20, 4)).isEqualTo(CODE);
        assertThat(rig.load(NEW_BASE, 2)).isEqualTo(TSS);
    }

    @Test
    void aBusyTaskBehindAGateTellsThatTheEventWasExternal() {
        rig.idt(0x40, gate(0x85, TSS, 0));
        cpu.setRflags(0x202);
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.execute("90");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 2)).containsExactly((long) TSS | 1, CODE);
    }

    @Test
    void aDoubleFaultThroughATaskGateGetsACleanStack() {
        rig.idt(CpuFault.DF, gate(0x85, NEW, 0));
        rig.idt(CpuFault.SS, 0);
        // The stack segment has no room, and #SS has no handler.
        rig.gdt(OTHER, descriptor(0, 3, 0x4093));
        rig.segment(Seg.SS, OTHER);
        cpu.r[Cpu.RSP] = 0x2000;
        rig.execute("50");
        assertThat(cpu.rip).isEqualTo(ENTRY);
        assertThat(rig.stack(4, 1)).containsExactly(0L);
        assertThat(rig.load(TSS_BASE + 0x20, 4)).isEqualTo(CODE);
    }
}
