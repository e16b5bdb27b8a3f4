// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** MONITOR and MWAIT. */
final class MonitorTest {
    private static final String MONITOR = "0f01c8";
    private static final String MWAIT = "0f01c9";
    private static final long LINE = SmpRig.DATA;
    private static final int IA32_MISC_ENABLE = 0x1A0;
    private static final int HWCR = 0xC001_0015;

    /** MOV EAX,LINE; XOR ECX,ECX; MONITOR */
    private static final String ARM = "b800000400 31c9" + MONITOR;

    /** The same, then MWAIT; INC EBX. */
    private static final String WAIT = ARM + MWAIT + "ffc3";

    static Stream<Supplier<Accelerator>> engines() {
        return Translator.isSupported()
                ? Stream.of(Interpreter::new, Translator::new)
                : Stream.of(Interpreter::new);
    }

    private static SmpRig rig(int cpus, Supplier<Accelerator> engine) {
        return new SmpRig(cpus, engine.get(), CpuModel.SKYLAKE_CLIENT);
    }

    private static void sleeps(SmpRig rig, int number) throws InterruptedException {
        SmpRig.until(() -> rig.cpu(number).halted && rig.cpu(number).monitor.isWaiting());
    }

    /** For a while the CPU goes on sleeping. */
    private static void sleepsOn(SmpRig rig, int number) throws InterruptedException {
        Thread.sleep(50);
        assertThat(rig.cpu(number).halted).isTrue();
        assertThat(rig.hasEnded(number)).isFalse();
    }

    // --- waking up ------------------------------------------------------------------------------

