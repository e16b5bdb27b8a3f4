// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.math.BigInteger;

/** The register stack, loads, stores, comparisons, constants, MMX and the exported state. */
class X87Test {
    private static final long ONE = 0x8000_0000_0000_0000L;
    private static final long QNAN = 0xC000_0000_0000_0000L;

    private final X87 f = new X87();

    X87Test() {
        f.fninit();
    }

    private int flags() {
        return f.statusWord() & (FpFlags.ALL | X87.SF);
    }

    private void assertIndefinite(int i) {
        assertThat(f.signExponent(i)).isEqualTo(0xFFFF);
        assertThat(f.significand(i)).isEqualTo(QNAN);
    }

    @Test
    void resetAndFninitDiffer() {
        f.reset();
        assertThat(f.controlWord()).isEqualTo(0x0040);
        assertThat(f.tagWord()).isEqualTo(0x5555);
        assertThat(f.statusWord()).isZero();
        f.fninit();
        assertThat(f.controlWord()).isEqualTo(0x037F);
        assertThat(f.tagWord()).isEqualTo(0xFFFF);
    }

    @Test
    void valuesArePushedDownwards() {
        f.fild(1);
        f.fild(-2);
        assertThat(f.top()).isEqualTo(6);
        assertThat(f.occupied()).isEqualTo(0xC0);
        assertThat(f.signExponent(0)).isEqualTo(0xC000);
        assertThat(f.signExponent(1)).isEqualTo(0x3FFF);
        f.fxch(1);
        assertThat(f.signExponent(0)).isEqualTo(0x3FFF);
        f.fld(1);
        assertThat(f.signExponent(0)).isEqualTo(0xC000);
        f.fst(2, true);
        assertThat(f.signExponent(1)).isEqualTo(0xC000);
        f.ffree(0);
        assertThat(f.empty(0)).isTrue();
        f.fincstp();
        f.fdecstp();
        f.ffreep(1);
        assertThat(f.top()).isEqualTo(7);
        assertThat(f.occupied()).isZero();
    }

    @Test
    void aPushOntoAFullStackGivesTheIndefiniteAndC1() {
        for (int k = 0; k < 8; k++) {
            f.fild(k);
        }
        f.fild(8);
        assertIndefinite(0);
        assertThat(flags()).isEqualTo(FpFlags.IE | X87.SF);
        assertThat(f.statusWord() & X87.C1).isEqualTo(X87.C1);
        assertThat(f.top()).isEqualTo(7);
    }

    @Test
    void anUnmaskedStackFaultChangesNothingButTheStatus() {
        f.controlWord(0x037E);
        X87Math.arith(f, X87Math.ADD, 0, 1, true);
        assertThat(f.top()).isZero();
        assertThat(f.occupied()).isZero();
        assertThat(f.pendingException()).isTrue();
        f.fnclex();
        assertThat(f.pendingException()).isFalse();
        assertThat(flags()).isZero();
        f.fld(3);
        f.fst(2, true);
        f.fabs();
        assertThat(f.occupied()).isZero();
        assertThat(f.storeM32()).isFalse();
        f.commitStore(true);
        assertThat(f.top()).isZero();
    }

    @Test
    void anEmptyOperandGivesTheIndefinite() {
        X87Math.arithInteger(f, X87Math.ADD, 1);
        assertIndefinite(0);
        assertThat(flags()).isEqualTo(FpFlags.IE | X87.SF);
        f.fninit();
        assertThat(f.storeInteger(16)).isTrue();
        assertThat(f.storeLow()).isEqualTo(-0x8000L);
        f.commitStore(true);
        assertThat(f.top()).isEqualTo(1);
        assertThat(f.storeM32()).isTrue();
        assertThat(f.storeLow()).isEqualTo(0xFFC0_0000L);
        assertThat(f.storeM80()).isTrue();
        assertThat(f.storeHigh()).isEqualTo(0xFFFF);
        X87Compare.fxam(f);
        assertThat(f.statusWord() & (X87.C0 | X87.C2 | X87.C3)).isEqualTo(X87.C3 | X87.C0);
        X87Compare.fcom(f, 1, 0);
        assertThat(f.statusWord() & (X87.C0 | X87.C2 | X87.C3)).isEqualTo(X87.C3 | X87.C2 | X87.C0);
        f.fchs();
        assertIndefinite(0);
        f.fcmov(3, false);
        assertIndefinite(0);
        f.fxch(5);
        assertIndefinite(5);
    }

