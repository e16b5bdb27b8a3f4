// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;

/** What AVX and AVX2 move within and between vectors, and what they test and shift by element. */
public final class VectorPermutes {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorPermutes() {}

    private static void set(long[] v, int d, long e0, long e1, long e2, long e3) {
        v[d] = e0;
        v[d + 1] = e1;
        v[d + 2] = e2;
        v[d + 3] = e3;
    }

    // --- broadcasts
    // --------------------------------------------------------------------------------------

    private static void fill(long[] v, int d, long value) {
        v[d] = value;
        v[d + 1] = value;
    }

    @Encoding("VEX.66.0F38.W0 78 /r : VPBROADCASTB Vx,Wb : +AVX2")
    static void vpbroadcastb(long[] v, int d, long b) {
        fill(v, d, (b & 0xFF) * 0x0101_0101_0101_0101L);
    }

    @Encoding("VEX.66.0F38.W0 79 /r : VPBROADCASTW Vx,Ww : +AVX2")
    static void vpbroadcastw(long[] v, int d, long b) {
        fill(v, d, (b & 0xFFFF) * 0x0001_0001_0001_0001L);
    }

    @Encoding({
        "VEX.66.0F38.W0 18 /r mem : VBROADCASTSS Vps,Wd : +AVX",
        "VEX.66.0F38.W0 18 /r reg : VBROADCASTSS Vps,Wd : +AVX2",
        "VEX.66.0F38.W0 58 /r : VPBROADCASTD Vx,Wd : +AVX2"
    })
    static void vpbroadcastd(long[] v, int d, long b) {
        fill(v, d, b & LOW | b << 32);
    }

    @Encoding({
        "VEX.256.66.0F38.W0 19 /r mem : VBROADCASTSD Vpd,Wq : +AVX",
        "VEX.256.66.0F38.W0 19 /r reg : VBROADCASTSD Vpd,Wq : +AVX2",
        "VEX.66.0F38.W0 59 /r : VPBROADCASTQ Vx,Wq : +AVX2"
    })
    static void vpbroadcastq(long[] v, int d, long b) {
        fill(v, d, b);
    }

    @Encoding({
        "VEX.256.66.0F38.W0 1A /r mem : VBROADCASTF128 Vqq,Wdq : +AVX",
        "VEX.256.66.0F38.W0 5A /r mem : VBROADCASTI128 Vqq,Wdq : +AVX2"
    })
    static void vbroadcast128(long[] v, int d, int b) {
        set(v, d, v[b], v[b + 1], v[b], v[b + 1]);
    }

    // --- permutations
    // ------------------------------------------------------------------------------------

    private static long doubleword(long[] v, int a, long number) {
        return v[a + ((int) number >>> 1 & 1)] >>> 32 * (number & 1) & LOW;
    }

    @Encoding("VEX.66.0F38.W0 0C /r : VPERMILPS Vps,Hps,Wps : +AVX")
    static void vpermilps(long[] v, int d, int a, int b) {
        long low = doubleword(v, a, v[b]) | doubleword(v, a, v[b] >>> 32) << 32;
        long high = doubleword(v, a, v[b + 1]) | doubleword(v, a, v[b + 1] >>> 32) << 32;
        v[d] = low;
        v[d + 1] = high;
    }

    @Encoding("VEX.66.0F38.W0 0D /r : VPERMILPD Vpd,Hpd,Wpd : +AVX")
    static void vpermilpd(long[] v, int d, int a, int b) {
        long high = v[a + ((int) v[b + 1] >>> 1 & 1)];
        v[d] = v[a + ((int) v[b] >>> 1 & 1)];
        v[d + 1] = high;
    }

    @Encoding("VEX.66.0F3A.W0 05 /r : VPERMILPD Vpd,Wpd,Ib : +AVX ib>>2")
    static void vpermilpdImmediate(long[] v, int d, int b, int order) {
        VectorShuffles.shufpd(v, d, b, b, order);
    }

    /** One 64-bit part of the half that VPERM2F128's control chooses of two vectors. */
    private static long half(long[] v, int a, int b, int control, int part) {
        if ((control & 8) != 0) {
            return 0;
        }
        return v[((control & 2) != 0 ? b : a) + 2 * (control & 1) + part];
    }

