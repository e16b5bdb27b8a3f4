// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.math.BigInteger;

/** x87 arithmetic against big integers: every precision, rounding mode, flag and C1. */
class X87MathTest {
    private static final int CASES = 60_000;
    private static final int[] PRECISION_CONTROL = {0, 2, 3};
    private static final int[] PRECISION = {24, 53, 64};
    private static final int[] OPERATIONS = {
        X87Math.ADD, X87Math.MUL, X87Math.SUB, X87Math.SUBR, X87Math.DIV, X87Math.DIVR
    };

    private final X87 f = new X87();
    private final Operands operands = new Operands(87);

    private void start(int control) {
        f.fninit();
        f.controlWord(control);
    }

    private static Exact exactly(int op, Exact a, Exact b) {
        return switch (op) {
            case X87Math.ADD -> a.plus(b);
            case X87Math.MUL -> a.times(b);
            case X87Math.SUB -> a.plus(b.negate());
            case X87Math.SUBR -> b.plus(a.negate());
            case X87Math.DIV -> a.over(b);
            default -> b.over(a);
        };
    }

    private void assertResult(Exact.Rounded r, int denormal, String what) {
        assertThat(f.significand(0)).as(what).isEqualTo(Exact.significand80(r));
        assertThat(f.signExponent(0)).as(what).isEqualTo(Exact.signExponent80(r));
        assertThat(f.statusWord() & (FpFlags.ALL | X87.C1))
                .as("status of %s", what)
                .isEqualTo(r.flags() | denormal | (r.up() ? X87.C1 : 0));
    }

    private static int denormal(int signExponent) {
        return (signExponent & 0x7FFF) == 0 ? FpFlags.DE : 0;
    }

    @Test
    void theFourOperationsRoundToThePrecisionControl() {
        for (int k = 0; k < 6 * CASES; k++) {
            int op = OPERATIONS[k % 6];
            int pc = operands.below(3);
            int rc = operands.below(4);
            int aExponent = operands.signExponent();
            long a = operands.significand;
            int bExponent = operands.signExponent();
            long b = operands.significand;
            if (operands.below(6) == 0) {
                bExponent = aExponent ^ operands.below(2) << 15;
                b = a ^ 1L << operands.below(20);
            }
            Exact value = exactly(op, Exact.of80(aExponent, a), Exact.of80(bExponent, b));
            if (value.isZero() || (b >= 0 && (bExponent & 0x7FFF) != 0)) {
                continue;
            }
            start(0x3F | PRECISION_CONTROL[pc] << 8 | rc << 10);
            f.fldM80(b, bExponent);
            f.fldM80(a, aExponent);
            X87Math.arith(f, op, 0, 1, false);
            assertResult(
                    value.round(Exact.Format.extended(PRECISION[pc]), rc),
                    denormal(aExponent) | denormal(bExponent),
                    String.format(
                            "op %d of %x:%x %x:%x pc %d rc %d",
                            op, aExponent, a, bExponent, b, pc, rc));
        }
    }

    @Test
    void squareRootsRoundToThePrecisionControl() {
        for (int k = 0; k < CASES; k++) {
            int pc = operands.below(3);
            int rc = operands.below(4);
            int exponent = operands.signExponent() & 0x7FFF;
            long significand = operands.significand;
            start(0x3F | PRECISION_CONTROL[pc] << 8 | rc << 10);
            f.fldM80(significand, exponent);
            X87Math.fsqrt(f);
            assertResult(
                    Exact.of80(exponent, significand)
                            .root()
                            .round(Exact.Format.extended(PRECISION[pc]), rc),
                    denormal(exponent),
                    String.format("root of %x:%x", exponent, significand));
        }
    }

