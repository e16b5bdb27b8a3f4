// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.Arrays;

/** Round to nearest against the arithmetic of the Java platform; other modes against Exact. */
class SseMathTest {
    private static final int CASES = 400_000;

    /** An operation on two raw operands. */
    private interface Binary64 {
        long apply(FpContext c, long a, long b);
    }

    private interface Binary32 {
        int apply(FpContext c, int a, int b);
    }

    private interface Java64 {
        double apply(double a, double b);
    }

    private interface Java32 {
        float apply(float a, float b);
    }

    private interface Exactly {
        Exact apply(Exact a, Exact b);
    }

    private static void sameAsJava64(Binary64 op, Java64 java, int sticky) {
        Operands operands = new Operands(64);
        FpContext c = new FpContext();
        for (int k = 0; k < CASES; k++) {
            long a = operands.binary64();
            long b = operands.binary64();
            if (operands.below(6) == 0) {
                b = a + operands.below(5) - 2;
            }
            c.mxcsr(FpContext.MXCSR_RESET | sticky);
            double expected = java.apply(Double.longBitsToDouble(a), Double.longBitsToDouble(b));
            long actual = op.apply(c, a, b);
            if (Double.isNaN(expected)) {
                assertThat(Double.longBitsToDouble(actual)).as("%x %x", a, b).isNaN();
                assertThat(actual & 1L << 51).as("quiet bit of %x %x", a, b).isNotZero();
            } else if (actual != Double.doubleToRawLongBits(expected)) {
                assertThat(actual)
                        .as("%x %x", a, b)
                        .isEqualTo(Double.doubleToRawLongBits(expected));
            }
        }
    }

    private static void sameAsJava32(Binary32 op, Java32 java, int sticky) {
        Operands operands = new Operands(32);
        FpContext c = new FpContext();
        for (int k = 0; k < CASES; k++) {
            int a = operands.binary32();
            int b = operands.binary32();
            if (operands.below(6) == 0) {
                b = a + operands.below(5) - 2;
            }
            c.mxcsr(FpContext.MXCSR_RESET | sticky);
            float expected = java.apply(Float.intBitsToFloat(a), Float.intBitsToFloat(b));
            int actual = op.apply(c, a, b);
            if (Float.isNaN(expected)) {
                assertThat(Float.intBitsToFloat(actual)).as("%x %x", a, b).isNaN();
                assertThat(actual & 1 << 22).as("quiet bit of %x %x", a, b).isNotZero();
            } else if (actual != Float.floatToRawIntBits(expected)) {
                assertThat(actual).as("%x %x", a, b).isEqualTo(Float.floatToRawIntBits(expected));
            }
        }
    }

    @Test
    void binary64ArithmeticIsJavasWithTheStickyFlagSetOrNot() {
        for (int sticky : new int[] {0, FpFlags.PE, FpFlags.ALL}) {
            sameAsJava64(SseMath::addsd, (a, b) -> a + b, sticky);
            sameAsJava64(SseMath::subsd, (a, b) -> a - b, sticky);
            sameAsJava64(SseMath::mulsd, (a, b) -> a * b, sticky);
            sameAsJava64(SseMath::divsd, (a, b) -> a / b, sticky);
            sameAsJava64((c, a, b) -> SseMath.sqrtsd(c, b), (a, b) -> StrictMath.sqrt(b), sticky);
        }
    }

    @Test
    void binary32ArithmeticIsJavasWithTheStickyFlagSetOrNot() {
        for (int sticky : new int[] {0, FpFlags.PE, FpFlags.ALL}) {
            sameAsJava32(SseMath::addss, (a, b) -> a + b, sticky);
            sameAsJava32(SseMath::subss, (a, b) -> a - b, sticky);
            sameAsJava32(SseMath::mulss, (a, b) -> a * b, sticky);
            sameAsJava32(SseMath::divss, (a, b) -> a / b, sticky);
            sameAsJava32(
                    (c, a, b) -> SseMath.sqrtss(c, b),
                    (a, b) -> (float) StrictMath.sqrt(b),
                    sticky);
        }
    }

