// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Spoiled;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.VcpuExit;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.Lock;

/** The interpreter checks what the translator does. */
@NullMarked
@Timeout(300)
final class LockstepTest {
    private static final long DATA = 0x9000;
    private static final int KICK_PORT = 0xEE;

    private Translator translator = new Translator();
    private SystemRig rig = new SystemRig();

    @BeforeEach
    void machine() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        translator = new Translator(Translator.Settings.DEFAULT.eagerly().inLockstep());
        rig = new SystemRig(CpuModel.X86_64_V3, translator::runner);
        rig.longMode(0);
        rig.kickAtPort(KICK_PORT);
        rig.forgetsPorts = true;
    }

    @AfterEach
    void close() {
        translator.close();
    }

    private VcpuExit run(String code) {
        rig.write(SystemRig.CODE, code);
        return run();
    }

    private VcpuExit run() {
        rig.cpu.rip = SystemRig.CODE;
        rig.cpu.halted = false;
        rig.cpu.r[Cpu.RDI] = DATA;
        return rig.vcpu.run();
    }

    private Map<String, Long> counters() {
        return rig.vcpu.stats().exits();
    }

    // start: mov ecx,1000; again: mov eax,11223344h; jmp on;
    // on: add [rdi],eax; cmp ecx,500; adc edx,0; dec ecx; jnz again; out 0EEh,al; hlt
    private static final String PROGRAM =
            "b9e8030000"
                    + "b844332211"
                    + "eb00"
                    + "0107"
                    + "81f9f4010000"
                    + "83d200"
                    + "ffc9"
                    + "75ea"
                    + "e6eef4";

    @Test
    void aProgramThatIsTranslatedRightlyRunsToItsEnd() {
        assertThat(run(PROGRAM)).isInstanceOf(VcpuExit.Kicked.class);
        assertThat(rig.load(DATA, 4)).isEqualTo(1000L * 0x1122_3344 & 0xFFFF_FFFFL);
        assertThat(counters().get("instructions compared")).isBetween(7000L, 7010L);
    }

    @ParameterizedTest
    @CsvSource({
        // Another immediate; SUB for ADD; ADD for ADC.
        "B8 44 33 22 11, B8 45 33 22 11, 0x10000 to 0x1000c, B844332211, 'RAX: before 0x'",
        "10 10 00 00 01 01, 10 10 00 00 29 01, 0x1000c to 0x10005, 0107, 'memory, offset 0x9000 in"
                + " RAM: before 0x'",
        "83 D2 00, 83 C2 00, 0x1000c to 0x10005, 83D200, 'RDX: before 0x'",
    })
    void aWrongInstructionIsFoundInItsBlock(
            String emitted, String wrong, String where, String guest, String what) {
        run(PROGRAM);
        Spoiled.replace(translator, emitted, wrong);
        VcpuExit exit = run();
        assertThat(exit).isInstanceOf(VcpuExit.Fault.class);
        String report = ((VcpuExit.Fault) exit).reason();
        assertThat(report)
                .startsWith("translator and interpreter differ from RIP " + where)
                .contains(what)
                .contains(": " + guest.toLowerCase(Locale.ROOT) + "  ")
                .contains("emitted code, ")
                .contains(wrong.replace(" ", "").toLowerCase(Locale.ROOT))
                .contains("the same before, latest first:");
    }

    @Test
    void whatTheManualLeavesUndefinedIsNoDifference() {
        // mov ecx,1000; again: imul eax,ecx,-7; jle on; inc edx; on: add ebx,eax; dec ecx;
        // jnz again; out 0EEh,al; hlt
        String code =
                "b9e8030000" + "6bc1f9" + "7e02" + "ffc2" + "01c3" + "ffc9" + "75f3" + "e6eef4";
        rig.cpu.r[Cpu.RBX] = 0;
        assertThat(run(code)).isInstanceOf(VcpuExit.Kicked.class);
        assertThat((int) rig.cpu.r[Cpu.RBX]).isEqualTo(-7 * 500_500);
    }

    @Test
    void aStringInstructionThatIsLeftInTheMiddleIsCompared() {
        rig.cpu.r[Cpu.RSI] = 0x6_0000;
        // Where main memory ends.
        rig.cpu.r[Cpu.RAX] = 0xF_F801;
        rig.store(0x6_0000, 8, 0x1122_3344_5566_7788L);
        // mov rdi,rax; mov ecx,1001h; rep movsb; out 0EEh,al; hlt
        VcpuExit exit = run("4889c7" + "b901100000" + "f3a4" + "e6eef4");
        assertThat(exit).isInstanceOf(VcpuExit.Kicked.class);
        assertThat(rig.load(0xF_F801, 8)).isEqualTo(0x1122_3344_5566_7788L);
        assertThat(rig.cpu.r[Cpu.RDI]).isEqualTo(0x10_0802);
    }

    @Test
    void whatADeviceStoresBesideIsNeitherLostNorADifference() throws InterruptedException {
        AddressSpace memory = rig.cpu.mmu.memory();
        int stores = 2000;
        Thread device = Thread.ofPlatform().start(() -> count(memory, stores));
        int runs = 0;
        while (device.isAlive() || runs == 0) {
            assertThat(run(PROGRAM)).isInstanceOf(VcpuExit.Kicked.class);
            runs++;
        }
        device.join();
        assertThat(rig.load(DATA + 64, 4)).isEqualTo(stores);
        assertThat(rig.load(DATA, 4)).isEqualTo(runs * 1000L * 0x1122_3344 & 0xFFFF_FFFFL);
    }

    private static void count(AddressSpace memory, int stores) {
        Lock lock = memory.byDevice();
        for (int i = 0; i < stores; i++) {
            lock.lock();
            try {
                memory.write(DATA + 64, 4, memory.read(DATA + 64, 4) + 1);
            } finally {
                lock.unlock();
            }
        }
    }

    @Test
    void aLoopThroughSeveralPagesIsTheSame() {
        // mov ebx,60; outer: mov ecx,4000h; again: add [rsi+rcx*4],ecx; dec ecx; jnz again;
        // dec ebx; jnz outer; out 0EEh,al; hlt
        String code =
                "bb3c000000"
                        + "b900400000"
                        + "010c8e"
                        + "ffc9"
                        + "75f9"
                        + "ffcb"
                        + "75f0"
                        + "e6eef4";
        rig.cpu.r[Cpu.RSI] = 0x6_0000;
        assertThat(run(code)).isInstanceOf(VcpuExit.Kicked.class);
        assertThat(rig.load(0x6_0000 + 4 * 0x4000, 4)).isEqualTo(60 * 0x4000);
    }

    @Test
    void codeThatChangesItselfRunsWhatItWrote() {
        // mov ecx,2000; again: mov eax,0; add ebx,eax; inc byte [rip-8]; dec ecx; jnz again;
        // out 0EEh,al; hlt
        rig.cpu.r[Cpu.RBX] = 0;
        String code =
                "b9d0070000" + "b800000000" + "01c3" + "fe05f4ffffff" + "ffc9" + "75ef" + "e6eef4";
        assertThat(run(code)).isInstanceOf(VcpuExit.Kicked.class);
        int sum = 0;
        for (int i = 0; i < 2000; i++) {
            sum += i & 0xFF;
        }
        assertThat((int) rig.cpu.r[Cpu.RBX]).isEqualTo(sum);
    }

    @Test
    void aSecondCpuIsRefused() {
        assertThatThrownBy(() -> new SystemRig(CpuModel.X86_64_V3, translator::runner))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine lockstep: accepted are machines with 1 CPU, not more");
    }

    private static long seed() {
        return Long.getLong("frond.random.seed", new SplittableRandom().nextInt() & 0x7FFF_FFFFL);
    }

    @Test
    @SuppressWarnings("SystemOut") // What repeats a failure must be seen even without one.
    void randomBytesInEachModeAreTheSame() {
        long seed = seed();
        System.out.println("random bytes in lockstep: seed " + seed);
        try (RandomBytesRun run = new RandomBytesRun(seed, 0, true)) {
            run.run(3000, 1);
            assertThat(run.failures()).as("seed %d", seed).isEmpty();
            assertThat(run.hang()).isNull();
        }
    }

    @Test
    @SuppressWarnings("SystemOut")
    void randomCodeIsTheSame() {
        long seed = seed();
        System.out.println("random code in lockstep: seed " + seed);
        try (RandomRun run = new RandomRun(seed, Translator.Settings.DEFAULT.inLockstep())) {
            run.run(500_000, 1);
            assertThat(run.differences()).as("seed %d", seed).isEmpty();
        }
    }

    @Test
    @SuppressWarnings("SystemOut")
    void randomCodeOf16And32BitsIsTheSame() {
        long seed = seed();
        System.out.println("random narrow code in lockstep: seed " + seed);
        try (NarrowRun run = new NarrowRun(seed, Translator.Settings.DEFAULT.inLockstep())) {
            run.run(10, 1);
            assertThat(run.differences()).as("seed %d", seed).isEmpty();
            assertThat(run.blocks()).isPositive();
        }
    }
}
