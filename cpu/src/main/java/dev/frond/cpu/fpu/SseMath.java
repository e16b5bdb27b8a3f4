// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The arithmetic and comparisons of the SSE and AVX instructions, on raw bits. Each method is one
 * element of the instruction of that name; where a name ends in {@code ps} a long holds two
 * adjacent elements. Flags go to MXCSR in the context; when {@link FpContext#pending} is not zero
 * afterwards the value returned must not be written.
 *
 * <p>The first lines of each method are the fast path: nearest, everything masked, and operands and
 * result such that the host's arithmetic is exact in value and in flags (no NaN, infinity,
 * denormal, underflow or overflow, and PE either already set or known not to change). All else goes
 * to {@link SseSoft}.
 */
public final class SseMath {
    /** EFLAGS of COMIS and UCOMIS: greater. */
    public static final int GREATER = 0;

    /** EFLAGS of COMIS and UCOMIS: CF. */
    public static final int LESS = 0x01;

    /** EFLAGS of COMIS and UCOMIS: ZF. */
    public static final int EQUAL = 0x40;

    /** EFLAGS of COMIS and UCOMIS: ZF, PF and CF. */
    public static final int UNORDERED = 0x45;

    /** For CMPPS predicates 0 to 15 a nibble: less 1, equal 2, greater 4, unordered 8. */
    private static final long PREDICATES = 0xF465_0B9A_7CED_8312L;

    /**
     * The predicates of 0 to 15 that raise IE for a quiet NaN; 16 to 31 are the other way round.
     */
    private static final int SIGNALLING = 0x6666;

    private static final long LOW = 0xFFFF_FFFFL;

    private SseMath() {}

    /** Exponent field from 1 to 0x7FE. */
    static boolean normal(long x) {
        return (x + 0x0010_0000_0000_0000L & 0x7FE0_0000_0000_0000L) != 0;
    }

    /** Exponent field from 2 to 0x7FE: too large to have been tiny before rounding. */
    static boolean notTiny(long x) {
        return (x & 0x7FE0_0000_0000_0000L) != 0 && normal(x);
    }

    static boolean notDenormal(long x) {
        return (x & 0x7FF0_0000_0000_0000L) != 0 || x << 1 == 0;
    }

    static boolean normal(int x) {
        return (x + 0x0080_0000 & 0x7F00_0000) != 0;
    }

    static boolean notTiny(int x) {
        return (x & 0x7F00_0000) != 0 && normal(x);
    }

    static boolean notDenormal(int x) {
        return (x & 0x7F80_0000) != 0 || x << 1 == 0;
    }

    /** Knuth's two-sum: the rounding error of s = x + y is zero. */
    private static boolean exactSum(double x, double y, double s) {
        double v = s - x;
        return (x - (s - v)) + (y - v) == 0;
    }

    /** The product of the two significands needs no more than 53 bits. */
    private static boolean exactProduct(long a, long b) {
        return Long.numberOfTrailingZeros(a | 1L << 52) + Long.numberOfTrailingZeros(b | 1L << 52)
                >= 53;
    }

