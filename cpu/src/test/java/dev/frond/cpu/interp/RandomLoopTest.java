// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.translate.Translator;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.SplittableRandom;

/**
 * Loops of one block that walk through memory with random steps, up to their end or into pages that
 * are not there: the translator's against one instruction after the other.
 */
@NullMarked
final class RandomLoopTest {
    private static final int LOOPS = 1500;
    private static final long CODE = 0x40_0000;
    private static final long DATA = 0x50_0000;
    private static final int PAGES = 6;
    private static final int COUNTER = Cpu.RBP;

    /** Registers that addresses are made of, and those that values go through. */
    private static final int[] POINTERS = {Cpu.RBX, Cpu.RSI, 8, 13};

    private static final int[] INDEXES = {Cpu.RDI, Cpu.RAX, 12, 14};
    private static final int[] VALUES = {Cpu.RCX, Cpu.RDX, 9, 10, 15};
    private static final int[] STEPS = {1, 2, 4, 8, 16, 16, 24, 32, 64, 100, 256, 1024, 3000};

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();
    private SplittableRandom random = new SplittableRandom();

    private void bytes(int... values) {
        for (int value : values) {
            code.write(value);
        }
    }

    private void int4(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    private int one(int[] of) {
        return of[random.nextInt(of.length)];
    }

    /** REX with W for {@code size} 8, opcode, ModRM for two registers. */
    private void registers(int size, int reg, int rm, int... opcode) {
        bytes(0x40 | (size == 8 ? 8 : 0) | (reg & 8) >> 1 | rm >> 3);
        bytes(opcode);
        bytes(0xC0 | (reg & 7) << 3 | rm & 7);
    }

    /** The same with memory at a pointer, with or without an index. */
    private void memory(int prefix, int size, int reg, int... opcode) {
        int base = one(POINTERS);
        boolean indexed = random.nextBoolean();
        int index = indexed ? one(INDEXES) : 4;
        int scale = indexed ? random.nextInt(4) : 0;
        if (size == 2) {
            bytes(0x66);
        } else if (prefix != 0) {
            bytes(prefix);
        }
        bytes(0x40 | (size == 8 ? 8 : 0) | (reg & 8) >> 1 | (index & 8) >> 2 | base >> 3);
        bytes(opcode);
        bytes(0x84 | (reg & 7) << 3, scale << 6 | (index & 7) << 3 | base & 7);
        int4(random.nextInt(8) == 0 ? random.nextInt(-2000, 2000) : 16 * random.nextInt(-6, 6));
    }

    private void access() {
        switch (random.nextInt(10)) {
            case 0 -> memory(0, 8, one(VALUES), 0x8B);
            case 1 -> memory(0, 8, one(VALUES), 0x89);
            case 2 -> memory(0, 4, one(VALUES), 0x03);
            case 3 -> memory(0, 4, one(VALUES), 0x01);
            case 4 -> memory(0, 1, one(VALUES), 0x88);
            case 5 -> memory(0, 2, one(VALUES), 0x31);
            // MOVUPS, MOVAPS both ways, PADDD.
            case 6 -> memory(0, 16, random.nextInt(16), 0x0F, 0x10);
            case 7 -> memory(0, 16, random.nextInt(16), 0x0F, 0x29);
            case 8 -> memory(0x66, 16, random.nextInt(16), 0x0F, 0xFE);
            // SHL [m],cl
            default -> memory(0, 8, 4, 0xD3);
        }
    }

    private void step(int register) {
        int by = one(STEPS);
        switch (random.nextInt(5)) {
            case 0 -> {
                registers(8, 0, register, 0x81);
                int4(by);
            }
            case 1 -> {
                registers(8, 5, register, 0x81);
                int4(by);
            }
            case 2 -> registers(8, random.nextInt(2), register, 0xFF);
            case 3 -> {
                // LEA register,[register + by]
                bytes(0x48 | (register & 8) >> 1 | register >> 3, 0x8D);
                bytes(0x80 | (register & 7) << 3 | register & 7);
                if ((register & 7) == 4) {
                    bytes(0x24);
                }
                int4(by);
            }
            default -> {
                // In 32 bits, which is no step.
                registers(4, 0, register, 0x83);
                bytes(by & 0x7F);
            }
        }
    }

    private void other() {
        switch (random.nextInt(6)) {
            case 0 -> registers(8, one(VALUES), one(VALUES), 0x03);
            case 1 -> registers(8, one(VALUES), one(VALUES), 0x0F, 0xB7);
            case 2 -> registers(8, 4, one(VALUES), 0xD3);
            case 3 -> registers(8, one(VALUES), one(VALUES), 0x0F, 0x44);
            case 4 -> bytes(0x90);
            // XOR reg,imm8
            default -> {
                registers(4, 6, one(VALUES), 0x83);
                bytes(random.nextInt(128));
            }
        }
    }

    /** A loop; returns where it ends. */
    private long loop() {
        code.reset();
        int length = 1 + random.nextInt(6);
        boolean mayLeave = random.nextInt(4) == 0;
        for (int i = 0; i < length; i++) {
            switch (random.nextInt(4)) {
                case 0, 1 -> access();
                case 2 -> step(random.nextBoolean() ? one(POINTERS) : one(INDEXES));
                default -> other();
            }
            if (mayLeave && random.nextInt(4) == 0) {
                // TEST ecx,3FFh; JZ to a HLT behind the loop
                bytes(0xF7, 0xC1);
                int4(0x3FF);
                bytes(0x0F, 0x84);
                int4(0x200 - code.size() - 4);
            }
        }
        // SUB rbp,1; JNZ to the start
        bytes(0x48, 0x83, 0xED, 0x01, 0x0F, 0x85);
        int4(-code.size() - 4);
        bytes(0xF4);
        return CODE + code.size() - 1;
    }

    private CpuHarness machine(long seed) {
        CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
        harness.map(CODE, 4096);
        harness.map(DATA, PAGES * 4096L);
        harness.write(CODE, code.toByteArray());
        harness.write(CODE + 0x200, new byte[] {(byte) 0xF4});
        SplittableRandom values = new SplittableRandom(seed);
        byte[] data = new byte[PAGES * 4096];
        values.nextBytes(data);
        harness.write(DATA, data);
        Cpu cpu = harness.cpu;
        for (int register : VALUES) {
            cpu.r[register] = values.nextLong();
        }
        for (int register : POINTERS) {
            long near = values.nextInt(PAGES) * 4096L + values.nextInt(4096);
            cpu.r[register] = DATA + (values.nextBoolean() ? near & -16 : near);
        }
        for (int register : INDEXES) {
            cpu.r[register] = values.nextBoolean() ? 0 : 16L * values.nextInt(100);
        }
        cpu.r[COUNTER] = 1L + values.nextInt(values.nextBoolean() ? 8 : 700);
        for (int i = 0; i < 64; i++) {
            cpu.v[i] = i % 4 < 2 ? values.nextLong() : 0;
        }
        cpu.rip = CODE;
        return harness;
    }

    private static byte[] data(CpuHarness harness) {
        byte[] data = new byte[PAGES * 4096];
        harness.read(DATA, data);
        return data;
    }

    @Test
    void translatedLoopsDoWhatTheirInstructionsDo() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        long seed = new SplittableRandom().nextLong() & 0xFFFF_FFFFL;
        System.out.println("random loops: seed " + seed);
        random = new SplittableRandom(seed);
        for (int i = 0; i < LOOPS; i++) {
            long end = loop();
            compare(random.nextLong(), end, "seed " + seed + ", loop " + i);
        }
    }