    @Encoding({
        "VEX.256.66.0F3A.W0 06 /r : VPERM2F128 Vqq,Hqq,Wqq,Ib : +AVX",
        "VEX.256.66.0F3A.W0 46 /r : VPERM2I128 Vqq,Hqq,Wqq,Ib : +AVX2"
    })
    static void vperm2f128(long[] v, int d, int a, int b, int imm) {
        int upper = imm >>> 4;
        set(
                v,
                d,
                half(v, a, b, imm, 0),
                half(v, a, b, imm, 1),
                half(v, a, b, upper, 0),
                half(v, a, b, upper, 1));
    }

    /** The doubleword of eight that the low three bits of {@code index} choose. */
    private static long chosen(long[] v, int b, long index) {
        return v[b + ((int) index >>> 1 & 3)] >>> 32 * (index & 1) & LOW;
    }

    private static long chosenPair(long[] v, int b, long indices) {
        return chosen(v, b, indices) | chosen(v, b, indices >>> 32) << 32;
    }

    @Encoding({
        "VEX.256.66.0F38.W0 36 /r : VPERMD Vqq,Hqq,Wqq : +AVX2",
        "VEX.256.66.0F38.W0 16 /r : VPERMPS Vqq,Hqq,Wqq : +AVX2"
    })
    static void vpermd(long[] v, int d, int a, int b) {
        set(
                v,
                d,
                chosenPair(v, b, v[a]),
                chosenPair(v, b, v[a + 1]),
                chosenPair(v, b, v[a + 2]),
                chosenPair(v, b, v[a + 3]));
    }

    @Encoding({
        "VEX.256.66.0F3A.W1 00 /r : VPERMQ Vqq,Wqq,Ib : +AVX2",
        "VEX.256.66.0F3A.W1 01 /r : VPERMPD Vqq,Wqq,Ib : +AVX2"
    })
    static void vpermq(long[] v, int d, int b, int order) {
        set(
                v,
                d,
                v[b + (order & 3)],
                v[b + (order >>> 2 & 3)],
                v[b + (order >>> 4 & 3)],
                v[b + (order >>> 6 & 3)]);
    }

    // --- halves
    // ------------------------------------------------------------------------------------------

    @Encoding({
        "VEX.256.66.0F3A.W0 18 /r : VINSERTF128 Vqq,Hqq,Wdq,Ib : +AVX",
        "VEX.256.66.0F3A.W0 38 /r : VINSERTI128 Vqq,Hqq,Wdq,Ib : +AVX2"
    })
    static void vinsertf128(long[] v, int d, int a, int b, int imm) {
        if ((imm & 1) == 0) {
            set(v, d, v[b], v[b + 1], v[a + 2], v[a + 3]);
        } else {
            set(v, d, v[a], v[a + 1], v[b], v[b + 1]);
        }
    }

    @Encoding({
        "VEX.256.66.0F3A.W0 19 /r : VEXTRACTF128 Wdq,Vqq,Ib : +AVX",
        "VEX.256.66.0F3A.W0 39 /r : VEXTRACTI128 Wdq,Vqq,Ib : +AVX2"
    })
    static void vextractf128(long[] v, int d, int a, int imm) {
        int from = a + 2 * (imm & 1);
        v[d] = v[from];
        v[d + 1] = v[from + 1];
    }

    @Encoding("VEX.256.F2.0F.WIG 12 /r : VMOVDDUP Vpd,Wpd : +AVX")
    static void vmovddup(long[] v, int d, int b) {
        fill(v, d, v[b]);
    }

    // --- signs and tests
    // ---------------------------------------------------------------------------------

    @Encoding("VEX.256.NP.0F.WIG 50 /r reg : VMOVMSKPS Gd,Ups : +AVX")
    static long vmovmskps(long[] v, int a) {
        return VectorMoves.movmskps(v, a) | VectorMoves.movmskps(v, a + 2) << 4;
    }

    @Encoding("VEX.256.66.0F.WIG 50 /r reg : VMOVMSKPD Gd,Upd : +AVX")
    static long vmovmskpd(long[] v, int a) {
        return VectorMoves.movmskpd(v, a) | VectorMoves.movmskpd(v, a + 2) << 2;
    }

