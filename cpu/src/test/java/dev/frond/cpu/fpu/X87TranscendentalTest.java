// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.function.Consumer;

/** The transcendentals against decimal series of 60 digits, and their special operands. */
class X87TranscendentalTest {
    private static final MathContext MC = new MathContext(60, RoundingMode.HALF_EVEN);
    private static final BigDecimal TINY = BigDecimal.ONE.movePointLeft(66);
    private static final BigDecimal TWO = BigDecimal.TWO;
    private static final BigDecimal LN_2 = log(TWO);
    private static final BigDecimal PI =
            arctan(new BigDecimal("0.2"))
                    .multiply(BigDecimal.valueOf(16))
                    .subtract(
                            arctan(BigDecimal.ONE.divide(BigDecimal.valueOf(239), MC))
                                    .multiply(BigDecimal.valueOf(4)),
                            MC);

    /** The 66-bit pi of the processors: SDM Vol. 1, 8.3.8. */
    private static final BigDecimal PI_66 =
            new BigDecimal(new BigInteger("C90FDAA22168C234C", 16))
                    .divide(new BigDecimal(BigInteger.TWO.pow(66)));

    private static final long ONE = 0x8000_0000_0000_0000L;

    /** In units of the last place of the 64-bit significand; correctly rounded is 0.5. */
    private static final BigDecimal TOLERANCE = new BigDecimal("0.5001");

    private static final int CASES = 1500;

    private final X87 f = new X87();
    private final Operands operands = new Operands(2);

    // --- decimal references
    // -----------------------------------------------------------------------

    private static BigDecimal exp(BigDecimal x) {
        BigDecimal small = x.divide(BigDecimal.valueOf(256), MC);
        BigDecimal sum = BigDecimal.ONE;
        BigDecimal term = BigDecimal.ONE;
        for (int k = 1; term.abs().compareTo(TINY) > 0; k++) {
            term = term.multiply(small, MC).divide(BigDecimal.valueOf(k), MC);
            sum = sum.add(term, MC);
        }
        return sum.pow(256, MC);
    }

    /** e^x - 1 to full relative precision. */
    private static BigDecimal expm1(BigDecimal x) {
        if (x.abs().doubleValue() > 0.01) {
            return exp(x).subtract(BigDecimal.ONE, MC);
        }
        BigDecimal sum = BigDecimal.ZERO;
        BigDecimal term = BigDecimal.ONE;
        for (int k = 1; k < 40; k++) {
            term = term.multiply(x, MC).divide(BigDecimal.valueOf(k), MC);
            sum = sum.add(term, MC);
        }
        return sum;
    }

    /** ln((1 + s) / (1 - s)) = 2 artanh(s). */
    private static BigDecimal twiceArtanh(BigDecimal s) {
        BigDecimal square = s.multiply(s, MC);
        BigDecimal power = s;
        BigDecimal sum = s;
        for (int k = 3; k < 400; k += 2) {
            power = power.multiply(square, MC);
            sum = sum.add(power.divide(BigDecimal.valueOf(k), MC), MC);
        }
        return sum.multiply(TWO);
    }

    private static BigDecimal log(BigDecimal x) {
        return twiceArtanh(x.subtract(BigDecimal.ONE).divide(x.add(BigDecimal.ONE), MC));
    }

    private static BigDecimal log2(BigDecimal x) {
        int exponent = 0;
        BigDecimal scaled = x;
        while (scaled.doubleValue() > 1.5) {
            scaled = scaled.divide(TWO, new MathContext(120));
            exponent++;
        }
        while (scaled.doubleValue() < 0.75) {
            scaled = scaled.multiply(TWO);
            exponent--;
        }
        return log(scaled).divide(LN_2, MC).add(BigDecimal.valueOf(exponent), MC);
    }