    @Test
    void unmaskingAnOldFlagMakesItPending() {
        f.fild(1);
        X87Math.arithInteger(f, X87Math.DIV, 3);
        assertThat(f.pendingException()).isFalse();
        f.controlWord(0x035F);
        assertThat(f.pendingException()).isTrue();
        f.controlWord(0x037F);
        assertThat(f.pendingException()).isFalse();
        f.controlWord(0xFFFF);
        assertThat(f.controlWord()).as("reserved bits").isEqualTo(0x1F7F);
    }

    @Test
    void loadsConvertAndRaise() {
        f.fldM32(0x0000_0001);
        assertThat(f.signExponent(0)).isEqualTo(16383 - 149);
        assertThat(f.significand(0)).isEqualTo(ONE);
        assertThat(flags()).isEqualTo(FpFlags.DE);
        f.fnclex();
        f.fldM64(0xFFF0_0000_0000_0001L);
        assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
        assertThat(f.significand(0)).isEqualTo(QNAN | 0x800);
        assertThat(flags()).isEqualTo(FpFlags.IE);
        f.fnclex();
        f.fldM80(0xA000_0000_0000_0000L, 0x7FFF);
        assertThat(f.significand(0)).as("not made quiet").isEqualTo(0xA000_0000_0000_0000L);
        assertThat(flags()).isZero();
        f.fild(Long.MIN_VALUE);
        assertThat(f.signExponent(0)).isEqualTo(0xC03E);
        f.controlWord(0x037D);
        f.fldM32(0x8000_0001);
        assertThat(f.signExponent(0)).as("loaded nevertheless").isEqualTo(0x8000 | 16383 - 149);
        assertThat(f.pendingException()).isTrue();
        f.fnclex();
        f.controlWord(0x037E);
        int top = f.top();
        f.fldM32(0x7F80_0001);
        assertThat(f.top()).isEqualTo(top);
    }

    @Test
    void constantsAreRoundedByTheRoundingControl() {
        // Word, then the significand for nearest, down, up, truncate.
        long[][] rows = {
            {0x3FFF, ONE, ONE, ONE, ONE},
            {
                0x4000,
                0xD49A_784B_CD1B_8AFEL,
                0xD49A_784B_CD1B_8AFEL,
                0xD49A_784B_CD1B_8AFFL,
                0xD49A_784B_CD1B_8AFEL
            },
            {
                0x3FFF,
                0xB8AA_3B29_5C17_F0BCL,
                0xB8AA_3B29_5C17_F0BBL,
                0xB8AA_3B29_5C17_F0BCL,
                0xB8AA_3B29_5C17_F0BBL
            },
            {
                0x4000,
                0xC90F_DAA2_2168_C235L,
                0xC90F_DAA2_2168_C234L,
                0xC90F_DAA2_2168_C235L,
                0xC90F_DAA2_2168_C234L
            },
            {
                0x3FFD,
                0x9A20_9A84_FBCF_F799L,
                0x9A20_9A84_FBCF_F798L,
                0x9A20_9A84_FBCF_F799L,
                0x9A20_9A84_FBCF_F798L
            },
            {
                0x3FFE,
                0xB172_17F7_D1CF_79ACL,
                0xB172_17F7_D1CF_79ABL,
                0xB172_17F7_D1CF_79ACL,
                0xB172_17F7_D1CF_79ABL
            },
            {0, 0, 0, 0, 0},
        };
        for (int number = 0; number < 7; number++) {
            for (int rc = 0; rc < 4; rc++) {
                f.fninit();
                f.controlWord(0x37F | rc << 10);
                f.constant(number);
                assertThat(f.signExponent(0)).isEqualTo((int) rows[number][0]);
                assertThat(f.significand(0))
                        .as("constant %d rc %d", number, rc)
                        .isEqualTo(rows[number][1 + rc]);
                assertThat(flags()).isZero();
            }
        }
    }

