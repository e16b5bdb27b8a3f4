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

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** System-management interrupts, the state-save area, and RSM. */
final class SystemManagementTest {
    private static final long SMBASE = 0x3_0000;
    private static final long ENTRY = SMBASE + 0x8000;
    private static final String RSM = "0faa";

    private final SystemRig rig = new SystemRig();
    private final Cpu cpu = rig.cpu;

    @BeforeEach
    void handler() {
        rig.write(ENTRY, "90" + RSM);
        rig.write(CODE, "909090");
        cpu.rip = CODE;
    }

    private void smi() {
        rig.vcpu.smi();
        rig.step();
        assertThat(cpu.segBase[Seg.CS] + cpu.rip).isEqualTo(ENTRY + 1);
    }

    private long area(int offset, int size) {
        return rig.load(SMBASE + offset, size);
    }

    private CpuState comparable() {
        CpuState state = rig.vcpu.save();
        assertThat(state.smm().active()).isFalse();
        return state;
    }

    @Test
    void signalsThatArriveAtAStoppedCpuAreInItsState() {
        rig.vcpu.nmi();
        assertThat(rig.vcpu.save().nmiPending()).isTrue();
        rig.vcpu.smi();
        assertThat(rig.vcpu.save().smm().pending()).isTrue();
        rig.vcpu.init();
        assertThat(rig.vcpu.save().activity()).isEqualTo(CpuState.Activity.WAIT_FOR_SIPI);
        rig.vcpu.startup(0x12);
        CpuState started = rig.vcpu.save();
        assertThat(started.activity()).isEqualTo(CpuState.Activity.ACTIVE);
        assertThat(started.cs().base()).isEqualTo(0x12000);
        assertThat(started.rip()).isZero();
    }

    // --- entry ----------------------------------------------------------------------------------

    @Test
    void theHandlerStartsInAModeWithoutLimits() {
        cpu.setRflags(0x246);
        cpu.debug.write(7, 0x3);
        smi();
        assertThat(cpu.selector[Seg.CS]).isEqualTo(0x3000);
        assertThat(cpu.segBase[Seg.CS]).isEqualTo(SMBASE);
        assertThat(cpu.segLimit[Seg.DS]).isEqualTo(-1);
        assertThat(cpu.segBase[Seg.DS]).isZero();
        assertThat(cpu.cr0 & (ControlRegisters.PE | ControlRegisters.PG)).isZero();
        assertThat(cpu.cr0 & ControlRegisters.WP).as("others stay").isNotZero();
        assertThat(cpu.cr4).isZero();
        assertThat(cpu.efer).isZero();
        assertThat(cpu.rflags()).isEqualTo(2);
        assertThat(cpu.dr[7]).isEqualTo(0x400);
        assertThat(cpu.mode).as("16-bit code").isZero();
    }

    @Test
    void theAreaHoldsTheStateOfLongMode() {
        rig.longMode(3);
        for (int i = 0; i < 16; i++) {
            cpu.r[i] = 0x1111_0000_0000_0000L + i;
        }
        cpu.msrs.setBase(Seg.FS, 0x7FFF_0000_1234L);
        cpu.setRflags(0x4_0202);
        cpu.rip = CODE;
        smi();
        for (int i = 0; i < 16; i++) {
            assertThat(area(0xFFF8 - 8 * i, 8)).isEqualTo(0x1111_0000_0000_0000L + i);
        }
        assertThat(area(0xFF78, 8)).isEqualTo(CODE);
        assertThat(area(0xFF70, 8)).isEqualTo(0x4_0202);
        assertThat(area(0xFF58, 8) & 0x8000_0001L).isEqualTo(0x8000_0001L);
        assertThat(area(0xFF50, 8)).isEqualTo(0x40000);
        assertThat(area(0xFF48, 8)).isEqualTo(ControlRegisters.PAE);
        assertThat(area(0xFED0, 8)).isEqualTo(0xD01);
        assertThat(area(0xFE10, 2)).isEqualTo(USER_CODE);
        assertThat(area(0xFE12, 2)).isEqualTo(0xA0FB);
        assertThat(area(0xFE48, 8)).isEqualTo(0x7FFF_0000_1234L);
        assertThat(area(0xFE90, 2)).isEqualTo(TSS);
        assertThat(area(0xFE98, 8)).isEqualTo(TSS_BASE);
        assertThat(area(0xFE68, 8)).isEqualTo(GDT);
        assertThat(area(0xFE84, 2)).isEqualTo(0x7FF);
        assertThat(area(0xFEFC, 4)).isEqualTo(0x2_0064);
        assertThat(area(0xFF00, 4)).isEqualTo(SMBASE);
    }

    // --- RSM ------------------------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {"protected", "user", "long", "virtual"})
    void rsmGoesOnWhereItWas(String mode) {
        switch (mode) {
            case "user" -> rig.enter(3);
            case "long" -> rig.longMode(3);
            case "virtual" -> {
                rig.enter(3);
                cpu.setRflags(Cpu.VM | 0x3202);
                for (int seg = 0; seg < 6; seg++) {
                    cpu.segments.setReal(seg, seg == Seg.CS ? 0x1000 : 0x900);
                    cpu.segments.followSegment(seg);
                }
            }
            default -> cpu.segments.setNull(Seg.FS, 0);
        }
        cpu.rip = CODE - cpu.segBase[Seg.CS];
        CpuState before = comparable();
        smi();
        rig.step();
        assertThat(comparable()).isEqualTo(before);
    }