    /** ADDSD. */
    public static long addsd(FpContext c, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double s = x + y;
        long r = Double.doubleToRawLongBits(s);
        if (c.nearestMasked()
                && (normal(r) || r << 1 == 0)
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || exactSum(x, y, s))) {
            return r;
        }
        return SseSoft.binary64(c, SseSoft.ADD, a, b);
    }

    /** SUBSD: a - b. */
    public static long subsd(FpContext c, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double s = x - y;
        long r = Double.doubleToRawLongBits(s);
        if (c.nearestMasked()
                && (normal(r) || r << 1 == 0)
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || exactSum(x, -y, s))) {
            return r;
        }
        return SseSoft.binary64(c, SseSoft.SUB, a, b);
    }

    /** MULSD. */
    public static long mulsd(FpContext c, long a, long b) {
        double p = Double.longBitsToDouble(a) * Double.longBitsToDouble(b);
        long r = Double.doubleToRawLongBits(p);
        if (c.nearestMasked()
                && (notTiny(r) || (a << 1 == 0 && normal(b)) || (b << 1 == 0 && normal(a)))
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || exactProduct(a, b))) {
            return r;
        }
        return SseSoft.binary64(c, SseSoft.MUL, a, b);
    }

    /** DIVSD: a / b. */
    public static long divsd(FpContext c, long a, long b) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        double q = x / y;
        long r = Double.doubleToRawLongBits(q);
        if (c.nearestMasked()
                && (notTiny(r) || (a << 1 == 0 && normal(b)))
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || (exactProduct(r, b) && q * y == x))) {
            return r;
        }
        return SseSoft.binary64(c, SseSoft.DIV, a, b);
    }

    /** SQRTSD of b. */
    public static long sqrtsd(FpContext c, long b) {
        double x = Double.longBitsToDouble(b);
        double q = Math.sqrt(x);
        long r = Double.doubleToRawLongBits(q);
        if (c.nearestMasked()
                && normal(r)
                && notDenormal(b)
                && (c.inexactIsSet() || (exactProduct(r, r) && q * q == x))) {
            return r;
        }
        return SseSoft.binary64(c, SseSoft.SQRT, b, 0);
    }

    /** ADDSS. */
    public static int addss(FpContext c, int a, int b) {
        float x = Float.intBitsToFloat(a);
        float y = Float.intBitsToFloat(b);
        float s = x + y;
        int r = Float.floatToRawIntBits(s);
        if (c.nearestMasked()
                && (normal(r) || r << 1 == 0)
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || exactSum(x, y, s))) {
            return r;
        }
        return SseSoft.binary32(c, SseSoft.ADD, a, b);
    }

    /** SUBSS: a - b. */
    public static int subss(FpContext c, int a, int b) {
        float x = Float.intBitsToFloat(a);
        float y = Float.intBitsToFloat(b);
        float s = x - y;
        int r = Float.floatToRawIntBits(s);
        if (c.nearestMasked()
                && (normal(r) || r << 1 == 0)
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || exactSum(x, -y, s))) {
            return r;
        }
        return SseSoft.binary32(c, SseSoft.SUB, a, b);
    }

    private static boolean exactSum(float x, float y, float s) {
        float v = s - x;
        return (x - (s - v)) + (y - v) == 0;
    }

    /** MULSS. */
    public static int mulss(FpContext c, int a, int b) {
        float x = Float.intBitsToFloat(a);
        float y = Float.intBitsToFloat(b);
        float p = x * y;
        int r = Float.floatToRawIntBits(p);
        if (c.nearestMasked()
                && (notTiny(r) || (a << 1 == 0 && normal(b)) || (b << 1 == 0 && normal(a)))
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || (double) x * y == p)) {
            return r;
        }
        return SseSoft.binary32(c, SseSoft.MUL, a, b);
    }

    /** DIVSS: a / b. */
    public static int divss(FpContext c, int a, int b) {
        float x = Float.intBitsToFloat(a);
        float y = Float.intBitsToFloat(b);
        float q = x / y;
        int r = Float.floatToRawIntBits(q);
        if (c.nearestMasked()
                && (notTiny(r) || (a << 1 == 0 && normal(b)))
                && notDenormal(a)
                && notDenormal(b)
                && (c.inexactIsSet() || (double) q * y == x)) {
            return r;
        }
        return SseSoft.binary32(c, SseSoft.DIV, a, b);
    }

    /** SQRTSS of b. */
    public static int sqrtss(FpContext c, int b) {
        float x = Float.intBitsToFloat(b);
        // The double root rounded once more is the float root: 53 >= 2 * 24 + 2.
        float q = (float) Math.sqrt(x);
        int r = Float.floatToRawIntBits(q);
        if (c.nearestMasked()
                && normal(r)
                && notDenormal(b)
                && (c.inexactIsSet() || (double) q * q == x)) {
            return r;
        }
        return SseSoft.binary32(c, SseSoft.SQRT, b, 0);
    }

    private static long pair(int low, int high) {
        return (low & LOW) | (long) high << 32;
    }

    /** Two elements of ADDPS. */
    public static long addps(FpContext c, long a, long b) {
        int low = addss(c, (int) a, (int) b);
        return pair(low, addss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of SUBPS. */
    public static long subps(FpContext c, long a, long b) {
        int low = subss(c, (int) a, (int) b);
        return pair(low, subss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of ADDSUBPS: the lower is subtracted, the upper added. */
    public static long addsubps(FpContext c, long a, long b) {
        int low = subss(c, (int) a, (int) b);
        return pair(low, addss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of HADDPS: the sum within a, then the sum within b. */
    public static long haddps(FpContext c, long a, long b) {
        int low = addss(c, (int) a, (int) (a >>> 32));
        return pair(low, addss(c, (int) b, (int) (b >>> 32)));
    }

    /** Two elements of HSUBPS: lower minus upper within a, then within b. */
    public static long hsubps(FpContext c, long a, long b) {
        int low = subss(c, (int) a, (int) (a >>> 32));
        return pair(low, subss(c, (int) b, (int) (b >>> 32)));
    }

    /** Two elements of MULPS. */
    public static long mulps(FpContext c, long a, long b) {
        int low = mulss(c, (int) a, (int) b);
        return pair(low, mulss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of DIVPS. */
    public static long divps(FpContext c, long a, long b) {
        int low = divss(c, (int) a, (int) b);
        return pair(low, divss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of SQRTPS. */
    public static long sqrtps(FpContext c, long b) {
        int low = sqrtss(c, (int) b);
        return pair(low, sqrtss(c, (int) (b >>> 32)));
    }

    /** Two elements of MINPS. */
    public static long minps(FpContext c, long a, long b) {
        int low = minss(c, (int) a, (int) b);
        return pair(low, minss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of MAXPS. */
    public static long maxps(FpContext c, long a, long b) {
        int low = maxss(c, (int) a, (int) b);
        return pair(low, maxss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    /** Two elements of CMPPS. */
    public static long cmpps(FpContext c, long a, long b, int predicate) {
        int low = cmpss(c, (int) a, (int) b, predicate);
        return pair(low, cmpss(c, (int) (a >>> 32), (int) (b >>> 32), predicate));
    }

    /** MINSD: b when both are zeros or either is a NaN. */
    public static long minsd(FpContext c, long a, long b) {
        if (normal(a) && normal(b)) {
            return Double.longBitsToDouble(a) < Double.longBitsToDouble(b) ? a : b;
        }
        return SseSoft.pick64(c, 1, a, b);
    }

    /** MAXSD: b when both are zeros or either is a NaN. */
    public static long maxsd(FpContext c, long a, long b) {
        if (normal(a) && normal(b)) {
            return Double.longBitsToDouble(a) > Double.longBitsToDouble(b) ? a : b;
        }
        return SseSoft.pick64(c, -1, a, b);
    }

    /** MINSS: b when both are zeros or either is a NaN. */
    public static int minss(FpContext c, int a, int b) {
        if (normal(a) && normal(b)) {
            return Float.intBitsToFloat(a) < Float.intBitsToFloat(b) ? a : b;
        }
        return SseSoft.pick32(c, 1, a, b);
    }

    /** MAXSS: b when both are zeros or either is a NaN. */
    public static int maxss(FpContext c, int a, int b) {
        if (normal(a) && normal(b)) {
            return Float.intBitsToFloat(a) > Float.intBitsToFloat(b) ? a : b;
        }
        return SseSoft.pick32(c, -1, a, b);
    }

    private static int relation(FpContext c, long a, long b, boolean signalling) {
        double x = Double.longBitsToDouble(a);
        double y = Double.longBitsToDouble(b);
        if (x - y - (x - y) == 0 && notDenormal(a) && notDenormal(b)) {
            return x < y ? 1 : x > y ? 4 : 2;
        }
        return SseSoft.relation64(c, a, b, signalling);
    }

    private static int relation(FpContext c, int a, int b, boolean signalling) {
        double x = Float.intBitsToFloat(a);
        double y = Float.intBitsToFloat(b);
        if (x - y - (x - y) == 0 && notDenormal(a) && notDenormal(b)) {
            return x < y ? 1 : x > y ? 4 : 2;
        }
        return SseSoft.relation32(c, a, b, signalling);
    }

    private static boolean holds(int relation, int predicate) {
        return (PREDICATES >>> ((predicate & 15) * 4) & relation) != 0;
    }

    private static boolean signalling(int predicate) {
        return ((SIGNALLING >>> (predicate & 15) ^ predicate >>> 4) & 1) != 0;
    }

    /** CMPSD: all ones or zero. Predicates 0 to 7 are SSE's, 0 to 31 AVX's; higher bits ignored. */
    public static long cmpsd(FpContext c, long a, long b, int predicate) {
        return holds(relation(c, a, b, signalling(predicate)), predicate) ? -1 : 0;
    }

    /** CMPSS: all ones or zero; predicates as for {@link #cmpsd}. */
    public static int cmpss(FpContext c, int a, int b, int predicate) {
        return holds(relation(c, a, b, signalling(predicate)), predicate) ? -1 : 0;
    }

    /** UCOMISD: the new ZF, PF and CF; OF, SF and AF become 0. */
    public static int ucomisd(FpContext c, long a, long b) {
        return eflags(relation(c, a, b, false));
    }

    /** COMISD: as {@link #ucomisd}, with IE for a quiet NaN too. */
    public static int comisd(FpContext c, long a, long b) {
        return eflags(relation(c, a, b, true));
    }

    /** UCOMISS: the new ZF, PF and CF; OF, SF and AF become 0. */
    public static int ucomiss(FpContext c, int a, int b) {
        return eflags(relation(c, a, b, false));
    }

    /** COMISS: as {@link #ucomiss}, with IE for a quiet NaN too. */
    public static int comiss(FpContext c, int a, int b) {
        return eflags(relation(c, a, b, true));
    }

    private static int eflags(int relation) {
        return switch (relation) {
            case 1 -> LESS;
            case 2 -> EQUAL;
            case 4 -> GREATER;
            default -> UNORDERED;
        };
    }

    /**
     * The FMA3 family on binary64: x * y + z with one rounding; a flip of 1 negates the product or
     * the addend. A NaN result comes from the first of x, y, z that is one.
     */
    public static long fmasd(FpContext c, long x, long y, long z, int flipProduct, int flipAddend) {
        if (c.nearestMasked()
                && c.inexactIsSet()
                && notDenormal(x)
                && notDenormal(y)
                && notDenormal(z)) {
            double p = Double.longBitsToDouble(x ^ (long) flipProduct << 63);
            double s = Double.longBitsToDouble(z ^ (long) flipAddend << 63);
            long r = Double.doubleToRawLongBits(Math.fma(p, Double.longBitsToDouble(y), s));
            if (notTiny(r)) {
                return r;
            }
        }
        return SseSoft.fma64(c, x, y, z, flipProduct, flipAddend);
    }

    /** The FMA3 family on binary32, as {@link #fmasd}. */
    public static int fmass(FpContext c, int x, int y, int z, int flipProduct, int flipAddend) {
        if (c.nearestMasked()
                && c.inexactIsSet()
                && notDenormal(x)
                && notDenormal(y)
                && notDenormal(z)) {
            float p = Float.intBitsToFloat(x ^ flipProduct << 31);
            float s = Float.intBitsToFloat(z ^ flipAddend << 31);
            int r = Float.floatToRawIntBits(Math.fma(p, Float.intBitsToFloat(y), s));
            if (notTiny(r)) {
                return r;
            }
        }
        return SseSoft.fma32(c, x, y, z, flipProduct, flipAddend);
    }

    /** The products of two adjacent elements that bits 1:0 choose; zeros for the others. */
    private static long chosenProducts(FpContext c, long a, long b, int chosen) {
        int low = (chosen & 1) != 0 ? mulss(c, (int) a, (int) b) : 0;
        return pair(low, (chosen & 2) != 0 ? mulss(c, (int) (a >>> 32), (int) (b >>> 32)) : 0);
    }

    /**
     * DPPS, and VDPPS on one or two lanes of 128 bits: products of {@code v} at {@code a} and
     * {@code b} chosen by imm bits 7:4, summed as (0 + 1) + (2 + 3), into the elements at {@code d}
     * that imm bits 3:0 choose. Each stage is complete for all lanes, flags included, before the
     * next one starts; stops early when an exception is pending. Which of several NaNs the sum is
     * differs by vendor: the first one, or, of Intel, for each element the one of its neighbour,
     * its own, and then those of the other half in the same order.
     */
    public static void dpps(FpContext c, long[] v, int d, int a, int b, int imm, int lanes) {
        for (int i = 0; i < 2 * lanes; i++) {
            v[d + i] = chosenProducts(c, v[a + i], v[b + i], imm >>> 4 + 2 * (i & 1));
        }
        if (c.pending() != 0) {
            return;
        }
        c.enter();
        for (int i = 0; i < 2 * lanes; i++) {
            int even = (int) v[d + i];
            int odd = (int) (v[d + i] >>> 32);
            int sum = addss(c, even, odd);
            v[d + i] = pair(c.amd ? sum : addss(c, odd, even), sum);
        }
        if (c.pending() != 0) {
            return;
        }
        c.enter();
        for (int i = 0; i < 2 * lanes; i += 2) {
            long low = v[d + i];
            long high = v[d + i + 1];
            long sums = addps(c, low, high);
            v[d + i] = chosen(sums, imm);
            v[d + i + 1] = chosen(c.amd ? sums : addps(c, high, low), imm >>> 2);
        }
    }

    private static long chosen(long pair, int elements) {
        return pair & ((elements & 1) != 0 ? 0xFFFF_FFFFL : 0)
                | pair & ((elements & 2) != 0 ? 0xFFFF_FFFFL << 32 : 0);
    }

    /** DPPD, as {@link #dpps}: products chosen by imm bits 5:4, elements by bits 1:0. */
    public static void dppd(FpContext c, long[] v, int d, int a, int b, int imm) {
        long low = (imm & 0x10) != 0 ? mulsd(c, v[a], v[b]) : 0;
        long high = (imm & 0x20) != 0 ? mulsd(c, v[a + 1], v[b + 1]) : 0;
        if (c.pending() != 0) {
            return;
        }
        c.enter();
        long sum = addsd(c, low, high);
        v[d] = sum * (imm & 1);
        v[d + 1] = (c.amd ? sum : addsd(c, high, low)) * (imm >>> 1 & 1);
    }

    /**
     * RCPSS: 1 / x to 12 bits, within the 1.5 * 2^-12 that SDM Vol. 2 allows; no flags. Denormal
     * operands count as zeros and tiny results become zeros.
     */
    public static int rcpss(int b) {
        if ((b & 0x7F80_0000) == 0) {
            return (b & 0x8000_0000) | 0x7F80_0000;
        }
        if ((b & 0x7FFF_FFFF) > 0x7F80_0000) {
            return b | 0x0040_0000;
        }
        return approximate(1f / Float.intBitsToFloat(b));
    }

    /** RSQRTSS: 1 / sqrt(x) to 12 bits, as {@link #rcpss}. */
    public static int rsqrtss(int b) {
        if ((b & 0x7F80_0000) == 0) {
            return (b & 0x8000_0000) | 0x7F80_0000;
        }
        if ((b & 0x7FFF_FFFF) > 0x7F80_0000) {
            return b | 0x0040_0000;
        }
        if (b < 0) {
            return 0xFFC0_0000;
        }
        return approximate((float) (1 / Math.sqrt(Float.intBitsToFloat(b))));
    }

    private static int approximate(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & 0x7F80_0000) == 0) {
            return bits & 0x8000_0000;
        }
        return bits + 0x400 & 0xFFFF_F800;
    }
}
