// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import java.util.SplittableRandom;

/** Seeded operands that gather where rounding, overflow, underflow and cancellation happen. */
final class Operands {
    static final long[] CORNERS_64 = {
        0x0000000000000000L, 0x0000000000000001L, 0x0000000000000002L, 0x000FFFFFFFFFFFFFL,
        0x0008000000000000L, 0x0010000000000000L, 0x0010000000000001L, 0x001FFFFFFFFFFFFFL,
        0x3FF0000000000000L, 0x3FF8000000000000L, 0x4000000000000000L, 0x3FE0000000000000L,
        0x3FEFFFFFFFFFFFFFL, 0x7FEFFFFFFFFFFFFFL, 0x7FE0000000000000L, 0x7FF0000000000000L,
        0x7FF8000000000000L, 0x7FF8000000000123L, 0x7FF0000000000001L, 0x7FF4000000000000L,
        0x41DFFFFFFFC00000L, 0x41E0000000000000L, 0x43E0000000000000L, 0x41DFFFFFFFE00000L,
        0x36A0000000000000L, 0x380FFFFFFFFFFFFFL, 0x47EFFFFFE0000000L, 0x47EFFFFFF0000000L,
    };

    static final int[] CORNERS_32 = {
        0x00000000, 0x00000001, 0x00000002, 0x007FFFFF, 0x00400000, 0x00800000, 0x00800001,
        0x00FFFFFF, 0x3F800000, 0x3FC00000, 0x40000000, 0x3F000000, 0x3F7FFFFF, 0x7F7FFFFF,
        0x7F000000, 0x7F800000, 0x7FC00000, 0x7FC00123, 0x7F800001, 0x7FA00000, 0x4EFFFFFF,
        0x4F000000, 0x5F000000, 0x4B000001, 0x33800000, 0x387FE000, 0x477FEFFF, 0x477FF000,
    };

    private final SplittableRandom random;

    /** The significand that goes with the last {@link #signExponent}. */
    long significand;

    Operands(long seed) {
        random = new SplittableRandom(seed);
    }

    int below(int bound) {
        return random.nextInt(bound);
    }

    long bits() {
        return random.nextLong();
    }

    /** A binary64 operand, any class. */
    long binary64() {
        long sign = random.nextLong() & Long.MIN_VALUE;
        long fraction = random.nextLong() >>> 12;
        long sparse = fraction & -1L << random.nextInt(53);
        return switch (random.nextInt(8)) {
            case 0 -> sign | CORNERS_64[random.nextInt(CORNERS_64.length)];
            case 1 -> random.nextLong();
            case 2 -> sign | fraction >>> random.nextInt(52);
            case 3 -> sign | (long) random.nextInt(64) << 52 | sparse;
            case 4 -> sign | (0x7FEL - random.nextInt(64)) << 52 | fraction;
            case 5 -> sign | (0x1E0L + random.nextInt(64)) << 52 | sparse;
            case 6 -> sign | (0x3F0L + random.nextInt(32)) << 52 | fraction;
            default -> sign | (0x3FAL + random.nextInt(12)) << 52 | sparse;
        };
    }

    /** A binary32 operand, any class. */
    int binary32() {
        int sign = random.nextInt() & Integer.MIN_VALUE;
        int fraction = random.nextInt() >>> 9;
        int sparse = fraction & -1 << random.nextInt(24);
        return switch (random.nextInt(8)) {
            case 0 -> sign | CORNERS_32[random.nextInt(CORNERS_32.length)];
            case 1 -> random.nextInt();
            case 2 -> sign | fraction >>> random.nextInt(23);
            case 3 -> sign | random.nextInt(32) << 23 | sparse;
            case 4 -> sign | (0xFE - random.nextInt(32)) << 23 | fraction;
            case 5 -> sign | (0x28 + random.nextInt(32)) << 23 | sparse;
            case 6 -> sign | (0x70 + random.nextInt(32)) << 23 | fraction;
            default -> sign | (0x7A + random.nextInt(12)) << 23 | sparse;
        };
    }

    /** A finite binary64 operand that is not zero. */
    long finite64() {
        while (true) {
            long bits = binary64();
            if (Double.isFinite(Double.longBitsToDouble(bits)) && bits << 1 != 0) {
                return bits;
            }
        }
    }

    /** A finite binary32 operand that is not zero. */
    int finite32() {
        while (true) {
            int bits = binary32();
            if (Float.isFinite(Float.intBitsToFloat(bits)) && bits << 1 != 0) {
                return bits;
            }
        }
    }

    /** A finite 80-bit operand that is not zero: the word; see {@link #significand}. */
    int signExponent() {
        int sign = random.nextInt(2) << 15;
        long dense = random.nextLong() | Long.MIN_VALUE;
        long sparse = (dense & -1L << random.nextInt(64)) | Long.MIN_VALUE;
        significand = random.nextBoolean() ? dense : sparse;
        return switch (random.nextInt(8)) {
            case 0 -> {
                significand = Math.max(1, (random.nextLong() >>> (1 + random.nextInt(63))));
                yield sign;
            }
            case 1 -> sign | 1 + random.nextInt(80);
            case 2 -> sign | 0x7FFE - random.nextInt(80);
            case 3 -> sign | 0x1FC0 + random.nextInt(80);
            case 4 -> sign | 0x5FC0 + random.nextInt(80);
            case 5 -> sign | 1 + random.nextInt(0x7FFE);
            default -> sign | 0x3FF0 + random.nextInt(40);
        };
    }
}
