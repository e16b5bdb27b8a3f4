// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.fpu.FpFlags;
import dev.frond.cpu.fpu.X87Image;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.vcpu.CpuFeature;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * Random sequences of x87 and MMX instructions, of loads and saves of state and of what stands
 * between them, by the interpreter and by another engine: both must leave the same of everything,
 * the last instruction and operand included.
 */
final class RandomX87 {
    /** Two pages, in the middle of which operands lie; what follows is not there. */
    private static final int WINDOW = 2 * 4096;

    /** Operands are around here, few of them across the page's end or behind the window. */
    private static final int MIDDLE = 4096 - 256;

    /** So far behind the code is memory that instructions name from RIP on. */
    private static final int BEHIND = 2 * 4096;

    /** From here on lie images and control words, 64 bytes and more apart. */
    private static final int IMAGES = 1024;

    private static final int[] BASES = {Cpu.RBX, Cpu.RBP, Cpu.RSP, 12, 13};
    private static final int[] INDICES = {Cpu.RDI, Cpu.RSI, 9, 14, 15};

    /** Digits above 9 give what nobody promises; MASKMOVQ stores at RDI. */
    private static final Pattern EXCLUDED =
            Pattern.compile("FBLD|MASKMOVQ|FLDCW|FLDENV|FRSTOR|CVTPI2PS");

    private final SplittableRandom random = new SplittableRandom(20261122);
    private final CpuHarness harness;
    private final Cpu cpu;
    private final Runner runner;
    private final long code;
    private final long data;
    private final List<Form> x87 = new ArrayList<>();
    private final List<Form> mmx = new ArrayList<>();
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final int[] faults = new int[32];

    /**
     * Compares {@code runner} with the interpreter; four pages at {@code code} and two at {@code
     * data} are mapped.
     */
    RandomX87(CpuHarness harness, Runner runner, long code, long data) {
        this.harness = harness;
        cpu = harness.cpu;
        this.runner = runner;
        this.code = code;
        this.data = data;
        Set<CpuFeature> features = IntegerRig.hostFeatures();
        features.retainAll(cpu.cpuid.model().features());
        for (Form form : Table.forms()) {
            boolean there =
                    !form.is(Form.NOT_64) && form.feature().map(features::contains).orElse(true);
            if (!there || EXCLUDED.matcher(form.mnemonic()).matches()) {
                continue;
            }
            if (form.map() == 0
                    && !form.is(Form.VEX)
                    && ((form.opcode() & 0xF8) == 0xD8 || form.opcode() == 0x9B)) {
                x87.add(form);
            } else if (form.mnemonic().equals("EMMS")
                    || form.operands().stream().anyMatch(o -> o.name().matches("[PQN][a-z]+"))) {
                mmx.add(form);
            }
        }
    }

    /** How many runs ended in an exception. */
    int faults(int vector) {
        return faults[vector];
    }

    // --- code -----------------------------------------------------------------------------------

    private boolean chance(int of) {
        return random.nextInt(of) == 0;
    }

    private void bytes(int... code) {
        for (int b : code) {
            out.write(b);
        }
    }

    private void little(int value) {
        bytes(value, value >> 8, value >> 16, value >> 24);
    }

    private static int pick(SplittableRandom random, int[] of) {
        return of[random.nextInt(of.length)];
    }

    private void step(boolean manyMmx) {
        switch (random.nextInt(24)) {
            case 0 -> control();
            case 1 -> image();
            // CMP eax,edx; SETcc r8b
            case 2 -> bytes(0x39, 0xD0);
            case 3 -> bytes(0x41, 0x0F, 0x90 | random.nextInt(16), 0xC0);
            // MOV r15,[rbx]; MOV [rbp+8],rdi
            case 4 -> bytes(0x4C, 0x8B, 0x3B, 0x41, 0x83, 0xE7, 0x1F);
            case 5 -> bytes(0x48, 0x89, 0x7D, 8);
            // STD; CLD: left
            case 6 -> bytes(0xFD, 0xFC);
            // JNZ and JMP over one byte
            case 7 -> bytes(0x75, 1, 0x90);
            case 8 -> bytes(0xEB, 1, 0xF4);
            // LEA rax,[rip+2]; JMP rax
            case 9 -> bytes(0x48, 0x8D, 0x05, 2, 0, 0, 0, 0xFF, 0xE0);
            default -> {
                if (chance(manyMmx ? 2 : 12)) {
                    mmx();
                } else {
                    x87();
                }
            }
        }
    }

    private void x87() {
        Form form = x87.get(random.nextInt(x87.size()));
        if (form.opcode() == 0x9B) {
            bytes(0x9B);
        } else if (form.digit() >= Form.EXACT) {
            bytes(form.opcode(), form.digit() - Form.EXACT);
        } else if (!isMemory(form)) {
            bytes(form.opcode(), 0xC0 | form.digit() << 3 | random.nextInt(8));
        } else {
            memory(form.opcode(), form.digit());
        }
    }