    @Test
    void packedDecimalsRoundTrip() {
        Operands operands = new Operands(18);
        for (int k = 0; k < 20_000; k++) {
            long value = operands.bits() >> operands.below(64);
            value %= 1_000_000_000_000_000_000L;
            f.fninit();
            f.fild(value);
            assertThat(f.storeBcd()).isTrue();
            f.commitStore(true);
            String digits = String.format("%04X%016X", f.storeHigh() & 0x7FFF, f.storeLow());
            assertThat(new BigInteger(digits).longValueExact()).isEqualTo(Math.abs(value));
            assertThat((f.storeHigh() & 0x8000) != 0).isEqualTo(value < 0);
            f.fbld(f.storeLow(), f.storeHigh());
            assertThat(f.storeInteger(64)).isTrue();
            assertThat(f.storeLow()).isEqualTo(value);
        }
    }

    @Test
    void packedDecimalsRoundAndOverflow() {
        f.fldM64(Double.doubleToRawLongBits(-2.5));
        f.storeBcd();
        f.commitStore(false);
        assertThat(f.storeLow()).isEqualTo(2);
        assertThat(f.storeHigh()).isEqualTo(0x8000);
        assertThat(flags()).isEqualTo(FpFlags.PE);
        f.fnclex();
        f.fild(1_000_000_000_000_000_000L);
        assertThat(f.storeBcd()).isTrue();
        f.commitStore(true);
        assertThat(f.storeLow()).isEqualTo(0xC000_0000_0000_0000L);
        assertThat(f.storeHigh()).isEqualTo(0xFFFF);
        assertThat(flags()).isEqualTo(FpFlags.IE);
        f.fbld(0, 0x8000);
        assertThat(f.signExponent(0)).as("minus zero").isEqualTo(0x8000);
    }

    @Test
    void comparisonsSetTheConditionCodes() {
        f.fild(3);
        f.fild(2);
        X87Compare.fcom(f, 1, 0);
        assertCodes(X87.C0);
        X87Compare.ficom(f, 2, 0);
        assertCodes(X87.C3);
        X87Compare.fcomM32(f, Float.floatToRawIntBits(-7), 0);
        assertCodes(0);
        X87Compare.ftst(f);
        assertCodes(0);
        X87Compare.fcomM64(f, 0x7FF8_0000_0000_0000L, 1);
        assertCodes(X87.C0 | X87.C2 | X87.C3);
        assertThat(flags()).as("FCOM signals quiet NaNs").isEqualTo(FpFlags.IE);
        f.fnclex();
        f.fldM64(0x7FF8_0000_0000_0000L);
        X87Compare.fucom(f, 1, 2);
        assertCodes(X87.C0 | X87.C2 | X87.C3);
        assertThat(flags()).isZero();
        assertThat(f.occupied()).isZero();
    }

    private void assertCodes(int expected) {
        assertThat(f.statusWord() & (X87.C0 | X87.C2 | X87.C3)).isEqualTo(expected);
    }

    @Test
    void comparisonsIntoEflagsPopUnlessUnmasked() {
        f.fild(3);
        f.fild(3);
        assertThat(X87Compare.fcomi(f, 1, true, false)).isEqualTo(SseMath.EQUAL);
        f.fld(0);
        f.fchs();
        assertThat(X87Compare.fcomi(f, 1, false, true)).isEqualTo(SseMath.LESS);
        f.fldM80(QNAN, 0x7FFF);
        assertThat(X87Compare.fcomi(f, 1, false, false)).isEqualTo(SseMath.UNORDERED);
        assertThat(flags()).isZero();
        f.controlWord(0x037E);
        assertThat(X87Compare.fcomi(f, 1, true, true)).isEqualTo(SseMath.UNORDERED);
        assertThat(f.top()).isEqualTo(5);
    }