    @ParameterizedTest
    @MethodSource("engines")
    void aStoreOfAnotherCpuWakesTheSleeper(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(2, engine)) {
            rig.program(0, WAIT + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            // MOV byte [LINE+3Fh],1
            rig.program(1, "c604253f00040001" + SmpRig.END);
            rig.start(1);
            rig.join(1);
            rig.join(0);
            assertThat(rig.cpu(0).r[Cpu.RBX]).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aCpuThatCouldStoreUntoldBeforeIsHeard(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(2, engine)) {
            // L: INC qword [LINE+8]; CMP qword [LINE+1000h],0; JZ L
            rig.program(1, "48ff042508000400 48833c250010040000 74ed" + SmpRig.END);
            rig.start(1);
            SmpRig.until(() -> rig.load(LINE + 8, 8) > 1000);
            // It waits for a hundred stores one after the other.
            rig.program(0, "bb9cffffff" + WAIT + "75ef" + SmpRig.END);
            rig.start(0);
            rig.join(0);
            rig.store(LINE + 0x1000, 8, 1);
            rig.join(1);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aStoreBesideTheLineDoesNotWakeIt(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(2, engine)) {
            // The other CPU has given up its right to store untold before.
            rig.program(0, WAIT + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            rig.store(LINE + 64, 8, 1);
            rig.store(LINE - 8, 8, 1);
            sleepsOn(rig, 0);
            rig.ram.store(LINE, 1, 0);
            rig.join(0);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void deviceWritesWakeIt(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(1, engine)) {
            rig.program(0, WAIT + WAIT + SmpRig.END);
            rig.start(0);
            for (int i = 0; i < 2; i++) {
                int times = i;
                SmpRig.until(() -> rig.cpu(0).r[Cpu.RBX] == times && rig.cpu(0).halted);
                rig.ram.slice(LINE, 64).fill((byte) i);
                rig.ram.wrote(LINE, 64);
            }
            rig.join(0);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aStoreBetweenTheTwoKeepsItAwake(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(1, engine)) {
            // MOV byte [RAX],5 between them.
            rig.program(0, ARM + "c60005" + MWAIT + SmpRig.END);
            rig.runAll();
            // Without any MONITOR.
            rig.program(0, "31c9" + MWAIT + SmpRig.END);
            rig.runAll();
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void anInterruptWakesIt(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(1, engine)) {
            rig.cpu(0).r[15] = LINE + 0x100;
            // STI; NOP first.
            rig.program(0, "fb90" + WAIT + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            rig.wires.getFirst().offer(0x30);
            rig.vcpus.getFirst().interruptChanged();
            rig.join(0);
            assertThat(rig.load(LINE + 0x100, 8)).isEqualTo(1);
            // A later HLT has nothing to do with the monitor.
            rig.program(0, "f4" + SmpRig.END);
            rig.start(0);
            SmpRig.until(() -> rig.cpu(0).halted);
            rig.ram.store(LINE, 8, 1);
            sleepsOn(rig, 0);
            rig.vcpus.getFirst().nmi();
            rig.join(0);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void aMaskedInterruptWakesItOnlyIfAskedTo(Supplier<Accelerator> engine) throws Exception {
        try (SmpRig rig = rig(1, engine)) {
            rig.program(0, "fa" + WAIT + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            rig.wires.getFirst().offer(0x30);
            rig.vcpus.getFirst().interruptChanged();
            sleepsOn(rig, 0);
            rig.ram.store(LINE, 8, 1);
            rig.join(0);
            // CLI; MONITOR; MOV ECX,1; MWAIT: the interrupt is there already.
            String asked = "fa" + ARM + "b901000000" + MWAIT + "ffc3";
            rig.program(0, asked + SmpRig.END);
            rig.runAll();
            assertThat(rig.wires.getFirst().acknowledge()).isEqualTo(0x30);
            // It comes later.
            rig.program(0, asked + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            rig.wires.getFirst().offer(0x30);
            rig.vcpus.getFirst().interruptChanged();
            rig.join(0);
            assertThat(rig.cpu(0).r[Cpu.RBX]).isEqualTo(3);
        }
    }

    @Test
    void aSleeperIsSavedAwake() throws Exception {
        try (SmpRig rig = rig(1, Interpreter::new)) {
            rig.program(0, WAIT + SmpRig.END);
            rig.start(0);
            sleeps(rig, 0);
            // The program has no end in between: run() is entered again and the CPU sleeps on.
            rig.vcpus.getFirst().kick();
            sleepsOn(rig, 0);
            CpuState state = rig.vcpus.getFirst().save();
            assertThat(state.activity()).isEqualTo(CpuState.Activity.ACTIVE);
            assertThat(state.rip()).isEqualTo(SmpRig.code(0) + 13);
            rig.ram.store(LINE, 1, 1);
            rig.join(0);
        }
    }

    @Test
    void twoCpusPassAWordToAndFro() throws Exception {
        for (Supplier<Accelerator> engine : engines().toList()) {
            try (SmpRig rig = rig(2, engine)) {
                for (int i = 0; i < 2; i++) {
                    // MOV ESI,2000; XOR ECX,ECX; MOV EAX,LINE
                    // L: MONITOR; MOV EDX,[RAX]; AND EDX,1; CMP EDX,i; JZ mine; MWAIT; JMP L
                    // mine: INC dword [RAX]; DEC ESI; JNZ L
                    rig.program(
                            i,
                            "bed0070000 31c9 b800000400"
                                    + MONITOR
                                    + "8b10 83e201 83fa0"
                                    + i
                                    + "7405"
                                    + MWAIT
                                    + "ebee ff00 ffce 75e8"
                                    + SmpRig.END);
                }
                rig.runAll();
                assertThat(rig.load(LINE, 4)).isEqualTo(4000);
            }
        }
    }

    // --- rules ----------------------------------------------------------------------------------

    private final SystemRig intel = new SystemRig(CpuModel.SKYLAKE_CLIENT);
    private final SystemRig amd = new SystemRig(CpuModel.EPYC);

    private static int raised(SystemRig rig, String hex) {
        rig.execute(hex);
        rig.cpu.wakeUp();
        return rig.handling();
    }

    private static void prepare(SystemRig rig, int cpl) {
        rig.enter(cpl);
        rig.cpu.r[Cpu.RAX] = 0x9000;
        rig.cpu.r[Cpu.RCX] = 0;
    }

    @ParameterizedTest
    @ValueSource(strings = {MONITOR, MWAIT})
    void theyAreUnknownWhereTheyAreNotOffered(String hex) {
        SystemRig without = new SystemRig(CpuModel.X86_64_V3);
        prepare(without, 0);
        assertThat(raised(without, hex)).isEqualTo(CpuFault.UD);
    }

    @ParameterizedTest
    @ValueSource(strings = {MONITOR, MWAIT})
    void programsMayNotExecuteThem(String hex) {
        for (SystemRig rig : List.of(intel, amd)) {
            prepare(rig, 0);
            assertThat(raised(rig, hex)).isEqualTo(-1);
            prepare(rig, 3);
            assertThat(raised(rig, hex)).isEqualTo(CpuFault.UD);
        }
        // MonMwaitUserEn.
        amd.cpu.msrs.write(HWCR, 1 << 10);
        prepare(amd, 3);
        assertThat(raised(amd, hex)).isEqualTo(-1);
    }

    @ParameterizedTest
    @ValueSource(strings = {MONITOR, MWAIT})
    void anMsrDisablesThem(String hex) {
        assertThat(intel.cpu.msrs.read(IA32_MISC_ENABLE) >>> 18 & 1).isEqualTo(1);
        assertThat(shown(intel)).isTrue();
        intel.cpu.msrs.write(IA32_MISC_ENABLE, 0);
        assertThat(shown(intel)).isFalse();
        prepare(intel, 0);
        assertThat(raised(intel, hex)).isEqualTo(CpuFault.UD);
        assertThat(shown(amd)).isTrue();
        amd.cpu.msrs.write(HWCR, 1 << 9);
        assertThat(shown(amd)).isFalse();
        prepare(amd, 0);
        assertThat(raised(amd, hex)).isEqualTo(CpuFault.UD);
    }

    private static boolean shown(SystemRig rig) {
        rig.enter(0);
        rig.cpu.r[Cpu.RAX] = 1;
        rig.execute("0fa2");
        return (rig.cpu.r[Cpu.RCX] & 8) != 0;
    }

    @Test
    void extensionsThatAreNotThereFault() {
        for (int ecx : new int[] {1, 2}) {
            prepare(intel, 0);
            intel.cpu.r[Cpu.RCX] = ecx;
            assertThat(raised(intel, MONITOR)).isEqualTo(CpuFault.GP);
        }
        prepare(intel, 0);
        intel.cpu.r[Cpu.RCX] = 1;
        assertThat(raised(intel, MWAIT)).isEqualTo(-1);
        prepare(intel, 0);
        intel.cpu.r[Cpu.RCX] = 2;
        assertThat(raised(intel, MWAIT)).isEqualTo(CpuFault.GP);
    }

    @Test
    void monitorReadsItsOperandThroughItsSegment() {
        prepare(intel, 0);
        intel.gdt(SystemRig.FREE, SystemRig.descriptor(0x9000, 0xFF, 0x4093));
        intel.segment(dev.frond.cpu.Seg.FS, SystemRig.FREE);
        intel.cpu.r[Cpu.RAX] = 0xFF;
        assertThat(raised(intel, "64" + MONITOR)).isEqualTo(-1);
        intel.cpu.r[Cpu.RAX] = 0x100;
        assertThat(raised(intel, "64" + MONITOR)).isEqualTo(CpuFault.GP);
        prepare(intel, 0);
        // A 16-bit address.
        intel.cpu.r[Cpu.RAX] = 0xFFFF_9000L;
        assertThat(raised(intel, "67" + MONITOR)).isEqualTo(-1);
        intel.longMode(0);
        intel.cpu.r[Cpu.RAX] = 1L << 40;
        intel.cpu.r[Cpu.RCX] = 0;
        assertThat(raised(intel, MONITOR)).isEqualTo(CpuFault.PF);
        assertThat(intel.cpu.cr2).isEqualTo(1L << 40);
    }

    @Test
    void aStepTrapEndsTheWait() {
        prepare(intel, 0);
        assertThat(raised(intel, MONITOR)).isEqualTo(-1);
        intel.cpu.setSystemFlags(intel.cpu.systemFlags | Cpu.TF);
        intel.execute(MWAIT);
        assertThat(intel.handling()).isEqualTo(CpuFault.DB);
    }
}
