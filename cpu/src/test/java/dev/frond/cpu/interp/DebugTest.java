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

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Breakpoints on instructions, data and ports, single steps, and when they are raised. */
final class DebugTest {
    private static final long DATA = 0x9000;
    private static final long DR6 = 0xFFFF_0FF0L;
    private static final long BD = 0x2000;
    private static final long BS = 0x4000;

    private static final int EXECUTE = 0;
    private static final int WRITE = 1;
    private static final int PORT = 2;
    private static final int READ_WRITE = 3;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    /** Sets breakpoint {@code number}, enabled globally; {@code length} as DR7 encodes it. */
    private void breakpoint(int number, long address, int type, int length) {
        cpu.debug.write(number, address);
        long dr7 = cpu.dr[7] & ~(0xFL << 16 + 4 * number);
        cpu.debug.write(7, dr7 | 2L << 2 * number | (long) (type | length << 2) << 16 + 4 * number);
    }

    /** #DB was delivered with this instruction pointer and these bits of DR6; forgets them. */
    private void stopped(long rip, long bits) {
        assertThat(rig.handling()).isEqualTo(CpuFault.DB);
        assertThat(rig.stack(4, 1)).containsExactly(rip);
        assertThat(cpu.dr[6]).isEqualTo(DR6 | bits);
        cpu.dr[6] = DR6;
        cpu.halted = false;
    }

    private long pushedFlags() {
        return rig.stack(4, 3).get(2);
    }

    /** Returns from the handler with these flags. */
    private void resume(long flags) {
        rig.store(cpu.r[Cpu.RSP] + 8, 4, flags);
        rig.write(cpu.rip, "cf");
        rig.step();
    }

    private void start(String hex) {
        rig.write(CODE, hex);
        cpu.rip = CODE;
    }

    // --- instructions ---------------------------------------------------------------------------

