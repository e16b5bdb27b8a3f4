// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.math.BigInteger;

class SseConvertTest {
    private static final int CASES = 300_000;
    private static final int[] NO_FLAGS = {0, FpFlags.PE};

    private final FpContext c = new FpContext();
    private final Operands operands = new Operands(11);

    @Test
    void widthsConvertAsInJava() {
        for (int k = 0; k < CASES; k++) {
            c.mxcsr(FpContext.MXCSR_RESET | NO_FLAGS[k & 1]);
            int single = operands.finite32();
            assertThat(SseConvert.cvtss2sd(c, single))
                    .isEqualTo(Double.doubleToRawLongBits(Float.intBitsToFloat(single)));
            long wide = operands.finite64();
            if ((k & 2) != 0) {
                wide = Double.doubleToRawLongBits(Float.intBitsToFloat(single));
                wide += operands.below(3) - 1 + ((operands.below(3) - 1L) << 28);
            }
            assertThat(SseConvert.cvtsd2ss(c, wide))
                    .as("%x", wide)
                    .isEqualTo(Float.floatToRawIntBits((float) Double.longBitsToDouble(wide)));
        }
    }

    @Test
    void narrowingIsExactInEveryRoundingMode() {
        for (int k = 0; k < 100_000; k++) {
            int rc = operands.below(4);
            int mxcsr = FpContext.MXCSR_RESET | rc << 13;
            long wide = operands.finite64();
            Exact.Rounded r = Exact.of64(wide).round(Exact.Format.BINARY32, rc);
            c.mxcsr(mxcsr);
            assertThat(SseConvert.cvtsd2ss(c, wide) & 0xFFFF_FFFFL)
                    .as("%x rc %d", wide, rc)
                    .isEqualTo(Exact.encode(r, Exact.Format.BINARY32, 32));
            int denormal = (wide & 0x7FF0_0000_0000_0000L) == 0 ? FpFlags.DE : 0;
            assertThat(c.mxcsr() ^ mxcsr).isEqualTo(r.flags() | denormal);

            int single = operands.finite32();
            Exact.Rounded half = Exact.of32(single).round(Exact.Format.BINARY16, rc);
            c.mxcsr(mxcsr | FpContext.FTZ);
            assertThat((long) SseConvert.cvtps2ph(c, single, 4))
                    .as("%x rc %d", single, rc)
                    .isEqualTo(Exact.encode(half, Exact.Format.BINARY16, 16));
            denormal = (single & 0x7F80_0000) == 0 ? FpFlags.DE : 0;
            assertThat((c.mxcsr() ^ mxcsr) & FpFlags.ALL).isEqualTo(half.flags() | denormal);
        }
    }

    @Test
    void everyHalfConvertsAsInJava() {
        c.mxcsr(FpContext.MXCSR_RESET | FpContext.DAZ);
        for (int half = 0; half < 0x10000; half++) {
            float expected = Float.float16ToFloat((short) half);
            int actual = SseConvert.cvtph2ps(c, half);
            if (Float.isNaN(expected)) {
                int quiet = (half & 0x8000) << 16 | 0x7FC0_0000 | (half & 0x3FF) << 13;
                assertThat(actual).isEqualTo(quiet);
            } else {
                assertThat(actual).isEqualTo(Float.floatToRawIntBits(expected));
                assertThat(SseConvert.cvtps2ph(c, actual, 0)).isEqualTo(half);
            }
        }
        assertThat(c.mxcsr() & FpFlags.ALL).isEqualTo(FpFlags.IE);
    }

    @Test
    void integersConvertExactlyOrRounded() {
        for (int k = 0; k < CASES; k++) {
            long value = operands.bits() >> operands.below(64);
            if (operands.below(4) == 0) {
                value = (-1L << operands.below(64)) + operands.below(3) - 1;
            }
            int rc = operands.below(4);
            int mxcsr = FpContext.MXCSR_RESET | rc << 13;
            c.mxcsr(mxcsr);
            long wide = SseConvert.cvtsi2sd(c, value);
            int flags = c.mxcsr() ^ mxcsr;
            c.mxcsr(mxcsr);
            int single = SseConvert.cvtsi2ss(c, value);
            int singleFlags = c.mxcsr() ^ mxcsr;
            if (value == 0) {
                assertThat(wide | single | flags).isZero();
                continue;
            }
            Exact.Rounded r = Exact.of(value).round(Exact.Format.BINARY64, rc);
            assertThat(wide).isEqualTo(Exact.encode(r, Exact.Format.BINARY64, 64));
            assertThat(flags).isEqualTo(r.flags());
            Exact.Rounded s = Exact.of(value).round(Exact.Format.BINARY32, rc);
            assertThat(single & 0xFFFF_FFFFL).isEqualTo(Exact.encode(s, Exact.Format.BINARY32, 32));
            assertThat(singleFlags).isEqualTo(s.flags());
            assertThat(SseConvert.cvtsi2sd((int) value))
                    .isEqualTo(Double.doubleToRawLongBits((int) value));
        }
    }