    @Test
    void rsmIsUndefinedElsewhere() {
        rig.execute(RSM);
        assertThat(rig.handling()).isEqualTo(CpuFault.UD);
    }

    @Test
    void theHandlerMayMoveItsMemory() {
        smi();
        rig.store(SMBASE + 0xFF00, 4, 0x5_0000);
        rig.step();
        rig.write(0x5_8000, "90");
        rig.vcpu.smi();
        rig.step();
        assertThat(cpu.segBase[Seg.CS]).isEqualTo(0x5_0000);
        assertThat(cpu.selector[Seg.CS]).isEqualTo(0x5000);
        assertThat(rig.load(0x5_FF00, 4)).isEqualTo(0x5_0000);
    }

    @Test
    void theHandlerMayChangeWhatIsGoneOnWith() {
        smi();
        rig.store(SMBASE + 0xFFF8, 8, 0x1234);
        rig.store(SMBASE + 0xFF78, 8, CODE + 0x10);
        rig.step();
        assertThat(cpu.r[Cpu.RAX]).isEqualTo(0x1234);
        assertThat(cpu.rip).isEqualTo(CODE + 0x10);
    }

    @ParameterizedTest
    @CsvSource({
        // CR0 with paging alone, with NW alone, with a reserved bit; CR4 and EFER with reserved
        // bits.
        "0xFF58, 0x80000010",
        "0xFF58, 0x20000011",
        "0xFF58, 0x100000011",
        "0xFF48, 0x8000000000",
        "0xFED0, 0x2",
    })
    void anAreaWithoutAValidStateShutsTheProcessorDown(int offset, long value) {
        smi();
        rig.store(SMBASE + offset, 8, value);
        assertThat(rig.step()).isEqualTo(VcpuExit.SHUTDOWN);
    }

    @Test
    void aHaltIsGoneOnWithUnlessTheHandlerSaysOtherwise() {
        rig.write(CODE, "f490");
        rig.step();
        assertThat(cpu.halted).isTrue();
        smi();
        assertThat(area(0xFEC9, 1)).isEqualTo(1);
        rig.step();
        assertThat(cpu.halted).isTrue();
        assertThat(cpu.rip).isEqualTo(CODE + 1);
        smi();
        rig.store(SMBASE + 0xFEC9, 1, 0);
        rig.steps(2);
        assertThat(cpu.rip).isEqualTo(CODE + 2);
    }

    // --- what waits -----------------------------------------------------------------------------

    @Test
    void anSmiWaitsForTheEndOfTheOneBefore() {
        smi();
        rig.vcpu.smi();
        rig.step();
        assertThat(cpu.rip).as("RSM").isEqualTo(CODE);
        rig.step();
        assertThat(cpu.segBase[Seg.CS] + cpu.rip).isEqualTo(ENTRY + 1);
    }

    @Test
    void anNmiWaitsForRsmAndAnInterruptToo() {
        rig.write(ENTRY, "9090" + RSM);
        cpu.setRflags(0x202);
        smi();
        rig.vcpu.nmi();
        rig.wires.offer(0x40);
        rig.vcpu.interruptChanged();
        rig.steps(2);
        assertThat(cpu.rip).isEqualTo(CODE);
        rig.step();
        assertThat(rig.handling()).isEqualTo(CpuFault.NMI);
    }

    @Test
    void theBlockingOfNmisIsAsBefore() {
        rig.vcpu.nmi();
        rig.write(HANDLERS + 32, "909090");
        rig.step();
        smi();
        rig.step();
        assertThat(cpu.nmiBlocked).isTrue();
        rig.vcpu.nmi();
        rig.step();
        assertThat(cpu.rip).isEqualTo(HANDLERS + 34);
    }

    @Test
    void initWaitsForRsm() {
        smi();
        rig.vcpu.init();
        assertThat(rig.vcpu.save().smm().initPending()).isTrue();
        assertThat(rig.vcpu.save().activity()).isEqualTo(CpuState.Activity.ACTIVE);
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE);
        rig.vcpu.kick();
        assertThat(rig.step()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().activity()).isEqualTo(CpuState.Activity.WAIT_FOR_SIPI);
        assertThat(rig.vcpu.save().smm().base()).isEqualTo((int) SMBASE);
    }

    @Test
    void anSmiIsNotTakenBetweenALoadOfSsAndWhatFollows() {
        rig.write(CODE, "8ed0 90");
        cpu.r[Cpu.RAX] = KERNEL_DATA;
        rig.step();
        rig.vcpu.smi();
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE + 3);
        rig.step();
        assertThat(area(0xFF78, 8)).isEqualTo(CODE + 3);
    }

    @Test
    void savedStateIsInTheMiddleOfTheHandler() {
        smi();
        rig.vcpu.smi();
        rig.vcpu.kick();
        assertThat(rig.step()).isEqualTo(VcpuExit.KICKED);
        CpuState state = rig.vcpu.save();
        assertThat(state.smm()).isEqualTo(new CpuState.Smm((int) SMBASE, true, true, false));
        rig.vcpu.load(CpuState.powerOn(0));
        assertThat(cpu.systemManagement.active()).isFalse();
        rig.vcpu.load(state);
        rig.step();
        assertThat(cpu.rip).isEqualTo(CODE);
        rig.step();
        assertThat(cpu.segBase[Seg.CS] + cpu.rip).isEqualTo(ENTRY + 1);
    }
}
