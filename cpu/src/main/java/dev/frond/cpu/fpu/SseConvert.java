// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The conversions and roundings of the SSE, SSE4.1, AVX and F16C instructions, one element each, on
 * raw bits; flags and fast paths as in {@link SseMath}.
 */
public final class SseConvert {
    private SseConvert() {}

    /** CVTSS2SD. */
    public static long cvtss2sd(FpContext c, int a) {
        if (SseMath.normal(a)) {
            return Double.doubleToRawLongBits(Float.intBitsToFloat(a));
        }
        return SseSoft.widen(c, a);
    }

    /** CVTSD2SS. */
    public static int cvtsd2ss(FpContext c, long a) {
        double x = Double.longBitsToDouble(a);
        float y = (float) x;
        int r = Float.floatToRawIntBits(y);
        if (c.nearestMasked() && SseMath.notTiny(r) && (c.inexactIsSet() || y == x)) {
            return r;
        }
        return SseSoft.narrow(c, a);
    }

    /** CVTSI2SD and CVTDQ2PD of a 32-bit integer: always exact. */
    public static long cvtsi2sd(int value) {
        return Double.doubleToRawLongBits(value);
    }

    /** CVTSI2SD of a 64-bit integer. */
    public static long cvtsi2sd(FpContext c, long value) {
        if (Math.abs(value) <= 1L << 53 && value != Long.MIN_VALUE) {
            return Double.doubleToRawLongBits((double) value);
        }
        return SseSoft.fromInteger64(c, value);
    }

    /** CVTSI2SS and CVTDQ2PS of a 32-bit integer. */
    public static int cvtsi2ss(FpContext c, int value) {
        return cvtsi2ss(c, (long) value);
    }

    /** CVTSI2SS of a 64-bit integer. */
    public static int cvtsi2ss(FpContext c, long value) {
        if (Math.abs(value) <= 1L << 24 && value != Long.MIN_VALUE) {
            return Float.floatToRawIntBits((float) value);
        }
        return SseSoft.fromInteger32(c, value);
    }

    /** CVTTSD2SI and CVTTPD2DQ to 32 bits: toward zero. */
    public static int cvttsd2si32(FpContext c, long a) {
        double x = Double.longBitsToDouble(a);
        int r = (int) x;
        if (r == x) {
            return r;
        }
        if (SseMath.normal(a) && Math.abs(x) < 0x1p31 && c.inexactIsQuiet()) {
            c.inexact();
            return r;
        }
        return (int) SseSoft.toInteger64(c, a, FpFlags.TRUNCATE, 32);
    }

    /** CVTTSD2SI to 64 bits: toward zero. */
    public static long cvttsd2si64(FpContext c, long a) {
        double x = Double.longBitsToDouble(a);
        long r = (long) x;
        if (Math.abs(x) < 0x1p63) {
            if ((double) r == x) {
                return r;
            }
            if (SseMath.normal(a) && c.inexactIsQuiet()) {
                c.inexact();
                return r;
            }
        }
        return SseSoft.toInteger64(c, a, FpFlags.TRUNCATE, 64);
    }

    /** CVTSD2SI and CVTPD2DQ to 32 bits: by MXCSR.RC. */
    public static int cvtsd2si32(FpContext c, long a) {
        double x = Double.longBitsToDouble(a);
        int r = (int) x;
        if (r == x) {
            return r;
        }
        if (SseMath.normal(a) && Math.abs(x) < 0x1p30 && c.nearestMasked()) {
            c.inexact();
            return (int) nearest(x);
        }
        return (int) SseSoft.toInteger64(c, a, rc(c), 32);
    }

    /** CVTSD2SI to 64 bits: by MXCSR.RC. */
    public static long cvtsd2si64(FpContext c, long a) {
        double x = Double.longBitsToDouble(a);
        if (SseMath.normal(a) && Math.abs(x) < 0x1p51 && c.nearestMasked()) {
            long r = nearest(x);
            if ((double) r != x) {
                c.inexact();
            }
            return r;
        }
        return SseSoft.toInteger64(c, a, rc(c), 64);
    }

    /** CVTTSS2SI and CVTTPS2DQ to 32 bits: toward zero. */
    public static int cvttss2si32(FpContext c, int a) {
        double x = Float.intBitsToFloat(a);
        int r = (int) x;
        if (r == x) {
            return r;
        }
        if (SseMath.normal(a) && Math.abs(x) < 0x1p31 && c.inexactIsQuiet()) {
            c.inexact();
            return r;
        }
        return (int) SseSoft.toInteger32(c, a, FpFlags.TRUNCATE, 32);
    }

