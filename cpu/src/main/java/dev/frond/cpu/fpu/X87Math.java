// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/** The x87 arithmetic: SDM Vol. 1, 8.3.5, with the responses of 8.5. */
public final class X87Math {
    /** ST(dst) + source: the /0 of D8. */
    public static final int ADD = 0;

    /** ST(dst) * source: the /1 of D8. */
    public static final int MUL = 1;

    /** ST(dst) - source: the /4 of D8. */
    public static final int SUB = 4;

    /** source - ST(dst): the /5 of D8. */
    public static final int SUBR = 5;

    /** ST(dst) / source: the /6 of D8. */
    public static final int DIV = 6;

    /** source / ST(dst): the /7 of D8. */
    public static final int DIVR = 7;

    private X87Math() {}

    /** ST(dst) = ST(dst) op ST(src), then an optional pop. */
    public static void arith(X87 f, int op, int dst, int src, boolean pop) {
        if (f.empty(dst) || f.empty(src)) {
            if (f.stackUnderflow()) {
                f.setIndefinite(dst);
                if (pop) {
                    f.pop();
                }
            }
            return;
        }
        FpEnv e = f.begin();
        boolean reverse = op == SUBR || op == DIVR;
        f.load(reverse ? e.b : e.a, dst);
        f.load(reverse ? e.a : e.b, src);
        if (compute(f, e, op)) {
            f.set(dst, e.r);
            if (pop) {
                f.pop();
            }
        }
    }

