// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.translate.Translator;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.SplittableRandom;

/**
 * Blocks that push, pop, call and use operands off RSP, around the boundaries of pages that are not
 * neighbours in main memory, into pages that cannot be stored to or are not there: the translator's
 * against one instruction after the other.
 */
@NullMarked
final class RandomStackTest {
    private static final int PROGRAMS = 1500;
    private static final long CODE = 0x40_0000;

    /** Where a HLT stands, and from where on there is a subroutine. */
    private static final int END = 0x800;

    private static final int SUBROUTINE = 0x900;
    private static final long STACK = 0x50_0000;
    private static final int PAGES = 5;

    /** This one cannot be stored to. */
    private static final int READ_ONLY = 3;

    private static final long DATA = 0x60_0000;

    private static final int[] VALUES = {0, 1, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15};

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();
    private int length;

    /** What {@link #interpret} has executed, the instruction that faults included. */
    private long steps;

    private SplittableRandom random = new SplittableRandom();

    private void bytes(int... values) {
        for (int value : values) {
            code.write(value);
        }
    }

    private void int4(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    private int value() {
        return VALUES[random.nextInt(VALUES.length)];
    }

    /** An opcode with memory off RSP. */
    private void offRsp(int prefix, boolean wide, int reg, int... opcode) {
        if (prefix != 0) {
            bytes(prefix);
        }
        bytes(0x40 | (wide ? 8 : 0) | (reg & 8) >> 1);
        bytes(opcode);
        bytes(0x84 | (reg & 7) << 3, 0x24);
        int4(random.nextInt(4) == 0 ? random.nextInt(-200, 300) : 8 * random.nextInt(-4, 12));
    }

    private void operand() {
        switch (random.nextInt(11)) {
            case 0, 1 -> offRsp(0, true, value(), 0x8B);
            case 2, 3 -> offRsp(0, true, value(), 0x89);
            case 4 -> offRsp(0, true, value(), 0x03);
            case 5 -> offRsp(0, false, value(), 0x01);
            case 6 -> {
                // MOV [rsp + d],ah: no REX.
                bytes(0x88, 0x64, 0x24, 8 * random.nextInt(8));
            }
            // MOVUPS both ways, MOVAPS.
            case 7 -> offRsp(0, false, random.nextInt(16), 0x0F, 0x10);
            case 8 -> offRsp(0, false, random.nextInt(16), 0x0F, 0x11);
            case 9 -> offRsp(0, false, random.nextInt(16), 0x0F, 0x29);
            // FLD and FSTP qword
            default -> {
                offRsp(0, false, 0, 0xDD);
                offRsp(0, false, 3, 0xDD);
            }
        }
    }

    private void pushOrPop() {
        int register = value();
        switch (random.nextInt(6)) {
            case 0, 1 -> bytes(0x40 | register >> 3, 0x50 | register & 7);
            case 2, 3 -> bytes(0x40 | register >> 3, 0x58 | register & 7);
            case 4 -> {
                bytes(0x68);
                int4(random.nextInt());
            }
            // PUSH qword off RSP
            default -> offRsp(0, false, 6, 0xFF);
        }
    }

    private void move() {
        switch (random.nextInt(7)) {
            case 0, 1 -> bytes(0x48, 0x83, 0xEC, 8 * random.nextInt(12));
            case 2, 3 -> bytes(0x48, 0x83, 0xC4, 8 * random.nextInt(12));
            case 4 -> {
                // LEA rsp,[rsp + d]
                bytes(0x48, 0x8D, 0x64, 0x24, 8 * random.nextInt(-8, 8));
            }
            // AND rsp,-16; LEAVE after MOV rbp,rsp
            case 5 -> bytes(0x48, 0x83, 0xE4, 0xF0);
            default -> bytes(0x48, 0x89, 0xE5, 0xC9);
        }
    }

    private void other() {
        switch (random.nextInt(7)) {
            // ADD r,r; MOV r,rsp; IMUL
            case 0 -> bytes(0x48, 0x01, 0xC0 | random.nextInt(4) << 3 | Cpu.RDX);
            case 1 -> bytes(0x48, 0x89, 0xE0 | random.nextInt(4));
            case 2 -> bytes(0x48, 0x0F, 0xAF, 0xC2);
            // A load and a store elsewhere: [rbx]
            case 3 -> bytes(0x48, 0x8B, 0x03);
            case 4 -> bytes(0x48, 0x89, 0x13);
            // TEST ecx,mask; JNZ to the end
            case 5 -> {
                bytes(0xF7, 0xC1);
                int4(5 << random.nextInt(32));
                bytes(0x0F, 0x84);
                int4(END - code.size() - 4);
            }
            // DIV rcx, with RDX cleared
            default -> bytes(0x31, 0xD2, 0x48, 0xF7, 0xF1);
        }
    }

    private void call() {
        if (random.nextBoolean()) {
            bytes(0xE8);
            int4(SUBROUTINE - code.size() - 4);
        } else {
            // LEA rax,[the subroutine]; CALL rax
            bytes(0x48, 0x8D, 0x05);
            int4(SUBROUTINE - code.size() - 4);
            bytes(0xFF, 0xD0);
        }
    }

    private void some(int count, boolean calls) {
        for (int i = 0; i < count; i++) {
            switch (random.nextInt(calls ? 10 : 9)) {
                case 0, 1, 2 -> operand();
                case 3, 4, 5 -> pushOrPop();
                case 6 -> move();
                case 7, 8 -> other();
                default -> call();
            }
        }
    }

    /** A program, which goes some rounds. */
    private void program() {
        code.reset();
        some(3 + random.nextInt(10), true);
        // SUB r10,1; JNZ to the start
        bytes(0x49, 0x83, 0xEA, 0x01, 0x0F, 0x85);
        int4(-code.size() - 4);
        length = code.size();
        while (code.size() < SUBROUTINE) {
            bytes(0xF4);
        }
        bytes(0x53);
        some(random.nextInt(5), false);
        // It may not find its way back.
        bytes(0x5B, 0xC3);
    }

    /** A machine with the pages that programs use. */
    private static CpuHarness machine() {
        CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
        harness.map(CODE, 4096);
        for (int page = PAGES - 1; page >= 0; page--) {
            harness.map(STACK + 4096L * page, 1);
            harness.forbidCode(STACK + 4096L * page);
        }
        harness.protect(STACK + 4096L * READ_ONLY);
        harness.map(DATA, 4096);
        // Whatever a return finds there would read flags that a division leaves undefined.
        harness.forbidCode(DATA);
        return harness;
    }

    /** Puts the program in, and random values everywhere else. */
    private void prepare(CpuHarness harness, long seed) {
        harness.write(CODE, code.toByteArray());
        SplittableRandom values = new SplittableRandom(seed);
        for (int page = 0; page < PAGES; page++) {
            byte[] data = new byte[4096];
            values.nextBytes(data);
            harness.write(STACK + 4096L * page, data);
        }
        harness.write(DATA, new byte[4096]);
        Cpu cpu = harness.cpu;
        for (int register : VALUES) {
            cpu.r[register] = values.nextLong();
        }
        cpu.r[Cpu.RBX] = DATA + 8L * values.nextInt(500);
        cpu.r[Cpu.RSP] = STACK + 4096L * (1 + values.nextInt(PAGES)) + values.nextInt(-120, 120);
        if (values.nextBoolean()) {
            cpu.r[Cpu.RSP] &= -8;
        }
        cpu.r[10] = 1L + values.nextInt(60);
        for (int i = 0; i < 64; i++) {
            cpu.v[i] = i % 4 < 2 ? values.nextLong() : 0;
        }
        cpu.setStatusFlags(0);
        cpu.rip = CODE;
    }

    private CpuHarness machine(long seed) {
        CpuHarness harness = machine();
        prepare(harness, seed);
        return harness;
    }

    private static byte[] memory(CpuHarness harness) {
        byte[] all = new byte[(PAGES + 1) * 4096];
        for (int page = 0; page < PAGES; page++) {
            byte[] data = new byte[4096];
            harness.read(STACK + 4096L * page, data);
            System.arraycopy(data, 0, all, 4096 * page, 4096);
        }
        byte[] data = new byte[4096];
        harness.read(DATA, data);
        System.arraycopy(data, 0, all, 4096 * PAGES, 4096);
        return all;
    }

    @Test
    void theStackOfTranslatedCodeIsWhatItsInstructionsMakeOfIt() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        long seed = new SplittableRandom().nextLong() & 0xFFFF_FFFFL;
        System.out.println("random stacks: seed " + seed);
        random = new SplittableRandom(seed);
        for (int i = 0; i < PROGRAMS; i++) {
            program();
            compare(random.nextLong(), "seed " + seed + ", program " + i);
        }
    }