    private static BigDecimal arctan(BigDecimal x) {
        if (x.doubleValue() > 0.1) {
            BigDecimal root = x.multiply(x).add(BigDecimal.ONE).sqrt(MC).add(BigDecimal.ONE);
            return arctan(x.divide(root, MC)).multiply(TWO);
        }
        BigDecimal square = x.multiply(x, MC);
        BigDecimal power = x;
        BigDecimal sum = x;
        for (int k = 3; k < 80; k += 2) {
            power = power.multiply(square, MC).negate();
            sum = sum.add(power.divide(BigDecimal.valueOf(k), MC), MC);
        }
        return sum;
    }

    private static BigDecimal sine(BigDecimal x, boolean cosine) {
        BigDecimal term = cosine ? BigDecimal.ONE : x;
        BigDecimal sum = term;
        BigDecimal square = x.multiply(x, MC);
        for (int k = cosine ? 1 : 2; k < 60; k += 2) {
            term = term.multiply(square, MC).divide(BigDecimal.valueOf(k * (k + 1L)), MC).negate();
            sum = sum.add(term, MC);
        }
        return sum;
    }

    /** Sine or cosine by quadrants of the 66-bit pi. */
    private static BigDecimal circular(BigDecimal x, boolean cosine) {
        BigDecimal half = PI_66.divide(TWO);
        BigInteger quarters =
                x.divide(half, new MathContext(100))
                        .setScale(0, RoundingMode.HALF_EVEN)
                        .toBigInteger();
        BigDecimal rest = x.subtract(half.multiply(new BigDecimal(quarters)));
        int quadrant = quarters.intValue() + (cosine ? 1 : 0) & 3;
        BigDecimal value = sine(rest, (quadrant & 1) != 0);
        return quadrant >= 2 ? value.negate() : value;
    }

    private static BigDecimal decimal(int signExponent, long significand) {
        Exact exact = Exact.of80(signExponent, significand);
        BigDecimal magnitude = new BigDecimal(exact.magnitude());
        BigDecimal power = new BigDecimal(BigInteger.TWO.pow(Math.abs(exact.exponent())));
        BigDecimal value =
                exact.exponent() < 0 ? magnitude.divide(power) : magnitude.multiply(power);
        return exact.negative() ? value.negate() : value;
    }

    private BigDecimal st(int i) {
        return decimal(f.signExponent(i), f.significand(i));
    }

    private void assertClose(int i, BigDecimal expected, String what) {
        int unit = (f.signExponent(i) & 0x7FFF) - 16383 - 63;
        BigDecimal power = new BigDecimal(BigInteger.TWO.pow(Math.abs(unit)));
        BigDecimal error = st(i).subtract(expected).abs();
        BigDecimal units = unit < 0 ? error.multiply(power) : error.divide(power, MC);
        assertThat(units).as(what).isLessThan(TOLERANCE);
        assertThat(f.statusWord() & (FpFlags.ALL | X87.C2)).as(what).isEqualTo(FpFlags.PE);
    }

    private void start(int... words) {
        f.fninit();
        for (int word : words) {
            f.fldM80(operands.bits() | ONE, word);
        }
    }

    private int word(int low, int high) {
        return low + operands.below(high - low + 1) | operands.below(2) << 15;
    }

    // --- accuracy
    // ---------------------------------------------------------------------------------

    @Test
    void powersOfTwoAreCorrectlyRounded() {
        for (int k = 0; k < CASES; k++) {
            start(word(0x3FFF - 70, 0x3FFE));
            BigDecimal x = st(0);
            X87Transcendental.f2xm1(f);
            assertClose(0, expm1(x.multiply(LN_2, MC)), "2^" + x + " - 1");
        }
    }

    @Test
    void logarithmsAreCorrectlyRounded() {
        for (int k = 0; k < CASES; k++) {
            boolean near = (k & 1) == 0;
            start(word(0x3FF0, 0x400F), near ? 0x3FFE + operands.below(2) : word(0x3F80, 0x4080));
            f.fabs();
            if (near) {
                long ulps = (operands.bits() >>> (1 + operands.below(62))) | 1;
                f.set(0, f.signExponent(0), f.signExponent(0) == 0x3FFE ? -ulps : ONE + ulps);
            }
            BigDecimal x = st(0);
            BigDecimal y = st(1);
            X87Transcendental.fyl2x(f);
            assertClose(0, y.multiply(log2(x), MC), y + " log2 " + x);
        }
    }