    @Test
    void theExactPathAloneIsJavasToo() {
        sameAsJava64((c, a, b) -> SseSoft.binary64(c, SseSoft.ADD, a, b), (a, b) -> a + b, 0);
        sameAsJava64((c, a, b) -> SseSoft.binary64(c, SseSoft.MUL, a, b), (a, b) -> a * b, 0);
        sameAsJava64((c, a, b) -> SseSoft.binary64(c, SseSoft.DIV, a, b), (a, b) -> a / b, 0);
        sameAsJava32((c, a, b) -> SseSoft.binary32(c, SseSoft.ADD, a, b), (a, b) -> a + b, 0);
        sameAsJava32((c, a, b) -> SseSoft.binary32(c, SseSoft.MUL, a, b), (a, b) -> a * b, 0);
        sameAsJava32((c, a, b) -> SseSoft.binary32(c, SseSoft.DIV, a, b), (a, b) -> a / b, 0);
    }

    @Test
    void fusedMultiplyAddIsJavas() {
        Operands operands = new Operands(3);
        FpContext c = new FpContext();
        for (int k = 0; k < CASES; k++) {
            long x = operands.binary64();
            long y = operands.binary64();
            long z = operands.binary64();
            double dx = Double.longBitsToDouble(x);
            double dy = Double.longBitsToDouble(y);
            if (operands.below(2) == 0) {
                // Near-total cancellation.
                z = Double.doubleToRawLongBits(-dx * dy) + operands.below(3) - 1;
            }
            c.mxcsr(FpContext.MXCSR_RESET);
            double expected = Math.fma(dx, dy, Double.longBitsToDouble(z));
            long actual = SseMath.fmasd(c, x, y, z, 0, 0);
            if (Double.isNaN(expected)) {
                assertThat(Double.longBitsToDouble(actual)).isNaN();
            } else {
                assertThat(actual)
                        .as("%x %x %x", x, y, z)
                        .isEqualTo(Double.doubleToRawLongBits(expected));
            }
        }
    }

    @Test
    void negatedFormsOfFusedMultiplyAddNegateTheirOperands() {
        Operands operands = new Operands(4);
        FpContext c = new FpContext();
        for (int k = 0; k < 100_000; k++) {
            int x = operands.finite32();
            int y = operands.finite32();
            int z = operands.finite32();
            float fx = Float.intBitsToFloat(x);
            float fy = Float.intBitsToFloat(y);
            float fz = Float.intBitsToFloat(z);
            c.mxcsr(FpContext.MXCSR_RESET | FpFlags.PE);
            assertThat(SseMath.fmass(c, x, y, z, 1, 0))
                    .isEqualTo(Float.floatToRawIntBits(Math.fma(-fx, fy, fz)));
            assertThat(SseMath.fmass(c, x, y, z, 0, 1))
                    .isEqualTo(Float.floatToRawIntBits(Math.fma(fx, fy, -fz)));
            assertThat(SseMath.fmass(c, x, y, z, 1, 1))
                    .isEqualTo(Float.floatToRawIntBits(Math.fma(-fx, fy, -fz)));
        }
    }

    private static void sameAsExact64(Binary64 op, Exactly exactly, boolean root) {
        Operands operands = new Operands(5);
        FpContext c = new FpContext();
        for (int k = 0; k < 60_000; k++) {
            long a = operands.finite64();
            long b = operands.finite64();
            if (operands.below(6) == 0) {
                b = a + operands.below(3) + 1;
            }
            if (root) {
                b &= Long.MAX_VALUE;
            }
            if (b << 1 == 0 || !Double.isFinite(Double.longBitsToDouble(b))) {
                continue;
            }
            Exact value = exactly.apply(Exact.of64(a), Exact.of64(b));
            if (value.isZero()) {
                continue;
            }
            int rc = operands.below(4);
            Exact.Rounded rounded = value.round(Exact.Format.BINARY64, rc);
            boolean denormal = denormal(b) || (!root && denormal(a));
            int mxcsr = FpContext.MXCSR_RESET | rc << 13;
            c.mxcsr(mxcsr);
            long actual = op.apply(c, a, b);
            assertThat(actual)
                    .as("%x %x rc %d", a, b, rc)
                    .isEqualTo(Exact.encode(rounded, Exact.Format.BINARY64, 64));
            assertThat(c.mxcsr() ^ mxcsr)
                    .as("flags of %x %x rc %d", a, b, rc)
                    .isEqualTo(rounded.flags() | (denormal ? FpFlags.DE : 0));
        }
    }