    @Encoding("VEX.256.66.0F.WIG D7 /r reg : VPMOVMSKB Gd,Ux : +AVX2")
    static long vpmovmskb(long[] v, int a) {
        return VectorMoves.pmovmskb(v, a) | VectorMoves.pmovmskb(v, a + 2) << 16;
    }

    /** ZF if no bit of {@code and} is set, CF if none of {@code andNot} is. */
    private static void flags(Cpu cpu, long and, long andNot) {
        cpu.setStatusFlags((and == 0 ? Cpu.ZF : 0) | (andNot == 0 ? Cpu.CF : 0));
    }

    private static void test(Cpu cpu, long[] v, int a, int b, int parts, long mask) {
        long and = 0;
        long andNot = 0;
        for (int i = 0; i < parts; i++) {
            and |= v[a + i] & v[b + i] & mask;
            andNot |= ~v[a + i] & v[b + i] & mask;
        }
        flags(cpu, and, andNot);
    }

    @Encoding("VEX.256.66.0F38.WIG 17 /r : VPTEST Vx,Wx : +AVX")
    static void vptest(Cpu cpu, long[] v, int a, int b) {
        test(cpu, v, a, b, 4, -1L);
    }

    private static final long SINGLE_SIGNS = 0x8000_0000_8000_0000L;

    @Encoding("VEX.128.66.0F38.W0 0E /r : VTESTPS Vps,Wps : +AVX")
    static void vtestps(Cpu cpu, long[] v, int a, int b) {
        test(cpu, v, a, b, 2, SINGLE_SIGNS);
    }

    @Encoding("VEX.256.66.0F38.W0 0E /r : VTESTPS Vps,Wps : +AVX")
    static void vtestpsWide(Cpu cpu, long[] v, int a, int b) {
        test(cpu, v, a, b, 4, SINGLE_SIGNS);
    }

    @Encoding("VEX.128.66.0F38.W0 0F /r : VTESTPD Vpd,Wpd : +AVX")
    static void vtestpd(Cpu cpu, long[] v, int a, int b) {
        test(cpu, v, a, b, 2, Long.MIN_VALUE);
    }

    @Encoding("VEX.256.66.0F38.W0 0F /r : VTESTPD Vpd,Wpd : +AVX")
    static void vtestpdWide(Cpu cpu, long[] v, int a, int b) {
        test(cpu, v, a, b, 4, Long.MIN_VALUE);
    }

    // --- shifts by element
    // -------------------------------------------------------------------------------

    private static long pair(int low, int high) {
        return low & LOW | (long) high << 32;
    }

    private static int sll(int a, int n) {
        return n >>> 5 != 0 ? 0 : a << n;
    }

    private static int srl(int a, int n) {
        return n >>> 5 != 0 ? 0 : a >>> n;
    }

    private static int sra(int a, int n) {
        return a >> (n >>> 5 != 0 ? 31 : n);
    }

    @Encoding("VEX.66.0F38.W0 47 /r : VPSLLVD Vx,Hx,Wx : +AVX2")
    static long vpsllvd(long a, long b) {
        return pair(sll((int) a, (int) b), sll((int) (a >>> 32), (int) (b >>> 32)));
    }

    @Encoding("VEX.66.0F38.W1 47 /r : VPSLLVQ Vx,Hx,Wx : +AVX2")
    static long vpsllvq(long a, long b) {
        return b >>> 6 != 0 ? 0 : a << b;
    }

    @Encoding("VEX.66.0F38.W0 45 /r : VPSRLVD Vx,Hx,Wx : +AVX2")
    static long vpsrlvd(long a, long b) {
        return pair(srl((int) a, (int) b), srl((int) (a >>> 32), (int) (b >>> 32)));
    }

    @Encoding("VEX.66.0F38.W1 45 /r : VPSRLVQ Vx,Hx,Wx : +AVX2")
    static long vpsrlvq(long a, long b) {
        return b >>> 6 != 0 ? 0 : a >>> b;
    }

    @Encoding("VEX.66.0F38.W0 46 /r : VPSRAVD Vx,Hx,Wx : +AVX2")
    static long vpsravd(long a, long b) {
        return pair(sra((int) a, (int) b), sra((int) (a >>> 32), (int) (b >>> 32)));
    }
}
