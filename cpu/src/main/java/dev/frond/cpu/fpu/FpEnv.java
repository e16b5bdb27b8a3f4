// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The working store of one operation: its controls, its operands, its result, the flags it raised.
 * One per CPU and unit, reused for every operation, so that nothing is allocated.
 */
final class FpEnv {
    /** Rounding control, {@link FpFlags#NEAREST} and so on. */
    int rc;

    /** Significand bits that an x87 result is rounded to: 24, 53 or 64. */
    int precision = 64;

    /** A set bit masks the exception of that bit. */
    int masks = FpFlags.ALL;

    /** What an unmasked overflow takes off the exponent, and an unmasked underflow adds to it. */
    int wrap;

    boolean daz;
    boolean ftz;

    int flags;

    /** The last rounding made the magnitude larger: C1 of the x87. */
    boolean roundedUp;

    final Unpacked a = new Unpacked();
    final Unpacked b = new Unpacked();
    final Unpacked c = new Unpacked();
    final Unpacked r = new Unpacked();

    void beginSse(int mxcsr) {
        rc = mxcsr >>> 13 & 3;
        masks = mxcsr >>> 7 & FpFlags.ALL;
        daz = (mxcsr & FpContext.DAZ) != 0;
        // FTZ acts only where underflow is masked: SDM Vol. 1, 10.2.3.3.
        ftz = (mxcsr & FpContext.FTZ) != 0 && (masks & FpFlags.UE) != 0;
        wrap = 0;
        flags = 0;
        roundedUp = false;
    }

    void beginX87(int controlWord) {
        rc = controlWord >>> 10 & 3;
        masks = controlWord & FpFlags.ALL;
        precision =
                switch (controlWord >>> 8 & 3) {
                    case 0 -> 24;
                    case 2 -> 53;
                    default -> 64;
                };
        wrap = 24576;
        flags = 0;
        roundedUp = false;
    }

    void raise(int newFlags) {
        flags |= newFlags;
    }

    void invalid() {
        flags |= FpFlags.IE;
        r.indefinite();
    }

    /** An unmasked exception was found before the computation: there will be no result. */
    boolean suppressed() {
        return (flags & ~masks & FpFlags.PRE) != 0;
    }
}
