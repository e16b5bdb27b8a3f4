// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Virtual-8086 mode: entry and exit, IOPL, the extensions of CR4.VME and CR4.PVI, ports. */
final class Virtual8086Test {
    private static final int CODE_SEGMENT = (int) CODE >>> 4;
    private static final int DATA_SEGMENT = 0x0900;
    private static final int IO_MAP = 0x100;
    private static final long IRET_FRAME = KERNEL_STACK - 36;

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    /** Enters virtual-8086 mode at {@link SystemRig#CODE} by IRET, with stack 0900:0100. */
    private void virtual(int iopl, long extensions) {
        cpu.cr4 |= extensions;
        rig.store(TSS_BASE + 0x66, 2, IO_MAP);
        long[] frame = {
            0,
            CODE_SEGMENT,
            Cpu.VM | (long) iopl << 12 | 2,
            0x100,
            DATA_SEGMENT,
            0x1111,
            0x2222,
            0x3333,
            0x4444
        };
        for (int i = 0; i < 9; i++) {
            rig.store(IRET_FRAME + 4L * i, 4, frame[i]);
        }
        cpu.r[Cpu.RSP] = IRET_FRAME;
        rig.execute("cf");
        assertThat(cpu.v8086()).isTrue();
    }

    private long top() {
        return (DATA_SEGMENT << 4) + (cpu.r[Cpu.RSP] & 0xFFFF);
    }

    private void redirect(int vector, boolean toIdt) {
        long at = TSS_BASE + IO_MAP - 32 + (vector >>> 3);
        long bit = 1L << (vector & 7);
        rig.store(at, 1, toIdt ? rig.load(at, 1) | bit : rig.load(at, 1) & ~bit);
    }

    // --- entry and exit -------------------------------------------------------------------------

    @Test
    void iretEntersAndTheSegmentsAreThoseOfAn8086() {
        virtual(0, 0);
        assertThat(cpu.cpl).isEqualTo(3);
        assertThat(cpu.rip).isZero();
        assertThat(cpu.segBase[Seg.CS]).isEqualTo(CODE);
        assertThat(cpu.segBase[Seg.ES]).isEqualTo(0x11110);
        assertThat(cpu.segBase[Seg.DS]).isEqualTo(0x22220);
        assertThat(cpu.segBase[Seg.FS]).isEqualTo(0x33330);
        assertThat(cpu.segBase[Seg.GS]).isEqualTo(0x44440);
        assertThat(cpu.segLimit[Seg.GS]).isEqualTo(0xFFFF);
        assertThat(cpu.segAttributes[Seg.SS]).isEqualTo(0xF3);
    }

    @Test
    void anEntryBeyond64KiBIsRefused() {
        long[] frame = {0x1_0000, CODE_SEGMENT, Cpu.VM | 2};
        for (int i = 0; i < 9; i++) {
            rig.store(IRET_FRAME + 4L * i, 4, i < 3 ? frame[i] : 0);
        }
        cpu.r[Cpu.RSP] = IRET_FRAME;
        rig.execute("cf");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(cpu.v8086()).isFalse();
    }

    @Test
    void aFaultLeavesToLevel0WithAllSegmentsOnTheStackAndIretGoesBack() {
        virtual(0, 0);
        rig.execute("0f0b");
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
        assertThat(cpu.v8086()).isFalse();
        assertThat(cpu.cpl).isZero();
        assertThat(cpu.selector[Seg.DS]).isZero();
        assertThat(rig.stack(4, 9))
                .containsExactly(
                        0L,
                        (long) CODE_SEGMENT,
                        (long) (Cpu.VM | Cpu.RF | 2),
                        0x100L,
                        (long) DATA_SEGMENT,
                        0x1111L,
                        0x2222L,
                        0x3333L,
                        0x4444L);
        rig.write(cpu.rip, "cf");
        rig.step();
        assertThat(cpu.v8086()).isTrue();
        assertThat(cpu.selector[Seg.GS]).isEqualTo(0x4444);
    }

