// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

/**
 * An exception of the guest's CPU on its way to delivery. Each CPU owns one, filled in anew for
 * each fault: faults are frequent, so that they carry no stack and cost no allocation.
 */
@SuppressWarnings("serial") // Never serialized.
public final class CpuFault extends RuntimeException {
    /** Divide error. */
    public static final int DE = 0;

    /** Debug. */
    public static final int DB = 1;

    /** Non-maskable interrupt. */
    public static final int NMI = 2;

    /** Breakpoint. */
    public static final int BP = 3;

    /** Overflow. */
    public static final int OF = 4;

    /** BOUND range exceeded. */
    public static final int BR = 5;

    /** Invalid opcode. */
    public static final int UD = 6;

    /** Device not available. */
    public static final int NM = 7;

    /** Double fault. */
    public static final int DF = 8;

    /** Invalid TSS. */
    public static final int TS = 10;

    /** Segment not present. */
    public static final int NP = 11;

    /** Stack-segment fault. */
    public static final int SS = 12;

    /** General protection. */
    public static final int GP = 13;

    /** Page fault. */
    public static final int PF = 14;

    /** x87 floating-point error. */
    public static final int MF = 16;

    /** Alignment check. */
    public static final int AC = 17;

    /** SIMD floating-point exception. */
    public static final int XM = 19;

    /**
     * Pseudo vector: the instruction must be executed again, alone. See {@link Cpu#restartAlone}.
     */
    static final int RESTART_ALONE = -1;

    /** Pseudo vector: the processor shuts down. */
    static final int SHUTDOWN = -2;

    private static final int WITH_ERROR_CODE =
            1 << DF | 1 << TS | 1 << NP | 1 << SS | 1 << GP | 1 << PF | 1 << AC;

    /** The vector 0..31. */
    int vector;

    /** The error code; meaningful if {@link #hasErrorCode}. */
    int errorCode;

    /** The cause was a non-canonical address: #GP becomes #SS if the access was to the stack. */
    boolean nonCanonical;

    /** The fault belongs to {@link Cpu#rip} as it is, not to the instruction that led there. */
    boolean ripIsSet;

    CpuFault() {
        super(null, null, false, false);
    }

    /** The vector 0..31. */
    public int vector() {
        return vector;
    }

    /** The error code, 0 for vectors that push none. */
    public int errorCode() {
        return errorCode;
    }

    /** Not a fault: the instruction must be executed again, alone. */
    public boolean isRestart() {
        return vector == RESTART_ALONE;
    }

    /** Not a fault: the processor shuts down. */
    public boolean isShutdown() {
        return vector == SHUTDOWN;
    }

    /** The cause was a non-canonical address. */
    public boolean isNonCanonical() {
        return nonCanonical;
    }

    /** Whether {@link Cpu#rip} is the return address already: a task switch had been made. */
    public boolean isRipSet() {
        return ripIsSet;
    }

    /** This fault of an access to the stack: a non-canonical address raises #SS. */
    CpuFault ofStack() {
        if (nonCanonical) {
            vector = SS;
            nonCanonical = false;
        }
        return this;
    }

    static boolean hasErrorCode(int vector) {
        return vector < 32 && (WITH_ERROR_CODE >>> vector & 1) != 0;
    }
}
