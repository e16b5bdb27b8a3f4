// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/** The exact paths behind {@link SseMath} and {@link SseConvert}, with every flag and response. */
final class SseSoft {
    static final int ADD = 0;
    static final int SUB = 1;
    static final int MUL = 2;
    static final int DIV = 3;
    static final int SQRT = 4;

    private SseSoft() {}

    static long binary64(FpContext c, int op, long a, long b) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        e.b.load64(b, e.daz);
        compute(e, op);
        if (!e.suppressed()) {
            SoftRound.to64(e);
        }
        c.commit(e);
        return e.r.pack64();
    }

    static int binary32(FpContext c, int op, int a, int b) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        e.b.load32(b, e.daz);
        compute(e, op);
        if (!e.suppressed()) {
            SoftRound.to32(e);
        }
        c.commit(e);
        return e.r.pack32();
    }

    private static void compute(FpEnv e, int op) {
        if (e.a.isNan() || e.b.isNan()) {
            nan(e);
            return;
        }
        switch (op) {
            case ADD -> SoftFloat.add(e, 0);
            case SUB -> SoftFloat.add(e, 1);
            case MUL -> SoftFloat.multiply(e);
            case DIV -> SoftFloat.divide(e);
            default -> SoftFloat.squareRoot(e);
        }
        denormalOperand(e, e.a.denormal || e.b.denormal);
    }

    /** Invalid and divide-by-zero go before denormal: SDM Vol. 1, 4.9.2. */
    private static void denormalOperand(FpEnv e, boolean denormal) {
        if (denormal && (e.flags & (FpFlags.IE | FpFlags.ZE)) == 0) {
            e.raise(FpFlags.DE);
        }
    }

    /** The first operand if it is a NaN, else the second, made quiet: SDM Vol. 1, table 4-7. */
    private static void nan(FpEnv e) {
        if (e.a.kind == Unpacked.SNAN || e.b.kind == Unpacked.SNAN) {
            e.raise(FpFlags.IE);
        }
        Unpacked from = e.a.isNan() ? e.a : e.b;
        e.r.nan(from.sign, from.sig);
    }

    static long fma64(FpContext c, long x, long y, long z, int flipProduct, int flipAddend) {
        FpEnv e = c.begin();
        e.a.load64(x, e.daz);
        e.b.load64(y, e.daz);
        e.c.load64(z, e.daz);
        fma(e, flipProduct, flipAddend);
        if (!e.suppressed()) {
            SoftRound.to64(e);
        }
        c.commit(e);
        return e.r.pack64();
    }

    static int fma32(FpContext c, int x, int y, int z, int flipProduct, int flipAddend) {
        FpEnv e = c.begin();
        e.a.load32(x, e.daz);
        e.b.load32(y, e.daz);
        e.c.load32(z, e.daz);
        fma(e, flipProduct, flipAddend);
        if (!e.suppressed()) {
            SoftRound.to32(e);
        }
        c.commit(e);
        return e.r.pack32();
    }

    private static void fma(FpEnv e, int flipProduct, int flipAddend) {
        if (e.a.isNan() || e.b.isNan() || e.c.isNan()) {
            if (e.a.kind == Unpacked.SNAN
                    || e.b.kind == Unpacked.SNAN
                    || e.c.kind == Unpacked.SNAN) {
                e.raise(FpFlags.IE);
            }
            Unpacked from = e.a.isNan() ? e.a : e.b.isNan() ? e.b : e.c;
            e.r.nan(from.sign, from.sig);
            return;
        }
        e.a.sign ^= flipProduct;
        e.c.sign ^= flipAddend;
        SoftFloat.fusedMultiplyAdd(e);
        denormalOperand(e, e.a.denormal || e.b.denormal || e.c.denormal);
    }

    /** MIN (side 1) and MAX (side -1): the second operand unless the first wins. */
    static long pick64(FpContext c, int side, long a, long b) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        e.b.load64(b, e.daz);
        boolean first = pickFirst(e, side);
        c.commit(e);
        Unpacked picked = first ? e.a : e.b;
        return picked.kind == Unpacked.ZERO ? picked.pack64() : first ? a : b;
    }

    static int pick32(FpContext c, int side, int a, int b) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        e.b.load32(b, e.daz);
        boolean first = pickFirst(e, side);
        c.commit(e);
        Unpacked picked = first ? e.a : e.b;
        return picked.kind == Unpacked.ZERO ? picked.pack32() : first ? a : b;
    }

    private static boolean pickFirst(FpEnv e, int side) {
        if (e.a.isNan() || e.b.isNan()) {
            e.raise(FpFlags.IE);
            return false;
        }
        denormalOperand(e, e.a.denormal || e.b.denormal);
        return SoftFloat.compare(e.a, e.b) == -side;
    }

    /** Relation bits: less 1, equal 2, greater 4, unordered 8. */
    static int relation64(FpContext c, long a, long b, boolean signalling) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        e.b.load64(b, e.daz);
        int relation = relation(e, signalling);
        c.commit(e);
        return relation;
    }

    static int relation32(FpContext c, int a, int b, boolean signalling) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        e.b.load32(b, e.daz);
        int relation = relation(e, signalling);
        c.commit(e);
        return relation;
    }

    private static int relation(FpEnv e, boolean signalling) {
        if (e.a.isNan() || e.b.isNan()) {
            if (signalling || e.a.kind == Unpacked.SNAN || e.b.kind == Unpacked.SNAN) {
                e.raise(FpFlags.IE);
            }
            return 8;
        }
        denormalOperand(e, e.a.denormal || e.b.denormal);
        return 1 << (SoftFloat.compare(e.a, e.b) + 1);
    }

    static long toInteger64(FpContext c, long a, int rc, int width) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        long value = SoftFloat.toInteger(e, rc, width);
        c.commit(e);
        return value;
    }

    static long toInteger32(FpContext c, int a, int rc, int width) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        long value = SoftFloat.toInteger(e, rc, width);
        c.commit(e);
        return value;
    }

    static long fromInteger64(FpContext c, long value) {
        FpEnv e = c.begin();
        e.r.loadInteger(value);
        SoftRound.to64(e);
        c.commit(e);
        return e.r.pack64();
    }

    static int fromInteger32(FpContext c, long value) {
        FpEnv e = c.begin();
        e.r.loadInteger(value);
        SoftRound.to32(e);
        c.commit(e);
        return e.r.pack32();
    }

    static long widen(FpContext c, int a) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        convert(e);
        c.commit(e);
        return e.r.pack64();
    }

    static int narrow(FpContext c, long a) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        convert(e);
        if (!e.suppressed()) {
            SoftRound.to32(e);
        }
        c.commit(e);
        return e.r.pack32();
    }

    /** VCVTPH2PS: half denormals are exact and raise nothing, DAZ is ignored. */
    static int widenHalf(FpContext c, int a) {
        FpEnv e = c.begin();
        e.a.load16(a);
        e.a.denormal = false;
        convert(e);
        c.commit(e);
        return e.r.pack32();
    }

    /** VCVTPS2PH: FTZ is ignored. */
    static int narrowToHalf(FpContext c, int a, int rc) {
        FpEnv e = c.begin();
        e.rc = rc;
        e.ftz = false;
        e.a.load32(a, e.daz);
        convert(e);
        if (!e.suppressed()) {
            SoftRound.to16(e);
            if (!c.amd && e.a.denormal && (e.flags & FpFlags.UE) != 0) {
                // Of a denormal operand processors of Intel call also an unmasked underflow
                // inexact.
                e.flags |= FpFlags.PE;
            }
        }
        c.commit(e);
        return e.r.pack16();
    }

    private static void convert(FpEnv e) {
        Unpacked a = e.a;
        if (a.kind == Unpacked.SNAN) {
            e.raise(FpFlags.IE);
        }
        if (a.isNan()) {
            e.r.nan(a.sign, a.sig);
            return;
        }
        e.r.copy(a);
        e.r.denormal = false;
        denormalOperand(e, a.denormal);
    }

    static long round64(FpContext c, long a, int rc, boolean quietInexact) {
        FpEnv e = c.begin();
        e.a.load64(a, e.daz);
        round(e, rc, quietInexact);
        c.commit(e);
        return e.r.pack64();
    }

    static int round32(FpContext c, int a, int rc, boolean quietInexact) {
        FpEnv e = c.begin();
        e.a.load32(a, e.daz);
        round(e, rc, quietInexact);
        c.commit(e);
        return e.r.pack32();
    }

    private static void round(FpEnv e, int rc, boolean quietInexact) {
        Unpacked a = e.a;
        if (a.isNan()) {
            if (a.kind == Unpacked.SNAN) {
                e.raise(FpFlags.IE);
            }
            e.r.nan(a.sign, a.sig);
            return;
        }
        SoftFloat.roundToIntegral(e, rc);
        if (quietInexact) {
            e.flags &= ~FpFlags.PE;
        }
    }
}