    private static boolean isMemory(Form form) {
        return form.is(Form.MEMORY_ONLY)
                || form.operands().stream().anyMatch(o -> o.name().startsWith("M"));
    }

    /** All ways to name a place, mostly in the window. */
    private void memory(int opcode, int digit) {
        if (chance(12)) {
            // FS or GS
            bytes(0x64 | random.nextInt(2));
        }
        int displacement = random.nextInt(-200, 200);
        if (chance(10)) {
            // From RIP on, two pages further.
            bytes(opcode, digit << 3 | 5);
            little(BEHIND + random.nextInt(1000));
            return;
        }
        if (chance(10)) {
            bytes(opcode, digit << 3 | 4, 0x25);
            little((int) data + MIDDLE + displacement);
            return;
        }
        if (chance(20)) {
            displacement += 4096 + 256;
        } else if (chance(12)) {
            displacement = 256 - random.nextInt(12);
        }
        int base = pick(random, BASES);
        int index = chance(2) ? pick(random, INDICES) : Cpu.RSP;
        bytes(0x40 | index >> 2 & 2 | base >> 3);
        bytes(opcode, 0x84 | digit << 3);
        bytes(random.nextInt(4) << 6 | (index & 7) << 3 | base & 7);
        little(displacement);
    }

    private void mmx() {
        Form form = mmx.get(random.nextInt(mmx.size()));
        FormEncoder e = new FormEncoder();
        e.memory = form.hasModRm() && !form.is(Form.REGISTER_ONLY) && (isMemory(form) || chance(2));
        boolean general =
                form.operands().stream().anyMatch(o -> "GER".indexOf(o.name().charAt(0)) >= 0);
        // RAX, RCX, RDX, R8 are nobody's.
        e.reg = general ? pick(random, new int[] {0, 1, 2, 8}) : random.nextInt(16);
        e.rm = general ? pick(random, new int[] {0, 1, 2, 8}) : random.nextInt(16);
        e.wide = chance(2);
        e.base = pick(random, BASES);
        e.displacement = chance(30) ? 256 - random.nextInt(8) : random.nextInt(-200, 200);
        e.immediate = random.nextInt(256);
        out.writeBytes(e.encode(form));
    }

    /** FLDCW; the words that unmask something are few. */
    private void control() {
        int at = random.nextInt(16);
        bytes(0xD9, 0x2C, 0x25);
        little((int) data + IMAGES - 64 + 2 * at);
    }

    /** A state saved, and the same or another one loaded. */
    private void image() {
        int to = (int) data + IMAGES + 512 * random.nextInt(3);
        int from = chance(2) ? to : (int) data + IMAGES + 512 * random.nextInt(3);
        int[][] pairs = {
            // FNSTENV, FLDENV; FNSAVE, FRSTOR; FXSAVE, FXRSTOR; the same with REX.W
            {0, 0xD9, 6, 0xD9, 4},
            {0, 0xDD, 6, 0xDD, 4},
            {0, 0x0FAE, 0, 0x0FAE, 1},
            {0x48, 0x0FAE, 0, 0x0FAE, 1}
        };
        int[] pair = pairs[random.nextInt(pairs.length)];
        boolean both = chance(2);
        absolute(pair[0], pair[1], pair[2], to);
        if (both) {
            absolute(pair[0], pair[3], pair[4], to == from || pair[1] == 0xDD ? to : from);
        }
    }

    private void absolute(int rex, int opcode, int digit, int at) {
        if (rex != 0) {
            bytes(rex);
        }
        if (opcode > 0xFF) {
            bytes(opcode >> 8);
        }
        bytes(opcode, digit << 3 | 4, 0x25);
        little(at);
    }

    // --- states ---------------------------------------------------------------------------------

    private final long[] gprs = new long[16];
    private final long[] unit = new long[X87Image.STATE_LONGS];
    private final byte[] window = new byte[WINDOW];
    private final byte[] behind = new byte[4096];
    private final byte[] left = new byte[WINDOW];
    private final byte[] expected = new byte[WINDOW];

