// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The x87 transcendentals: F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS (SDM Vol. 1,
 * 8.3.7 to 8.3.10). Results are computed to about 120 bits and rounded once, by RC, to 64; so they
 * are the correctly rounded ones but for one in 2^50, where the manual asks for less than one unit
 * in the last place. The trigonometric instructions reduce their argument with the 66-bit pi of
 * 8.3.8.
 */
public final class X87Transcendental {
    /** Half of the 66-bit pi, in units of 2^-65: the upper 64 of 128 bits. */
    private static final long HALF_PI_HIGH = 0x3;

    /** The lower 64 bits of {@link #HALF_PI_HIGH}. */
    private static final long HALF_PI_LOW = 0x243F_6A88_85A3_08D3L;

    private static final Quad PI = new Quad(0, 1, 0xC90F_DAA2_2168_C234L, 0xC4C6_628B_80DC_1CD1L);
    private static final Quad LN_2 =
            new Quad(0, -1, 0xB172_17F7_D1CF_79ABL, 0xC9E3_B398_03F2_F6AFL);
    private static final Quad LOG2_E =
            new Quad(0, 0, 0xB8AA_3B29_5C17_F0BBL, 0xBE87_FED0_691D_3E88L);
    private static final Quad ONE = Quad.of(1);
    private static final Quad TWO = Quad.of(2);

    /** (e^y - 1) / y in powers of y. */
    private static final Quad[] EXPM1 = factorials(32, 1, 1, false);

    /** sin(y) / y in powers of y squared. */
    private static final Quad[] SIN = factorials(17, 1, 2, true);

    /** cos(y) in powers of y squared. */
    private static final Quad[] COS = factorials(17, 0, 2, true);

    /** artanh(s) / s in powers of s squared. */
    private static final Quad[] ARTANH = oddReciprocals(27, false);

    /** arctan(s) / s in powers of s squared. */
    private static final Quad[] ARCTAN = oddReciprocals(15, true);

    /** arctan(i / 16). */
    private static final Quad[] ARCTAN_TABLE = {
        new Quad(),
        new Quad(0, -5, 0xFFAA_DDB9_67EF_4E36L, 0xCB27_92DC_0E2E_0D51L),
        new Quad(0, -4, 0xFEAD_D4D5_617B_6E32L, 0xC897_989F_3E88_8EF8L),
        new Quad(0, -3, 0xBDCB_DA5E_72D8_1134L, 0x7B0B_4F88_1C9C_7488L),
        new Quad(0, -3, 0xFADB_AFC9_6406_EB15L, 0x6DC7_9EF5_F7A2_17E6L),
        new Quad(0, -2, 0x9B13_B9B8_3F5E_5E69L, 0xC5AB_B498_D27A_F328L),
        new Quad(0, -2, 0xB7B0_CA0F_26F7_8473L, 0x8AA3_2122_DCFE_4483L),
        new Quad(0, -2, 0xD327_761E_611F_E5B6L, 0x427C_95E9_001E_7136L),
        new Quad(0, -2, 0xED63_382B_0DDA_7B45L, 0x6FE4_45EC_BC3A_8D03L),
        new Quad(0, -1, 0x832B_F4A6_D986_7E2AL, 0x4B6A_09CB_61A5_15C1L),
        new Quad(0, -1, 0x8F00_5D5E_F7F5_9F9BL, 0x5C83_5E16_65C4_3748L),
        new Quad(0, -1, 0x9A2F_80E6_71BD_DA20L, 0x4226_F8E2_204F_F3BDL),
        new Quad(0, -1, 0xA4BC_7D19_34F7_0924L, 0x19A8_7F2A_457D_AC9FL),
        new Quad(0, -1, 0xAEAC_4C38_B4D8_C080L, 0x1472_5E2F_3E52_070AL),
        new Quad(0, -1, 0xB805_3E2B_C231_9E73L, 0xCB2D_A552_10A4_443DL),
        new Quad(0, -1, 0xC0CE_85B8_AC52_6640L, 0x89DD_62C4_6E92_FA25L),
        new Quad(0, -1, 0xC90F_DAA2_2168_C234L, 0xC4C6_628B_80DC_1CD1L),
    };

