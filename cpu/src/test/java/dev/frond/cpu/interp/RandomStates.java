// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.interp.RandomCode.Flavour;

import java.util.SplittableRandom;

/** Random registers and memory to start a sequence of {@link RandomCode} from. */
final class RandomStates {
    private static final int WINDOW = RandomCode.WINDOW;

    private final SplittableRandom random;

    RandomStates(SplittableRandom random) {
        this.random = random;
    }

    /** Fills {@code start} but for what code relies on; the first {@code registers} registers. */
    void fill(UserState start, Flavour flavour, int registers) {
        for (int i = 0; i < 16; i++) {
            long value = IntegerRig.value(random);
            start.gprs[i] = registers == 16 ? value : i < 8 ? value & 0xFFFF_FFFFL : 0;
        }
        start.flags = random.nextLong() & IntegerRig.FLAGS;
        int kind = random.nextInt(4);
        for (int i = 0; i < 64; i++) {
            start.vectors[i] = element(kind);
        }
        byte[] memory = start.memory;
        for (int i = 0; i < WINDOW; i += 8) {
            long value = element(kind);
            for (int b = 0; b < 8; b++) {
                memory[i + b] = (byte) (value >>> 8 * b);
            }
        }
        // Rounding, FTZ, DAZ and sticky flags at random; seldom an exception that is not masked.
        start.mxcsr = 0x1F80 | random.nextInt(0x10000) & 0xE07F;
        if (flavour == Flavour.VECTOR && chance(1, 16)) {
            start.mxcsr &= ~(random.nextInt(64) << 7);
        }
        int control =
                0x7F | random.nextInt(4) << 10 | (new int[] {0, 2, 3, 3})[random.nextInt(4)] << 8;
        start.x87[0] = (byte) control;
        start.x87[1] = (byte) (control >>> 8);
        int status = random.nextInt(8) << 11 | random.nextInt(0x10000) & 0x4700;
        start.x87[2] = (byte) (chance(1, 2) ? random.nextInt(64) : 0);
        start.x87[3] = (byte) (status >>> 8);
        start.x87[4] = (byte) (chance(1, 2) ? 0xFF : random.nextInt(256));
        for (int i = 0; i < 8; i++) {
            extended(start.x87, 32 + 16 * i);
        }
    }

    private boolean chance(int wanted, int of) {
        return random.nextInt(of) < wanted;
    }

    private void extended(byte[] image, int offset) {
        long significand = random.nextLong() | Long.MIN_VALUE;
        int exponent = 0x3FFF + random.nextInt(-40, 70);
        switch (random.nextInt(12)) {
            case 0 -> {
                significand = 0;
                exponent = 0;
            }
            case 1 -> {
                significand >>>= random.nextInt(1, 64);
                exponent = 0;
            }
            case 2 -> exponent = random.nextInt(0x8000);
            case 3 -> significand = Long.MIN_VALUE | (long) random.nextInt(256) << 55;
            default -> {}
        }
        exponent |= random.nextInt(2) << 15;
        for (int b = 0; b < 8; b++) {
            image[offset + b] = (byte) (significand >>> 8 * b);
        }
        image[offset + 8] = (byte) exponent;
        image[offset + 9] = (byte) (exponent >>> 8);
    }

    private long element(int kind) {
        return switch (kind) {
            case 0 -> Double.doubleToRawLongBits(random.nextDouble(-1000, 1000));
            case 1 -> {
                int low = Float.floatToRawIntBits((float) random.nextDouble(-1000, 1000));
                int high = Float.floatToRawIntBits((float) random.nextDouble(-1, 1));
                yield low & 0xFFFF_FFFFL | (long) high << 32;
            }
            case 2 -> IntegerRig.value(random);
            default -> random.nextLong();
        };
    }
}
