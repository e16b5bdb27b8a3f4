// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/** Rounding of an exact (or sticky-exact) {@link FpEnv#r} into a format, with x86's flags. */
final class SoftRound {
    private SoftRound() {}

    static void to16(FpEnv e) {
        round(e, 11, -14, 15);
    }

    static void to32(FpEnv e) {
        round(e, 24, -126, 127);
    }

    static void to64(FpEnv e) {
        round(e, 53, -1022, 1023);
    }

    /** To the 80-bit format, with the significand cut to the precision-control setting. */
    static void to80(FpEnv e) {
        round(e, e.precision, -16382, 16383);
    }

    /** To the 80-bit format with the whole significand, for what precision control leaves alone. */
    static void toFull80(FpEnv e) {
        round(e, 64, -16382, 16383);
    }

    private static void round(FpEnv e, int p, int emin, int emax) {
        Unpacked r = e.r;
        if (r.kind != Unpacked.FINITE) {
            return;
        }
        if (r.exp < emin && tiny(e, p, emin)) {
            roundTiny(e, p, emin);
            return;
        }
        if (roundSignificand(e, p)) {
            e.flags |= FpFlags.PE;
        }
        if (r.exp > emax) {
            overflow(e, p, emax);
        }
    }

    /**
     * Whether the result is tiny after rounding with an unbounded exponent: SDM Vol. 1, 4.9.1.5.
     */
    private static boolean tiny(FpEnv e, int p, int emin) {
        Unpacked r = e.r;
        if (r.exp != emin - 1) {
            return true;
        }
        long ones = -1L << (64 - p);
        if ((r.sig & ones) != ones) {
            return true;
        }
        return !increments(e.rc, r.sign, half(r, p), rest(r, p), true);
    }

    private static void roundTiny(FpEnv e, int p, int emin) {
        Unpacked r = e.r;
        if ((e.masks & FpFlags.UE) == 0) {
            e.flags |= FpFlags.UE;
            if (roundSignificand(e, p)) {
                e.flags |= FpFlags.PE;
            }
            r.exp += e.wrap;
            return;
        }
        if (e.ftz) {
            r.zero(r.sign);
            e.flags |= FpFlags.UE | FpFlags.PE;
            return;
        }
        int shift = emin - r.exp;
        long high = r.sig;
        r.sig = Wide.shiftRightHigh(high, shift);
        r.low = Wide.shiftRightLow(high, r.low, shift);
        r.exp = emin;
        if (roundSignificand(e, p)) {
            e.flags |= FpFlags.UE | FpFlags.PE;
        }
        if (r.sig == 0) {
            r.zero(r.sign);
        } else {
            r.denormal = r.sig > 0;
        }
    }

    private static void overflow(FpEnv e, int p, int emax) {
        Unpacked r = e.r;
        e.flags |= FpFlags.OE;
        if ((e.masks & FpFlags.OE) == 0) {
            r.exp -= e.wrap;
            return;
        }
        e.flags |= FpFlags.PE;
        if (e.rc == FpFlags.NEAREST || e.rc == (r.sign == 0 ? FpFlags.UP : FpFlags.DOWN)) {
            r.infinity(r.sign);
            e.roundedUp = true;
        } else {
            r.finite(r.sign, emax, -1L << (64 - p), 0);
            e.roundedUp = false;
        }
    }

    /**
     * Rounds {@code r.sig:r.low} to its upper p bits, a carry going to the exponent; tells whether
     * bits were lost. The significand need not be normalized.
     */
    private static boolean roundSignificand(FpEnv e, int p) {
        Unpacked r = e.r;
        boolean half = half(r, p);
        boolean rest = rest(r, p);
        e.roundedUp = false;
        if (!half && !rest) {
            return false;
        }
        long unit = 1L << (64 - p);
        long kept = r.sig & -unit;
        if (increments(e.rc, r.sign, half, rest, (kept & unit) != 0)) {
            e.roundedUp = true;
            kept += unit;
            if (kept == 0) {
                kept = Unpacked.INTEGER_BIT;
                r.exp++;
            }
        }
        r.sig = kept;
        r.low = 0;
        return true;
    }

    private static boolean half(Unpacked r, int p) {
        return p == 64 ? r.low < 0 : (r.sig >>> (63 - p) & 1) != 0;
    }

    private static boolean rest(Unpacked r, int p) {
        return p == 64 ? r.low << 1 != 0 : (r.sig & (1L << (63 - p)) - 1) != 0 || r.low != 0;
    }

    /** Whether a magnitude with these discarded bits goes up by one unit. */
    static boolean increments(int rc, int sign, boolean half, boolean rest, boolean odd) {
        return switch (rc) {
            case FpFlags.NEAREST -> half && (rest || odd);
            case FpFlags.DOWN -> sign != 0 && (half || rest);
            case FpFlags.UP -> sign == 0 && (half || rest);
            default -> false;
        };
    }
}
