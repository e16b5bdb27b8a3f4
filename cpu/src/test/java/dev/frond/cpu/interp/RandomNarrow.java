// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random 16- and 32-bit code whose results do not depend on flags that the manual leaves undefined
 * (but for AF): what addresses, stacks, segments and jumps of such code do.
 */
final class RandomNarrow {
    private final SplittableRandom random;

    /** Whether operands and addresses have 32 bits. */
    private final boolean wide;

    /** An offset in segments that is one of data. */
    private final int data;

    /** Selectors that may be loaded. */
    private final int[] selectors;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private final List<Integer> steps = new ArrayList<>();

    /** Operand and address size of the instruction under way. */
    private boolean operand32;

    private boolean address32;

    RandomNarrow(SplittableRandom random, boolean wide, int data, int... selectors) {
        this.data = data;
        this.random = random;
        this.wide = wide;
        this.selectors = selectors.clone();
    }

    private int next(int bound) {
        return random.nextInt(bound);
    }

    private boolean chance(int one) {
        return random.nextInt(one) == 0;
    }

    private void put(int... bytes) {
        for (int each : bytes) {
            out.write(each);
        }
    }

    private void little(long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }

    private void operand(int value) {
        little(value, operand32 ? 4 : 2);
    }

    /** {@code count} instructions, to be followed by what ends them. */
    byte[] sequence(int count) {
        steps.clear();
        List<byte[]> instructions = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            instructions.add(instruction());
        }
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        int jumpedOver = 0;
        for (int i = 0; i < count; i++) {
            if (i >= jumpedOver && chance(6)) {
                // A jump over some of those that follow.
                int over = Math.min(count - i, 1 + next(4));
                int distance = 0;
                for (int j = i; j < i + over; j++) {
                    distance += instructions.get(j).length;
                }
                if (distance < 128) {
                    jump(code, distance);
                    jumpedOver = i + over;
                }
            }
            code.writeBytes(instructions.get(i));
            steps.add(code.size());
        }
        return code.toByteArray();
    }

    /** Where the instructions of the last {@link #sequence} end. */
    List<Integer> steps() {
        return List.copyOf(steps);
    }

    private void jump(ByteArrayOutputStream code, int distance) {
        switch (next(4)) {
            case 0 -> code.write(0xEB);
            case 1 -> {
                if (chance(3)) {
                    code.write(0x67);
                }
                code.write(0xE0 + next(4));
            }
            default -> code.write(0x70 + next(16));
        }
        code.write(distance);
    }

    private byte[] instruction() {
        out.reset();
        operand32 = wide;
        address32 = wide;
        if (chance(5)) {
            put(0x66);
            operand32 = !wide;
        }
        if (chance(6)) {
            put(0x67);
            address32 = !wide;
        }
        if (chance(4)) {
            put(new int[] {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65}[next(6)]);
        }
        switch (next(24)) {
            case 0, 1, 2, 3 -> {
                put(8 * next(8) + next(4));
                modRm(next(8));
            }
            case 4 -> {
                int digit = next(8);
                int opcode = 0x80 + next(4);
                put(opcode);
                modRm(digit);
                immediate(opcode == 0x81);
            }
            case 5, 6, 7 -> {
                put(0x88 + next(4));
                modRm(next(8));
            }
            case 8 -> {
                int register = notStack();
                put(0xB8 + register);
                operand(next(3) == 0 ? next(0x1_0000) : random.nextInt());
            }
            case 9 -> put(0x40 + next(2) * 8 + notStack());
            case 10, 11 -> put(0x50 + next(8));
            case 12, 13 -> put(0x58 + notStack());
            case 14 ->
                    put(new int[] {0x06, 0x0E, 0x16, 0x1E, 0x60, 0x61, 0xC9, 0x98, 0x99}[next(9)]);
            case 15 -> {
                put(0x8D);
                memory(notStack());
            }
            case 16 -> {
                put(0x0F, new int[] {0xB6, 0xB7, 0xBE, 0xBF}[next(4)]);
                modRm(notStack());
            }
            case 17 -> selector();
            case 18 -> string();
            case 19 -> call();
            case 20 -> {
                put(0xA0 + next(4));
                little(next(0x1_2000), address32 ? 4 : 2);
            }
            case 21 -> {
                put(0xD0 + next(2));
                modRm(new int[] {4, 5, 7}[next(3)]);
            }
            case 22 -> {
                put(0xFF);
                modRm(chance(2) ? 6 : next(2));
            }
            default -> {
                put(chance(2) ? 0x68 : 0x6A);
                if (out.toByteArray()[out.size() - 1] == 0x68) {
                    operand(next(0x1_0000));
                } else {
                    put(next(256));
                }
            }
        }
        return out.toByteArray();
    }

    private void immediate(boolean whole) {
        if (whole) {
            operand(random.nextInt());
        } else {
            put(next(256));
        }
    }

    private int notStack() {
        int register = next(7);
        return register >= 4 ? register + 1 : register;
    }

    private void selector() {
        switch (next(4)) {
            case 0 -> {
                // MOV r/m16,Sreg
                put(0x8C);
                modRm(next(6));
            }
            // XLAT
            case 1 -> put(0xD7);
            default -> {
                // MOV ax,selector; MOV Sreg,ax
                out.reset();
                if (wide) {
                    put(0x66);
                }
                put(0xB8);
                little(selectors[next(selectors.length)], 2);
                put(0x8E, 0xC0 | new int[] {0, 3, 4, 5, 0, 3}[next(6)] << 3);
            }
        }
    }

    /** An offset of data, at times one from which runs meet pages' and segments' ends. */
    private int place() {
        if (data < 0x1_0000 && chance(4)) {
            return 0xF000 + next(0x1000);
        }
        return data + (chance(3) ? next(0x3000) : next(0x100));
    }

    private void string() {
        // MOV cx,few or many; MOV di,data; perhaps MOV si,data: not to code, which such an
        // instruction would change while it executes; perhaps STD or CLD
        out.reset();
        put(0xBF);
        little(place(), wide ? 4 : 2);
        if (chance(2)) {
            put(0xBE);
            little(place(), wide ? 4 : 2);
        }
        put(0xB9);
        little(chance(4) ? next(0x1200) : next(40), wide ? 4 : 2);
        if (chance(3)) {
            put(chance(2) ? 0xFD : 0xFC);
        }
        if (chance(6)) {
            put(0x66);
        }
        if (chance(6)) {
            put(0x67);
        }
        if (chance(2)) {
            put(0xF3);
        }
        put(new int[] {0xA4, 0xA5, 0xAA, 0xAB, 0xAC, 0xAD}[next(6)]);
    }

    private void call() {
        // CALL over a RET with its own operand size, which the jump goes over.
        out.reset();
        boolean prefix = chance(4);
        int size = prefix == wide ? 2 : 4;
        int[] prefixes = prefix ? new int[] {0x66} : new int[0];
        put(prefixes);
        put(0xE8);
        little(2, size);
        // JMP over it
        put(0xEB, prefixes.length + 1);
        put(prefixes);
        put(0xC3);
    }

    private void modRm(int reg) {
        if (chance(2)) {
            put(0xC0 | reg << 3 | next(8));
        } else {
            memory(reg);
        }
    }

    private void memory(int reg) {
        int mod = next(3);
        if (address32) {
            int rm = next(8);
            if (mod == 0 && rm == 5) {
                mod = 1;
            }
            put(mod << 6 | reg << 3 | rm);
            if (rm == 4) {
                int base = next(8);
                put(next(2) << 6 | next(8) << 3 | (mod == 0 && base == 5 ? 3 : base));
            }
        } else {
            put(mod << 6 | reg << 3 | next(8));
            if (mod == 0 && (last() & 7) == 6) {
                little(next(0x1_0000), 2);
            }
        }
        if (mod == 1) {
            put(next(256));
        } else if (mod == 2) {
            little(next(0x2000) - 0x1000, address32 ? 4 : 2);
        }
    }

    private int last() {
        byte[] bytes = out.toByteArray();
        return bytes[bytes.length - 1];
    }
}