    private final Quad x = new Quad();
    private final Quad y = new Quad();
    private final Quad z = new Quad();
    private final Quad t = new Quad();

    /** The quarter turns taken off by {@link #reduce}, modulo 4. */
    private int quadrant;

    X87Transcendental() {}

    /** 1/first!, 1/(first+step)!, ... */
    private static Quad[] factorials(int count, int first, int step, boolean alternate) {
        Quad[] c = new Quad[count];
        Quad value = new Quad();
        value.set(ONE);
        int n = 1;
        for (int k = 0; k < count; k++) {
            while (n < first + k * step) {
                n++;
                value.divide(Quad.of(n));
            }
            c[k] = new Quad();
            c[k].set(value);
            c[k].sign = alternate ? k & 1 : 0;
        }
        return c;
    }

    /** 1, 1/3, 1/5, ... */
    private static Quad[] oddReciprocals(int count, boolean alternate) {
        Quad[] c = new Quad[count];
        for (int k = 0; k < count; k++) {
            c[k] = Quad.of(1);
            c[k].divide(Quad.of(2L * k + 1));
            c[k].sign = alternate ? k & 1 : 0;
        }
        return c;
    }

    /** The result, which is never exact, rounded into r. */
    private static void inexact(FpEnv e, Quad q) {
        e.r.finite(q.sign, q.exp, q.high, q.low | 1);
        SoftRound.toFull80(e);
    }

    // --- F2XM1 ----------------------------------------------------------------------------------