    @Test
    void logarithmsOfOnePlusAreCorrectlyRounded() {
        for (int k = 0; k < CASES; k++) {
            start(word(0x3FF0, 0x400F), word(0x3FFF - 70, 0x3FFC));
            BigDecimal x = st(0);
            BigDecimal y = st(1);
            X87Transcendental.fyl2xp1(f);
            BigDecimal artanh = twiceArtanh(x.divide(x.add(TWO), MC));
            assertClose(0, y.multiply(artanh, MC).divide(LN_2, MC), y + " log2 1 + " + x);
        }
    }

    @Test
    void anglesAreCorrectlyRoundedInEveryQuadrant() {
        for (int k = 0; k < CASES; k++) {
            start(word(0x3FF8, 0x4006), word(0x3FF8, 0x4006));
            BigDecimal x = st(0);
            BigDecimal y = st(1);
            X87Transcendental.fpatan(f);
            BigDecimal angle = arctan(y.abs().divide(x.abs(), MC));
            angle = x.signum() < 0 ? PI.subtract(angle, MC) : angle;
            assertClose(0, y.signum() < 0 ? angle.negate() : angle, y + " over " + x);
        }
    }

    @Test
    void sinesCosinesAndTangentsAreThoseOfThe66BitPi() {
        for (int k = 0; k < CASES; k++) {
            int word = word(0x3FFF - 40, 0x3FFF + ((k & 1) == 0 ? 3 : 62));
            start(word);
            BigDecimal x = st(0);
            long significand = f.significand(0);
            BigDecimal sine = circular(x, false);
            BigDecimal cosine = circular(x, true);
            X87Transcendental.fsin(f);
            assertClose(0, sine, "sine of " + x);
            f.fninit();
            f.fldM80(significand, word);
            X87Transcendental.fcos(f);
            assertClose(0, cosine, "cosine of " + x);
            f.fninit();
            f.fldM80(significand, word);
            X87Transcendental.fsincos(f);
            assertClose(1, sine, "sine of " + x);
            assertClose(0, cosine, "cosine of " + x);
            f.fninit();
            f.fldM80(significand, word);
            X87Transcendental.fptan(f);
            assertThat(f.signExponent(0)).isEqualTo(0x3FFF);
            assertClose(1, sine.divide(cosine, MC), "tangent of " + x);
        }
    }

    @Test
    void directedRoundingBoundsTheResult() {
        for (int k = 0; k < CASES; k++) {
            int word = word(0x3FFF - 90, 0x4005);
            long significand = operands.bits() | ONE;
            BigDecimal[] bounds = new BigDecimal[2];
            for (int rc : new int[] {FpFlags.DOWN, FpFlags.UP}) {
                f.fninit();
                f.controlWord(X87.CONTROL_INIT | rc << 10);
                f.fldM80(significand, word);
                X87Transcendental.fptan(f);
                bounds[rc - 1] = st(1);
            }
            BigDecimal x = decimal(word, significand);
            BigDecimal exact = circular(x, false).divide(circular(x, true), MC);
            if (x.abs().doubleValue() < 1e-15) {
                exact = x.add(x.pow(3, MC).divide(BigDecimal.valueOf(3), MC), new MathContext(120));
            }
            assertThat(bounds[0]).as("below tan %s", x).isLessThan(exact);
            assertThat(bounds[1]).as("above tan %s", x).isGreaterThan(exact);
        }
    }

    // --- special operands: the tables of SDM Vol. 2 at each instruction
    // ------------------------------

    private static final int NONE = 0;
    private static final int IE = FpFlags.IE;
    private static final int PE = FpFlags.PE;
    private static final int ZE = FpFlags.ZE;

