// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** NaN rules, comparisons, exceptions masked and not, DAZ and FTZ. */
class SseExceptionsTest {
    private static final long ONE = Double.doubleToRawLongBits(1);
    private static final long TWO = Double.doubleToRawLongBits(2);
    private static final long INFINITY = 0x7FF0_0000_0000_0000L;
    private static final long INDEFINITE = 0xFFF8_0000_0000_0000L;
    private static final long QNAN = 0x7FF8_0000_0000_0123L;
    private static final long SNAN = 0xFFF0_0000_0000_0456L;
    private static final long MINUS_ZERO = Long.MIN_VALUE;
    private static final long DENORMAL = 0x0000_0000_0000_1000L;
    private static final long LARGEST = 0x7FEF_FFFF_FFFF_FFFFL;
    private static final long SMALLEST_NORMAL = 0x0010_0000_0000_0000L;

    private final FpContext c = new FpContext();

    private int raised() {
        return c.mxcsr() & FpFlags.ALL;
    }

    private void fresh() {
        unmask(0);
    }

    private void unmask(int exceptions) {
        c.mxcsr(FpContext.MXCSR_RESET & ~(exceptions << 7));
        c.enter();
    }

    @Test
    void theFirstNanWinsAndIsMadeQuiet() {
        assertThat(SseMath.addsd(c, QNAN, SNAN)).isEqualTo(QNAN);
        assertThat(raised()).isEqualTo(FpFlags.IE);
        fresh();
        assertThat(SseMath.addsd(c, SNAN, QNAN)).isEqualTo(SNAN | 1L << 51);
        assertThat(raised()).isEqualTo(FpFlags.IE);
        fresh();
        assertThat(SseMath.mulsd(c, ONE, QNAN)).isEqualTo(QNAN);
        assertThat(raised()).isZero();
        assertThat(SseMath.divsd(c, DENORMAL, QNAN)).isEqualTo(QNAN);
        assertThat(raised()).as("a NaN hides the denormal").isZero();
        assertThat(SseMath.fmasd(c, ONE, QNAN, SNAN, 0, 0)).isEqualTo(QNAN);
        assertThat(raised()).isEqualTo(FpFlags.IE);
    }

    @Test
    void invalidOperationsGiveTheIndefinite() {
        long minusInfinity = INFINITY | MINUS_ZERO;
        long[] results = {
            SseMath.addsd(c, INFINITY, minusInfinity),
            SseMath.subsd(c, INFINITY, INFINITY),
            SseMath.mulsd(c, 0, minusInfinity),
            SseMath.divsd(c, 0, MINUS_ZERO),
            SseMath.divsd(c, INFINITY, INFINITY),
            SseMath.sqrtsd(c, MINUS_ZERO | ONE),
            SseMath.fmasd(c, INFINITY, 0, ONE, 0, 0),
            SseMath.fmasd(c, INFINITY, ONE, minusInfinity, 0, 0),
        };
        assertThat(results).containsOnly(INDEFINITE);
        assertThat(raised()).isEqualTo(FpFlags.IE);
    }

    @Test
    void divisionByZeroGivesAnInfinityOfTheRightSign() {
        assertThat(SseMath.divsd(c, ONE, MINUS_ZERO)).isEqualTo(INFINITY | MINUS_ZERO);
        assertThat(raised()).isEqualTo(FpFlags.ZE);
        fresh();
        assertThat(SseMath.divsd(c, INFINITY, 0)).isEqualTo(INFINITY);
        assertThat(raised()).isZero();
        assertThat(SseMath.divsd(c, DENORMAL, 0)).isEqualTo(INFINITY);
        assertThat(raised()).as("ZE goes before DE").isEqualTo(FpFlags.ZE);
    }

    @Test
    void theSignOfAnExactZeroSumFollowsTheRoundingMode() {
        assertThat(SseMath.subsd(c, ONE, ONE)).isZero();
        assertThat(SseMath.addsd(c, MINUS_ZERO, MINUS_ZERO)).isEqualTo(MINUS_ZERO);
        assertThat(SseMath.addsd(c, 0, MINUS_ZERO)).isZero();
        c.mxcsr(FpContext.MXCSR_RESET | FpFlags.DOWN << 13);
        assertThat(SseMath.subsd(c, ONE, ONE)).isEqualTo(MINUS_ZERO);
        assertThat(SseMath.addsd(c, 0, MINUS_ZERO)).isEqualTo(MINUS_ZERO);
        assertThat(SseMath.sqrtsd(c, MINUS_ZERO)).isEqualTo(MINUS_ZERO);
        assertThat(raised()).isZero();
    }