    private static boolean denormal(long bits) {
        return (bits & 0x7FF0_0000_0000_0000L) == 0 && bits << 1 != 0;
    }

    @Test
    void everyRoundingModeAndFlagOfBinary64IsExact() {
        sameAsExact64(SseMath::addsd, Exact::plus, false);
        sameAsExact64(SseMath::subsd, (a, b) -> a.plus(b.negate()), false);
        sameAsExact64(SseMath::mulsd, Exact::times, false);
        sameAsExact64(SseMath::divsd, Exact::over, false);
        sameAsExact64((c, a, b) -> SseMath.sqrtsd(c, b), (a, b) -> b.root(), true);
    }

    @Test
    void everyRoundingModeAndFlagOfBinary32FusedMultiplyAddIsExact() {
        Operands operands = new Operands(6);
        FpContext c = new FpContext();
        for (int k = 0; k < 100_000; k++) {
            int x = operands.finite32();
            int y = operands.finite32();
            int z = operands.finite32();
            Exact value = Exact.of32(x).times(Exact.of32(y)).plus(Exact.of32(z));
            if (value.isZero()) {
                continue;
            }
            int rc = operands.below(4);
            Exact.Rounded rounded = value.round(Exact.Format.BINARY32, rc);
            int mxcsr = FpContext.MXCSR_RESET | rc << 13;
            c.mxcsr(mxcsr);
            boolean denormal =
                    (x & 0x7F80_0000) == 0 || (y & 0x7F80_0000) == 0 || (z & 0x7F80_0000) == 0;
            assertThat((long) SseMath.fmass(c, x, y, z, 0, 0) & 0xFFFF_FFFFL)
                    .as("%x %x %x rc %d", x, y, z, rc)
                    .isEqualTo(Exact.encode(rounded, Exact.Format.BINARY32, 32));
            assertThat(c.mxcsr() ^ mxcsr).isEqualTo(rounded.flags() | (denormal ? FpFlags.DE : 0));
        }
    }

    @Test
    void fastAndExactPathsRaiseTheSameFlags() {
        Operands operands = new Operands(7);
        FpContext c = new FpContext();
        for (int k = 0; k < CASES; k++) {
            long a = operands.binary64();
            long b = operands.binary64();
            int op = operands.below(5);
            int mxcsr = FpContext.MXCSR_RESET | (operands.below(2) == 0 ? FpFlags.PE : 0);
            c.mxcsr(mxcsr);
            long fast =
                    switch (op) {
                        case SseSoft.ADD -> SseMath.addsd(c, a, b);
                        case SseSoft.SUB -> SseMath.subsd(c, a, b);
                        case SseSoft.MUL -> SseMath.mulsd(c, a, b);
                        case SseSoft.DIV -> SseMath.divsd(c, a, b);
                        default -> SseMath.sqrtsd(c, a);
                    };
            int flags = c.mxcsr();
            c.mxcsr(mxcsr);
            long exact = SseSoft.binary64(c, op, a, op == SseSoft.SQRT ? 0 : b);
            assertThat(fast).as("%d of %x %x", op, a, b).isEqualTo(exact);
            assertThat(flags).as("flags: %d of %x %x", op, a, b).isEqualTo(c.mxcsr());
        }
    }

    @Test
    void theDotProductSumsTheChosenProductsInPairs() {
        FpContext c = new FpContext();
        long ones = pair(1f, 1f);
        long[] v = {pair(1.5f, 2f), pair(-3f, 0.25f), ones, ones, 0, 0};
        SseMath.dpps(c, v, 4, 0, 2, 0xF1, 1);
        assertThat(v[4]).isEqualTo(pair(0.75f, 0));
        assertThat(v[5]).isZero();
        SseMath.dpps(c, v, 4, 0, 2, 0x56, 1);
        assertThat(v[4]).isEqualTo(pair(0, -1.5f));
        assertThat(v[5]).isEqualTo(pair(-1.5f, 0));
        long two = Double.doubleToRawLongBits(2);
        long three = Double.doubleToRawLongBits(3);
        v = new long[] {two, three, three, two, 0, 0};
        SseMath.dppd(c, v, 4, 0, 2, 0x31);
        assertThat(v[4]).isEqualTo(Double.doubleToRawLongBits(12));
        assertThat(v[5]).isZero();
        SseMath.dppd(c, v, 4, 0, 2, 0x02);
        assertThat(v[4]).isZero();
    }