    @Test
    void aHandlerThatIsNotAtLevel0IsRefused() {
        rig.idt(CpuFault.UD, gate(0x8E, USER_CODE, HANDLERS));
        virtual(0, 0);
        rig.execute("0f0b");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 1)).containsExactly((long) USER_CODE & ~3 | 1);
    }

    @Test
    void selectorsAreParagraphs() {
        virtual(0, 0);
        cpu.r[Cpu.RAX] = 0x1234;
        rig.execute("8ed8");
        assertThat(cpu.segBase[Seg.DS]).isEqualTo(0x12340);
        rig.execute("ea 3412 0012");
        assertThat(cpu.rip).isEqualTo(0x1234);
        assertThat(cpu.segBase[Seg.CS]).isEqualTo(0x12000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0f00d8", "0f02c0", "63c0", "0f00c8"})
    void instructionsAboutDescriptorsAreUndefined(String instruction) {
        virtual(3, 0);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
    }

    @Test
    void anOffsetBeyond64KiBIsRefused() {
        virtual(3, 0);
        cpu.r[Cpu.RBX] = 0xFFFF;
        // MOV AX,[BX] and the same through SS.
        rig.execute("8b07");
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    // --- IOPL -----------------------------------------------------------------------------------

    private static final String CLI = "fa";
    private static final String STI = "fb";
    private static final String PUSHF = "9c";
    private static final String POPF = "9d";
    private static final String INT_40 = "cd40";
    private static final String IRET = "cf";
    private static final String PUSHFD = "669c";
    private static final String POPFD = "669d";
    private static final String IRETD = "66cf";

    @ParameterizedTest
    @ValueSource(strings = {CLI, STI, PUSHF, POPF, INT_40, IRET})
    void belowIopl3TheInterruptFlagIsProtected(String instruction) {
        virtual(2, 0);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.stack(4, 2)).containsExactly(0L, 0L);
    }

    @ParameterizedTest
    @ValueSource(strings = {PUSHFD, POPFD, IRETD})
    void belowIopl3TheExtensionsHelp16BitOperandsOnly(String instruction) {
        virtual(2, ControlRegisters.VME);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @Test
    void atIopl3TheInterruptFlagIsTheRealOne() {
        virtual(3, ControlRegisters.VME);
        rig.execute(STI);
        assertThat(cpu.rflags() & (Cpu.IF | Cpu.VIF)).isEqualTo(Cpu.IF);
        rig.execute(PUSHF);
        assertThat(rig.load(top(), 2)).isEqualTo(0x3202);
        rig.execute(CLI);
        assertThat(cpu.rflags() & Cpu.IF).isZero();
        rig.execute(POPF);
        assertThat(cpu.rflags() & (Cpu.IF | Cpu.IOPL)).isEqualTo(Cpu.IF | Cpu.IOPL);
    }

    @Test
    void atIopl3AnIntGoesToTheIdtWithoutExtensions() {
        rig.idt(0x40, gate(0xEE, KERNEL_CODE, HANDLERS + 16 * 0x40));
        virtual(3, 0);
        rig.execute(INT_40);
        assertThat(rig.handling()).isEqualTo(0x40);
        assertThat(rig.stack(4, 3)).containsExactly(2L, (long) CODE_SEGMENT, Cpu.VM | 0x3002L);
    }

    // --- extensions -----------------------------------------------------------------------------

    @Test
    void belowIopl3CliAndStiChangeTheVirtualFlag() {
        virtual(0, ControlRegisters.VME);
        rig.execute(STI);
        assertThat(cpu.rflags() & (Cpu.IF | Cpu.VIF)).isEqualTo(Cpu.VIF);
        rig.execute(PUSHF);
        assertThat(rig.load(top(), 2))
                .as("IOPL 3 and IF, as the program sees them")
                .isEqualTo(0x3202);
        rig.execute(CLI);
        assertThat(cpu.rflags() & Cpu.VIF).isZero();
        rig.execute(PUSHF);
        assertThat(rig.load(top(), 2)).isEqualTo(0x3002);
    }

    @Test
    void popfAndIretSetTheVirtualFlag() {
        virtual(1, ControlRegisters.VME);
        rig.store(top(), 2, 0x0ED7);
        rig.execute(POPF);
        assertThat(cpu.rflags()).isEqualTo(Cpu.VM | Cpu.VIF | 0x1000 | 0xCD7);

        rig.store(top(), 2, 0x5678);
        rig.store(top() + 2, 2, 0x1234);
        rig.store(top() + 4, 2, 0);
        rig.execute(IRET);
        assertThat(cpu.rip).isEqualTo(0x5678);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(0x1234);
        assertThat(cpu.rflags()).isEqualTo(Cpu.VM | 0x1002);
    }

    @ParameterizedTest
    @CsvSource({
        // STI; POPF and IRET of a set interrupt flag while an interrupt is pending.
        "fb, 0",
        "9d, 0x200",
        "cf, 0x200",
    })
    void aPendingVirtualInterruptStopsWhoSetsTheFlag(String instruction, int flags) {
        virtual(0, ControlRegisters.VME);
        cpu.systemFlags |= Cpu.VIP;
        rig.store(top() + (instruction.equals("cf") ? 4 : 0), 2, flags);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.load(IRET_FRAME + 8, 4))
                .as("VIP stands in the image")
                .isEqualTo(Cpu.VM | Cpu.VIP | Cpu.RF | 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {POPF, IRET})
    void theTrapFlagCannotBePoppedBelowIopl3(String instruction) {
        virtual(0, ControlRegisters.VME);
        rig.store(top() + (instruction.equals(IRET) ? 4 : 0), 2, 0x100);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @ParameterizedTest
    @CsvSource({
        // Below IOPL 3 the program has its virtual flag cleared, at IOPL 3 the real one.
        "0, 0x80000, 0x3202, 0",
        "2, 0, 0x3002, 0x2000",
        "3, 0x200, 0x3202, 0x3000",
    })
    void anIntThatIsNotRedirectedGoesToTheProgramsOwnTable(
            int iopl, int flag, int pushed, int kept) {
        virtual(iopl, ControlRegisters.VME);
        redirect(0x40, false);
        redirect(0x41, true);
        rig.store(0x40 * 4, 4, 0x1234_5678);
        cpu.systemFlags |= flag;
        rig.execute(INT_40);
        assertThat(cpu.rip).isEqualTo(0x5678);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(0x1234);
        assertThat(rig.stack(2, 3)).containsExactly(2L, (long) CODE_SEGMENT, (long) pushed);
        assertThat(cpu.rflags()).isEqualTo(Cpu.VM | kept | 2);
    }

    @Test
    void aRedirectedIntGoesToTheIdtAtIopl3Only() {
        rig.idt(0x40, gate(0xEE, KERNEL_CODE, HANDLERS + 16 * 0x40));
        virtual(3, ControlRegisters.VME);
        redirect(0x40, true);
        rig.execute(INT_40);
        assertThat(rig.handling()).isEqualTo(0x40);
    }

    @Test
    void aRedirectedIntIsRefusedBelowIopl3() {
        virtual(2, ControlRegisters.VME);
        redirect(0x40, true);
        rig.execute(INT_40);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @Test
    void aBreakpointIsNeverTheProgramsOwn() {
        rig.idt(CpuFault.BP, gate(0xEE, KERNEL_CODE, HANDLERS + 16 * CpuFault.BP));
        virtual(0, ControlRegisters.VME);
        redirect(CpuFault.BP, false);
        rig.execute("cc");
        assertThat(rig.handling()).isEqualTo(CpuFault.BP);
    }

    // --- protected mode -------------------------------------------------------------------------

    @Test
    void aProgramOfLevel3HasAVirtualFlagWithPvi() {
        cpu.cr4 |= ControlRegisters.PVI;
        rig.enter(3);
        rig.execute(STI);
        assertThat(cpu.rflags()).isEqualTo(Cpu.VIF | 2);
        rig.execute(CLI);
        assertThat(cpu.rflags()).isEqualTo(2);
        cpu.systemFlags |= Cpu.VIP;
        rig.execute(STI);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    @ParameterizedTest
    @ValueSource(strings = {CLI, STI})
    void aProgramOfLevel3HasNoneWithVmeAlone(String instruction) {
        cpu.cr4 |= ControlRegisters.VME;
        rig.enter(3);
        rig.execute(instruction);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
    }

    // --- ports ----------------------------------------------------------------------------------

    private static final String OUT_AX = "ef";
    private static final String OUT_AX_32 = "66ef";

    @ParameterizedTest
    @CsvSource({
        // In virtual-8086 mode IOPL does not help: only the bitmap does.
        "3, 0x70, 0x00, true",
        "3, 0x70, 0x01, false",
        "3, 0x70, 0x02, false",
        "3, 0x70, 0x04, true",
        "3, 0x76, 0x40, false",
    })
    void portsNeedTheBitmap(int iopl, int port, int bits, boolean allowed) {
        virtual(iopl, 0);
        rig.store(TSS_BASE + IO_MAP + 0xE, 1, bits);
        cpu.r[Cpu.RDX] = port;
        cpu.r[Cpu.RAX] = 0x1234;
        rig.execute(OUT_AX);
        if (allowed) {
            assertThat(rig.portWrites).containsExactly("70=1234");
        } else {
            assertThat(rig.portWrites).isEmpty();
            assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        }
    }

    @Test
    void aPortWhoseSecondByteOfTheBitmapIsMissingIsRefused() {
        virtual(3, 0);
        cpu.segLimit[Seg.TR] = IO_MAP + 0xE;
        cpu.r[Cpu.RDX] = 0x70;
        rig.execute(OUT_AX_32);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        assertThat(rig.portWrites).isEmpty();
    }

    @Test
    void protectedModePortsNeedIoplOrTheBitmap() {
        rig.store(TSS_BASE + 0x66, 2, IO_MAP);
        rig.store(TSS_BASE + IO_MAP + 0xE, 1, 0xFF);
        rig.enter(3);
        cpu.r[Cpu.RDX] = 0x70;
        rig.execute(OUT_AX_32);
        assertThat(rig.handling()).isEqualTo(CpuFault.GP);
        rig.enter(3);
        cpu.systemFlags |= Cpu.IOPL;
        rig.execute(OUT_AX_32);
        assertThat(rig.portWrites).hasSize(1);
    }
}