    @Test
    void examineNamesEveryClass() {
        long[][] rows = {
            {0x3FFF, ONE, X87.C2},
            {0xBFFF, ONE, X87.C2 | X87.C1},
            {0, 0, X87.C3},
            {0x8000, 0, X87.C3 | X87.C1},
            {0, 1, X87.C3 | X87.C2},
            {0, ONE, X87.C3 | X87.C2},
            {0x7FFF, ONE, X87.C2 | X87.C0},
            {0xFFFF, QNAN, X87.C0 | X87.C1},
            {0x7FFF, 0xA000_0000_0000_0000L, X87.C0},
            {0x7FFF, 0, 0},
            {0x3FFF, 1, 0},
        };
        for (long[] row : rows) {
            f.fninit();
            f.fldM80(row[1], (int) row[0]);
            X87Compare.fxam(f);
            assertThat(f.statusWord() & (X87.C0 | X87.C1 | X87.C2 | X87.C3))
                    .as("%x:%x", row[0], row[1])
                    .isEqualTo((int) row[2]);
        }
    }

    @Test
    void mmxRegistersAreTheSignificands() {
        f.fild(1);
        f.fild(2);
        f.enterMmx();
        assertThat(f.mmx(6)).as("physical, not relative to TOP").isEqualTo(ONE);
        f.mmx(0, 0x1234_5678_9ABC_DEF0L);
        assertThat(f.top()).isZero();
        assertThat(f.signExponent(0)).isEqualTo(0xFFFF);
        assertThat(f.significand(0)).isEqualTo(0x1234_5678_9ABC_DEF0L);
        assertThat(f.occupied()).isEqualTo(0xFF);
        f.emms();
        assertThat(f.tagWord()).isEqualTo(0xFFFF);
        assertThat(f.mmx(0)).isEqualTo(0x1234_5678_9ABC_DEF0L);
    }

    @Test
    void tagsNameValidZeroSpecialEmpty() {
        f.fild(7);
        f.fild(0);
        f.fldM80(1, 0);
        f.fldM80(QNAN, 0x7FFF);
        assertThat(f.tagWord()).isEqualTo(0b00_01_10_10_11_11_11_11);
        f.tagWord(0xFFFC);
        assertThat(f.occupied()).isEqualTo(1);
    }

    @Test
    void savedStateIsTheWholeState() {
        Operands operands = new Operands(19);
        for (int k = 0; k < 1000; k++) {
            long[] wild = new long[X87Image.STATE_LONGS];
            for (int n = 0; n < wild.length; n++) {
                wild[n] = operands.bits();
            }
            X87Image.load(f, wild);
            long[] saved = X87Image.save(f);
            X87 other = new X87();
            X87Image.load(other, saved);
            assertThat(X87Image.save(other)).isEqualTo(saved);
            assertThat(other.statusWord()).isEqualTo(f.statusWord());
            assertThat(other.tagWord()).isEqualTo(f.tagWord());
            assertThat(f.pendingException())
                    .isEqualTo((f.statusWord() & ~f.controlWord() & FpFlags.ALL) != 0);
        }
        assertThatThrownBy(() -> X87Image.load(f, new long[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("x87 state of 3 longs, expected 14");
    }

    @Test
    void theInitialStateIsRecognized() {
        f.initialize();
        assertThat(f.isInitial()).isTrue();
        f.fild(1);
        f.ffreep(0);
        assertThat(f.isInitial()).as("a register keeps its bits").isFalse();
        f.initialize();
        f.instruction(1, 0, 0);
        assertThat(f.isInitial()).isFalse();
    }
}