    @Test
    void memoryOperandsAreWidenedExactly() {
        for (int k = 0; k < CASES; k++) {
            int exponent = operands.signExponent();
            long significand = operands.significand;
            Exact st = Exact.of80(exponent, significand);
            int single = operands.finite32();
            start(X87.CONTROL_INIT);
            f.fldM80(significand, exponent);
            X87Math.arithM32(f, X87Math.MUL, single);
            int denormal = denormal(exponent) | ((single & 0x7F80_0000) == 0 ? FpFlags.DE : 0);
            assertResult(
                    st.times(Exact.of32(single)).round(Exact.Format.extended(64), 0),
                    denormal,
                    "times m32");

            long wide = operands.finite64();
            start(X87.CONTROL_INIT);
            f.fldM80(significand, exponent);
            X87Math.arithM64(f, X87Math.DIVR, wide);
            boolean tiny = (wide & 0x7FF0_0000_0000_0000L) == 0;
            denormal = denormal(exponent) | (tiny ? FpFlags.DE : 0);
            assertResult(
                    Exact.of64(wide).over(st).round(Exact.Format.extended(64), 0),
                    denormal,
                    "m64 over");

            int integer = (int) operands.bits() | 1;
            start(X87.CONTROL_INIT);
            f.fldM80(significand, exponent);
            X87Math.arithInteger(f, X87Math.MUL, integer);
            assertResult(
                    st.times(Exact.of(integer)).round(Exact.Format.extended(64), 0),
                    denormal(exponent),
                    "times integer");
        }
    }

    @Test
    void integersAndFractionsRoundToIntegral() {
        for (int k = 0; k < CASES; k++) {
            int rc = operands.below(4);
            int exponent = 0x3FF8 + operands.below(80) | operands.below(2) << 15;
            long significand = (operands.bits() & -1L << operands.below(64)) | Long.MIN_VALUE;
            start(0x33F | rc << 10);
            f.fldM80(significand, exponent);
            X87Math.frndint(f);
            Exact value = Exact.of80(exponent, significand);
            Exact.Rounded r =
                    value.exponent() >= 0
                            ? value.round(Exact.Format.extended(64), rc)
                            : value.roundAt(0, rc);
            assertResult(r, 0, String.format("%x:%x rc %d", exponent, significand, rc));
        }
    }

    @Test
    void storesRoundToTheirFormat() {
        for (int k = 0; k < CASES; k++) {
            int rc = operands.below(4);
            int exponent = operands.signExponent();
            if (operands.below(2) == 0) {
                int base = operands.below(2) == 0 ? 127 : 1023;
                base = operands.below(2) == 0 ? 16383 + base : 16383 - base;
                exponent = (exponent & 0x8000) | base + operands.below(60) - 40;
                operands.significand |= Long.MIN_VALUE;
            }
            long significand = operands.significand;
            Exact value = Exact.of80(exponent, significand);
            start(0x33F | rc << 10);
            f.fldM80(significand, exponent);
            assertThat(f.storeM64()).isTrue();
            Exact.Rounded r = value.round(Exact.Format.BINARY64, rc);
            assertThat(f.storeLow())
                    .as("%x:%x rc %d", exponent, significand, rc)
                    .isEqualTo(Exact.encode(r, Exact.Format.BINARY64, 64));
            assertThat(f.statusWord() & FpFlags.ALL).as("not yet committed").isZero();
            f.commitStore(false);
            assertThat(f.statusWord() & (FpFlags.ALL | X87.C1))
                    .isEqualTo(r.flags() | (r.up() ? X87.C1 : 0));
            f.fnclex();
            assertThat(f.storeM32()).isTrue();
            Exact.Rounded s = value.round(Exact.Format.BINARY32, rc);
            assertThat(f.storeLow()).isEqualTo(Exact.encode(s, Exact.Format.BINARY32, 32));
            f.commitStore(true);
            assertThat(f.statusWord() & (FpFlags.ALL | X87.C1))
                    .isEqualTo(s.flags() | (s.up() ? X87.C1 : 0));
            assertThat(f.top()).isZero();
        }
    }