    /** Room for code is so small that all of it is dropped now and then, wherever that is. */
    @Test
    void allCodeMayBeDroppedAtEachTranslation() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        long seed = new SplittableRandom().nextLong() & 0xFFFF_FFFFL;
        System.out.println("random stacks in little room: seed " + seed);
        random = new SplittableRandom(seed);
        CpuHarness reference = machine();
        CpuHarness translated = machine();
        Translator.Settings settings =
                Translator.Settings.DEFAULT.eagerly().withCodeSize(256 << 10);
        try (Translator translator = new Translator(settings)) {
            Runner runner = translator.runner(translated.cpu);
            runner.setOwner(Thread.currentThread());
            for (int i = 0; i < 4 * PROGRAMS; i++) {
                program();
                long values = random.nextLong();
                prepare(reference, values);
                int fault = interpret(reference);
                if (fault != CpuHarness.NO_FAULT) {
                    prepare(translated, values);
                    String what = what("seed " + seed + ", program " + i);
                    assertThat(translated.run(runner)).as(what).isEqualTo(fault);
                    assertSame(translated, reference, what);
                }
            }
        }
    }

    private String what(String which) {
        HexFormat hex = HexFormat.of();
        byte[] all = code.toByteArray();
        return which
                + ": "
                + hex.formatHex(all, 0, length)
                + ", subroutine "
                + hex.formatHex(all, SUBROUTINE, all.length);
    }

    /** The fault that a program ends with; none if it returns to itself for ever. */
    private int interpret(CpuHarness reference) {
        int fault = CpuHarness.NO_FAULT;
        for (steps = 0; fault == CpuHarness.NO_FAULT && steps < 100_000; steps++) {
            fault = reference.step();
        }
        return fault;
    }

    private static void assertSame(CpuHarness translated, CpuHarness reference, String what) {
        Cpu is = translated.cpu;
        Cpu should = reference.cpu;
        assertThat(is.rip).as(what).isEqualTo(should.rip);
        assertThat(Arrays.copyOf(is.r, 16)).as(what).isEqualTo(Arrays.copyOf(should.r, 16));
        assertThat(Arrays.copyOf(is.v, 64)).as(what).isEqualTo(Arrays.copyOf(should.v, 64));
        assertThat(Arrays.mismatch(memory(translated), memory(reference))).as(what).isEqualTo(-1);
    }

    private void compare(long seed, String which) {
        String what = what(which);
        CpuHarness reference = machine(seed);
        int fault = interpret(reference);
        if (fault == CpuHarness.NO_FAULT) {
            return;
        }
        CpuHarness translated = machine(seed);
        boolean counted = (seed & 1) == 0;
        Translator.Settings settings = Translator.Settings.DEFAULT.eagerly().withCount(counted);
        try (Translator translator = new Translator(settings)) {
            Runner runner = translator.runner(translated.cpu);
            runner.setOwner(Thread.currentThread());
            assertThat(translated.run(runner)).as(what).isEqualTo(fault);
        }
        assertSame(translated, reference, what);
        if (counted && reference.cpu.rip == CODE + length) {
            // A fault in the middle of a block loses what is before it.
            assertThat(translated.cpu.instructions).as(what).isEqualTo(steps - 1);
        }
        // A store that is misaligned has made its page dirty when emitted code finds that out.
        for (int page = 0; page < PAGES && fault != CpuFault.GP; page++) {
            long at = STACK + 4096L * page;
            assertThat(translated.isDirty(at)).as(what).isEqualTo(reference.isDirty(at));
        }
    }

    @Test
    void aStackPointerThatStandsForNoPageFaults() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        // PUSH rax; POP rbx, where the translator's mark of a page that is none would be hit.
        code.reset();
        bytes(0x50, 0x5B, 0xF4);
        for (long near : new long[] {8, 16, 400}) {
            CpuHarness harness = machine(1);
            harness.cpu.r[Cpu.RSP] = 0x5EA1_3C97_B0D2_4F61L + near;
            try (Translator translator = new Translator(Translator.Settings.DEFAULT.eagerly())) {
                Runner runner = translator.runner(harness.cpu);
                runner.setOwner(Thread.currentThread());
                assertThat(harness.run(runner)).isEqualTo(CpuFault.SS);
            }
            assertThat(harness.cpu.rip).isEqualTo(CODE);
            assertThat(harness.cpu.r[Cpu.RSP]).isEqualTo(0x5EA1_3C97_B0D2_4F61L + near);
        }
    }
}