    /** ST(1), ST(0), result and flags, each value as a name. */
    private void assertTable(Consumer<X87> instruction, Object[][] rows) {
        for (Object[] row : rows) {
            f.fninit();
            push((String) row[0]);
            push((String) row[1]);
            instruction.accept(f);
            String what = row[0] + " and " + row[1];
            assertThat(f.statusWord() & FpFlags.ALL).as(what).isEqualTo((int) row[3]);
            assertThat(f.top()).as(what).isEqualTo(7);
            long significand = f.significand(0);
            int word = f.signExponent(0);
            push((String) row[2]);
            assertThat(word).as(what).isEqualTo(f.signExponent(0));
            assertThat(significand).as(what).isEqualTo(f.significand(0));
        }
    }

    private void push(String name) {
        int sign = name.startsWith("-") ? 0x8000 : 0;
        switch (name.substring(1)) {
            case "0" -> f.fldM80(0, sign);
            case "1" -> f.fldM80(ONE, sign | 0x3FFF);
            case "2" -> f.fldM80(ONE, sign | 0x4000);
            case "half" -> f.fldM80(ONE, sign | 0x3FFE);
            case "inf" -> f.fldM80(ONE, sign | 0x7FFF);
            case "nan" -> f.fldM80(0xC000_0000_0000_0000L, sign | 0x7FFF);
            case "pi" -> f.fldM80(0xC90F_DAA2_2168_C235L, sign | 0x4000);
            case "pi/2" -> f.fldM80(0xC90F_DAA2_2168_C235L, sign | 0x3FFF);
            case "pi/4" -> f.fldM80(0xC90F_DAA2_2168_C235L, sign | 0x3FFE);
            case "3pi/4" -> f.fldM80(0x96CB_E3F9_990E_91A8L, sign | 0x4000);
            default -> throw new IllegalArgumentException(name);
        }
    }

    @Test
    void theArctangentsSpecialOperandsFollowTheirTable() {
        assertTable(
                X87Transcendental::fpatan,
                new Object[][] {
                    {"-inf", "-inf", "-3pi/4", PE}, {"-inf", "+inf", "-pi/4", PE},
                    {"-inf", "+1", "-pi/2", PE}, {"-inf", "-0", "-pi/2", PE},
                    {"+inf", "-inf", "+3pi/4", PE}, {"+inf", "+inf", "+pi/4", PE},
                    {"-1", "-inf", "-pi", PE}, {"-1", "+inf", "-0", NONE},
                    {"+1", "+0", "+pi/2", PE}, {"+1", "-0", "+pi/2", PE},
                    {"+1", "+1", "+pi/4", PE}, {"-1", "-1", "-3pi/4", PE},
                    {"-0", "-1", "-pi", PE}, {"-0", "-0", "-pi", PE},
                    {"-0", "+0", "-0", NONE}, {"+0", "-0", "+pi", PE},
                    {"+0", "+inf", "+0", NONE}, {"+0", "-inf", "+pi", PE},
                    {"+nan", "+1", "+nan", NONE}, {"+1", "+nan", "+nan", NONE},
                });
    }

    @Test
    void theLogarithmsSpecialOperandsFollowTheirTable() {
        assertTable(
                X87Transcendental::fyl2x,
                new Object[][] {
                    {"+1", "-1", "-nan", IE}, {"+1", "-inf", "-nan", IE},
                    {"+0", "+0", "-nan", IE}, {"-0", "-0", "-nan", IE},
                    {"+1", "+0", "-inf", ZE}, {"-1", "+0", "+inf", ZE},
                    {"+1", "-0", "-inf", ZE}, {"+inf", "+0", "-inf", NONE},
                    {"-inf", "-0", "+inf", NONE}, {"+inf", "+half", "-inf", NONE},
                    {"-inf", "+half", "+inf", NONE}, {"+0", "+half", "-0", NONE},
                    {"-0", "+half", "+0", NONE}, {"+inf", "+1", "-nan", IE},
                    {"-1", "+1", "-0", NONE}, {"+1", "+1", "+0", NONE},
                    {"+inf", "+2", "+inf", NONE}, {"-0", "+2", "-0", NONE},
                    {"+0", "+inf", "-nan", IE}, {"-1", "+inf", "-inf", NONE},
                    {"+inf", "+inf", "+inf", NONE}, {"-2", "+2", "-2", PE},
                    {"+nan", "-1", "+nan", NONE},
                });
    }