    private void compare(long seed, long end, String which) {
        String what = which + ": " + HexFormat.of().formatHex(code.toByteArray());
        CpuHarness reference = machine(seed);
        int fault;
        long instructions = 0;
        do {
            fault = reference.step();
            instructions++;
        } while (fault == CpuHarness.NO_FAULT);
        CpuHarness translated = machine(seed);
        boolean counted = (seed & 1) == 0;
        Translator.Settings settings = Translator.Settings.DEFAULT.withCount(counted);
        try (Translator translator = new Translator(settings)) {
            Runner runner = translator.runner(translated.cpu);
            runner.setOwner(Thread.currentThread());
            int last = translated.run(runner);
            assertThat(last).as(what).isEqualTo(fault);
        }
        Cpu is = translated.cpu;
        Cpu should = reference.cpu;
        assertThat(is.rip).as(what).isEqualTo(should.rip);
        assertThat(Arrays.copyOf(is.r, 16)).as(what).isEqualTo(Arrays.copyOf(should.r, 16));
        assertThat(Arrays.copyOf(is.v, 64)).as(what).isEqualTo(Arrays.copyOf(should.v, 64));
        assertThat(Arrays.equals(data(translated), data(reference))).as(what).isTrue();
        if (should.rip == end) {
            // Flags that nothing reads are not kept for a fault in the middle.
            assertThat(is.statusFlags()).as(what).isEqualTo(should.statusFlags());
            if (counted) {
                assertThat(is.instructions).as(what).isEqualTo(instructions - 1);
            }
        }
    }
}
