// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * The SSE floating-point state of one CPU: MXCSR, and the unmasked exceptions of the instruction in
 * progress, which the CPU turns into #XM. Not thread-safe.
 */
public final class FpContext {
    /** MXCSR bit 6: denormal operands count as zeros. */
    public static final int DAZ = 1 << 6;

    /** MXCSR bit 15: tiny results become zeros. */
    public static final int FTZ = 1 << 15;

    /** MXCSR after reset: all exceptions masked, nearest. */
    public static final int MXCSR_RESET = 0x1F80;

    /** The bits of MXCSR that may be set; LDMXCSR with any other bit is #GP(0). */
    public static final int MXCSR_MASK = 0xFFFF;

    private static final int RC_AND_MASKS = 0x7F80;

    private int mxcsr = MXCSR_RESET;
    private int entry = MXCSR_RESET;
    private int pending;
    private final FpEnv env = new FpEnv();

    /** Whether it follows processors of AMD where vendors differ. */
    final boolean amd;

    /** As {@link #FpContext(boolean)}, of a processor of Intel. */
    public FpContext() {
        this(false);
    }

    /**
     * The state after RESET: {@link #MXCSR_RESET}.
     *
     * @param amd whether to follow processors of AMD, not of Intel, where they differ
     */
    public FpContext(boolean amd) {
        this.amd = amd;
    }

    /** MXCSR with its sticky flags. */
    public int mxcsr() {
        return mxcsr;
    }

    /** Loads MXCSR; bits outside {@link #MXCSR_MASK} are dropped. */
    public void mxcsr(int value) {
        mxcsr = value & MXCSR_MASK;
    }

    /** Starts an instruction: flags gained from here on can be taken back by {@link #faulted}. */
    public void enter() {
        entry = mxcsr;
    }

    /**
     * The unmasked exceptions ({@link FpFlags}) since {@link #enter}; not zero means that the
     * instruction must not write its destination and ends in #XM.
     */
    public int pending() {
        return pending;
    }

    /**
     * Ends an instruction: true when it must raise #XM instead of writing its destination. Where an
     * exception found before the computation is unmasked, flags found after it, in other elements
     * of a packed operand, are taken back (SDM Vol. 1, 11.5.2). Clears {@link #pending}.
     */
    public boolean faulted() {
        if (pending == 0) {
            return false;
        }
        if ((pending & FpFlags.PRE) != 0) {
            mxcsr &= ~(FpFlags.ALL & ~FpFlags.PRE) | entry;
        }
        pending = 0;
        return true;
    }

    /** Nearest, and everything masked: an exception does no more than set its sticky flag. */
    boolean nearestMasked() {
        return (mxcsr & RC_AND_MASKS) == MXCSR_RESET;
    }

    boolean inexactIsSet() {
        return (mxcsr & FpFlags.PE) != 0;
    }

    /** Raises PE, which must be masked: {@link #inexactIsQuiet}. */
    void inexact() {
        mxcsr |= FpFlags.PE;
    }

    boolean inexactIsQuiet() {
        return (mxcsr & FpFlags.PE << 7) != 0;
    }

    FpEnv begin() {
        env.beginSse(mxcsr);
        return env;
    }

    void commit(FpEnv e) {
        mxcsr |= e.flags;
        pending |= e.flags & ~e.masks;
    }
}