    @Test
    void aBreakpointStopsBeforeItsInstructionAndRfLetsItPass() {
        start("9090 40 40");
        breakpoint(0, CODE + 2, EXECUTE, 0);
        rig.steps(3);
        stopped(CODE + 2, 1);
        assertThat(cpu.r[Cpu.RAX]).isZero();
        assertThat(pushedFlags() & Cpu.RF).isZero();
        resume(Cpu.RF | 2);
        rig.step();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1);
        assertThat(cpu.rip).isEqualTo(CODE + 3);
    }

    @Test
    void withoutRfItStopsAgain() {
        start("40");
        breakpoint(3, CODE, EXECUTE, 0);
        rig.step();
        stopped(CODE, 8);
        resume(2);
        rig.step();
        stopped(CODE, 8);
    }

    @Test
    void rfIsForOneInstructionOnly() {
        start("90 ebfd");
        breakpoint(0, CODE, EXECUTE, 0);
        rig.step();
        stopped(CODE, 1);
        resume(Cpu.RF | 2);
        rig.steps(3);
        stopped(CODE, 1);
    }

    @Test
    void aFaultOnAnInstructionPushesRfSoThatItIsNotStoppedAgain() {
        start("0f0b");
        breakpoint(0, CODE, EXECUTE, 0);
        rig.step();
        stopped(CODE, 1);
        resume(Cpu.RF | 2);
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
        assertThat(pushedFlags() & Cpu.RF).isNotZero();
    }

    @Test
    void theLinearAddressCountsAndAllThatMatchAreTold() {
        rig.gdt(FREE, descriptor(0x100, -1, 0xC09B));
        rig.segment(Seg.CS, FREE);
        rig.write(CODE, "90");
        cpu.rip = CODE - 0x100;
        breakpoint(1, CODE, EXECUTE, 0);
        breakpoint(2, CODE, EXECUTE, 0);
        breakpoint(3, CODE + 1, EXECUTE, 0);
        rig.step();
        stopped(CODE - 0x100, 6);
    }

    @Test
    void anInterruptComesBeforeABreakpointOnTheInstruction() {
        start("90");
        breakpoint(0, CODE, EXECUTE, 0);
        cpu.setRflags(0x202);
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.step();
        assertThat(rig.handling()).isEqualTo(0x40);
        assertThat(cpu.dr[6]).isEqualTo(DR6);
    }

    @Test
    void aDisabledBreakpointDoesNothing() {
        start("9090");
        cpu.debug.write(0, CODE);
        cpu.debug.write(7, 0x300);
        rig.steps(2);
        assertThat(cpu.rip).isEqualTo(CODE + 2);
    }

    @Test
    void aRunningProgramIsStoppedToo() {
        // Not stepped: a loop of blocks that sets its own breakpoint with MOV DR and meets it.
        start("b8 14000100 0f23c0 b8 02000000 0f23f8 90 90 90 90 40 40 40 f4");
        rig.write(HANDLERS + 16, "e6 f4 f4");
        rig.kickAtPort(0xF4);
        rig.vcpu.run();
        assertThat(cpu.rip).isEqualTo(HANDLERS + 18);
        assertThat(rig.stack(4, 1)).containsExactly(CODE + 0x14);
        assertThat(cpu.dr[6]).isEqualTo(DR6 | 1);
    }

    // --- data -----------------------------------------------------------------------------------

    private static final String STORE_EBX = "8903";

    @ParameterizedTest
    @CsvSource({
        // Type and length of the breakpoint, offset of the access, instruction, whether it hits.
        "1, 3, 0, 8903, true",
        "1, 3, 0, 8b03, false",
        "3, 3, 0, 8b03, true",
        "3, 3, 0, 8903, true",
        "1, 0, 0, 8803, true",
        "1, 0, 1, 8803, false",
        "1, 0, -1, 8903, true",
        "1, 0, -3, 8903, true",
        "1, 0, -4, 8903, false",
        "1, 1, 1, 8803, true",
        "1, 1, 2, 8803, false",
        "1, 3, 3, 8803, true",
        "1, 3, 4, 8803, false",
        "1, 2, 7, 8803, true",
        "1, 2, 8, 8803, false",
        // Read-modify-write, locked, string and stack instructions.
        "1, 0, 0, ff03, true",
        "1, 0, 0, f0ff03, true",
        "3, 0, 0, 8703, true",
        "1, 0, 0, 3b03, false",
    })
    void anAccessThatOverlapsABreakpointTrapsAfterItsInstruction(
            int type, int length, int offset, String instruction, boolean hit) {
        start(instruction + "90");
        cpu.r[Cpu.RBX] = DATA + 0x100 + offset;
        cpu.r[Cpu.RAX] = 0x55;
        breakpoint(2, DATA + 0x100, type, length);
        rig.step();
        if (hit) {
            stopped(CODE + instruction.length() / 2, 4);
        } else {
            assertThat(rig.handling()).isEqualTo(-1);
        }
        if (instruction.equals(STORE_EBX)) {
            assertThat(rig.load(DATA + 0x100 + offset, 1)).as("the store was made").isEqualTo(0x55);
        }
    }

    @Test
    void theAddressOfABreakpointIsAlignedToItsLength() {
        start(STORE_EBX);
        cpu.r[Cpu.RBX] = DATA;
        breakpoint(0, DATA + 7, WRITE, 3);
        rig.step();
        assertThat(rig.handling()).isEqualTo(-1);
        cpu.r[Cpu.RBX] = DATA + 4;
        start(STORE_EBX);
        rig.step();
        stopped(CODE + 2, 1);
    }

    @Test
    void aRunningProgramIsStoppedAfterTheAccess() {
        // Stores to two pages again and again; the second store of the third round is watched.
        start("c703 01000000 83c304 81fb 00930000 75ef f4");
        cpu.r[Cpu.RBX] = DATA;
        breakpoint(0, DATA + 0x200, WRITE, 0);
        rig.write(HANDLERS + 16, "e6 f4 f4");
        rig.kickAtPort(0xF4);
        rig.vcpu.run();
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(DATA + 0x200);
        assertThat(rig.stack(4, 1)).containsExactly(CODE + 6);
        assertThat(rig.load(DATA + 0x200, 4)).isEqualTo(1);
        assertThat(rig.load(DATA + 0x204, 4)).isZero();
    }

    @Test
    void aRepeatedStringInstructionStopsAfterTheElement() {
        start("f3ab 90");
        cpu.r[Cpu.RDI] = DATA;
        cpu.r[Cpu.RCX] = 8;
        breakpoint(0, DATA + 12, WRITE, 3);
        rig.step();
        stopped(CODE, 1);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(4);
        assertThat(pushedFlags() & Cpu.RF).as("in the middle of an instruction").isNotZero();
        resume(2);
        rig.step();
        assertThat(cpu.r[Cpu.RCX]).isZero();
        assertThat(cpu.rip).isEqualTo(CODE + 2);
    }

    @Test
    void aFaultForgetsWhatTheInstructionHadMet() {
        // MOVS loads from a watched place and faults on its store.
        start("a5");
        cpu.r[Cpu.RSI] = DATA;
        rig.gdt(FREE, descriptor(0, 0xFF, 0x4093));
        rig.segment(Seg.ES, FREE);
        cpu.r[Cpu.RDI] = 0x1000;
        breakpoint(0, DATA, READ_WRITE, 3);
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        cpu.halted = false;
        rig.write(cpu.rip, "9090");
        rig.steps(2);
        assertThat(cpu.dr[6]).isEqualTo(DR6);
    }

    // --- ports ----------------------------------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        "ee, 0x70, 0, true",
        "ef, 0x6D, 0, true",
        "ed, 0x70, 0, true",
        "ee, 0x71, 0, false"
    })
    void aPortTrapsAfterTheAccessWithDebuggingExtensions(
            String instruction, int port, int length, boolean hit) {
        start(instruction + "9090");
        cpu.r[Cpu.RDX] = port;
        breakpoint(1, 0x70, PORT, length);
        rig.step();
        assertThat(rig.handling()).as("without CR4.DE").isEqualTo(-1);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.DE);
        cpu.rip = CODE;
        rig.step();
        if (hit) {
            stopped(CODE + 1, 2);
        } else {
            assertThat(rig.handling()).isEqualTo(-1);
        }
    }

    // --- general detect -------------------------------------------------------------------------

    @Test
    void generalDetectGuardsTheRegistersOnce() {
        start("0f21c0");
        cpu.debug.write(7, BD);
        rig.step();
        stopped(CODE, BD);
        assertThat(pushedFlags() & Cpu.RF).isNotZero();
        assertThat(cpu.dr[7]).as("the handler may access them").isEqualTo(0x400);
    }

    @Test
    void dr4AndDr5AreOthersNamesUnlessDebuggingExtensionsAreOn() {
        cpu.debug.write(7, 0x300);
        rig.execute("0f21e8");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x700);
        ControlRegisters.writeCr4(cpu, cpu.cr4 | ControlRegisters.DE);
        rig.execute("0f21e8");
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0f23f0", "0f23f8"})
    void theUpperHalvesOfDr6AndDr7MustBeZero(String instruction) {
        rig.longMode(0);
        cpu.r[Cpu.RAX] = 1L << 32;
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    // --- single steps ---------------------------------------------------------------------------

    @Test
    void theTrapFlagStepsFromTheInstructionAfterTheOneThatSetIt() {
        start("9d 90 90");
        rig.store(KERNEL_STACK - 4, 4, Cpu.TF | 2);
        cpu.r[Cpu.RSP] = KERNEL_STACK - 4;
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE + 1);
        rig.step();
        stopped(CODE + 2, BS);
        assertThat(pushedFlags() & Cpu.TF).isNotZero();
        assertThat(cpu.rflags() & Cpu.TF).isZero();
        resume(Cpu.TF | 2);
        rig.step();
        stopped(CODE + 3, BS);
    }

    @Test
    void anInterruptInstructionIsNotTrappedInItsHandler() {
        start("cd40");
        rig.write(HANDLERS + 16 * 0x40, "9090");
        cpu.setRflags(Cpu.TF | 2);
        rig.step();
        assertThat(rig.handling()).isEqualTo(0x40);
        rig.step();
        assertThat(cpu.rip).isEqualTo(HANDLERS + 16 * 0x40 + 1);
        assertThat(cpu.dr[6]).isEqualTo(DR6);
    }

    @Test
    void aFaultIsNotASingleStep() {
        start("0f0b");
        cpu.setRflags(Cpu.TF | 2);
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
        rig.step();
        assertThat(cpu.dr[6]).isEqualTo(DR6);
    }

    @Test
    void eachElementOfARepeatedInstructionIsAStep() {
        start("f3aa");
        cpu.r[Cpu.RDI] = DATA;
        cpu.r[Cpu.RCX] = 2;
        cpu.setRflags(Cpu.TF | 2);
        rig.step();
        stopped(CODE, BS);
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(1);
        resume(Cpu.TF | 2);
        rig.step();
        stopped(CODE + 2, BS);
    }

    @Test
    void btfStepsFromBranchToBranchUntilTheFirstException() {
        cpu.msrs.write(0x1D9, 2);
        start("90 90 eb02 9090 90 90");
        cpu.setRflags(Cpu.TF | 2);
        rig.steps(3);
        stopped(CODE + 6, BS);
        assertThat(cpu.msrs.read(0x1D9)).isZero();
        resume(Cpu.TF | 2);
        rig.step();
        stopped(CODE + 7, BS);
    }

    @Test
    void int1IsATrapWithoutAReason() {
        start("f190");
        rig.step();
        stopped(CODE + 1, 0);
    }

    @Test
    void syscallDoesNotStepWhereTheMaskClearsTheFlag() {
        rig.longMode(3);
        cpu.msrs.write(0xC000_0081, (long) KERNEL_CODE << 32);
        cpu.msrs.write(0xC000_0082, HANDLERS + 16 * 0x40);
        cpu.msrs.write(0xC000_0084, Cpu.TF);
        cpu.setRflags(Cpu.TF | 2);
        rig.execute("0f05");
        assertThat(rig.handling()).isEqualTo(0x40);
        cpu.msrs.write(0xC000_0084, 0);
        rig.enter(3);
        cpu.setRflags(Cpu.TF | 2);
        rig.execute("0f05");
        assertThat(rig.handling()).isEqualTo(CpuFault.DB);
    }

    // --- a load of SS ---------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {"8ed0", "17"})
    void aLoadOfSsIsNotPartedFromItsNextInstructionByASingleStep(String instruction) {
        int length = instruction.length() / 2;
        start(instruction + "9090");
        cpu.r[Cpu.RAX] = KERNEL_DATA;
        rig.store(KERNEL_STACK, 4, KERNEL_DATA);
        cpu.setRflags(Cpu.TF | 2);
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE + length);
        rig.step();
        stopped(CODE + length + 1, BS);
    }

    @Test
    void aLoadOfSsHoldsBackBreakpoints() {
        // MOV SS from watched memory; the next instruction has a breakpoint, which does not count.
        start("8e13 90 90");
        cpu.r[Cpu.RBX] = DATA;
        rig.store(DATA, 2, KERNEL_DATA);
        breakpoint(0, DATA, READ_WRITE, 1);
        breakpoint(1, CODE + 2, EXECUTE, 0);
        rig.steps(2);
        stopped(CODE + 3, 1);
    }

    @Test
    void aTrapThatIsHeldBackComesAtTheHandlerOfASoftwareInterrupt() {
        start("8e13 cd40");
        cpu.r[Cpu.RBX] = DATA;
        rig.store(DATA, 2, KERNEL_DATA);
        breakpoint(0, DATA, READ_WRITE, 1);
        rig.steps(2);
        stopped(HANDLERS + 16 * 0x40, 1);
    }

    @Test
    void stiDoesNotHoldBackASingleStep() {
        start("fb90");
        cpu.setRflags(Cpu.TF | 2);
        rig.step();
        stopped(CODE + 1, BS);
    }

    // --- state ----------------------------------------------------------------------------------

    @Test
    void savedStateKeepsBreakpointsAndRf() {
        start("40");
        breakpoint(0, CODE, EXECUTE, 0);
        rig.step();
        stopped(CODE, 1);
        resume(Cpu.RF | 2);
        CpuState state = rig.vcpu.save();
        assertThat(state.rflags() & Cpu.RF).isNotZero();
        cpu.debug.write(7, 0);
        rig.vcpu.load(state);
        rig.step();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(1);
        cpu.rip = CODE;
        rig.step();
        stopped(CODE, 1);
    }
}