    /** ST(0) = ST(0) op m32fp. */
    public static void arithM32(X87 f, int op, int bits) {
        if (underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        memoryOperand(e, op).load32(bits, false);
        arithMemory(f, e, op);
    }

    /** ST(0) = ST(0) op m64fp. */
    public static void arithM64(X87 f, int op, long bits) {
        if (underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        memoryOperand(e, op).load64(bits, false);
        arithMemory(f, e, op);
    }

    /** ST(0) = ST(0) op m16int or m32int, sign-extended. */
    public static void arithInteger(X87 f, int op, int value) {
        if (underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        memoryOperand(e, op).loadInteger(value);
        arithMemory(f, e, op);
    }

    private static Unpacked memoryOperand(FpEnv e, int op) {
        return op == SUBR || op == DIVR ? e.a : e.b;
    }

    private static void arithMemory(X87 f, FpEnv e, int op) {
        f.load(op == SUBR || op == DIVR ? e.b : e.a, 0);
        if (compute(f, e, op)) {
            f.set(0, e.r);
        }
    }

    /** Answers an empty ST(0); true when the instruction is over. */
    static boolean underflows(X87 f) {
        if (!f.empty(0)) {
            return false;
        }
        if (f.stackUnderflow()) {
            f.setIndefinite(0);
        }
        return true;
    }

    /** As {@link #underflows(X87)} for instructions on ST(0) and ST(1), result in ST(0). */
    private static boolean underflowsPair(X87 f) {
        if (!f.empty(0) && !f.empty(1)) {
            return false;
        }
        if (f.stackUnderflow()) {
            f.setIndefinite(0);
        }
        return true;
    }

    private static boolean compute(X87 f, FpEnv e, int op) {
        if (!nanResult(e)) {
            switch (op) {
                case ADD -> SoftFloat.add(e, 0);
                case MUL -> SoftFloat.multiply(e);
                case SUB, SUBR -> SoftFloat.add(e, 1);
                case DIV, DIVR -> SoftFloat.divide(e);
                default -> throw new IllegalArgumentException("x87 operation " + op);
            }
            denormalOperand(e);
            if (!e.suppressed()) {
                SoftRound.to80(e);
            }
        }
        return f.settle(e);
    }

    /** Invalid and divide-by-zero go before denormal: SDM Vol. 1, 4.9.2. */
    static void denormalOperand(FpEnv e) {
        if ((e.a.denormal || e.b.denormal) && (e.flags & (FpFlags.IE | FpFlags.ZE)) == 0) {
            e.raise(FpFlags.DE);
        }
    }

    /**
     * The NaN that two operands give, if either is one: a quiet one before a signalling one, then
     * the larger significand, then the positive one (SDM Vol. 1, table 4-7).
     */
    static boolean nanResult(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if (!a.isNan() && !b.isNan()) {
            return false;
        }
        if (a.kind == Unpacked.UNSUPPORTED || b.kind == Unpacked.UNSUPPORTED) {
            e.invalid();
            return true;
        }
        if (a.kind == Unpacked.SNAN || b.kind == Unpacked.SNAN) {
            e.raise(FpFlags.IE);
        }
        Unpacked from;
        if (!b.isNan()) {
            from = a;
        } else if (!a.isNan()) {
            from = b;
        } else if (a.kind != b.kind) {
            from = a.kind == Unpacked.QNAN ? a : b;
        } else {
            int order = Long.compareUnsigned(a.sig, b.sig);
            from = order > 0 || (order == 0 && a.sign == 0) ? a : b;
        }
        e.r.nan(from.sign, from.sig);
        return true;
    }

    /** As {@link #nanResult} for one operand, in a. */
    static boolean nanOperand(FpEnv e) {
        Unpacked a = e.a;
        if (!a.isNan()) {
            return false;
        }
        if (a.kind == Unpacked.UNSUPPORTED) {
            e.invalid();
            return true;
        }
        if (a.kind == Unpacked.SNAN) {
            e.raise(FpFlags.IE);
        }
        e.r.nan(a.sign, a.sig);
        return true;
    }

    /** FSQRT. */
    public static void fsqrt(X87 f) {
        if (underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        e.b.zero(0);
        if (!nanOperand(e)) {
            SoftFloat.squareRoot(e);
            denormalOperand(e);
            if (!e.suppressed()) {
                SoftRound.to80(e);
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
    }

    /** FRNDINT. */
    public static void frndint(X87 f) {
        if (underflows(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        e.b.zero(0);
        if (!nanOperand(e)) {
            denormalOperand(e);
            if (!e.suppressed()) {
                SoftFloat.roundToIntegral(e, e.rc);
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
    }

    /** FSCALE: ST(0) * 2^trunc(ST(1)). */
    public static void fscale(X87 f) {
        if (underflowsPair(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        f.load(e.b, 1);
        if (!nanResult(e)) {
            scale(e);
            denormalOperand(e);
            if (!e.suppressed() && e.b.kind == Unpacked.ZERO) {
                roundUnchanged(f, e);
            } else if (!e.suppressed()) {
                SoftRound.toFull80(e);
                massive(e);
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
    }

    /**
     * Rounds what is ST(0) as it was: a denormal one that processors of AMD deliver to an unmasked
     * underflow, and those of Intel do not.
     */
    private static void roundUnchanged(X87 f, FpEnv e) {
        int masks = e.masks;
        e.masks |= f.amd ? 0 : FpFlags.UE;
        SoftRound.toFull80(e);
        e.masks = masks;
    }

    private static void scale(FpEnv e) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if (b.kind == Unpacked.INFINITY) {
            if (a.kind == (b.sign == 0 ? Unpacked.ZERO : Unpacked.INFINITY)) {
                e.invalid();
            } else if (b.sign == 0) {
                e.r.infinity(a.sign);
            } else {
                e.r.zero(a.sign);
            }
            return;
        }
        e.r.copy(a);
        e.r.denormal = false;
        if (a.kind != Unpacked.FINITE || b.kind != Unpacked.FINITE || b.exp < 0) {
            return;
        }
        int magnitude = b.exp > 16 ? 0x1_8000 : (int) (b.sig >>> (63 - b.exp));
        e.r.exp += b.sign == 0 ? magnitude : -magnitude;
    }

    /** What even the biased exponent cannot hold becomes infinity or zero: SDM Vol. 1, 4.9.1.4. */
    private static void massive(FpEnv e) {
        if (e.r.kind == Unpacked.FINITE) {
            if (e.r.exp > 16383) {
                e.r.infinity(e.r.sign);
                e.roundedUp = true;
                e.raise(FpFlags.PE);
            } else if (e.r.exp < -16382) {
                e.r.zero(e.r.sign);
                e.roundedUp = false;
                e.raise(FpFlags.PE);
            }
        }
    }

    /** FXTRACT: the exponent into ST(0), then the significand is pushed. */
    public static void fxtract(X87 f) {
        if (f.empty(0) || !f.empty(7)) {
            if (f.empty(0) ? f.stackUnderflow() : f.stackOverflow()) {
                f.setIndefinite(0);
                f.pushIndefinite();
            }
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        e.b.zero(0);
        Unpacked a = e.a;
        if (nanOperand(e)) {
            if (f.settle(e)) {
                f.set(0, e.r);
                f.pushRaw(e.r.signExponent(), e.r.sig);
            }
            return;
        }
        if (a.kind == Unpacked.ZERO) {
            e.raise(FpFlags.ZE);
        }
        denormalOperand(e);
        if (!f.settle(e)) {
            return;
        }
        int significandExponent;
        switch (a.kind) {
            case Unpacked.ZERO -> {
                e.r.infinity(1);
                significandExponent = 0;
            }
            case Unpacked.INFINITY -> {
                e.r.infinity(0);
                significandExponent = 0x7FFF;
            }
            default -> {
                e.r.loadInteger(a.exp);
                significandExponent = 0x3FFF;
            }
        }
        f.set(0, e.r);
        f.pushRaw(a.sign << 15 | significandExponent, a.sig);
    }

    /** FPREM: the truncating partial remainder of ST(0) by ST(1). */
    public static void fprem(X87 f) {
        remainder(f, false);
    }

    /** FPREM1: the IEEE partial remainder of ST(0) by ST(1). */
    public static void fprem1(X87 f) {
        remainder(f, true);
    }

    private static void remainder(X87 f, boolean nearest) {
        f.conditions(X87.C2, 0);
        if (underflowsPair(f)) {
            return;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        f.load(e.b, 1);
        long quotient = 0;
        boolean computed = false;
        boolean partial = false;
        if (!nanResult(e)) {
            if (e.a.kind == Unpacked.INFINITY || e.b.kind == Unpacked.ZERO) {
                e.invalid();
            } else {
                denormalOperand(e);
                if (!e.suppressed()) {
                    int difference = e.a.exp - e.b.exp;
                    boolean unchanged = e.a.kind == Unpacked.ZERO || e.b.kind == Unpacked.INFINITY;
                    if (unchanged || difference < (nearest ? -1 : 0)) {
                        e.r.copy(e.a);
                        e.r.denormal = false;
                    } else if (difference < 64) {
                        quotient = reduce(e, difference, nearest);
                    } else {
                        partial = true;
                        reducePartly(e, difference);
                    }
                    if (unchanged) {
                        roundUnchanged(f, e);
                    } else {
                        SoftRound.toFull80(e);
                    }
                    computed = true;
                }
            }
        }
        if (f.settle(e)) {
            f.set(0, e.r);
        }
        if (computed) {
            int bits = partial ? X87.C2 : 0;
            bits |= (quotient & 1) != 0 ? X87.C1 : 0;
            bits |= (quotient & 2) != 0 ? X87.C3 : 0;
            bits |= (quotient & 4) != 0 ? X87.C0 : 0;
            f.conditions(X87.C0 | X87.C1 | X87.C2 | X87.C3, bits);
        }
    }

    /** The whole reduction; gives the quotient's low bits. */
    private static long reduce(FpEnv e, int difference, boolean nearest) {
        long x = e.a.sig;
        long y = e.b.sig;
        int sign = e.a.sign;
        if (difference < 0) {
            // |a| < |b|: the nearest quotient is 0 or 1; one half and less give 0.
            if (Long.compareUnsigned(x, y) <= 0) {
                e.r.finite(sign, e.a.exp, x, 0);
                return 0;
            }
            // b - a, at the scale of a: 2y - x, below y because x > y.
            remainderOf(e, sign ^ 1, (y << 1) - x, e.a.exp);
            return 1;
        }
        long high = difference == 0 ? 0 : x >>> (64 - difference);
        long low = x << difference;
        long quotient = Wide.divide(high, low, y);
        long remainder = low - quotient * y;
        if (nearest && remainder != 0) {
            boolean above = remainder < 0 || Long.compareUnsigned(remainder << 1, y) > 0;
            boolean tie = remainder > 0 && remainder << 1 == y;
            if (above || (tie && (quotient & 1) != 0)) {
                remainder = y - remainder;
                sign ^= 1;
                quotient++;
            }
        }
        if (remainder == 0) {
            e.r.zero(e.a.sign);
        } else {
            remainderOf(e, sign, remainder, e.b.exp);
        }
        return quotient;
    }

    /** One step of a long reduction: 32 to 63 bits of the exponent difference. */
    private static void reducePartly(FpEnv e, int difference) {
        int bits = 32 + (difference & 31);
        long x = e.a.sig;
        long high = x >>> (64 - bits);
        long low = x << bits;
        long quotient = Wide.divide(high, low, e.b.sig);
        long remainder = low - quotient * e.b.sig;
        if (remainder == 0) {
            e.r.zero(e.a.sign);
        } else {
            remainderOf(e, e.a.sign, remainder, e.a.exp - bits);
        }
    }

    private static void remainderOf(FpEnv e, int sign, long magnitude, int exp) {
        int shift = Long.numberOfLeadingZeros(magnitude);
        e.r.finite(sign, exp - shift, magnitude << shift, 0);
    }
}
