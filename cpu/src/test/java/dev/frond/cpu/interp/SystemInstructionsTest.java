// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Instructions that a program of the host may not execute, or that give a value of its own. */
final class SystemInstructionsTest {
    private static final long DATA = 0x9000;
    private static final int OTHER_DATA = FREE;
    private static final int IA32_TSC = 0x10;
    private static final int TSC_ADJUST = 0x3B;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    private void completes(String hex) {
        rig.execute(hex);
        assertThat(rig.handling()).as(hex).isEqualTo(-1);
    }

    private void raises(int vector, String hex) {
        rig.execute(hex);
        assertThat(rig.handling()).as(hex).isEqualTo(vector);
        rig.enter(cpu.is64() ? 0 : cpu.cpl);
    }

    private long accumulator() {
        return cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX];
    }

    // --- segments -------------------------------------------------------------------------------

    @Test
    void aFarJumpTakesItsTargetFromMemory() {
        rig.store(DATA, 4, 0x12345);
        rig.store(DATA + 4, 2, KERNEL_CODE);
        // JMP FAR [9000h]
        completes("ff2d 00900000");
        assertThat(cpu.rip).isEqualTo(0x12345);
        rig.store(DATA, 2, 0x4321);
        rig.store(DATA + 2, 2, KERNEL_CODE);
        completes("66ff2d 00900000");
        assertThat(cpu.rip).isEqualTo(0x4321);
    }

    @ParameterizedTest
    @CsvSource({"07, 0", "1f, 3", "0fa1, 4", "0fa9, 5"})
    void popLoadsASegmentRegister(String hex, int seg) {
        rig.gdt(OTHER_DATA, descriptor(0x5000, 0xFFF, 0x4093));
        for (int size : new int[] {4, 2}) {
            long top = cpu.r[Cpu.RSP] - size;
            cpu.r[Cpu.RSP] = top;
            rig.store(top, 2, OTHER_DATA);
            completes((size == 2 ? "66" : "") + hex);
            assertThat(cpu.selector[seg]).isEqualTo(OTHER_DATA);
            assertThat(cpu.segBase[seg]).isEqualTo(0x5000);
            assertThat(cpu.r[Cpu.RSP]).isEqualTo(top + size);
            rig.segment(seg, KERNEL_DATA);
        }
        // A selector beyond the table: nothing has moved.
        long top = cpu.r[Cpu.RSP];
        rig.store(top, 4, 0x2000);
        rig.execute(hex);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 2)).containsExactly(0x2000L, CODE);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(top - 16);
        assertThat(cpu.selector[seg]).isEqualTo(KERNEL_DATA);
    }

    @ParameterizedTest
    @CsvSource({"c403, 0", "c503, 3", "0fb203, 2", "0fb403, 4", "0fb503, 5"})
    void aFarPointerLoadsARegisterAndASegment(String hex, int seg) {
        rig.gdt(OTHER_DATA, descriptor(0x5000, 0xFFF, 0x4093));
        rig.store(DATA, 4, 0x8765_4321L);
        rig.store(DATA + 4, 2, OTHER_DATA);
        cpu.r[Cpu.RBX] = DATA;
        completes(hex);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x8765_4321L);
        assertThat(cpu.selector[seg]).isEqualTo(OTHER_DATA);
        assertThat(cpu.segBase[seg]).isEqualTo(0x5000);
        rig.enter(0);
        rig.store(DATA + 4, 2, 0x2000);
        cpu.r[Cpu.RAX] = 7;
        raises(CpuFault.GP, hex);
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(7);
    }

    @Test
    void theStackSegmentCannotBeNull() {
        rig.store(DATA, 4, 1);
        rig.store(DATA + 4, 2, 0);
        cpu.r[Cpu.RBX] = DATA;
        completes("0fb403");
        assertThat(cpu.selector[Seg.FS]).isZero();
        raises(CpuFault.GP, "0fb203");
    }

    // --- tables, control registers --------------------------------------------------------------

    @Test
    void descriptorTableRegistersAreLoadedFromMemory() {
        rig.store(DATA, 2, 0x123);
        rig.store(DATA + 2, 4, 0x8765_4320L);
        cpu.r[Cpu.RBX] = DATA;
        completes("0f0113");
        assertThat(cpu.gdtLimit).isEqualTo(0x123);
        assertThat(cpu.gdtBase).isEqualTo(0x8765_4320L);
        // With 16-bit operands the base has 24 bits.
        completes("660f0113");
        assertThat(cpu.gdtBase).isEqualTo(0x65_4320L);
        rig.store(DATA, 2, 0x7FF);
        rig.store(DATA + 2, 4, 0x0100_1000);
        completes("660f011b");
        assertThat(cpu.idtLimit).isEqualTo(0x7FF);
        assertThat(cpu.idtBase).isEqualTo(IDT);
    }

    @Test
    void inLongModeTablesHaveAWholeAddress() {
        rig.longMode(0);
        rig.store(DATA, 2, 0xFFF);
        rig.store(DATA + 2, 8, 0xFFFF_8000_0000_1000L);
        cpu.r[Cpu.RBX] = DATA;
        completes("660f0113");
        assertThat(cpu.gdtBase).isEqualTo(0xFFFF_8000_0000_1000L);
        cpu.gdtBase = GDT;
        completes("0f011b");
        assertThat(cpu.idtBase).isEqualTo(0xFFFF_8000_0000_1000L);
        cpu.idtBase = IDT;
        rig.store(DATA + 2, 8, 0x1234_5678_9ABC_DEF0L);
        raises(CpuFault.GP, "0f011b");
        assertThat(cpu.idtBase).isEqualTo(IDT);
    }

    @Test
    void controlRegistersAreRead() {
        rig.longMode(0);
        cpu.cr2 = 0xFFFF_8123_4567_89ABL;
        rig.wires.setTaskPriority(9);
        completes("0f20c0");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(cpu.cr0);
        completes("0f20d1");
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(0xFFFF_8123_4567_89ABL);
        completes("0f20da");
        assertThat(cpu.r[Cpu.RDX]).isEqualTo(cpu.cr3);
        completes("0f20e3");
        assertThat(cpu.r[Cpu.RBX]).isEqualTo(cpu.cr4);
        completes("440f20c0");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(9);
        raises(CpuFault.UD, "0f20c8");
    }

    @Test
    void lmswSetsTheLowBitsAndNeverClearsPe() {
        cpu.r[Cpu.RAX] = 0xFFFE;
        completes("0f01f0");
        assertThat(cpu.cr0 & 0xF)
                .isEqualTo(
                        ControlRegisters.PE
                                | ControlRegisters.MP
                                | ControlRegisters.EM
                                | ControlRegisters.TS);
        cpu.r[Cpu.RAX] = 0;
        completes("0f01f0");
        assertThat(cpu.cr0 & 0xF).isEqualTo(ControlRegisters.PE);
    }

    /** In the second gigabyte: a page that can be exchanged. */
    private static final long LINEAR = 0x4000_0000L;

    private static final long ENTRY = 0x51000;

    private void map(long page, boolean global) {
        rig.store(0x40000 + 0x1000 + 8, 8, 0x5_0000 | 3);
        rig.store(0x5_0000, 8, ENTRY | 3);
        rig.store(ENTRY, 8, page | 3 | (global ? 0x100 : 0));
    }

    private long byteThere() {
        cpu.r[Cpu.RBX] = LINEAR;
        completes("0fb603");
        return cpu.r[Cpu.RAX];
    }

    @ParameterizedTest
    // INVLPG [EBX]; INVPCID RAX,[RCX] for one address, one space, all, all but global ones.
    @CsvSource({"0f013b, 0", "660f388201, 0", "660f388201, 1", "660f388201, 2", "660f388201, 3"})
    void aChangedPageTableEntryIsSeenAfterAnInvalidation(String hex, int type) {
        rig.longMode(0);
        rig.store(0x60000, 1, 0x11);
        rig.store(0x61000, 1, 0x22);
        map(0x60000, false);
        assertThat(byteThere()).isEqualTo(0x11);
        map(0x61000, false);
        rig.store(DATA, 8, 0);
        rig.store(DATA + 8, 8, LINEAR);
        cpu.r[Cpu.RCX] = DATA;
        cpu.r[Cpu.RAX] = type;
        completes(hex);
        assertThat(byteThere()).isEqualTo(0x22);
    }

    @Test
    void invpcidRefusesWhatItDoesNotKnow() {
        rig.longMode(0);
        cpu.r[Cpu.RCX] = DATA;
        cpu.r[Cpu.RAX] = 4;
        raises(CpuFault.GP, "660f388201");
        // A process-context identifier of more than 12 bits.
        rig.store(DATA, 8, 0x1000);
        cpu.r[Cpu.RAX] = 1;
        raises(CpuFault.GP, "660f388201");
        rig.store(DATA, 8, 0);
        rig.store(DATA + 8, 8, 1L << 62);
        cpu.r[Cpu.RAX] = 0;
        raises(CpuFault.GP, "660f388201");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0f08", "0f09"})
    void cachesAreWrittenBackByTheKernelOnly(String hex) {
        rig.store(DATA, 8, 0x1234);
        completes(hex);
        assertThat(rig.load(DATA, 8)).isEqualTo(0x1234);
        rig.enter(3);
        raises(CpuFault.GP, hex);
    }

    @Test
    void clacAndStacChangeAcForTheKernel() {
        completes("0f01cb");
        assertThat(cpu.rflags() & Cpu.AC).isNotZero();
        completes("0f01ca");
        assertThat(cpu.rflags() & Cpu.AC).isZero();
        rig.enter(3);
        raises(CpuFault.UD, "0f01cb");
    }

    @Test
    void xgetbvReadsXcr0AndWhatIsInUse() {
        raises(CpuFault.UD, "0f01d0");
        cpu.cr4 |= ControlRegisters.OSXSAVE | ControlRegisters.OSFXSR;
        cpu.xcr0 = 7;
        cpu.segments.modeChanged();
        cpu.r[Cpu.RCX] = 0;
        completes("0f01d0");
        assertThat(accumulator()).isEqualTo(7);
        cpu.r[Cpu.RCX] = 1;
        completes("0f01d0");
        assertThat(accumulator() & 4).as("no upper half is in use").isZero();
        cpu.v[2] = 1;
        completes("0f01d0");
        assertThat(accumulator() & 4).as("an upper half is in use").isEqualTo(4);
        cpu.r[Cpu.RCX] = 2;
        raises(CpuFault.GP, "0f01d0");
    }

    @Test
    void segmentBasesAreReadAndWrittenByPrograms() {
        rig.longMode(3);
        cpu.cr4 |= ControlRegisters.FSGSBASE;
        cpu.r[Cpu.RAX] = 0x7FF1_2345_6789L;
        completes("f3480faed0");
        completes("f3480faed8");
        assertThat(cpu.segBase[Seg.FS]).isEqualTo(0x7FF1_2345_6789L);
        completes("f3480faec1");
        assertThat(cpu.r[Cpu.RCX]).isEqualTo(cpu.r[Cpu.RAX]);
        // 32 bits of it.
        completes("f30faeca");
        assertThat(cpu.r[Cpu.RDX]).isEqualTo(cpu.r[Cpu.RAX] & 0xFFFF_FFFFL);
        cpu.r[Cpu.RAX] = 0x1234_0000_0000_0000L;
        raises(CpuFault.GP, "f3480faed0");
        rig.enter(3);
        cpu.cr4 &= ~ControlRegisters.FSGSBASE;
        raises(CpuFault.UD, "f3480faec1");
    }

    // --- system calls ---------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void sysretReturnsToAProgramOfEitherWidth(boolean wide) {
        rig.longMode(0);
        cpu.msrs.star = (long) (USER_CODE - 16 & ~3) << 48;
        cpu.r[Cpu.RCX] = 0x1_0000_1234L;
        cpu.r[11] = Cpu.CF | Cpu.RF | Cpu.VM | Cpu.IF;
        completes(wide ? "480f07" : "0f07");
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.is64()).isEqualTo(wide);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(wide ? USER_CODE : USER_CODE - 16);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(USER_CODE - 8);
        assertThat(cpu.rip).isEqualTo(wide ? 0x1_0000_1234L : 0x1234);
        assertThat(cpu.rflags()).isEqualTo(Cpu.CF | Cpu.IF | 2);
    }

    @Test
    void sysretRefusesATargetThatIsNotCanonical() {
        rig.longMode(0);
        cpu.r[Cpu.RCX] = 1L << 60;
        raises(CpuFault.GP, "480f07");
        rig.enter(3);
        raises(CpuFault.GP, "480f07");
    }

    @Test
    void sysenterGoesToTheKernelAndSysexitBack() {
        rig.enter(3);
        raises(CpuFault.GP, "0f34");
        rig.enter(3);
        cpu.msrs.write(0x174, KERNEL_CODE);
        cpu.msrs.write(0x175, KERNEL_STACK);
        cpu.msrs.write(0x176, 0x1_2340);
        cpu.setRflags(Cpu.IF | Cpu.CF | 2);
        completes("0f34");
        assertThat(cpu.cpl).isZero();
        assertThat(cpu.rip).isEqualTo(0x1_2340);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(KERNEL_STACK);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(KERNEL_CODE);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(KERNEL_DATA);
        assertThat(cpu.rflags()).isEqualTo(Cpu.CF | 2);
        cpu.r[Cpu.RDX] = 0x5678;
        cpu.r[Cpu.RCX] = USER_STACK;
        completes("0f35");
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.rip).isEqualTo(0x5678);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(USER_STACK);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(KERNEL_CODE + 16 | 3);
        assertThat(cpu.selector[Seg.SS]).isEqualTo(KERNEL_CODE + 24 | 3);
        raises(CpuFault.GP, "0f35");
    }

    @Test
    void inLongModeSysexitChoosesTheProgramsWidth() {
        rig.longMode(0);
        cpu.msrs.write(0x174, KERNEL_CODE);
        cpu.r[Cpu.RDX] = 0x7FFF_0000_1234L;
        cpu.r[Cpu.RCX] = 0x7FFF_0000_5678L;
        completes("480f35");
        assertThat(cpu.is64()).isTrue();
        assertThat(cpu.rip).isEqualTo(0x7FFF_0000_1234L);
        assertThat(cpu.r[Cpu.RSP]).isEqualTo(0x7FFF_0000_5678L);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(KERNEL_CODE + 32 | 3);
        rig.enter(0);
        cpu.r[Cpu.RDX] = 1L << 62;
        raises(CpuFault.GP, "480f35");
        cpu.r[Cpu.RDX] = 0x1234;
        completes("0f35");
        assertThat(cpu.is64()).isFalse();
        assertThat(cpu.cpl).isEqualTo(3);
    }

    @Test
    void onIntelSyscallExistsIn64BitModeOnly() {
        rig.longMode(0);
        assertThat(cpu.cpuid.model().isAmd()).isFalse();
        compatibility(rig, 3);
        raises(CpuFault.UD, "0f05");
    }

    @Test
    void onAmdSyscallFromCompatibilityModeGoesToCstar() {
        SystemRig amd = new SystemRig(CpuModel.EPYC);
        amd.longMode(3);
        compatibility(amd, 3);
        amd.cpu.msrs.write(0xC000_0081, (long) KERNEL_CODE << 32);
        amd.cpu.msrs.write(0xC000_0083, 0xFFFF_8000_0000_1000L);
        amd.cpu.msrs.write(0xC000_0084, Cpu.IF);
        amd.cpu.setRflags(Cpu.IF | Cpu.ZF | 2);
        amd.execute("0f05");
        assertThat(amd.cpu.rip).isEqualTo(0xFFFF_8000_0000_1000L);
        assertThat(amd.cpu.is64()).isTrue();
        assertThat(amd.cpu.cpl).isZero();
        assertThat(amd.cpu.r[Cpu.RCX]).isEqualTo(CODE + 2);
        assertThat(amd.cpu.r[11]).isEqualTo(Cpu.IF | Cpu.ZF | 2);
        assertThat(amd.cpu.rflags()).isEqualTo(Cpu.ZF | 2);
    }

    @Test
    void onAmdSyscallOfLegacyModeHasItsTargetInStar() {
        SystemRig amd = new SystemRig(CpuModel.EPYC);
        amd.cpu.efer = 1;
        amd.enter(3);
        amd.cpu.msrs.write(0xC000_0081, (long) USER_CODE << 48 | (long) KERNEL_CODE << 32 | 0x1234);
        amd.cpu.setRflags(Cpu.IF | Cpu.ZF | 2);
        amd.execute("0f05");
        assertThat(amd.cpu.rip).isEqualTo(0x1234);
        assertThat(amd.cpu.cpl).isZero();
        assertThat(amd.cpu.selector[Seg.CS]).isEqualTo(KERNEL_CODE);
        assertThat(amd.cpu.rflags()).isEqualTo(Cpu.ZF | 2);
        amd.cpu.r[Cpu.RCX] = 0x5678;
        amd.execute("0f07");
        assertThat(amd.cpu.rip).isEqualTo(0x5678);
        assertThat(amd.cpu.cpl).isEqualTo(3);
        assertThat(amd.cpu.rflags()).isEqualTo(Cpu.IF | Cpu.ZF | 2);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void onAmdSysenterIsUndefinedInLongMode(boolean code64) {
        SystemRig amd = new SystemRig(CpuModel.EPYC);
        amd.cpu.msrs.write(0x174, KERNEL_CODE);
        amd.longMode(3);
        if (!code64) {
            compatibility(amd, 3);
        }
        amd.execute("0f34");
        assertThat(amd.handling()).isEqualTo(CpuFault.UD);
        amd.enter(0);
        amd.execute("0f35");
        assertThat(amd.handling()).isEqualTo(CpuFault.UD);
    }

    @Test
    void onIntelSysenterWorksFromCompatibilityMode() {
        rig.longMode(3);
        compatibility(rig, 3);
        cpu.msrs.write(0x174, KERNEL_CODE);
        cpu.msrs.write(0x176, 0xFFFF_8000_0000_1000L);
        completes("0f34");
        assertThat(cpu.is64()).isTrue();
        assertThat(cpu.rip).isEqualTo(0xFFFF_8000_0000_1000L);
    }

    /** Goes from 64-bit to compatibility mode. */
    private static void compatibility(SystemRig rig, int cpl) {
        rig.gdt(OTHER_DATA, descriptor(0, -1, 0xC09B | cpl << Seg.DPL_SHIFT));
        rig.segment(Seg.CS, OTHER_DATA | cpl);
        rig.cpu.segments.setCpl(cpl);
    }

    @Test
    void swapgsExchangesTheBaseForTheKernelOnly() {
        rig.longMode(0);
        cpu.msrs.write(0xC000_0101, 0x1111_0000L);
        cpu.msrs.write(0xC000_0102, 0x2222_0000L);
        completes("0f01f8");
        assertThat(cpu.segBase[Seg.GS]).isEqualTo(0x2222_0000L);
        assertThat(cpu.msrs.read(0xC000_0102)).isEqualTo(0x1111_0000L);
        rig.enter(3);
        raises(CpuFault.GP, "0f01f8");
    }

    // --- ports ----------------------------------------------------------------------------------

    @Test
    void portsAreReadAndWritten() {
        cpu.r[Cpu.RAX] = -1;
        completes("e473");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0xFFFF_FFFF_FFFF_FF33L);
        completes("66e573");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0xFFFF_FFFF_FFFF_3333L);
        completes("e573");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x3333_3333L);
        cpu.r[Cpu.RDX] = 0x1234;
        completes("ec");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x3333_3344L);
        completes("ed");
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x4444_4444L);
        cpu.r[Cpu.RAX] = 0xA1B2_C3D4L;
        completes("e673");
        completes("66e773");
        completes("e773");
        completes("ee");
        completes("ef");
        assertThat(rig.portWrites)
                .containsExactly("73=d4", "73=c3d4", "73=a1b2c3d4", "1234=d4", "1234=a1b2c3d4");
    }

    @ParameterizedTest
    @CsvSource({"6c, 1", "666d, 2", "6d, 4"})
    void stringsAreReadFromAPort(String hex, int size) {
        cpu.r[Cpu.RDX] = 0x25;
        cpu.r[Cpu.RDI] = DATA;
        cpu.r[Cpu.RCX] = 3;
        rig.store(DATA + 3L * size, 1, 0xEE);
        completes("f3" + hex);
        assertThat(cpu.r[Cpu.RCX]).isZero();
        assertThat(cpu.r[Cpu.RDI]).isEqualTo(DATA + 3L * size);
        for (int i = 0; i < 3 * size; i++) {
            assertThat(rig.load(DATA + i, 1)).isEqualTo(0x55);
        }
        assertThat(rig.load(DATA + 3L * size, 1)).isEqualTo(0xEE);
    }

    @ParameterizedTest
    @CsvSource({"6e, 1, 10, 32", "666f, 2, 3210, 7654", "6f, 4, 76543210, fedcba98"})
    void stringsAreWrittenToAPort(String hex, int size, String first, String second) {
        rig.store(DATA, 8, 0xFEDC_BA98_7654_3210L);
        cpu.r[Cpu.RDX] = 0x25;
        cpu.r[Cpu.RSI] = DATA;
        cpu.r[Cpu.RCX] = 2;
        completes("f3" + hex);
        assertThat(rig.portWrites).containsExactly("25=" + first, "25=" + second);
        assertThat(cpu.r[Cpu.RSI]).isEqualTo(DATA + 2L * size);
    }

    // --- values of the processor's own ----------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {"0f31", "0f01f9"})
    void theTimeStampCounterCountsVirtualTime(String hex) {
        cpu.msrs.tscAux = 0x55;
        rig.clock.advance(1000);
        completes(hex);
        assertThat(accumulator()).isEqualTo(1000);
        cpu.msrs.write(IA32_TSC, 0x1_0000_0000L);
        rig.clock.advance(5);
        completes(hex);
        assertThat(accumulator()).isEqualTo(0x1_0000_0005L);
        assertThat(cpu.msrs.read(TSC_ADJUST)).isEqualTo(0x1_0000_0000L - 1000);
        cpu.msrs.write(TSC_ADJUST, 0);
        completes(hex);
        assertThat(accumulator()).isEqualTo(1005);
        if (hex.length() > 4) {
            assertThat(cpu.r[Cpu.RCX]).isEqualTo(0x55);
        }
        rig.enter(3);
        completes(hex);
        cpu.cr4 |= ControlRegisters.TSD;
        raises(CpuFault.GP, hex);
    }

    @Test
    void withoutTheFeatureThereIsNoTscAdjust() {
        SystemRig amd = new SystemRig(CpuModel.EPYC);
        amd.cpu.r[Cpu.RCX] = TSC_ADJUST;
        amd.execute("0f32");
        assertThat(amd.handling()).isEqualTo(CpuFault.GP);
        assertThat(amd.vcpu.save().msrs()).noneMatch(msr -> msr.index() == TSC_ADJUST);
        amd.vcpu.load(amd.vcpu.save());
    }

    @ParameterizedTest
    @ValueSource(ints = {0xC001_0010, 0xC001_0015, 0xC001_001F, 0xC001_1029})
    void processorsOfAmdHaveRegistersOfTheirOwn(int msr) {
        SystemRig amd = new SystemRig(CpuModel.EPYC);
        long value = amd.cpu.msrs.read(msr) | 1L << 46;
        amd.cpu.msrs.write(msr, value);
        assertThat(amd.cpu.msrs.read(msr)).isEqualTo(value);
        cpu.r[Cpu.RCX] = msr & 0xFFFF_FFFFL;
        raises(CpuFault.GP, "0f32");
    }

    @Test
    void rdpidReadsTheAuxiliaryValue() {
        SystemRig all = new SystemRig(CpuHarness.EVERYTHING);
        all.cpu.msrs.tscAux = 0x55;
        all.execute("f30fc7f8");
        assertThat(all.cpu.r[Cpu.RAX]).isEqualTo(0x55);
    }

    @Test
    void thereAreNoPerformanceCounters() {
        cpu.r[Cpu.RCX] = 0;
        raises(CpuFault.GP, "0f33");
        cpu.r[Cpu.RAX] = 0xA;
        completes("0fa2");
        assertThat(cpu.r[Cpu.RAX] & 0xFF).as("version of the architectural ones").isZero();
        // IA32_MISC_ENABLE says so too; IA32_PERFEVTSEL0 and AMD's PERF_CTL0 do not exist.
        assertThat(cpu.msrs.read(0x1A0) & 1 << 7).isZero();
        for (int index : new int[] {0x186, 0x38F, 0xC001_0000}) {
            cpu.r[Cpu.RCX] = index;
            raises(CpuFault.GP, "0f32");
        }
        assertThat(cpu.cpuid.query(1, 0).ecx() & 1 << 15).as("PDCM").isZero();
    }

    @ParameterizedTest
    // RDRAND and RDSEED of 16, 32 and 64 bits.
    @CsvSource({
        "660fc7f0, 2",
        "0fc7f0, 4",
        "480fc7f0, 8",
        "660fc7f8, 2",
        "0fc7f8, 4",
        "480fc7f8, 8"
    })
    void randomNumbersFillTheOperandAndSetCarry(String hex, int size) {
        rig.longMode(0);
        long ones = 0;
        long zeros = 0;
        for (int i = 0; i < 64; i++) {
            cpu.r[Cpu.RAX] = 0x5A5A_5A5A_5A5A_5A5AL;
            cpu.setStatusFlags(Cpu.STATUS & ~Cpu.CF);
            completes(hex);
            assertThat(cpu.rflags() & Cpu.STATUS).isEqualTo(Cpu.CF);
            ones |= cpu.r[Cpu.RAX];
            zeros |= ~cpu.r[Cpu.RAX];
        }
        // Each bit is missed with a probability of 2 to the -64.
        long changing = size == 8 ? -1 : (1L << 8 * size) - 1;
        assertThat(ones & zeros).isEqualTo(changing);
        long above = ones & ~changing;
        assertThat(above).isEqualTo(size == 2 ? 0x5A5A_5A5A_5A5A_0000L : 0);
    }
}