    @Test
    void integerStoresRoundOrAreInvalid() {
        for (int k = 0; k < CASES; k++) {
            int rc = operands.below(4);
            int exponent = 0x3FFC + operands.below(70) | operands.below(2) << 15;
            long significand = (operands.bits() & -1L << operands.below(64)) | Long.MIN_VALUE;
            boolean truncate = operands.below(2) == 0;
            int width = 16 << operands.below(3);
            Exact.Rounded r =
                    Exact.of80(exponent, significand).roundAt(0, truncate ? FpFlags.TRUNCATE : rc);
            BigInteger value = r.negative() ? r.significand().negate() : r.significand();
            start(0x33F | rc << 10);
            f.fldM80(significand, exponent);
            assertThat(truncate ? f.storeTruncated(width) : f.storeInteger(width)).isTrue();
            f.commitStore(true);
            if (value.bitLength() < width) {
                assertThat(f.storeLow()).isEqualTo(value.longValue());
                assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(r.flags());
            } else {
                assertThat(f.storeLow()).isEqualTo(-1L << (width - 1));
                assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.IE);
            }
        }
    }

    @Test
    void remaindersComeOutInStepsWithTheQuotientsLowBits() {
        for (int k = 0; k < CASES; k++) {
            int aExponent = operands.signExponent();
            long a = operands.significand;
            int bExponent = operands.signExponent();
            long b = operands.significand;
            if (operands.below(2) == 0) {
                bExponent = (aExponent & 0x7FFF) - operands.below(130) + 4;
                if (bExponent < 1 || bExponent > 0x7FFE) {
                    continue;
                }
                b |= Long.MIN_VALUE;
            }
            boolean nearest = operands.below(2) == 0;
            start(X87.CONTROL_INIT);
            f.fldM80(b, bExponent);
            f.fldM80(a, aExponent);
            int steps = 0;
            do {
                if (nearest) {
                    X87Math.fprem1(f);
                } else {
                    X87Math.fprem(f);
                }
                steps++;
            } while ((f.statusWord() & X87.C2) != 0);
            assertThat(steps).isLessThanOrEqualTo(32768 / 32 + 1);
            BigInteger[] expected =
                    remainder(Exact.of80(aExponent, a), Exact.of80(bExponent, b), nearest);
            Exact actual = Exact.of80(f.signExponent(0), f.significand(0));
            int unit = Math.min(aExponent & 0x7FFF, bExponent & 0x7FFF) - 16383 - 63;
            unit = Math.max(unit, -16445);
            BigInteger scaled =
                    actual.exponent() >= unit
                            ? actual.magnitude().shiftLeft(actual.exponent() - unit)
                            : actual.magnitude().shiftRight(unit - actual.exponent());
            String what = String.format("%x:%x by %x:%x", aExponent, a, bExponent, b);
            assertThat(scaled).as(what).isEqualTo(expected[1].abs());
            boolean negative =
                    expected[1].signum() == 0
                            ? (aExponent & 0x8000) != 0
                            : (expected[1].signum() < 0) != ((aExponent & 0x8000) != 0);
            assertThat((f.signExponent(0) & 0x8000) != 0).as(what).isEqualTo(negative);
            int quotient = expected[0].intValue();
            int bits = (quotient & 1) != 0 ? X87.C1 : 0;
            bits |= (quotient & 2) != 0 ? X87.C3 : 0;
            bits |= (quotient & 4) != 0 ? X87.C0 : 0;
            assertThat(f.statusWord() & (X87.C0 | X87.C1 | X87.C3)).as(what).isEqualTo(bits);
        }
    }

    /** Quotient and remainder of the magnitudes, the remainder in units of the smaller operand. */
    private static BigInteger[] remainder(Exact a, Exact b, boolean nearest) {
        int unit = Math.min(a.exponent(), b.exponent());
        BigInteger x = a.magnitude().shiftLeft(a.exponent() - unit);
        BigInteger y = b.magnitude().shiftLeft(b.exponent() - unit);
        BigInteger[] result = x.divideAndRemainder(y);
        if (nearest) {
            int order = result[1].shiftLeft(1).compareTo(y);
            if (order > 0 || (order == 0 && result[0].testBit(0))) {
                result[0] = result[0].add(BigInteger.ONE);
                result[1] = result[1].subtract(y);
            }
        }
        return result;
    }

    @Test
    void scalingMovesTheExponentByTheTruncatedSecondOperand() {
        for (int k = 0; k < CASES; k++) {
            int exponent = operands.signExponent();
            long significand = operands.significand;
            double by = (operands.bits() >> (40 + operands.below(20))) * 0x1p-9;
            int rc = operands.below(4);
            start(0x33F | rc << 10);
            f.fldM64(Double.doubleToRawLongBits(by));
            f.fldM80(significand, exponent);
            X87Math.fscale(f);
            Exact a = Exact.of80(exponent, significand);
            Exact value = new Exact(a.negative(), a.magnitude(), a.exponent() + (int) by, false);
            assertResult(
                    value.round(Exact.Format.extended(64), rc),
                    denormal(exponent),
                    String.format("%x:%x by %s", exponent, significand, by));
        }
    }

    @Test
    void anUnmaskedOverflowOrUnderflowIsDeliveredWithABiasedExponent() {
        start(X87.CONTROL_INIT & ~FpFlags.OE);
        f.fldM80(0xC000_0000_0000_0000L, 0x7FFE);
        X87Math.arith(f, X87Math.ADD, 0, 0, false);
        assertThat(f.signExponent(0)).isEqualTo(0x7FFF - 24576);
        assertThat(f.significand(0)).isEqualTo(0xC000_0000_0000_0000L);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.OE);
        assertThat(f.pendingException()).isTrue();
        assertThat(f.statusWord() & (X87.ES | X87.B)).isEqualTo(X87.ES | X87.B);

        start(X87.CONTROL_INIT & ~FpFlags.UE);
        f.fldM80(0x8000_0000_0000_0001L, 0x0001);
        X87Math.arithInteger(f, X87Math.DIV, 2);
        assertThat(f.signExponent(0)).isEqualTo(24576);
        assertThat(f.significand(0)).isEqualTo(0x8000_0000_0000_0001L);
        assertThat(f.statusWord() & FpFlags.ALL).as("exact").isEqualTo(FpFlags.UE);
    }

    @Test
    void anUnmaskedOverflowOfAStoreStoresNothingAndPopsNothing() {
        start(X87.CONTROL_INIT & ~FpFlags.OE);
        f.fldM80(0x8000_0000_0000_0001L, 0x7000);
        assertThat(f.storeM32()).isFalse();
        f.commitStore(true);
        assertThat(f.top()).isEqualTo(7);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.OE);
        assertThat(f.pendingException()).isTrue();
    }

    @Test
    void anUnmaskedInvalidDenormalOrZeroDivideKeepsTheOperands() {
        start(X87.CONTROL_INIT & ~FpFlags.ZE);
        f.fild(0);
        f.fild(5);
        X87Math.arith(f, X87Math.DIV, 0, 1, true);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.ZE);
        assertThat(f.top()).isEqualTo(6);
        assertThat(f.significand(0)).isEqualTo(0xA000_0000_0000_0000L);

        start(X87.CONTROL_INIT & ~FpFlags.DE);
        f.fldM80(1, 0);
        X87Math.arithInteger(f, X87Math.ADD, 1);
        assertThat(f.significand(0)).isEqualTo(1);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.DE);

        start(X87.CONTROL_INIT & ~FpFlags.IE);
        f.fild(-1);
        X87Math.fsqrt(f);
        assertThat(f.signExponent(0)).isEqualTo(0xBFFF);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.IE);
    }

    @Test
    void unsupportedEncodingsAreInvalid() {
        int[] words = {0x7FFF, 0x7FFF, 0x4000, 0x0001};
        long[] significands = {0, 1, 0x4000_0000_0000_0000L, 0x7FFF_FFFF_FFFF_FFFFL};
        for (int k = 0; k < 4; k++) {
            start(X87.CONTROL_INIT);
            f.fldM80(significands[k], words[k]);
            X87Math.arithInteger(f, X87Math.ADD, 1);
            assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
            assertThat(f.significand(0)).isEqualTo(0xC000_0000_0000_0000L);
            assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.IE);
        }
    }

    @Test
    void theNanWithTheLargerSignificandWinsButAQuietOneGoesFirst() {
        long small = 0xC000_0000_0000_0001L;
        long large = 0xC000_0000_0000_0002L;
        long signalling = 0xBFFF_FFFF_FFFF_FFFFL;
        assertNan(0x7FFF, small, 0xFFFF, large, 0xFFFF, large, 0);
        assertNan(0xFFFF, large, 0x7FFF, small, 0xFFFF, large, 0);
        assertNan(0xFFFF, small, 0x7FFF, small, 0x7FFF, small, 0);
        assertNan(0x7FFF, signalling, 0xFFFF, small, 0xFFFF, small, FpFlags.IE);
        assertNan(
                0x7FFF,
                signalling,
                0xFFFF,
                0x8000_0000_0000_0001L,
                0x7FFF,
                signalling | 1L << 62,
                FpFlags.IE);
    }

    private void assertNan(
            int aWord, long a, int bWord, long b, int word, long significand, int flags) {
        start(X87.CONTROL_INIT);
        f.fldM80(b, bWord);
        f.fldM80(a, aWord);
        X87Math.arith(f, X87Math.MUL, 0, 1, false);
        assertThat(f.signExponent(0)).isEqualTo(word);
        assertThat(f.significand(0)).isEqualTo(significand);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(flags);
    }

    @Test
    void extractSplitsExponentAndSignificand() {
        start(X87.CONTROL_INIT);
        f.fldM64(Double.doubleToRawLongBits(-40));
        X87Math.fxtract(f);
        assertThat(f.signExponent(0)).isEqualTo(0xBFFF);
        assertThat(f.significand(0)).isEqualTo(0xA000_0000_0000_0000L);
        assertThat(f.signExponent(1)).isEqualTo(0x4001);
        assertThat(f.significand(1)).isEqualTo(0xA000_0000_0000_0000L);

        start(X87.CONTROL_INIT);
        f.fldM80(0, 0x8000);
        X87Math.fxtract(f);
        assertThat(f.signExponent(0)).isEqualTo(0x8000);
        assertThat(f.significand(0)).isZero();
        assertThat(f.signExponent(1)).isEqualTo(0xFFFF);
        assertThat(f.significand(1)).isEqualTo(1L << 63);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.ZE);

        start(X87.CONTROL_INIT);
        f.fldM80(1L << 63, 0xFFFF);
        X87Math.fxtract(f);
        assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
        assertThat(f.signExponent(1)).isEqualTo(0x7FFF);
        assertThat(f.statusWord() & FpFlags.ALL).isZero();
    }

    @Test
    void scaleKnowsItsInfinities() {
        long infinity = 1L << 63;
        // ST(0) word and significand, ST(1) word and significand, result word, flags.
        long[][] rows = {
            {0x3FFF, infinity, 0x7FFF, infinity, 0x7FFF, 0},
            {0xBFFF, infinity, 0x7FFF, infinity, 0xFFFF, 0},
            {0x3FFF, infinity, 0xFFFF, infinity, 0x0000, 0},
            {0x0000, 0, 0x7FFF, infinity, 0xFFFF, FpFlags.IE},
            {0x8000, 0, 0xFFFF, infinity, 0x8000, 0},
            {0x7FFF, infinity, 0xFFFF, infinity, 0xFFFF, FpFlags.IE},
            {0xFFFF, infinity, 0xC00E, 0xFFFF_0000_0000_0000L, 0xFFFF, 0},
        };
        for (long[] row : rows) {
            start(X87.CONTROL_INIT);
            f.fldM80(row[3], (int) row[2]);
            f.fldM80(row[1], (int) row[0]);
            X87Math.fscale(f);
            assertThat(f.signExponent(0)).as("%x by %x", row[0], row[2]).isEqualTo((int) row[4]);
            assertThat(f.statusWord() & FpFlags.ALL).isEqualTo((int) row[5]);
        }
    }
}