    @Test
    void theLogarithmOfOnePlusKeepsSignsOfZeros() {
        assertTable(
                X87Transcendental::fyl2xp1,
                new Object[][] {
                    {"+1", "+0", "+0", NONE}, {"-1", "+0", "-0", NONE},
                    {"+1", "-0", "-0", NONE}, {"-0", "-0", "+0", NONE},
                    {"+inf", "+0", "-nan", IE}, {"+0", "-0", "-0", NONE},
                    {"+1", "+1", "+1", PE}, {"+2", "-half", "-2", PE},
                });
    }

    @Test
    void oneOperandSpecialsAreTheManuals() {
        f.fninit();
        f.fldM80(ONE, 0x3FFF);
        X87Transcendental.f2xm1(f);
        assertThat(st(0)).isEqualByComparingTo(BigDecimal.ONE);
        f.fchs();
        X87Transcendental.f2xm1(f);
        assertThat(st(0)).isEqualByComparingTo(new BigDecimal("-0.5"));
        f.fninit();
        f.fldM80(0, 0x8000);
        X87Transcendental.f2xm1(f);
        X87Transcendental.fsin(f);
        assertThat(f.signExponent(0)).isEqualTo(0x8000);
        X87Transcendental.fptan(f);
        assertThat(f.signExponent(1)).isEqualTo(0x8000);
        f.fxch(1);
        X87Transcendental.fcos(f);
        assertThat(st(0)).isEqualByComparingTo(BigDecimal.ONE);
        assertThat(f.statusWord() & FpFlags.ALL).isZero();
        f.fldM80(ONE, 0x7FFF);
        X87Transcendental.fsincos(f);
        assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
        assertThat(f.signExponent(1)).isEqualTo(0xFFFF);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.IE);
    }

    @Test
    void anglesFrom2To63OnAreLeftAloneWithC2() {
        f.fninit();
        f.fldM80(ONE, 0x403E);
        X87Transcendental.fsin(f);
        assertThat(f.statusWord() & X87.C2).isEqualTo(X87.C2);
        assertThat(f.signExponent(0)).isEqualTo(0x403E);
        X87Transcendental.fptan(f);
        assertThat(f.top()).as("nothing pushed").isEqualTo(7);
        f.fldM80(-1L, 0x403D);
        X87Transcendental.fsin(f);
        assertThat(f.statusWord() & X87.C2).isZero();
    }

    @Test
    void tinyAnglesUnderflow() {
        f.fninit();
        f.fldM80(0x1234, 0);
        X87Transcendental.fsin(f);
        assertThat(f.significand(0)).isEqualTo(0x1234);
        assertThat(f.statusWord() & FpFlags.ALL).isEqualTo(FpFlags.DE | FpFlags.UE | FpFlags.PE);
    }

    @Test
    void pushingInstructionsNeedAFreeRegister() {
        for (int k = 0; k < 8; k++) {
            f.fninit();
            f.occupied(0xFF);
            if ((k & 1) == 0) {
                X87Transcendental.fptan(f);
            } else {
                X87Transcendental.fsincos(f);
            }
            assertThat(f.statusWord() & (FpFlags.IE | X87.SF | X87.C1))
                    .isEqualTo(FpFlags.IE | X87.SF | X87.C1);
            assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
            assertThat(f.signExponent(1)).isEqualTo(0xFFFF);
        }
    }
}
