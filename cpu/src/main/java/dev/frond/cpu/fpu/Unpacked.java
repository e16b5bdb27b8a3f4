// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * One number taken apart: the common form of every format. A {@link #FINITE} number is {@code
 * (-1)^sign * sig * 2^(exp - 63)} with bit 63 of {@code sig} set; {@code low} holds 64 more bits
 * below {@code sig} (only ever non-zero in results that are still to be rounded). A NaN keeps its
 * payload in {@code sig}, aligned so that bit 63 is the integer bit and bit 62 the quiet bit.
 */
final class Unpacked {
    static final int ZERO = 0;
    static final int FINITE = 1;
    static final int INFINITY = 2;
    static final int QNAN = 3;
    static final int SNAN = 4;

    /** An 80-bit pattern that is no number since the 80387: SDM Vol. 1, table 8-3. */
    static final int UNSUPPORTED = 5;

    static final long INTEGER_BIT = 1L << 63;
    static final long QUIET_BIT = 1L << 62;

    int kind;
    int sign;
    int exp;
    long sig;
    long low;

    /**
     * As an operand: it was encoded as a (pseudo-)denormal. As a rounded result: {@code sig} has
     * bit 63 clear and {@code exp} is the smallest exponent of the format.
     */
    boolean denormal;

    boolean isNan() {
        return kind >= QNAN;
    }

    void zero(int newSign) {
        kind = ZERO;
        sign = newSign;
        exp = 0;
        sig = 0;
        low = 0;
        denormal = false;
    }

    void infinity(int newSign) {
        kind = INFINITY;
        sign = newSign;
        exp = 0;
        sig = INTEGER_BIT;
        low = 0;
        denormal = false;
    }

    void nan(int newSign, long payload) {
        kind = QNAN;
        sign = newSign;
        exp = 0;
        sig = payload | INTEGER_BIT | QUIET_BIT;
        low = 0;
        denormal = false;
    }

    /** The masked response to an invalid operation: SDM Vol. 1, 4.8.3.7. */
    void indefinite() {
        nan(1, 0);
    }

    void finite(int newSign, int newExp, long newSig, long newLow) {
        kind = FINITE;
        sign = newSign;
        exp = newExp;
        sig = newSig;
        low = newLow;
        denormal = false;
    }

    void copy(Unpacked from) {
        kind = from.kind;
        sign = from.sign;
        exp = from.exp;
        sig = from.sig;
        low = from.low;
        denormal = from.denormal;
    }

    void load16(int bits) {
        load(bits >>> 15 & 1, bits >>> 10 & 0x1F, 0x1F, 15, (long) (bits & 0x3FF) << 53, false);
    }

    void load32(int bits, boolean daz) {
        load(bits >>> 31, bits >>> 23 & 0xFF, 0xFF, 127, (long) (bits & 0x7F_FFFF) << 40, daz);
    }

    void load64(long bits, boolean daz) {
        long fraction = (bits & 0xF_FFFF_FFFF_FFFFL) << 11;
        load((int) (bits >>> 63), (int) (bits >>> 52) & 0x7FF, 0x7FF, 1023, fraction, daz);
    }

    private void load(int s, int field, int top, int bias, long fraction, boolean daz) {
        sign = s;
        low = 0;
        denormal = false;
        if (field == top) {
            sig = fraction | INTEGER_BIT;
            exp = 0;
            kind = fraction == 0 ? INFINITY : (fraction & QUIET_BIT) != 0 ? QNAN : SNAN;
        } else if (field != 0) {
            kind = FINITE;
            sig = fraction | INTEGER_BIT;
            exp = field - bias;
        } else if (fraction == 0 || daz) {
            zero(s);
        } else {
            int shift = Long.numberOfLeadingZeros(fraction);
            kind = FINITE;
            sig = fraction << shift;
            exp = 1 - bias - shift;
            denormal = true;
        }
    }

    void load80(int signExponent, long significand) {
        int field = signExponent & 0x7FFF;
        sign = signExponent >>> 15 & 1;
        low = 0;
        denormal = false;
        sig = significand;
        exp = field - 16383;
        if (field == 0) {
            if (significand == 0) {
                zero(sign);
            } else {
                int shift = Long.numberOfLeadingZeros(significand);
                kind = FINITE;
                sig = significand << shift;
                exp = -16382 - shift;
                denormal = true;
            }
        } else if (significand >= 0) {
            kind = UNSUPPORTED;
        } else if (field == 0x7FFF) {
            kind = significand << 1 == 0 ? INFINITY : (significand & QUIET_BIT) != 0 ? QNAN : SNAN;
        } else {
            kind = FINITE;
        }
    }

    void loadInteger(long value) {
        if (value == 0) {
            zero(0);
            return;
        }
        loadMagnitude(value < 0 ? 1 : 0, value < 0 ? -value : value);
    }

    /** An unsigned 64-bit magnitude, which must not be zero, with a sign. */
    void loadMagnitude(int newSign, long magnitude) {
        int shift = Long.numberOfLeadingZeros(magnitude);
        finite(newSign, 63 - shift, magnitude << shift, 0);
    }

    int pack16() {
        return (int) pack(15, 0x1F, 10);
    }

    int pack32() {
        return (int) pack(127, 0xFF, 23);
    }

    long pack64() {
        return pack(1023, 0x7FF, 52);
    }

    private long pack(int bias, int top, int fractionBits) {
        long fraction = sig << 1 >>> (64 - fractionBits);
        long field =
                switch (kind) {
                    case ZERO -> 0;
                    case FINITE -> denormal ? 0 : exp + bias;
                    default -> top;
                };
        int width = Integer.bitCount(top) + fractionBits;
        return (long) sign << width | field << fractionBits | fraction;
    }

    /** The sign and exponent word of the 80-bit format; {@link #sig} is its significand. */
    int signExponent() {
        int field =
                switch (kind) {
                    case ZERO -> 0;
                    case FINITE -> denormal ? 0 : exp + 16383;
                    default -> 0x7FFF;
                };
        return sign << 15 | field;
    }
}