    /** What the host does is held against it elsewhere; this is for hosts of the other vendor. */
    @Test
    void vendorsChooseAmongTheNansOfADotProduct() {
        long ones = pair(1f, 1f);
        long nans01 = 0x7FC0_0001_7FC0_0000L;
        long nans23 = 0x7FC0_0003_7FC0_0002L;
        long[] amd = {nans01, nans23, ones, ones, 0, 0};
        long[] intel = amd.clone();
        SseMath.dpps(new FpContext(true), amd, 4, 0, 2, 0xFF, 1);
        SseMath.dpps(new FpContext(false), intel, 4, 0, 2, 0xFF, 1);
        assertThat(Arrays.copyOfRange(amd, 4, 6))
                .containsExactly(0x7FC0_0000_7FC0_0000L, 0x7FC0_0000_7FC0_0000L);
        assertThat(Arrays.copyOfRange(intel, 4, 6))
                .containsExactly(Long.rotateRight(nans01, 32), Long.rotateRight(nans23, 32));
    }

    private static long pair(float low, float high) {
        return (Float.floatToRawIntBits(low) & 0xFFFF_FFFFL)
                | (long) Float.floatToRawIntBits(high) << 32;
    }

    @Test
    void packedElementsAreIndependent() {
        FpContext c = new FpContext();
        long a = pair(1.5f, -8f);
        long b = pair(0.5f, 2f);
        assertThat(SseMath.addps(c, a, b)).isEqualTo(pair(2f, -6f));
        assertThat(SseMath.subps(c, a, b)).isEqualTo(pair(1f, -10f));
        assertThat(SseMath.addsubps(c, a, b)).isEqualTo(pair(1f, -6f));
        assertThat(SseMath.mulps(c, a, b)).isEqualTo(pair(0.75f, -16f));
        assertThat(SseMath.divps(c, a, b)).isEqualTo(pair(3f, -4f));
        assertThat(SseMath.minps(c, a, b)).isEqualTo(pair(0.5f, -8f));
        assertThat(SseMath.maxps(c, a, b)).isEqualTo(pair(1.5f, 2f));
        assertThat(SseMath.haddps(c, a, b)).isEqualTo(pair(-6.5f, 2.5f));
        assertThat(SseMath.hsubps(c, a, b)).isEqualTo(pair(9.5f, -1.5f));
        assertThat(SseMath.sqrtps(c, pair(4f, 9f))).isEqualTo(pair(2f, 3f));
        assertThat(SseMath.cmpps(c, a, b, 1)).isEqualTo(0xFFFF_FFFF_0000_0000L);
        assertThat(c.mxcsr()).isEqualTo(FpContext.MXCSR_RESET);
    }

    @Test
    void reciprocalsAreWithinTheDocumentedError() {
        Operands operands = new Operands(8);
        for (int k = 0; k < CASES; k++) {
            int b = operands.finite32();
            double x = Float.intBitsToFloat(b);
            if (Math.abs(x) < 0x1p-126 || Math.abs(x) >= 0x1p125) {
                continue;
            }
            double rcp = Float.intBitsToFloat(SseMath.rcpss(b));
            assertThat(Math.abs(rcp * x - 1)).as("1 / %s", x).isLessThan(1.5 * 0x1p-12);
            double root = Float.intBitsToFloat(SseMath.rsqrtss(b & 0x7FFF_FFFF));
            assertThat(Math.abs(root * Math.sqrt(Math.abs(x)) - 1))
                    .as("1 / sqrt(%s)", x)
                    .isLessThan(1.5 * 0x1p-12);
        }
        assertThat(SseMath.rcpss(0x8000_0000)).isEqualTo(0xFF80_0000);
        assertThat(SseMath.rcpss(0x0000_0001)).isEqualTo(0x7F80_0000);
        assertThat(SseMath.rcpss(0x7F80_0001)).isEqualTo(0x7FC0_0001);
        assertThat(SseMath.rcpss(0xFF80_0000)).isEqualTo(0x8000_0000);
        assertThat(SseMath.rsqrtss(0xBF80_0000)).isEqualTo(0xFFC0_0000);
        assertThat(SseMath.rsqrtss(0x8000_0000)).isEqualTo(0xFF80_0000);
        assertThat(SseMath.rsqrtss(0x7F80_0000)).isZero();
    }
}