    @Test
    void tininessIsFoundAfterRounding() {
        // (1 + 2^-52) * (1 - 2^-53) is a little above 1: inexact, but never below the smallest
        // normal.
        long below = Double.doubleToRawLongBits(Math.nextDown(1.0));
        assertThat(SseMath.mulsd(c, SMALLEST_NORMAL + 1, below)).isEqualTo(SMALLEST_NORMAL);
        assertThat(raised()).isEqualTo(FpFlags.PE);
        fresh();
        assertThat(SseMath.mulsd(c, SMALLEST_NORMAL, below)).isEqualTo(SMALLEST_NORMAL);
        assertThat(raised()).isEqualTo(FpFlags.PE | FpFlags.UE);
    }

    @Test
    void anUnmaskedExceptionIsPendingAndItsFlagSet() {
        unmask(FpFlags.ZE);
        SseMath.divsd(c, ONE, 0);
        assertThat(c.pending()).isEqualTo(FpFlags.ZE);
        assertThat(raised()).isEqualTo(FpFlags.ZE);
        assertThat(c.faulted()).isTrue();
        assertThat(c.faulted()).as("cleared").isFalse();

        unmask(FpFlags.OE);
        SseMath.mulsd(c, LARGEST, TWO);
        assertThat(c.faulted()).isTrue();
        assertThat(raised()).as("exact but for the range").isEqualTo(FpFlags.OE);

        unmask(FpFlags.UE);
        SseMath.mulsd(c, SMALLEST_NORMAL, Double.doubleToRawLongBits(0.5));
        assertThat(c.faulted()).as("tiny is enough when unmasked").isTrue();
        assertThat(raised()).isEqualTo(FpFlags.UE);

        unmask(FpFlags.PE);
        SseMath.divsd(c, ONE, Double.doubleToRawLongBits(3));
        assertThat(c.faulted()).isTrue();
        assertThat(raised()).isEqualTo(FpFlags.PE);
    }

    @Test
    void anUnmaskedPreComputationExceptionHidesWhatOtherElementsFound() {
        unmask(FpFlags.DE);
        // Element 0 is inexact, element 1 has a denormal operand.
        long a = 0x0000_0001_3F80_0000L;
        long b = 0x3F80_0000_4040_0000L;
        SseMath.divps(c, a, b);
        assertThat(c.pending()).isEqualTo(FpFlags.DE);
        assertThat(c.faulted()).isTrue();
        assertThat(raised()).isEqualTo(FpFlags.DE);

        c.mxcsr((FpContext.MXCSR_RESET | FpFlags.PE) & ~(FpFlags.DE << 7));
        c.enter();
        SseMath.divps(c, a, b);
        assertThat(c.faulted()).isTrue();
        assertThat(raised()).as("PE was set before").isEqualTo(FpFlags.DE | FpFlags.PE);
    }

    @Test
    void denormalOperandsRaiseDeOrCountAsZeros() {
        assertThat(SseMath.addsd(c, DENORMAL, DENORMAL)).isEqualTo(DENORMAL * 2);
        assertThat(raised()).isEqualTo(FpFlags.DE);
        c.mxcsr(FpContext.MXCSR_RESET | FpContext.DAZ);
        assertThat(SseMath.addsd(c, DENORMAL | MINUS_ZERO, ONE)).isEqualTo(ONE);
        assertThat(SseMath.divsd(c, ONE, DENORMAL | MINUS_ZERO)).isEqualTo(INFINITY | MINUS_ZERO);
        assertThat(SseMath.maxsd(c, ONE | MINUS_ZERO, DENORMAL)).isZero();
        assertThat(SseMath.ucomisd(c, DENORMAL, 0)).isEqualTo(SseMath.EQUAL);
        assertThat(raised()).isEqualTo(FpFlags.ZE);
    }