    /** F2XM1: 2^ST(0) - 1, for -1 to +1. */
    public static void f2xm1(X87 f) {
        if (X87Math.underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        e.b.zero(0);
        if (!X87Math.nanOperand(e)) {
            X87Math.denormalOperand(e);
            if (!e.suppressed()) {
                f.transcendental.exponential(e);
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
    }

    private void exponential(FpEnv e) {
        Unpacked a = e.a;
        if (a.kind == Unpacked.INFINITY) {
            if (a.sign == 0) {
                e.r.infinity(0);
            } else {
                e.r.finite(1, 0, Unpacked.INTEGER_BIT, 0);
            }
        } else if (a.kind == Unpacked.ZERO) {
            e.r.zero(a.sign);
        } else if (a.exp >= 0) {
            outOfRange(e);
        } else {
            x.set(a);
            x.multiply(LN_2);
            y.polynomial(EXPM1, x);
            y.multiply(x);
            inexact(e, y);
        }
    }

    /** Outside the range that the manual defines: the operand, as processors have it. */
    private static void undefined(FpEnv e) {
        e.r.copy(e.a);
        e.raise(FpFlags.PE);
    }

    /** The ends of the range are exact, though processors call them inexact. */
    private static void outOfRange(FpEnv e) {
        if (e.a.exp == 0 && e.a.sig == Unpacked.INTEGER_BIT) {
            e.r.finite(e.a.sign, -e.a.sign, Unpacked.INTEGER_BIT, 0);
            e.raise(FpFlags.PE);
        } else {
            undefined(e);
        }
    }

    // --- FYL2X, FYL2XP1 -------------------------------------------------------------------------

    /** FYL2X: ST(1) * log2(ST(0)), then a pop. */
    public static void fyl2x(X87 f) {
        logarithm(f, false);
    }

    /** FYL2XP1: ST(1) * log2(ST(0) + 1), then a pop. */
    public static void fyl2xp1(X87 f) {
        logarithm(f, true);
    }

    private static boolean underflowsPopping(X87 f) {
        if (!f.empty(0) && !f.empty(1)) {
            return false;
        }
        if (f.stackUnderflow()) {
            f.setIndefinite(1);
            f.pop();
        }
        return true;
    }

    private static void logarithm(X87 f, boolean plusOne) {
        if (underflowsPopping(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        f.load(e.b, 1);
        if (!X87Math.nanResult(e)) {
            if (plusOne) {
                f.transcendental.logarithmPlusOne(e);
            } else {
                f.transcendental.logarithm(e);
            }
        }
        if (f.settle(e)) {
            f.set(1, e.r);
            f.pop();
        }
    }

    private void logarithm(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if (a.kind == Unpacked.ZERO) {
            if (b.kind == Unpacked.ZERO) {
                e.invalid();
            } else {
                if (b.kind == Unpacked.FINITE) {
                    e.raise(FpFlags.ZE);
                }
                e.r.infinity(b.sign ^ 1);
            }
            return;
        }
        boolean one = a.kind == Unpacked.FINITE && a.exp == 0 && a.sig == Unpacked.INTEGER_BIT;
        if (a.sign != 0
                || (a.kind == Unpacked.INFINITY && b.kind == Unpacked.ZERO)
                || (one && b.kind == Unpacked.INFINITY)) {
            e.invalid();
            return;
        }
        X87Math.denormalOperand(e);
        if (e.suppressed()) {
            return;
        }
        int logSign = a.kind == Unpacked.FINITE && a.exp < 0 ? 1 : 0;
        if (a.kind == Unpacked.INFINITY || b.kind == Unpacked.INFINITY) {
            e.r.infinity(b.sign ^ logSign);
        } else if (one || b.kind == Unpacked.ZERO) {
            e.r.zero(b.sign ^ logSign);
        } else if (a.sig == Unpacked.INTEGER_BIT) {
            powerOfTwo(e, a.exp);
        } else {
            int exponent = a.exp;
            x.set(0, 0, a.sig, 0);
            if (Long.compareUnsigned(a.sig, 0xB504_F333_F9DE_6484L) > 0) {
                x.exp = -1;
                exponent++;
            }
            y.set(x);
            x.subtract(ONE);
            y.add(ONE);
            log2(exponent);
            y.set(b);
            z.multiply(y);
            inexact(e, z);
        }
    }

    /**
     * The logarithm is an integer: an exact product, which processors call inexact nevertheless.
     */
    private void powerOfTwo(FpEnv e, int exponent) {
        x.setInteger(exponent);
        y.set(e.b);
        x.multiply(y);
        e.r.finite(x.sign, x.exp, x.high, x.low);
        SoftRound.toFull80(e);
        e.raise(e.r.denormal ? FpFlags.UE | FpFlags.PE : FpFlags.PE);
    }

    private void logarithmPlusOne(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if ((a.kind == Unpacked.INFINITY && a.sign != 0)
                || (a.kind == Unpacked.ZERO && b.kind == Unpacked.INFINITY)
                || (a.kind == Unpacked.INFINITY && b.kind == Unpacked.ZERO)) {
            e.invalid();
            return;
        }
        X87Math.denormalOperand(e);
        if (e.suppressed()) {
            return;
        }
        int sign = a.sign ^ b.sign;
        if (a.kind == Unpacked.INFINITY || b.kind == Unpacked.INFINITY) {
            e.r.infinity(sign);
        } else if (a.kind == Unpacked.ZERO || b.kind == Unpacked.ZERO) {
            e.r.zero(sign);
        } else if (a.sign != 0 && a.exp >= 0) {
            undefined(e);
        } else {
            plusOne(e);
        }
    }

    private void plusOne(FpEnv e) {
        Unpacked a = e.a;
        x.set(a);
        y.set(a);
        int exponent = 0;
        // Far outside the range that the manual defines, bring 1 + x back near 1.
        if (a.exp >= -1) {
            y.add(ONE);
            exponent = y.exp;
            y.exp = 0;
            if (Long.compareUnsigned(y.high, 0xB504_F333_F9DE_6484L) > 0) {
                y.exp = -1;
                exponent++;
            }
            x.set(y);
            x.subtract(ONE);
            if (x.isZero()) {
                powerOfTwo(e, exponent);
                return;
            }
            y.add(ONE);
        } else {
            y.add(TWO);
        }
        log2(exponent);
        y.set(e.b);
        z.multiply(y);
        inexact(e, z);
    }

    /** z = exponent + log2((y + x) / (y - x)), that is 2 log2(e) artanh(x / y). */
    private void log2(int exponent) {
        z.set(x);
        z.divide(y);
        y.set(z);
        y.multiply(z);
        t.polynomial(ARTANH, y);
        z.multiply(t);
        z.multiply(LOG2_E);
        z.exp += z.isZero() ? 0 : 1;
        t.setInteger(exponent);
        z.add(t);
    }

    // --- FPATAN ---------------------------------------------------------------------------------

    /** FPATAN: the angle of the point (ST(0), ST(1)), then a pop. */
    public static void fpatan(X87 f) {
        if (underflowsPopping(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        f.load(e.b, 1);
        if (!X87Math.nanResult(e)) {
            X87Math.denormalOperand(e);
            if (!e.suppressed()) {
                f.transcendental.angle(e);
            }
        }
        if (f.settle(e)) {
            f.set(1, e.r);
            f.pop();
        }
    }

    private void angle(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if (b.kind == Unpacked.ZERO || a.kind == Unpacked.INFINITY) {
            if (b.kind == Unpacked.INFINITY) {
                // A diagonal: a quarter or three quarters of pi.
                z.set(PI);
                z.exp -= 2;
                if (a.sign != 0) {
                    t.set(PI);
                    t.exp--;
                    z.add(t);
                }
            } else if (a.sign == 0) {
                e.r.zero(b.sign);
                return;
            } else {
                z.set(PI);
            }
        } else if (a.kind == Unpacked.ZERO || b.kind == Unpacked.INFINITY) {
            z.set(PI);
            z.exp--;
        } else {
            finiteAngle(e);
        }
        z.sign = b.sign;
        inexact(e, z);
    }

    private void finiteAngle(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        boolean steep = b.exp != a.exp ? b.exp > a.exp : Long.compareUnsigned(b.sig, a.sig) > 0;
        x.set(steep ? a : b);
        y.set(steep ? b : a);
        x.sign = 0;
        y.sign = 0;
        x.divide(y);
        arctan();
        if (steep) {
            t.set(PI);
            t.exp--;
            t.subtract(z);
            z.set(t);
        }
        if (a.sign != 0) {
            t.set(PI);
            t.subtract(z);
            z.set(t);
        }
    }

    /** z = arctan(x) for 0 &lt; x &lt;= 1; the nearest sixteenth comes from the table. */
    private void arctan() {
        int i = x.exp < -5 ? 0 : (int) (((x.high >>> (58 - x.exp)) + 1) >>> 1);
        if (i != 0) {
            y.setInteger(i);
            y.exp -= 4;
            t.set(x);
            t.multiply(y);
            t.add(ONE);
            x.subtract(y);
            x.divide(t);
        }
        y.set(x);
        y.multiply(x);
        z.polynomial(ARCTAN, y);
        z.multiply(x);
        z.add(ARCTAN_TABLE[i]);
    }

    // --- FSIN, FCOS, FSINCOS, FPTAN
    // ---------------------------------------------------------------

    /** FSIN. */
    public static void fsin(X87 f) {
        trigonometric(f, false);
    }

    /** FCOS. */
    public static void fcos(X87 f) {
        trigonometric(f, true);
    }

    private static void trigonometric(X87 f, boolean cosine) {
        f.conditions(X87.C2, 0);
        if (X87Math.underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        if (outOfRange(f, e)) {
            return;
        }
        if (angleOperand(e)) {
            if (cosine) {
                f.transcendental.cosine(e);
            } else {
                f.transcendental.sine(e);
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
    }

    /** FSINCOS: the sine replaces ST(0), then the cosine is pushed. */
    public static void fsincos(X87 f) {
        pushing(f, false);
    }

    /** FPTAN: the tangent replaces ST(0), then 1.0 is pushed. */
    public static void fptan(X87 f) {
        pushing(f, true);
    }

    private static void pushing(X87 f, boolean tangent) {
        f.conditions(X87.C2, 0);
        if (f.empty(0) || !f.empty(7)) {
            if (f.empty(0) ? f.stackUnderflow() : f.stackOverflow()) {
                f.setIndefinite(0);
                f.pushIndefinite();
            }
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        if (outOfRange(f, e)) {
            return;
        }
        if (!angleOperand(e)) {
            if (f.settle(e)) {
                f.set(0, e.r);
                f.pushRaw(e.r.signExponent(), e.r.sig);
            }
            return;
        }
        if (tangent) {
            f.transcendental.tangent(e);
            f.settle(e);
            f.set(0, e.r);
            f.pushRaw(0x3FFF, Unpacked.INTEGER_BIT);
        } else {
            f.transcendental.sine(e);
            f.set(0, e.r);
            f.transcendental.cosine(e);
            f.settle(e);
            f.pushRaw(e.r.signExponent(), e.r.sig);
        }
    }

    /** From 2^63 on nothing is done but setting C2. */
    private static boolean outOfRange(X87 f, FpEnv e) {
        if (e.a.kind != Unpacked.FINITE || e.a.exp < 63) {
            return false;
        }
        f.conditions(X87.C1 | X87.C2, X87.C2);
        return true;
    }

    /** False when there is nothing to compute: r then has the answer, if there is one. */
    private static boolean angleOperand(FpEnv e) {
        e.b.zero(0);
        if (X87Math.nanOperand(e)) {
            return false;
        }
        if (e.a.kind == Unpacked.INFINITY) {
            e.invalid();
            return false;
        }
        X87Math.denormalOperand(e);
        return !e.suppressed();
    }

    private void sine(FpEnv e) {
        if (e.a.kind == Unpacked.ZERO) {
            e.r.zero(e.a.sign);
            return;
        }
        reduce(e.a);
        circular((quadrant & 1) != 0, e.a.sign ^ quadrant >> 1);
        inexact(e, z);
    }

    private void cosine(FpEnv e) {
        if (e.a.kind == Unpacked.ZERO) {
            e.r.finite(0, 0, Unpacked.INTEGER_BIT, 0);
            return;
        }
        reduce(e.a);
        circular((quadrant & 1) == 0, (quadrant + 1 & 2) >> 1);
        inexact(e, z);
    }

    private void tangent(FpEnv e) {
        if (e.a.kind == Unpacked.ZERO) {
            e.r.zero(e.a.sign);
            return;
        }
        reduce(e.a);
        if (x.exp < -40) {
            // x + x^3 / 3, so that the side of x on which the tangent lies is not lost.
            z.set(x);
            z.multiply(x);
            z.multiply(ARTANH[1]);
            z.add(ONE);
            z.multiply(x);
            z.sign = e.a.sign;
            inexact(e, z);
            return;
        }
        boolean odd = (quadrant & 1) != 0;
        circular(!odd, 0);
        t.set(z);
        circular(odd, 0);
        z.divide(t);
        z.sign ^= e.a.sign ^ (odd ? 1 : 0);
        inexact(e, z);
    }

    /** z = the cosine or the sine of the reduced angle x, times a sign. */
    private void circular(boolean cosine, int sign) {
        y.set(x);
        y.multiply(x);
        if (cosine) {
            z.polynomial(COS, y);
        } else {
            z.polynomial(SIN, y);
            z.multiply(x);
        }
        z.sign ^= sign;
    }

    /** x = |a| less the nearest multiple of pi / 2, exactly, by the 66-bit pi. */
    private void reduce(Unpacked a) {
        x.set(0, a.exp, a.sig, 0);
        quadrant = 0;
        if (a.exp < -1) {
            return;
        }
        // In units of 2^-65 the significand is shifted by exp + 2; it starts below pi / 2.
        long high = 0;
        long low = a.sig;
        int quotient = 0;
        for (int k = a.exp + 2; k > 0; k--) {
            high = high << 1 | low >>> 63;
            low <<= 1;
            quotient <<= 1;
            if (Wide.compare(high, low, HALF_PI_HIGH, HALF_PI_LOW) >= 0) {
                high -= HALF_PI_HIGH + (Long.compareUnsigned(low, HALF_PI_LOW) < 0 ? 1 : 0);
                low -= HALF_PI_LOW;
                quotient |= 1;
            }
        }
        int sign = 0;
        long doubledHigh = high << 1 | low >>> 63;
        if (Wide.compare(doubledHigh, low << 1, HALF_PI_HIGH, HALF_PI_LOW) > 0) {
            long rest = HALF_PI_LOW - low;
            high = HALF_PI_HIGH - high - (Long.compareUnsigned(HALF_PI_LOW, low) < 0 ? 1 : 0);
            low = rest;
            sign = 1;
            quotient++;
        }
        quadrant = quotient & 3;
        // Never zero: the divisor is odd and the significand below it.
        int n = high != 0 ? Long.numberOfLeadingZeros(high) : 64 + Long.numberOfLeadingZeros(low);
        // Bit 127 would weigh 2^62.
        x.set(sign, 62 - n, Wide.shiftLeftHigh(high, low, n), Wide.shiftLeftLow(low, n));
    }
}
