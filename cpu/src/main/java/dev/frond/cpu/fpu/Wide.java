// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/** Unsigned 128-bit integer arithmetic on pairs of longs, each half by its own method. */
final class Wide {
    private Wide() {}

    static long shiftRightHigh(long high, int n) {
        return n < 64 ? high >>> n : 0;
    }

    /** The lower half of a right shift; bits that fall out are kept as a set bit 0 (sticky). */
    static long shiftRightLow(long high, long low, int n) {
        if (n == 0) {
            return low;
        }
        if (n < 64) {
            return high << (64 - n) | low >>> n | (low << (64 - n) != 0 ? 1 : 0);
        }
        if (n == 64) {
            return high | (low != 0 ? 1 : 0);
        }
        if (n < 128) {
            return high >>> (n - 64) | ((high << (128 - n) | low) != 0 ? 1 : 0);
        }
        return (high | low) != 0 ? 1 : 0;
    }

    static long shiftLeftHigh(long high, long low, int n) {
        if (n == 0) {
            return high;
        }
        return n < 64 ? high << n | low >>> (64 - n) : low << (n - 64);
    }

    static long shiftLeftLow(long low, int n) {
        return n < 64 ? low << n : 0;
    }

    /** 1 if x + y carries out of 64 bits, else 0. */
    static long carry(long x, long sum) {
        return Long.compareUnsigned(sum, x) < 0 ? 1 : 0;
    }

    static int compare(long xHigh, long xLow, long yHigh, long yLow) {
        return xHigh != yHigh
                ? Long.compareUnsigned(xHigh, yHigh)
                : Long.compareUnsigned(xLow, yLow);
    }

    /**
     * The 64-bit quotient of high:low by a divisor with bit 63 set; high must be below divisor. The
     * remainder is {@code low - quotient * divisor}. Schoolbook division by two 32-bit digits.
     */
    static long divide(long high, long low, long divisor) {
        long dHigh = divisor >>> 32;
        long dLow = divisor & 0xFFFF_FFFFL;
        long q1 = digit(high, low >>> 32, dHigh, dLow);
        long middle = (high << 32 | low >>> 32) - q1 * divisor;
        long q0 = digit(middle, low & 0xFFFF_FFFFL, dHigh, dLow);
        return (q1 << 32) + q0;
    }

    private static long digit(long high, long next, long dHigh, long dLow) {
        long q = Long.divideUnsigned(high, dHigh);
        long rest = high - q * dHigh;
        // The estimate is at most two too large (Knuth, TAOCP 4.3.1, algorithm D).
        while (q >>> 32 != 0 || Long.compareUnsigned(q * dLow, rest << 32 | next) > 0) {
            q--;
            rest += dHigh;
            if (rest >>> 32 != 0) {
                break;
            }
        }
        return q;
    }
}