    @Test
    void tinyResultsAreFlushedOnlyWhileUnderflowIsMasked() {
        long half = Double.doubleToRawLongBits(-0.5);
        c.mxcsr(FpContext.MXCSR_RESET | FpContext.FTZ);
        assertThat(SseMath.mulsd(c, SMALLEST_NORMAL, half)).isEqualTo(MINUS_ZERO);
        assertThat(raised()).isEqualTo(FpFlags.UE | FpFlags.PE);
        c.mxcsr((FpContext.MXCSR_RESET | FpContext.FTZ) & ~(FpFlags.UE << 7));
        c.enter();
        SseMath.mulsd(c, SMALLEST_NORMAL, half);
        assertThat(c.faulted()).isTrue();
        assertThat(raised()).isEqualTo(FpFlags.UE);
    }

    @Test
    void minAndMaxGiveTheSecondOperandForNansAndZeros() {
        assertThat(SseMath.minsd(c, 0, MINUS_ZERO)).isEqualTo(MINUS_ZERO);
        assertThat(SseMath.maxsd(c, 0, MINUS_ZERO)).isEqualTo(MINUS_ZERO);
        assertThat(raised()).isZero();
        assertThat(SseMath.minsd(c, QNAN, ONE)).isEqualTo(ONE);
        assertThat(SseMath.maxsd(c, ONE, SNAN)).as("not made quiet").isEqualTo(SNAN);
        assertThat(raised()).isEqualTo(FpFlags.IE);
        assertThat(SseMath.minss(c, 0x3F80_0000, 0xBF80_0000)).isEqualTo(0xBF80_0000);
        assertThat(SseMath.maxss(c, 0x7F80_0000, 0xBF80_0000)).isEqualTo(0x7F80_0000);
    }

    @Test
    void theThirtyTwoPredicatesFollowTheirTable() {
        // SDM Vol. 2, table "Comparison Predicate for CMPPD": A > B, A < B, A = B, unordered, IE.
        String[] rows = {
            "00100", "01001", "01101", "00010", "11010", "10111", "10011", "11100",
            "00110", "01011", "01111", "00000", "11000", "10101", "10001", "11110",
            "00101", "01000", "01100", "00011", "11011", "10110", "10010", "11101",
            "00111", "01010", "01110", "00001", "11001", "10100", "10000", "11111",
        };
        for (int predicate = 0; predicate < 32; predicate++) {
            String row = rows[predicate];
            assertCompare(predicate, TWO, ONE, row.charAt(0));
            assertCompare(predicate, ONE, TWO, row.charAt(1));
            assertCompare(predicate, ONE, ONE, row.charAt(2));
            fresh();
            assertCompare(predicate, QNAN, ONE, row.charAt(3));
            assertThat(raised())
                    .as("IE of predicate %d for a quiet NaN", predicate)
                    .isEqualTo(row.charAt(4) == '1' ? FpFlags.IE : 0);
            assertCompare(predicate, ONE, SNAN, row.charAt(3));
            assertThat(raised()).isEqualTo(FpFlags.IE);
        }
    }

    private void assertCompare(int predicate, long a, long b, char expected) {
        assertThat(SseMath.cmpsd(c, a, b, predicate))
                .as("predicate %d of %x %x", predicate, a, b)
                .isEqualTo(expected == '1' ? -1L : 0L);
    }

    @Test
    void orderedComparisonsSetZfPfCf() {
        assertThat(SseMath.ucomisd(c, TWO, ONE)).isEqualTo(SseMath.GREATER);
        assertThat(SseMath.comisd(c, ONE, TWO)).isEqualTo(SseMath.LESS);
        assertThat(SseMath.ucomisd(c, 0, MINUS_ZERO)).isEqualTo(SseMath.EQUAL);
        assertThat(SseMath.ucomisd(c, QNAN, ONE)).isEqualTo(SseMath.UNORDERED);
        assertThat(raised()).isZero();
        assertThat(SseMath.comisd(c, QNAN, ONE)).isEqualTo(SseMath.UNORDERED);
        assertThat(raised()).isEqualTo(FpFlags.IE);
        fresh();
        assertThat(SseMath.ucomiss(c, 0x7F80_0001, 0)).isEqualTo(SseMath.UNORDERED);
        assertThat(raised()).isEqualTo(FpFlags.IE);
        fresh();
        assertThat(SseMath.comiss(c, 1, 0)).isEqualTo(SseMath.GREATER);
        assertThat(raised()).isEqualTo(FpFlags.DE);
        assertThat(SseMath.ucomisd(c, INFINITY, INFINITY)).isEqualTo(SseMath.EQUAL);
        assertThat(SseMath.ucomisd(c, LARGEST | MINUS_ZERO, LARGEST)).isEqualTo(SseMath.LESS);
    }
}
