// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import java.math.BigInteger;

/**
 * Exact arithmetic and rounding with big integers, written from IEEE 754 and independently of the
 * code under test: the value {@code (-1)^negative * (magnitude + a little, if sticky) *
 * 2^exponent}.
 */
record Exact(boolean negative, BigInteger magnitude, int exponent, boolean sticky) {
    /** A format: significand bits, smallest and largest exponent. */
    record Format(int precision, int smallest, int largest) {
        static final Format BINARY16 = new Format(11, -14, 15);
        static final Format BINARY32 = new Format(24, -126, 127);
        static final Format BINARY64 = new Format(53, -1022, 1023);

        static Format extended(int precision) {
            return new Format(precision, -16382, 16383);
        }
    }

    /** A rounded magnitude {@code significand * 2^exponent}, or infinity, with what was raised. */
    record Rounded(
            boolean negative,
            boolean infinite,
            BigInteger significand,
            int exponent,
            int flags,
            boolean up) {}

    /** Quotients and roots are computed to at least this many bits before the sticky bit. */
    private static final int BITS = 200;

    static Exact of32(int bits) {
        int field = bits >>> 23 & 0xFF;
        long fraction = bits & 0x7F_FFFF;
        return field == 0
                ? of(bits < 0, fraction, -149)
                : of(bits < 0, fraction | 0x80_0000, field - 150);
    }

    static Exact of64(long bits) {
        int field = (int) (bits >>> 52) & 0x7FF;
        long fraction = bits & 0xF_FFFF_FFFF_FFFFL;
        return field == 0
                ? of(bits < 0, fraction, -1074)
                : of(bits < 0, fraction | 1L << 52, field - 1075);
    }

    static Exact of80(int signExponent, long significand) {
        int field = Math.max(signExponent & 0x7FFF, 1);
        return of((signExponent & 0x8000) != 0, significand, field - 16383 - 63);
    }

    static Exact of(long value) {
        BigInteger big = BigInteger.valueOf(value);
        return new Exact(value < 0, big.abs(), 0, false);
    }

    private static Exact of(boolean negative, long unsigned, int exponent) {
        return new Exact(
                negative, new BigInteger(Long.toUnsignedString(unsigned)), exponent, false);
    }

    boolean isZero() {
        return magnitude.signum() == 0 && !sticky;
    }

    private BigInteger signed() {
        return negative ? magnitude.negate() : magnitude;
    }

    Exact negate() {
        return new Exact(!negative, magnitude, exponent, sticky);
    }

    /** The sum; a zero sum of unlike signs is +0. */
    Exact plus(Exact y) {
        int lower = Math.min(exponent, y.exponent);
        BigInteger sum =
                signed().shiftLeft(exponent - lower).add(y.signed().shiftLeft(y.exponent - lower));
        boolean minus = sum.signum() < 0 || (sum.signum() == 0 && negative && y.negative);
        return new Exact(minus, sum.abs(), lower, false);
    }

    Exact times(Exact y) {
        return new Exact(
                negative != y.negative,
                magnitude.multiply(y.magnitude),
                exponent + y.exponent,
                false);
    }

    Exact over(Exact y) {
        int shift = BITS + y.magnitude.bitLength();
        BigInteger[] division = magnitude.shiftLeft(shift).divideAndRemainder(y.magnitude);
        return new Exact(
                negative != y.negative,
                division[0],
                exponent - shift - y.exponent,
                division[1].signum() != 0);
    }

    Exact root() {
        int shift = 2 * BITS + (exponent & 1);
        BigInteger[] root = magnitude.shiftLeft(shift).sqrtAndRemainder();
        return new Exact(false, root[0], (exponent - shift) / 2, root[1].signum() != 0);
    }

    /** Rounds as SDM Vol. 1, 4.8.4 with masked responses; the value must not be zero. */
    Rounded round(Format format, int rc) {
        int msb = magnitude.bitLength() - 1 + exponent;
        Rounded unbounded = roundAt(msb - format.precision + 1, rc);
        int top = unbounded.significand.bitLength() - 1 + unbounded.exponent;
        if (top < format.smallest) {
            Rounded tiny = roundAt(format.smallest - format.precision + 1, rc);
            int flags = tiny.flags == 0 ? 0 : FpFlags.UE | FpFlags.PE;
            return new Rounded(negative, false, tiny.significand, tiny.exponent, flags, tiny.up);
        }
        if (top > format.largest) {
            boolean infinite =
                    rc == FpFlags.NEAREST || rc == (negative ? FpFlags.DOWN : FpFlags.UP);
            BigInteger largest =
                    BigInteger.ONE.shiftLeft(format.precision).subtract(BigInteger.ONE);
            return new Rounded(
                    negative,
                    infinite,
                    largest,
                    format.largest - format.precision + 1,
                    FpFlags.OE | FpFlags.PE,
                    infinite);
        }
        return unbounded;
    }

    /** Rounds to a multiple of 2^unit. */
    Rounded roundAt(int unit, int rc) {
        int shift = unit - exponent;
        if (shift <= 0) {
            if (sticky) {
                throw new IllegalStateException("too few bits before the sticky bit");
            }
            return new Rounded(negative, false, magnitude.shiftLeft(-shift), unit, 0, false);
        }
        BigInteger kept = magnitude.shiftRight(shift);
        BigInteger lost = magnitude.subtract(kept.shiftLeft(shift));
        if (lost.signum() == 0 && !sticky) {
            return new Rounded(negative, false, kept, unit, 0, false);
        }
        int order = lost.compareTo(BigInteger.ONE.shiftLeft(shift - 1));
        boolean up =
                switch (rc) {
                    case FpFlags.NEAREST ->
                            order > 0 || (order == 0 && (sticky || kept.testBit(0)));
                    case FpFlags.DOWN -> negative;
                    case FpFlags.UP -> !negative;
                    default -> false;
                };
        BigInteger result = up ? kept.add(BigInteger.ONE) : kept;
        return new Rounded(negative, false, result, unit, FpFlags.PE, up);
    }

    /** The bits of a rounded value in an interchange format of this many fraction bits. */
    static long encode(Rounded r, Format format, int width) {
        long sign = r.negative ? 1L << (width - 1) : 0;
        int fractionBits = format.precision - 1;
        if (r.infinite) {
            return sign | (2L * format.largest + 1) << fractionBits;
        }
        if (r.significand.signum() == 0) {
            return sign;
        }
        int top = r.significand.bitLength() - 1 + r.exponent;
        int unit = Math.max(top, format.smallest) - fractionBits;
        long bits = r.significand.shiftLeft(r.exponent - unit + 64).shiftRight(64).longValue();
        long field = top < format.smallest ? 0 : top + format.largest;
        return sign | field << fractionBits | (bits & (1L << fractionBits) - 1);
    }

    /** The significand of a rounded value in the 80-bit format. */
    static long significand80(Rounded r) {
        if (r.infinite) {
            return 1L << 63;
        }
        if (r.significand.signum() == 0) {
            return 0;
        }
        int top = r.significand.bitLength() - 1 + r.exponent;
        int unit = Math.max(top, -16382) - 63;
        return r.significand.shiftLeft(r.exponent - unit + 64).shiftRight(64).longValue();
    }

    /** The sign and exponent word of a rounded value in the 80-bit format. */
    static int signExponent80(Rounded r) {
        int sign = r.negative ? 0x8000 : 0;
        if (r.infinite) {
            return sign | 0x7FFF;
        }
        int top = r.significand.bitLength() - 1 + r.exponent;
        return r.significand.signum() == 0 || top < -16382 ? sign : sign | top + 16383;
    }
}
