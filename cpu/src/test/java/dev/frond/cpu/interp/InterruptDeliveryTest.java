// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.VcpuExit;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Interrupts and exceptions through gates, faults of their delivery, shadows and NMI blocking. */
final class InterruptDeliveryTest {
    private static final long OTHER_STACK = 0xB000;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    private static long handler(int vector) {
        return HANDLERS + 16L * vector;
    }

    // --- gates ----------------------------------------------------------------------------------

    @Test
    void anInterruptGateClearsTheInterruptFlagAndATrapGateDoesNot() {
        rig.idt(0x80, gate(0xEE, KERNEL_CODE, handler(0x80)));
        rig.idt(0x81, gate(0xEF, KERNEL_CODE, handler(0x81)));
        rig.enter(3);
        cpu.setRflags(0x4_4202);
        rig.execute("cd80");
        assertThat(cpu.rflags()).isEqualTo(0x4_0002);
        assertThat(rig.stack(4, 5))
                .containsExactly(
                        CODE + 2, (long) USER_CODE, 0x4_4202L, USER_STACK, (long) USER_DATA);
        rig.enter(3);
        cpu.setRflags(0x202);
        rig.execute("cd81");
        assertThat(cpu.rflags()).isEqualTo(0x202);
    }

    @Test
    void a16BitGatePushesWords() {
        rig.gdt(FREE, descriptor(HANDLERS, -1, 0x809B));
        rig.idt(0x80, gate(0xE6, FREE, 0xFFFF_0123L));
        rig.enter(3);
        rig.execute("cd80");
        assertThat(cpu.rip).isEqualTo(0x123);
        assertThat(rig.stack(2, 5))
                .containsExactly(
                        CODE + 2 & 0xFFFF, (long) USER_CODE, 2L, USER_STACK, (long) USER_DATA);
        // The error code of an exception is a word too.
        rig.idt(CpuFault.GP, gate(0x86, FREE, 0x123));
        rig.enter(3);
        cpu.r[Cpu.RAX] = 0x7FF8;
        rig.execute("8ed8");
        assertThat(rig.stack(2, 2)).containsExactly(0x7FF8L, 0L);
    }

