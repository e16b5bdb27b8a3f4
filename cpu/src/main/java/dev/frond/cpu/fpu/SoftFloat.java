// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The IEEE 754 operations on operands taken apart, exact or with a sticky bit, into {@link
 * FpEnv#r}. Callers have dealt with NaN operands; what is invalid among numbers and infinities is
 * raised here and gives the indefinite. Rounding is the caller's next step ({@link SoftRound}).
 */
final class SoftFloat {
    private SoftFloat() {}

    /** r = a + b, or a - b when {@code flip} is 1. */
    static void add(FpEnv e, int flip) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        int bSign = b.sign ^ flip;
        if (a.kind == Unpacked.FINITE && b.kind == Unpacked.FINITE) {
            addFinite(e, a.sign, a.exp, a.sig, 0, bSign, b.exp, b.sig, 0);
        } else if (a.kind == Unpacked.INFINITY) {
            if (b.kind == Unpacked.INFINITY && a.sign != bSign) {
                e.invalid();
            } else {
                e.r.infinity(a.sign);
            }
        } else if (b.kind == Unpacked.INFINITY) {
            e.r.infinity(bSign);
        } else if (b.kind == Unpacked.FINITE) {
            e.r.finite(bSign, b.exp, b.sig, 0);
        } else if (a.kind == Unpacked.FINITE) {
            e.r.finite(a.sign, a.exp, a.sig, 0);
        } else {
            e.r.zero(a.sign == bSign ? bSign : zeroSign(e));
        }
    }

    private static int zeroSign(FpEnv e) {
        return e.rc == FpFlags.DOWN ? 1 : 0;
    }

    /** The sum of two normalized 128-bit significands. */
    private static void addFinite(
            FpEnv e, int xs, int xe, long xh, long xl, int ys, int ye, long yh, long yl) {
        if (xe < ye || (xe == ye && Wide.compare(xh, xl, yh, yl) < 0)) {
            addOrdered(e, ys, ye, yh, yl, xs, xe, xh, xl);
        } else {
            addOrdered(e, xs, xe, xh, xl, ys, ye, yh, yl);
        }
    }

    private static void addOrdered(
            FpEnv e, int xs, int xe, long xh, long xl, int ys, int ye, long yh, long yl) {
        int shift = xe - ye;
        long sh = Wide.shiftRightHigh(yh, shift);
        long sl = Wide.shiftRightLow(yh, yl, shift);
        if (xs == ys) {
            long low = xl + sl;
            long carry = Wide.carry(xl, low);
            long high = xh + sh + carry;
            // Both addends are below 2^128, so a carry out shows as a result below x.
            if (Wide.compare(high, low, xh, xl) < 0) {
                long shifted = high << 63 | low >>> 1 | (low & 1);
                e.r.finite(xs, xe + 1, high >>> 1 | Unpacked.INTEGER_BIT, shifted);
            } else {
                e.r.finite(xs, xe, high, low);
            }
            return;
        }
        long low = xl - sl;
        long high = xh - sh - (Long.compareUnsigned(xl, sl) < 0 ? 1 : 0);
        if ((high | low) == 0) {
            e.r.zero(zeroSign(e));
            return;
        }
        int n = high != 0 ? Long.numberOfLeadingZeros(high) : 64 + Long.numberOfLeadingZeros(low);
        e.r.finite(xs, xe - n, Wide.shiftLeftHigh(high, low, n), Wide.shiftLeftLow(low, n));
    }

    /** r = a * b. */
    static void multiply(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        int sign = a.sign ^ b.sign;
        if (a.kind == Unpacked.FINITE && b.kind == Unpacked.FINITE) {
            multiplyFinite(e, sign);
        } else if (a.kind != Unpacked.INFINITY && b.kind != Unpacked.INFINITY) {
            e.r.zero(sign);
        } else if (a.kind == Unpacked.ZERO || b.kind == Unpacked.ZERO) {
            e.invalid();
        } else {
            e.r.infinity(sign);
        }
    }

    private static void multiplyFinite(FpEnv e, int sign) {
        long high = Math.unsignedMultiplyHigh(e.a.sig, e.b.sig);
        long low = e.a.sig * e.b.sig;
        int exp = e.a.exp + e.b.exp;
        if (high < 0) {
            e.r.finite(sign, exp + 1, high, low);
        } else {
            e.r.finite(sign, exp, high << 1 | low >>> 63, low << 1);
        }
    }

    /** r = a / b. */
    static void divide(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        int sign = a.sign ^ b.sign;
        if (a.kind == Unpacked.FINITE && b.kind == Unpacked.FINITE) {
            divideFinite(e, sign);
        } else if (a.kind == b.kind) {
            e.invalid();
        } else if (a.kind == Unpacked.INFINITY) {
            e.r.infinity(sign);
        } else if (b.kind == Unpacked.ZERO) {
            e.raise(FpFlags.ZE);
            e.r.infinity(sign);
        } else {
            e.r.zero(sign);
        }
    }

    private static void divideFinite(FpEnv e, int sign) {
        long x = e.a.sig;
        long y = e.b.sig;
        int exp = e.a.exp - e.b.exp;
        long high = x >>> 1;
        long low = x << 63;
        if (Long.compareUnsigned(x, y) < 0) {
            high = x;
            low = 0;
            exp--;
        }
        long q = Wide.divide(high, low, y);
        long remainder = low - q * y;
        e.r.finite(sign, exp, q, fraction(remainder, y));
    }

    /** The fraction remainder / divisor as half bit and sticky bit. */
    private static long fraction(long remainder, long divisor) {
        if (remainder == 0) {
            return 0;
        }
        if (remainder < 0) {
            return Unpacked.INTEGER_BIT | 1;
        }
        int order = Long.compareUnsigned(remainder << 1, divisor);
        return order < 0 ? 1 : order == 0 ? Unpacked.INTEGER_BIT : Unpacked.INTEGER_BIT | 1;
    }

    /** r = square root of a. */
    static void squareRoot(FpEnv e) {
        Unpacked a = e.a;
        if (a.kind == Unpacked.ZERO) {
            e.r.zero(a.sign);
        } else if (a.sign != 0) {
            e.invalid();
        } else if (a.kind == Unpacked.INFINITY) {
            e.r.infinity(0);
        } else {
            squareRootFinite(e);
        }
    }

    private static void squareRootFinite(FpEnv e) {
        // The radicand is the 128-bit high:low, its root has exactly 64 bits.
        boolean odd = (e.a.exp & 1) != 0;
        long high = odd ? e.a.sig : e.a.sig >>> 1;
        long low = odd ? 0 : e.a.sig << 63;
        // The double root is right to 52 bits; one Newton step leaves an error of a few units.
        double estimate = Math.sqrt((high >>> 1) * 0x1p65);
        long q = estimate >= 0x1p64 ? -1L : (long) (estimate * 0.5) << 1;
        if (q >= 0) {
            q = Unpacked.INTEGER_BIT;
        }
        long quotient = Long.compareUnsigned(high, q) < 0 ? Wide.divide(high, low, q) : -1L;
        q = (q >>> 1) + (quotient >>> 1) + (q & quotient & 1);
        // Exact remainder high:low - q*q, corrected until 0 <= remainder <= 2q.
        long remainderLow = low - q * q;
        long remainderHigh =
                high
                        - Math.unsignedMultiplyHigh(q, q)
                        - (Long.compareUnsigned(low, q * q) < 0 ? 1 : 0);
        while (remainderHigh < 0) {
            q--;
            long step = remainderLow + (q << 1) + 1;
            remainderHigh += (q >>> 63) + Wide.carry(remainderLow, step);
            remainderLow = step;
        }
        while (Wide.compare(remainderHigh, remainderLow, q >>> 63, q << 1) > 0) {
            long step = (q << 1) + 1;
            remainderHigh -= (q >>> 63) + (Long.compareUnsigned(remainderLow, step) < 0 ? 1 : 0);
            remainderLow -= step;
            q++;
        }
        long fraction = 0;
        if ((remainderHigh | remainderLow) != 0) {
            boolean aboveHalf = remainderHigh != 0 || Long.compareUnsigned(remainderLow, q) > 0;
            fraction = aboveHalf ? Unpacked.INTEGER_BIT | 1 : 1;
        }
        e.r.finite(0, e.a.exp >> 1, q, fraction);
    }

    /** r = a * b + c with one rounding; operands of binary64 width or less. */
    static void fusedMultiplyAdd(FpEnv e) {
        Unpacked c = e.c;
        Unpacked r = e.r;
        multiply(e);
        if (r.isNan()) {
            return;
        }
        if (r.kind == Unpacked.FINITE && c.kind == Unpacked.FINITE) {
            addFinite(e, r.sign, r.exp, r.sig, r.low, c.sign, c.exp, c.sig, 0);
        } else if (r.kind == Unpacked.INFINITY) {
            if (c.kind == Unpacked.INFINITY && c.sign != r.sign) {
                e.invalid();
            }
        } else if (c.kind == Unpacked.INFINITY) {
            r.infinity(c.sign);
        } else if (r.kind == Unpacked.ZERO) {
            if (c.kind == Unpacked.FINITE) {
                r.finite(c.sign, c.exp, c.sig, 0);
            } else {
                r.zero(c.sign == r.sign ? c.sign : zeroSign(e));
            }
        }
    }

    /** a compared with b: -1, 0, 1; neither may be a NaN. */
    static int compare(Unpacked a, Unpacked b) {
        if (a.kind == Unpacked.ZERO && b.kind == Unpacked.ZERO) {
            return 0;
        }
        int aSide = a.kind == Unpacked.ZERO ? 0 : 1 - 2 * a.sign;
        int bSide = b.kind == Unpacked.ZERO ? 0 : 1 - 2 * b.sign;
        if (aSide != bSide) {
            return aSide < bSide ? -1 : 1;
        }
        if (a.kind != b.kind) {
            return a.kind == Unpacked.INFINITY ? aSide : -aSide;
        }
        if (a.kind == Unpacked.INFINITY) {
            return 0;
        }
        int magnitude =
                a.exp != b.exp
                        ? Integer.compare(a.exp, b.exp)
                        : Integer.signum(Long.compareUnsigned(a.sig, b.sig));
        return magnitude * aSide;
    }

    /** r = a rounded to an integral value by {@code rc}; raises PE when that changes it. */
    static void roundToIntegral(FpEnv e, int rc) {
        Unpacked a = e.a;
        Unpacked r = e.r;
        r.copy(a);
        r.denormal = false;
        if (a.kind != Unpacked.FINITE || a.exp >= 63) {
            return;
        }
        if (a.exp < -1) {
            e.raise(FpFlags.PE);
            roundFraction(e, rc, false);
            return;
        }
        if (a.exp == -1) {
            e.raise(FpFlags.PE);
            roundFraction(e, rc, true);
            return;
        }
        long unit = Unpacked.INTEGER_BIT >>> a.exp;
        long discarded = a.sig & unit - 1;
        if (discarded == 0) {
            return;
        }
        e.raise(FpFlags.PE);
        boolean half = (discarded & unit >>> 1) != 0;
        boolean rest = (discarded & (unit >>> 1) - 1) != 0;
        long kept = a.sig & -unit;
        if (SoftRound.increments(rc, a.sign, half, rest, (kept & unit) != 0)) {
            e.roundedUp = true;
            kept += unit;
            if (kept == 0) {
                kept = Unpacked.INTEGER_BIT;
                r.exp++;
            }
        }
        r.sig = kept;
    }

    /** The integral value of a magnitude between 0 and 1: 0 or 1. */
    private static void roundFraction(FpEnv e, int rc, boolean half) {
        boolean rest = !half || e.a.sig << 1 != 0;
        if (SoftRound.increments(rc, e.a.sign, half, rest, false)) {
            e.roundedUp = true;
            e.r.finite(e.a.sign, 0, Unpacked.INTEGER_BIT, 0);
        } else {
            e.r.zero(e.a.sign);
        }
    }

    /**
     * a as a signed integer of {@code width} (16, 32, 64) bits, rounded by {@code rc}; what does
     * not fit, infinities and NaNs raise IE and give the integer indefinite, the most negative
     * number.
     */
    static long toInteger(FpEnv e, int rc, int width) {
        long indefinite = -1L << (width - 1);
        if (e.a.kind == Unpacked.ZERO) {
            return 0;
        }
        if (e.a.kind != Unpacked.FINITE || e.a.exp > 63) {
            e.raise(FpFlags.IE);
            return indefinite;
        }
        int before = e.flags;
        long magnitude = magnitude(e, rc);
        long limit = 1L << (width - 1);
        boolean fits =
                e.a.sign != 0
                        ? Long.compareUnsigned(magnitude, limit) <= 0
                        : Long.compareUnsigned(magnitude, limit) < 0;
        if (!fits) {
            e.flags = before | FpFlags.IE;
            e.roundedUp = false;
            return indefinite;
        }
        return e.a.sign != 0 ? -magnitude : magnitude;
    }

    /** |a| rounded to an integer below 2^64, as {@link #toInteger}; a is finite and below 2^64. */
    static long magnitude(FpEnv e, int rc) {
        roundToIntegral(e, rc);
        if (e.r.kind == Unpacked.ZERO) {
            return 0;
        }
        // Rounding cannot reach 2^64: from exponent 63 on there is no fraction.
        return e.r.sig >>> (63 - e.r.exp);
    }
}
