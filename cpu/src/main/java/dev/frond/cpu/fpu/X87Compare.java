// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/** The x87 comparisons and FXAM: SDM Vol. 1, 8.3.6. */
public final class X87Compare {
    private static final int UNORDERED = X87.C0 | X87.C2 | X87.C3;

    private X87Compare() {}

    /** FCOM, FCOMP, FCOMPP with ST(i). */
    public static void fcom(X87 f, int i, int pops) {
        compareStack(f, i, true, pops);
    }

    /** FUCOM, FUCOMP, FUCOMPP with ST(i): a quiet NaN raises nothing. */
    public static void fucom(X87 f, int i, int pops) {
        compareStack(f, i, false, pops);
    }

    private static void compareStack(X87 f, int i, boolean signalling, int pops) {
        if (f.empty(0) || f.empty(i)) {
            compareUnderflow(f, pops);
            return;
        }
        FpEnv e = f.begin();
        f.load(e.b, i);
        compare(f, e, signalling, pops);
    }

    /** FCOM and FCOMP m32fp. */
    public static void fcomM32(X87 f, int bits, int pops) {
        if (f.empty(0)) {
            compareUnderflow(f, pops);
            return;
        }
        FpEnv e = f.begin();
        e.b.load32(bits, false);
        compare(f, e, true, pops);
    }

    /** FCOM and FCOMP m64fp. */
    public static void fcomM64(X87 f, long bits, int pops) {
        if (f.empty(0)) {
            compareUnderflow(f, pops);
            return;
        }
        FpEnv e = f.begin();
        e.b.load64(bits, false);
        compare(f, e, true, pops);
    }

    /** FICOM and FICOMP of 16 and 32 bits, sign-extended. */
    public static void ficom(X87 f, int value, int pops) {
        if (f.empty(0)) {
            compareUnderflow(f, pops);
            return;
        }
        FpEnv e = f.begin();
        e.b.loadInteger(value);
        compare(f, e, true, pops);
    }

    /** FTST. */
    public static void ftst(X87 f) {
        ficom(f, 0, 0);
    }

    private static void compareUnderflow(X87 f, int pops) {
        if (f.stackUnderflow()) {
            f.pop(pops);
        }
        f.conditions(UNORDERED, UNORDERED);
    }

    private static void compare(X87 f, FpEnv e, boolean signalling, int pops) {
        f.load(e.a, 0);
        int relation = relation(e, signalling);
        boolean done = f.settle(e);
        f.conditions(
                UNORDERED,
                switch (relation) {
                    case -1 -> X87.C0;
                    case 0 -> X87.C3;
                    case 1 -> 0;
                    default -> UNORDERED;
                });
        if (done) {
            f.pop(pops);
        }
    }

    /** -1, 0, 1, or 2 when unordered; with the flags raised in e. */
    private static int relation(FpEnv e, boolean signalling) {
        Unpacked a = e.a;
        Unpacked b = e.b;
        if (a.isNan() || b.isNan()) {
            if (signalling || a.kind > Unpacked.QNAN || b.kind > Unpacked.QNAN) {
                e.raise(FpFlags.IE);
            }
            return 2;
        }
        if (a.denormal || b.denormal) {
            e.raise(FpFlags.DE);
        }
        return SoftFloat.compare(a, b);
    }

    /**
     * FCOMI, FCOMIP (signalling) and FUCOMI, FUCOMIP with ST(i): the new ZF, PF and CF in their
     * EFLAGS places; OF, SF and AF become 0. An unmasked exception keeps only the pop from
     * happening.
     */
    public static int fcomi(X87 f, int i, boolean signalling, boolean pop) {
        if (f.empty(0) || f.empty(i)) {
            if (f.stackUnderflow() && pop) {
                f.pop();
            }
            return SseMath.UNORDERED;
        }
        FpEnv e = f.begin();
        f.load(e.a, 0);
        f.load(e.b, i);
        int relation = relation(e, signalling);
        if (f.settle(e) && pop) {
            f.pop();
        }
        return switch (relation) {
            case -1 -> SseMath.LESS;
            case 0 -> SseMath.EQUAL;
            case 1 -> SseMath.GREATER;
            default -> SseMath.UNORDERED;
        };
    }

    /** FXAM: the class of ST(0) in X87.C3, X87.C2, X87.C0 and its sign in X87.C1. */
    public static void fxam(X87 f) {
        f.load(f.env.a, 0);
        Unpacked a = f.env.a;
        int bits =
                f.empty(0)
                        ? X87.C3 | X87.C0
                        : switch (a.kind) {
                            case Unpacked.ZERO -> X87.C3;
                            case Unpacked.FINITE -> a.denormal ? X87.C3 | X87.C2 : X87.C2;
                            case Unpacked.INFINITY -> X87.C2 | X87.C0;
                            case Unpacked.UNSUPPORTED -> 0;
                            default -> X87.C0;
                        };
        f.conditions(UNORDERED | X87.C1, bits | (a.sign != 0 ? X87.C1 : 0));
    }
}
