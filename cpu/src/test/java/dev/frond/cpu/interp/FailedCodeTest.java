// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Spoiled;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.Machine;
import dev.frond.machine.MachineEnd;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.Cpuid;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Instant;
import java.util.concurrent.TimeUnit;

/** A fault of the translator's own ends the machine with a report, and nothing else. */
@NullMarked
@Timeout(60)
final class FailedCodeTest {
    private static final long COUNTER = 0x9000;

    // again: mov eax,11223344h; jmp on; on: inc qword [rdi]; jmp again
    private static final String PROGRAM = "b844332211eb0048ff07ebf4";
    private static final String MOV = "B8 44 33 22 11";

    @BeforeEach
    void supported() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    /** A machine that counts in {@link #COUNTER} for ever. */
    private static final class Counting implements AutoCloseable {
        final Translator translator;
        final Machine machine;
        final GuestMemory ram;

        Counting(Translator translator) throws Exception {
            this.translator = translator;
            SystemRig rig = new SystemRig();
            rig.longMode(0);
            rig.write(SystemRig.CODE, PROGRAM);
            rig.cpu.rip = SystemRig.CODE;
            rig.cpu.r[Cpu.RDI] = COUNTER;
            // Not canonical.
            rig.cpu.r[Cpu.RBP] = 1L << 63;
            CpuState start = rig.vcpu.save();
            byte[] memory = rig.memory();
            ram = new GuestMemory(Arena.ofAuto().allocate(memory.length, 4096));
            MemorySegment.copy(memory, 0, ram.segment(), ValueLayout.JAVA_BYTE, 0, memory.length);
            HostClock clock = new HostClock(0, Instant.EPOCH);
            machine = new Machine("test", CpuModel.X86_64_V3, ram, clock);
            machine.memory().map(0, new Region.Ram(ram, 0, ram.size()));
            machine.add(
                    translator.createVcpu(
                            0,
                            new Cpuid(CpuModel.X86_64_V3, 0, 1),
                            new Accelerator.Wiring(
                                    machine.memory(), machine.ports(), clock, new Wires())));
            machine.firmware((_, _) -> start);
            machine.start();
            awaitProgress();
        }

        long count() {
            return ram.load(COUNTER, 8);
        }

        void awaitProgress() throws InterruptedException {
            long before = count();
            while (count() == before) {
                assertThat(machine.end()).isNotDone();
                Thread.sleep(1);
            }
        }

        void spoil(String bytes, String by) {
            machine.pause();
            Spoiled.replace(translator, bytes, by);
            machine.resume();
        }

        String failure() throws Exception {
            MachineEnd end = machine.end().get(30, TimeUnit.SECONDS);
            assertThat(end).isInstanceOf(MachineEnd.Failed.class);
            return ((MachineEnd.Failed) end).reason();
        }

        @Override
        public void close() {
            machine.close();
            translator.close();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "UD2, 0F 0B 90 90 90, SIGILL",
        "INT3, CC 90 90 90 90, SIGTRAP",
        "DIV by 0, 31 C9 F7 F1 90, SIGFPE",
        "a load from nowhere, 31 C9 8B 01 90, SIGSEGV",
        "an address of the stack that is not canonical, 48 8B 45 00 90, SIGBUS",
        "HLT, F4 90 90 90 90, SIGSEGV"
    })
    void aMachineWhoseEmittedCodeFailsEndsWithAReportWhileAnotherGoesOn(
            String what, String bytes, String signal) throws Exception {
        try (Counting failing = new Counting(new Translator());
                Counting other = new Counting(new Translator())) {
            failing.spoil(MOV, bytes);
            String report = failing.failure();
            assertThat(report).as(what).startsWith("CPU 0: emitted code failed: " + signal);
            assertThat(report)
                    .contains("guest RIP 0x10000, in the block from 0x10000, CPL 0")
                    .contains("0x10000: b844332211  B8 MOV Zv,Iv")
                    .contains("0x10005: eb00  EB JMP Jb")
                    .contains(bytes.replace(" ", "").toLowerCase(java.util.Locale.ROOT))
                    .contains("RDI 0000000000009000");
            other.awaitProgress();
        }
    }

    @Test
    void aJumpAstrayEndsTheMachineWithAReportToo() throws Exception {
        try (Counting failing = new Counting(new Translator());
                Counting other = new Counting(new Translator())) {
            // jmp rdi
            failing.spoil(MOV, "FF E7");
            assertThat(failing.failure())
                    .startsWith("CPU 0: emitted code failed: SIGSEGV")
                    .contains("guest RIP in the page 0x10000")
                    .contains("the host was at 0x9000, which was not emitted");
            other.awaitProgress();
        }
    }
}
