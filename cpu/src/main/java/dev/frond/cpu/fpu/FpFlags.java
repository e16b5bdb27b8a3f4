// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The six floating-point exception flags in the order that MXCSR, the x87 status word and the x87
 * control word share (SDM Vol. 1, 4.9.1), and the rounding-control codes (4.8.4).
 */
public final class FpFlags {
    /** Invalid operation. */
    public static final int IE = 1 << 0;

    /** Denormal operand. */
    public static final int DE = 1 << 1;

    /** Divide by zero. */
    public static final int ZE = 1 << 2;

    /** Numeric overflow. */
    public static final int OE = 1 << 3;

    /** Numeric underflow. */
    public static final int UE = 1 << 4;

    /** Inexact result (precision). */
    public static final int PE = 1 << 5;

    /** All six flags. */
    public static final int ALL = 0x3F;

    /** The flags found before the operation is computed; unmasked they suppress it. */
    public static final int PRE = IE | DE | ZE;

    /** Rounding control: to nearest, ties to even. */
    public static final int NEAREST = 0;

    /** Rounding control: toward minus infinity. */
    public static final int DOWN = 1;

    /** Rounding control: toward plus infinity. */
    public static final int UP = 2;

    /** Rounding control: toward zero. */
    public static final int TRUNCATE = 3;

    private FpFlags() {}
}