    @Test
    void whatDoesNotFitAnIntegerIsInvalid() {
        for (int k = 0; k < CASES; k++) {
            long a = operands.finite64();
            if (operands.below(2) == 0) {
                long shifted = (0x3FDL + operands.below(68)) << 52 | operands.bits() >>> 12;
                a = (a & Long.MIN_VALUE) | (shifted & -1L << operands.below(53));
            }
            int rc = operands.below(4);
            int mxcsr = FpContext.MXCSR_RESET | rc << 13;
            Exact.Rounded r = Exact.of64(a).roundAt(0, rc);
            BigInteger value = r.negative() ? r.significand().negate() : r.significand();
            c.mxcsr(mxcsr);
            long to64 = SseConvert.cvtsd2si64(c, a);
            if (value.bitLength() < 64) {
                assertThat(to64).as("%x rc %d", a, rc).isEqualTo(value.longValue());
                assertThat(c.mxcsr() ^ mxcsr).isEqualTo(r.flags());
            } else {
                assertThat(to64).isEqualTo(Long.MIN_VALUE);
                assertThat(c.mxcsr() ^ mxcsr).isEqualTo(FpFlags.IE);
            }
            c.mxcsr(mxcsr);
            int to32 = SseConvert.cvtsd2si32(c, a);
            if (value.bitLength() < 32) {
                assertThat(to32).as("%x rc %d", a, rc).isEqualTo(value.intValue());
                assertThat(c.mxcsr() ^ mxcsr).isEqualTo(r.flags());
            } else {
                assertThat(to32).isEqualTo(Integer.MIN_VALUE);
                assertThat(c.mxcsr() ^ mxcsr).isEqualTo(FpFlags.IE);
            }
        }
    }

    @Test
    void truncationIsJavasCastWhereItFits() {
        for (int k = 0; k < CASES; k++) {
            c.mxcsr(FpContext.MXCSR_RESET | FpFlags.UP << 13);
            double x = (operands.bits() >> operands.below(60)) * 0x1p-12;
            long bits = Double.doubleToRawLongBits(x);
            assertThat(SseConvert.cvttsd2si64(c, bits)).isEqualTo((long) x);
            assertThat(SseConvert.cvttsd2si32(c, bits))
                    .isEqualTo((long) x == (int) x ? (int) x : Integer.MIN_VALUE);
            float f = (float) x;
            int single = Float.floatToRawIntBits(f);
            assertThat(SseConvert.cvttss2si64(c, single)).isEqualTo((long) f);
            assertThat(SseConvert.cvttss2si32(c, single))
                    .isEqualTo((long) f == (int) f ? (int) f : Integer.MIN_VALUE);
        }
        assertThat(SseConvert.cvttsd2si32(c, 0x7FF8_0000_0000_0000L)).isEqualTo(Integer.MIN_VALUE);
        assertThat(SseConvert.cvttss2si64(c, 0x7F80_0000)).isEqualTo(Long.MIN_VALUE);
    }

    @Test
    void packedConversionsTakeBothElements() {
        c.mxcsr(FpContext.MXCSR_RESET);
        assertThat(SseConvert.cvtdq2ps(c, 0xFFFF_FFFF_0000_0002L))
                .isEqualTo(0xBF80_0000_4000_0000L);
        assertThat(SseConvert.cvtps2dq(c, 0x4020_0000_4060_0000L))
                .as("2.5 and 3.5 to even")
                .isEqualTo(0x0000_0002_0000_0004L);
        assertThat(SseConvert.cvttps2dq(c, 0xC020_0000_4060_0000L))
                .isEqualTo(0xFFFF_FFFE_0000_0003L);
    }

    @Test
    void roundingToIntegralFollowsTheImmediateOrMxcsr() {
        for (int k = 0; k < CASES; k++) {
            long a = operands.finite64();
            double x = Double.longBitsToDouble(a);
            c.mxcsr(FpContext.MXCSR_RESET | FpFlags.UP << 13);
            assertThat(SseConvert.roundsd(c, a, 0))
                    .isEqualTo(Double.doubleToRawLongBits(Math.rint(x)));
            assertThat(SseConvert.roundsd(c, a, 1))
                    .isEqualTo(Double.doubleToRawLongBits(Math.floor(x)));
            assertThat(SseConvert.roundsd(c, a, 4))
                    .as("MXCSR rounds up")
                    .isEqualTo(Double.doubleToRawLongBits(Math.ceil(x)));
            assertThat(SseConvert.roundsd(c, a, 3))
                    .isEqualTo(Double.doubleToRawLongBits(x < 0 ? Math.ceil(x) : Math.floor(x)));
            boolean integral = Math.rint(x) == x;
            assertThat(c.mxcsr() & FpFlags.ALL).isEqualTo(integral ? 0 : FpFlags.PE);
            c.mxcsr(FpContext.MXCSR_RESET);
            int single = Float.floatToRawIntBits((float) x);
            assertThat(SseConvert.roundss(c, single, 0x0A))
                    .isEqualTo(Float.floatToRawIntBits((float) Math.ceil((float) x)));
            assertThat(c.mxcsr() & FpFlags.ALL).as("bit 3 keeps PE quiet").isZero();
        }
    }
}