    private void prepare() {
        for (int i = 0; i < 16; i++) {
            gprs[i] = random.nextInt(32);
        }
        for (int base : BASES) {
            gprs[base] = data + MIDDLE + random.nextInt(16);
        }
        for (int i = 0; i < WINDOW; i += 8) {
            double value = random.nextDouble(-100, 100);
            long bits =
                    switch (random.nextInt(4)) {
                        case 0 -> random.nextLong();
                        case 1 -> Float.floatToRawIntBits((float) value) * 0x1_0000_0001L;
                        case 2 -> random.nextInt(200) - 100;
                        default -> Double.doubleToRawLongBits(value);
                    };
            for (int b = 0; b < 8; b++) {
                window[i + b] = (byte) (bits >>> 8 * b);
            }
        }
        for (int i = 0; i < 16; i++) {
            int word = chance(16) ? 0x340 | random.nextInt(64) : 0x7F | random.nextInt(16) << 8;
            window[IMAGES - 64 + 2 * i] = (byte) word;
            window[IMAGES - 64 + 2 * i + 1] = (byte) (word >> 8);
        }
        // Images that FXRSTOR and the others accept: all zeros, all masked.
        Arrays.fill(window, IMAGES, IMAGES + 3 * 512, (byte) 0);
        for (int i = 0; i < 3; i++) {
            window[IMAGES + 512 * i] = 0x7F;
            window[IMAGES + 512 * i + 1] = 3;
        }
        for (int i = 0; i < 8; i++) {
            unit[i] = chance(6) ? random.nextLong() : random.nextLong() | Long.MIN_VALUE;
        }
        unit[8] = exponents();
        unit[9] = exponents();
        long masks = chance(10) ? random.nextInt(64) : FpFlags.ALL;
        long control = 0x340 | random.nextInt(4) << 10 | masks;
        long status = random.nextInt(8) << 11 | (chance(2) ? random.nextInt(64) & masks : 0);
        unit[10] = control | status << 16 | (long) random.nextInt(256) << 32;
        unit[11] = random.nextLong();
        unit[12] = random.nextLong();
        unit[13] = random.nextLong() & 0xFFFF_FFFF_07FFL;
    }

    private long exponents() {
        long words = 0;
        for (int i = 0; i < 4; i++) {
            int exponent = 0x3FFF + random.nextInt(-80, 80);
            int word = chance(8) ? random.nextInt(0x10000) : exponent | random.nextInt(2) << 15;
            words = words << 16 | word;
        }
        return words;
    }

    private void begin(boolean flush) {
        System.arraycopy(gprs, 0, cpu.r, 0, 16);
        Arrays.fill(cpu.v, 0, 64, 0x3FF0_0000_0000_0000L);
        cpu.setRflags(Cpu.IF | Cpu.CF);
        cpu.sse.mxcsr(0x1F80);
        X87Image.load(cpu.x87, unit);
        cpu.segBase[Seg.FS64] = 8;
        cpu.segBase[Seg.GS64] = 16;
        int[] selectors = {0x13, 0x33, 0x3B, 0x43, 0x4B, 0x53};
        System.arraycopy(selectors, 0, cpu.selector, 0, 6);
        harness.write(data, window);
        harness.write(code + BEHIND, behind);
        cpu.rip = code;
        if (flush) {
            cpu.mmu.flush();
        }
    }

    /** Makes a sequence, runs it from {@code states} states and tells what differs. */
    List<String> differences(int states) {
        out.reset();
        int length = random.nextInt(5, 60);
        boolean manyMmx = chance(4);
        for (int i = 0; i < length; i++) {
            step(manyMmx);
        }
        out.write(0xF4);
        byte[] sequence = out.toByteArray();
        harness.write(code, sequence);
        List<String> found = new ArrayList<>();
        for (int state = 0; state < states && found.isEmpty(); state++) {
            prepare();
            compare(length, found);
        }
        if (!found.isEmpty()) {
            found.add(HexFormat.of().formatHex(sequence));
        }
        return found;
    }

    private void compare(int length, List<String> found) {
        begin(false);
        int fault = interpret(Integer.MAX_VALUE);
        faults[fault]++;
        long[] state = X87Image.save(cpu.x87);
        long[] registers = cpu.r.clone();
        long[] vectors = cpu.v.clone();
        long rip = cpu.rip;
        long cr2 = cpu.cr2;
        harness.read(data, expected);
        begin(chance(3));
        int first = chance(2) ? random.nextInt(length) : 0;
        int other = interpret(first);
        if (other == CpuHarness.NO_FAULT) {
            other = harness.run(runner);
        }
        same(found, "fault", other, fault);
        same(found, "rip", cpu.rip, rip);
        if (fault == CpuFault.PF) {
            same(found, "cr2", cpu.cr2, cr2);
        }
        // Flags show in SETcc: at a fault those are unspecified that the guest overwrites next.
        for (int i = 0; i < 16; i++) {
            same(found, "gpr " + i, cpu.r[i], registers[i]);
        }
        for (int i = 0; i < 64; i++) {
            same(found, "vector " + i, cpu.v[i], vectors[i]);
        }
        long[] mine = X87Image.save(cpu.x87);
        for (int i = 0; i < mine.length; i++) {
            same(found, "x87 word " + i, mine[i], state[i]);
        }
        harness.read(data, left);
        int at = Arrays.mismatch(left, expected);
        if (at >= 0) {
            found.add("memory differs from " + Integer.toHexString(at));
        }
        if (!found.isEmpty()) {
            found.add("after " + first + " interpreted instructions");
        }
    }

    private int interpret(int most) {
        int fault = CpuHarness.NO_FAULT;
        for (int i = 0; i < most && fault == CpuHarness.NO_FAULT; i++) {
            fault = harness.step();
        }
        return fault;
    }

    private static void same(List<String> found, String what, long is, long expected) {
        if (is != expected) {
            found.add(String.format("%s is %x, not %x", what, is, expected));
        }
    }
}