    /** CVTTSS2SI to 64 bits: toward zero. */
    public static long cvttss2si64(FpContext c, int a) {
        return SseSoft.toInteger32(c, a, FpFlags.TRUNCATE, 64);
    }

    /** CVTSS2SI and CVTPS2DQ to 32 bits: by MXCSR.RC. */
    public static int cvtss2si32(FpContext c, int a) {
        double x = Float.intBitsToFloat(a);
        int r = (int) x;
        if (r == x) {
            return r;
        }
        if (SseMath.normal(a) && Math.abs(x) < 0x1p30 && c.nearestMasked()) {
            c.inexact();
            return (int) nearest(x);
        }
        return (int) SseSoft.toInteger32(c, a, rc(c), 32);
    }

    /** CVTSS2SI to 64 bits: by MXCSR.RC. */
    public static long cvtss2si64(FpContext c, int a) {
        return SseSoft.toInteger32(c, a, rc(c), 64);
    }

    /** Two elements of CVTDQ2PS. */
    public static long cvtdq2ps(FpContext c, long a) {
        int low = cvtsi2ss(c, (int) a);
        return (low & 0xFFFF_FFFFL) | (long) cvtsi2ss(c, (int) (a >>> 32)) << 32;
    }

    /** Two elements of CVTPS2DQ. */
    public static long cvtps2dq(FpContext c, long a) {
        int low = cvtss2si32(c, (int) a);
        return (low & 0xFFFF_FFFFL) | (long) cvtss2si32(c, (int) (a >>> 32)) << 32;
    }

    /** Two elements of CVTTPS2DQ. */
    public static long cvttps2dq(FpContext c, long a) {
        int low = cvttss2si32(c, (int) a);
        return (low & 0xFFFF_FFFFL) | (long) cvttss2si32(c, (int) (a >>> 32)) << 32;
    }

    /**
     * ROUNDSD: imm bits 1:0 are the rounding control, bit 2 chooses MXCSR.RC instead, bit 3 keeps
     * PE from being raised.
     */
    public static long roundsd(FpContext c, long a, int imm) {
        int rc = (imm & 4) != 0 ? rc(c) : imm & 3;
        double x = Double.longBitsToDouble(a);
        if (SseMath.normal(a) && Math.abs(x) < 0x1p51 && c.inexactIsQuiet()) {
            double r = integral(x, rc);
            if (r != x && (imm & 8) == 0) {
                c.inexact();
            }
            return Double.doubleToRawLongBits(r) | (a & Long.MIN_VALUE);
        }
        return SseSoft.round64(c, a, rc, (imm & 8) != 0);
    }

    /** ROUNDSS, as {@link #roundsd}. */
    public static int roundss(FpContext c, int a, int imm) {
        int rc = (imm & 4) != 0 ? rc(c) : imm & 3;
        double x = Float.intBitsToFloat(a);
        if (SseMath.normal(a) && Math.abs(x) < 0x1p51 && c.inexactIsQuiet()) {
            double r = integral(x, rc);
            if (r != x && (imm & 8) == 0) {
                c.inexact();
            }
            return Float.floatToRawIntBits((float) r) | (a & Integer.MIN_VALUE);
        }
        return SseSoft.round32(c, a, rc, (imm & 8) != 0);
    }

    /** VCVTPH2PS of the lower 16 bits. */
    public static int cvtph2ps(FpContext c, int a) {
        return SseSoft.widenHalf(c, a & 0xFFFF);
    }

    /** VCVTPS2PH: imm bits 1:0 are the rounding control, bit 2 chooses MXCSR.RC instead. */
    public static int cvtps2ph(FpContext c, int a, int imm) {
        return SseSoft.narrowToHalf(c, a, (imm & 4) != 0 ? rc(c) : imm & 3);
    }

    /** The integer nearest to x, ties to even, for |x| below 2^51: the sum has no fraction bits. */
    private static long nearest(double x) {
        return Double.doubleToRawLongBits(x + 0x1.8p52) - Double.doubleToRawLongBits(0x1.8p52);
    }

    /** x rounded to integral, for |x| below 2^51; the sign of a zero result is not kept. */
    private static double integral(double x, int rc) {
        if (rc == FpFlags.NEAREST) {
            return nearest(x);
        }
        double truncated = (long) x;
        if (rc == FpFlags.DOWN) {
            return truncated > x ? truncated - 1 : truncated;
        }
        return rc == FpFlags.UP && truncated < x ? truncated + 1 : truncated;
    }

    private static int rc(FpContext c) {
        return c.mxcsr() >>> 13 & 3;
    }
}