    @Test
    void conformingHandlersKeepLevelAndStack() {
        rig.gdt(FREE, descriptor(0, -1, 0xC09F));
        rig.idt(0x80, gate(0xEE, FREE, handler(0x80)));
        rig.enter(3);
        rig.execute("cd80");
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(FREE | 3);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK - 12);
    }

    @ParameterizedTest
    @CsvSource({
        // Attributes, code selector, its attributes: vector and error code.
        "0x8E, 0x08, 0xC09B, 13, 0x402",
        "0x6E, 0x08, 0xC09B, 11, 0x402",
        "0xEC, 0x08, 0xC09B, 13, 0x402",
        "0xEE, 0x00, 0xC09B, 13, 0",
        "0xEE, 0x7FF8, 0xC09B, 13, 0x7FF8",
        "0xEE, 0x40, 0xC093, 13, 0x40",
        "0xEE, 0x40, 0xC01B, 11, 0x40",
    })
    void gateAndCodeOfASoftwareInterruptAreChecked(
            int attributes, int code, int codeAttributes, int vector, int errorCode) {
        rig.gdt(FREE, descriptor(0, -1, codeAttributes));
        rig.idt(0x80, gate(attributes, code, handler(0x80)));
        rig.enter(3);
        rig.execute("cd80");
        assertThat(rig.handling()).isEqualTo(vector);
        assertThat(rig.stack(4, 2)).containsExactly((long) errorCode, CODE);
    }

    @Test
    void aVectorBeyondTheTableNamesItself() {
        cpu.idtLimit = 8 * 0x40 - 1;
        rig.execute("cd40");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 1)).containsExactly(0x40 * 8L + 2);
    }

    @Test
    void anExternalInterruptTellsThatInTheErrorCode() {
        rig.idt(0x40, gate(0x0E, KERNEL_CODE, 0));
        cpu.setRflags(0x202);
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.execute("90");
        assertThat(rig.handling()).isEqualTo(CpuFault.NP);
        assertThat(rig.stack(4, 2)).containsExactly(0x40 * 8L + 3, CODE);
    }

    @Test
    void anInterruptThatAnotherEngineTookIsDeliveredFirst() {
        cpu.setRflags(0x202);
        CpuState state = rig.vcpu.save();
        rig.vcpu.load(state.withAcknowledged(0x40));
        assertThat(rig.vcpu.save().acknowledged()).isEqualTo(0x40);
        rig.execute("90");
        assertThat(rig.handling()).isEqualTo(0x40);
        assertThat(rig.stack(4, 1)).containsExactly(CODE);
        assertThat(rig.vcpu.save().acknowledged()).isEqualTo(CpuState.NONE);
    }

    @Test
    void anErrorCodeThatDoesNotFitLeavesTheOldStack() {
        // The inner stack has room for five words, not for six.
        rig.gdt(FREE, descriptor(KERNEL_STACK - 20, 19, 0x4093));
        rig.store(TSS_BASE + 4, 4, 20);
        rig.store(TSS_BASE + 8, 2, FREE);
        rig.gdt(FREE + 8, descriptor(0, -1, 0xC09F));
        rig.idt(CpuFault.SS, gate(0x8E, FREE + 8, handler(CpuFault.SS)));
        rig.idt(CpuFault.DF, gate(0x8E, FREE + 8, handler(CpuFault.DF)));
        rig.enter(3);
        cpu.r[Cpu.RAX] = 0x7FF8;
        rig.execute("8ed8");
        // #SS in the delivery of #GP is a double fault.
        assertThat(rig.handling()).isEqualTo(CpuFault.DF);
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK - 16);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_DATA);
    }

    @Test
    void boundAndIntoAreExceptionsOfTheirOwn() {
        rig.store(0x9000, 4, 10);
        rig.store(0x9004, 4, 20);
        cpu.r[Cpu.RBX] = 0x9000;
        cpu.r[Cpu.RAX] = 20;
        rig.execute("6203");
        assertThat(rig.handling()).isEqualTo(-1);
        cpu.r[Cpu.RAX] = 21;
        rig.execute("6203");
        assertThat(rig.handling()).isEqualTo(CpuFault.BR);
        assertThat(rig.stack(4, 1)).containsExactly(CODE);

        rig.enter(3);
        cpu.setRflags(Cpu.OF | 2);
        rig.execute("ce");
        assertThat(rig.handling()).as("the gate is of level 0").isEqualTo(CpuFault.GP);
        rig.idt(CpuFault.OF, gate(0xEE, KERNEL_CODE, handler(CpuFault.OF)));
        rig.enter(3);
        rig.execute("ce");
        assertThat(rig.handling()).isEqualTo(CpuFault.OF);
        assertThat(rig.stack(4, 1)).containsExactly(CODE + 1);
    }

    // --- long mode ------------------------------------------------------------------------------

    @Test
    void anInterruptStackIsTakenEvenAtTheSameLevel() {
        rig.longMode(0);
        rig.store(TSS_BASE + 0x24 + 8 * 2, 8, OTHER_STACK + 7);
        rig.store(IDT + 16 * 0x40 + 4, 1, 3);
        cpu.r[Cpu.RSP] = KERNEL_STACK - 3;
        rig.execute("cd40");
        assertThat(rig.handling()).isEqualTo(0x40);
        assertThat(cpu.r[Cpu.RSP]).as("aligned to 16").isEqualTo(OTHER_STACK - 40);
        assertThat(rig.stack(8, 5))
                .containsExactly(
                        CODE + 2, (long) KERNEL_CODE, 2L, KERNEL_STACK - 3, (long) KERNEL_DATA);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(KERNEL_DATA);
        rig.execute("48cf");
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK - 3);
    }

    @Test
    void anInnerLevelHasANullStackSegment() {
        rig.longMode(3);
        rig.execute("0f0b");
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
        assertThat(cpu.selector[Seg.SS]).isZero();
        assertThat(rig.stack(8, 5))
                .containsExactly(CODE, (long) USER_CODE, Cpu.RF | 2L, USER_STACK, (long) USER_DATA);
    }

    @ParameterizedTest
    @CsvSource({
        // The code is not 64-bit; the target is not canonical; a 32-bit task gate.
        "0x8E, 0x40, 0x20000, 13, 0x41",
        "0x8E, 0x08, 0x800000000000, 13, 1",
        "0x85, 0x08, 0x20000, 13, 0x33",
    })
    void gatesOfLongModeAreChecked(
            int attributes, int code, long target, int vector, int errorCode) {
        rig.longMode(0);
        rig.gdt(FREE, descriptor(0, -1, 0xC09B));
        rig.gate64(IDT, CpuFault.UD, attributes, code, target);
        rig.execute("0f0b");
        assertThat(rig.handling()).isEqualTo(vector);
        assertThat(rig.stack(8, 2)).containsExactly((long) errorCode, CODE);
    }

    @Test
    void aStackOutsideOfTheCanonicalHalvesIsAStackFault() {
        rig.longMode(0);
        rig.store(TSS_BASE + 0x24, 8, OTHER_STACK);
        rig.store(IDT + 16 * CpuFault.SS + 4, 1, 1);
        cpu.r[Cpu.RSP] = 0x8000_0000_1000L;
        rig.execute("cd40");
        assertThat(rig.handling()).isEqualTo(CpuFault.SS);
        assertThat(rig.stack(8, 2)).containsExactly(0L, CODE);
        cpu.r[Cpu.RSP] = 0x8000_0000_1000L;
        rig.execute("0f0b");
        assertThat(rig.handling()).isEqualTo(CpuFault.SS);
        assertThat(rig.stack(8, 2)).as("EXT: an exception led to it").containsExactly(1L, CODE);
    }

    // --- stack accesses and others --------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        // A non-canonical operand: PUSH, POP and CALL of memory, then of memory by RBP and RSP.
        "ff33, rbx, 13",
        "8f03, rbx, 13",
        "ff13, rbx, 13",
        "ff7500, rbp, 12",
        "8f4500, rbp, 12",
        "ff5500, rbp, 12",
        "ff6500, rbp, 12",
        // A non-canonical stack.
        "50, rsp, 12",
        "58, rsp, 12",
        "ff33, rsp, 12",
        "8f03, rsp, 12",
        "ff13, rsp, 12",
        "c3, rsp, 12",
        "e800000000, rsp, 12",
        "9c, rsp, 12",
        "9d, rsp, 12",
        "c8000000, rsp, 12",
        "c9, rbp, 12",
        "cb, rsp, 12",
        "48cf, rsp, 12",
    })
    void aNonCanonicalAddressIsAStackFaultOnTheStackOnly(
            String instruction, String register, int vector) {
        rig.longMode(0);
        rig.store(TSS_BASE + 0x24, 8, OTHER_STACK);
        rig.store(IDT + 16 * CpuFault.SS + 4, 1, 1);
        cpu.r[Cpu.RBX] = 0x9000;
        cpu.r[Cpu.RBP] = 0x9000;
        int number = register.equals("rbx") ? Cpu.RBX : register.equals("rbp") ? Cpu.RBP : Cpu.RSP;
        cpu.r[number] = 0x8000_0000_1000L;
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(vector);
        assertThat(rig.stack(8, 2)).containsExactly(0L, CODE);
    }

    // --- double and triple faults ---------------------------------------------------------------

    /** Lets delivery of {@code vector} raise #NP, or #PF by a handler of its own. */
    private void absent(int vector) {
        rig.idt(vector, gate(0x0E, KERNEL_CODE, handler(vector)));
    }

    @ParameterizedTest
    @CsvSource({
        // #UD is benign, #GP and #DE contribute.
        "0f0b, 6, 11",
        "cd50, 0x50, 11",
        "f7f0, 0, 8",
        "8ed8, 13, 8",
    })
    void twoFaultsThatContributeAreADoubleFault(String instruction, int vector, int expected) {
        cpu.r[Cpu.RAX] = instruction.equals("f7f0") ? 0 : 0x7FF8;
        absent(vector);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(expected);
        assertThat(rig.stack(4, 2).get(1)).isEqualTo(CODE);
        if (expected == CpuFault.DF) {
            assertThat(rig.stack(4, 1)).containsExactly(0L);
        }
    }

    @Test
    void aPageFaultAndAnyOtherAreADoubleFault() {
        paging();
        absent(CpuFault.PF);
        cpu.r[Cpu.RBX] = 0x0080_0000L;
        rig.execute("8b03");
        assertThat(rig.handling()).isEqualTo(CpuFault.DF);
        assertThat(cpu.cr2).isEqualTo(0x0080_0000L);
    }

    @Test
    void aPageFaultInTheDeliveryOfAContributingFaultIsDeliveredAsSuch() {
        paging();
        // The IDT's page of vector 13 is there, the code's target for #GP is not: its push faults.
        cpu.r[Cpu.RAX] = 0x7FF8;
        rig.gdt(FREE, descriptor(0x0080_0000L, 0xFFF, 0x4093));
        rig.segment(Seg.SS, FREE);
        cpu.r[Cpu.RSP] = 0x100;
        rig.gdt(FREE + 8, descriptor(0x5000, 0x67, 0x89));
        rig.store(0x501C, 4, 0x60000);
        rig.store(0x5020, 4, handler(CpuFault.PF));
        rig.store(0x5038, 4, OTHER_STACK);
        for (int i = 0; i < 6; i++) {
            rig.store(0x5048 + 4L * i, 4, i == 1 ? KERNEL_CODE : KERNEL_DATA);
        }
        rig.idt(CpuFault.PF, gate(0x85, FREE + 8, 0));
        rig.execute("8ed8");
        assertThat(rig.handling()).isEqualTo(CpuFault.PF);
        assertThat(cpu.cr2).isEqualTo(0x0080_00FCL);
    }

    private void paging() {
        rig.store(0x60000, 4, 0x83);
        cpu.cr3 = 0x60000;
        cpu.cr4 |= ControlRegisters.PSE;
        ControlRegisters.writeCr0(cpu, cpu.cr0 | ControlRegisters.PG);
    }

    @Test
    void aFaultInTheDeliveryOfADoubleFaultShutsTheProcessorDown() {
        absent(0);
        absent(CpuFault.DF);
        cpu.r[Cpu.RAX] = 0;
        rig.write(CODE, "f7f0");
        cpu.rip = CODE;
        assertThat(rig.step()).isEqualTo(VcpuExit.SHUTDOWN);
        assertThat(rig.vcpu.run()).isEqualTo(VcpuExit.SHUTDOWN);
    }

    // --- shadows --------------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {"fb", "8ed0", "17"})
    void oneInstructionIsExecutedBeforeAnInterrupt(String instruction) {
        cpu.r[Cpu.RAX] = KERNEL_DATA;
        rig.store(KERNEL_STACK, 4, KERNEL_DATA);
        cpu.setRflags(instruction.equals("fb") ? 2 : 0x202);
        rig.write(CODE, instruction + "909090");
        int length = instruction.length() / 2;
        cpu.rip = CODE;
        rig.step();
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE + length + 1);
        rig.step();
        assertThat(rig.handling()).isEqualTo(0x40);
        assertThat(rig.stack(4, 1)).containsExactly(CODE + length + 1);
    }

    // --- NMI ------------------------------------------------------------------------------------

    @Test
    void anNmiWaitsForTheIretOfTheOneBefore() {
        rig.write(HANDLERS + 32, "9090cf");
        rig.write(CODE, "909090");
        cpu.rip = CODE;
        rig.vcpu.nmi();
        rig.step();
        assertThat(cpu.rip).isEqualTo(HANDLERS + 33);
        rig.vcpu.nmi();
        rig.steps(1);
        assertThat(cpu.rip).isEqualTo(HANDLERS + 34);
        rig.steps(1);
        assertThat(cpu.rip).isEqualTo(CODE);
        rig.steps(1);
        assertThat(cpu.rip).as("the second one is taken at once").isEqualTo(HANDLERS + 33);
    }

    @Test
    void anIretThatFaultsUnblocksToo() {
        rig.write(HANDLERS + 32, "9090cf");
        cpu.rip = CODE;
        rig.vcpu.nmi();
        rig.step();
        rig.vcpu.nmi();
        rig.store(cpu.r[Cpu.RSP] + 4, 4, 0x7FF8);
        rig.steps(2);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        rig.steps(1);
        assertThat(cpu.rip).isEqualTo(HANDLERS + 33);
    }

    @Test
    void anNmiEndsAHaltWithInterruptsOff() {
        rig.write(CODE, "f490");
        cpu.rip = CODE;
        rig.step();
        assertThat(cpu.halted).isTrue();
        rig.vcpu.nmi();
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.NMI);
        assertThat(rig.stack(4, 1)).containsExactly(CODE + 1);
    }
}
