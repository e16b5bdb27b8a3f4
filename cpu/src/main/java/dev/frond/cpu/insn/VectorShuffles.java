// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.decode.Encoding;

/** Packing, unpacking, shuffling, blending and widening of packed elements. */
public final class VectorShuffles {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorShuffles() {}

    /** The 8 bytes from byte {@code n} (0..16) on of the 16 bytes high:low; zeros behind them. */
    static long extractBytes(long low, long high, int n) {
        int bits = 8 * (n & 7);
        if (n < 8) {
            return bits == 0 ? low : low >>> bits | high << 64 - bits;
        }
        return n < 16 ? high >>> bits : 0;
    }

    // --- unpacking
    // ---------------------------------------------------------------------------------------

    /** The low four bytes with a zero byte above each. */
    private static long bytesToWords(long b) {
        long pairs = (b & LOW | b << 16) & 0x0000_FFFF_0000_FFFFL;
        return (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FFL;
    }

    /** The low two words with a zero word above each. */
    private static long wordsToDoublewords(long b) {
        return (b & 0xFFFF) | (b & 0xFFFF_0000L) << 16;
    }

    @Encoding("NP 0F 60 /r : PUNPCKLBW Pq,Qd : +MMX")
    static long punpcklbw(long a, long b) {
        return bytesToWords(a) | bytesToWords(b) << 8;
    }

    @Encoding("NP 0F 61 /r : PUNPCKLWD Pq,Qd : +MMX")
    static long punpcklwd(long a, long b) {
        return wordsToDoublewords(a) | wordsToDoublewords(b) << 16;
    }

    @Encoding("NP 0F 62 /r : PUNPCKLDQ Pq,Qd : +MMX")
    static long punpckldq(long a, long b) {
        return a & LOW | b << 32;
    }

    @Encoding("NP 0F 68 /r : PUNPCKHBW Pq,Qq : +MMX")
    static long punpckhbw(long a, long b) {
        return punpcklbw(a >>> 32, b >>> 32);
    }

    @Encoding("NP 0F 69 /r : PUNPCKHWD Pq,Qq : +MMX")
    static long punpckhwd(long a, long b) {
        return punpcklwd(a >>> 32, b >>> 32);
    }

    @Encoding("NP 0F 6A /r : PUNPCKHDQ Pq,Qq : +MMX")
    static long punpckhdq(long a, long b) {
        return a >>> 32 | b & ~LOW;
    }

    @Encoding({
        "66 0F 60 /r : PUNPCKLBW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 60 /r : VPUNPCKLBW Vx,Hx,Wx : +AVX/AVX2"
    })
    static void punpcklbw(long[] v, int d, int a, int b) {
        bytes(v, d, v[a], v[b]);
    }

    @Encoding({
        "66 0F 68 /r : PUNPCKHBW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 68 /r : VPUNPCKHBW Vx,Hx,Wx : +AVX/AVX2"
    })
    static void punpckhbw(long[] v, int d, int a, int b) {
        bytes(v, d, v[a + 1], v[b + 1]);
    }

    private static void bytes(long[] v, int d, long a, long b) {
        v[d] = punpcklbw(a, b);
        v[d + 1] = punpckhbw(a, b);
    }

    @Encoding({
        "66 0F 61 /r : PUNPCKLWD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 61 /r : VPUNPCKLWD Vx,Hx,Wx : +AVX/AVX2"
    })
    static void punpcklwd(long[] v, int d, int a, int b) {
        words(v, d, v[a], v[b]);
    }

    @Encoding({
        "66 0F 69 /r : PUNPCKHWD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 69 /r : VPUNPCKHWD Vx,Hx,Wx : +AVX/AVX2"
    })
    static void punpckhwd(long[] v, int d, int a, int b) {
        words(v, d, v[a + 1], v[b + 1]);
    }

    private static void words(long[] v, int d, long a, long b) {
        v[d] = punpcklwd(a, b);
        v[d + 1] = punpckhwd(a, b);
    }

    @Encoding({
        "66 0F 62 /r : PUNPCKLDQ Vx,Wx : +SSE2",
        "NP 0F 14 /r : UNPCKLPS Vps,Wps : +SSE",
        "VEX.66.0F.WIG 62 /r : VPUNPCKLDQ Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 14 /r : VUNPCKLPS Vps,Hps,Wps : +AVX"
    })
    static void punpckldq(long[] v, int d, int a, int b) {
        doublewords(v, d, v[a], v[b]);
    }

    @Encoding({
        "66 0F 6A /r : PUNPCKHDQ Vx,Wx : +SSE2",
        "NP 0F 15 /r : UNPCKHPS Vps,Wps : +SSE",
        "VEX.66.0F.WIG 6A /r : VPUNPCKHDQ Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 15 /r : VUNPCKHPS Vps,Hps,Wps : +AVX"
    })
    static void punpckhdq(long[] v, int d, int a, int b) {
        doublewords(v, d, v[a + 1], v[b + 1]);
    }

    private static void doublewords(long[] v, int d, long a, long b) {
        v[d] = punpckldq(a, b);
        v[d + 1] = punpckhdq(a, b);
    }

    @Encoding({
        "66 0F 6C /r : PUNPCKLQDQ Vx,Wx : +SSE2",
        "66 0F 14 /r : UNPCKLPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG 6C /r : VPUNPCKLQDQ Vx,Hx,Wx : +AVX/AVX2",
        "VEX.66.0F.WIG 14 /r : VUNPCKLPD Vpd,Hpd,Wpd : +AVX"
    })
    static void punpcklqdq(long[] v, int d, int a, int b) {
        long high = v[b];
        v[d] = v[a];
        v[d + 1] = high;
    }

    @Encoding({
        "66 0F 6D /r : PUNPCKHQDQ Vx,Wx : +SSE2",
        "66 0F 15 /r : UNPCKHPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG 6D /r : VPUNPCKHQDQ Vx,Hx,Wx : +AVX/AVX2",
        "VEX.66.0F.WIG 15 /r : VUNPCKHPD Vpd,Hpd,Wpd : +AVX"
    })
    static void punpckhqdq(long[] v, int d, int a, int b) {
        long high = v[b + 1];
        v[d] = v[a + 1];
        v[d + 1] = high;
    }

    // --- packing with saturation
    // ---------------------------------------------------------------------------

    private static long signedByte(long words, int i) {
        return Math.clamp((short) (words >>> 16 * i), Byte.MIN_VALUE, Byte.MAX_VALUE) & 0xFFL;
    }

    private static long signedBytes(long words) {
        return signedByte(words, 0)
                | signedByte(words, 1) << 8
                | signedByte(words, 2) << 16
                | signedByte(words, 3) << 24;
    }

    @Encoding({
        "NP 0F 63 /r : PACKSSWB Pq,Qq : +MMX",
        "66 0F 63 /r : PACKSSWB Vx,Wx : +SSE2 across",
        "VEX.66.0F.WIG 63 /r : VPACKSSWB Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long packsswb(long a, long b) {
        return signedBytes(a) | signedBytes(b) << 32;
    }

    private static long unsignedByte(long words, int i) {
        return Math.clamp((short) (words >>> 16 * i), 0, 0xFF);
    }

    private static long unsignedBytes(long words) {
        return unsignedByte(words, 0)
                | unsignedByte(words, 1) << 8
                | unsignedByte(words, 2) << 16
                | unsignedByte(words, 3) << 24;
    }

    @Encoding({
        "NP 0F 67 /r : PACKUSWB Pq,Qq : +MMX",
        "66 0F 67 /r : PACKUSWB Vx,Wx : +SSE2 across",
        "VEX.66.0F.WIG 67 /r : VPACKUSWB Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long packuswb(long a, long b) {
        return unsignedBytes(a) | unsignedBytes(b) << 32;
    }

    private static long signedWord(int value) {
        return Math.clamp(value, Short.MIN_VALUE, Short.MAX_VALUE) & 0xFFFFL;
    }

    @Encoding({
        "NP 0F 6B /r : PACKSSDW Pq,Qq : +MMX",
        "66 0F 6B /r : PACKSSDW Vx,Wx : +SSE2 across",
        "VEX.66.0F.WIG 6B /r : VPACKSSDW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long packssdw(long a, long b) {
        return signedWord((int) a)
                | signedWord((int) (a >> 32)) << 16
                | signedWord((int) b) << 32
                | signedWord((int) (b >> 32)) << 48;
    }

    private static long unsignedWord(int value) {
        return Math.clamp(value, 0, 0xFFFF);
    }

    @Encoding({
        "66 0F 38 2B /r : PACKUSDW Vx,Wx : +SSE4_1 across",
        "VEX.66.0F38.WIG 2B /r : VPACKUSDW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long packusdw(long a, long b) {
        return unsignedWord((int) a)
                | unsignedWord((int) (a >> 32)) << 16
                | unsignedWord((int) b) << 32
                | unsignedWord((int) (b >> 32)) << 48;
    }

    // --- shuffling
    // -------------------------------------------------------------------------------------------

    private static long shuffledByte(long low, long high, long selector) {
        if ((selector & 0x80) != 0) {
            return 0;
        }
        return ((selector & 8) != 0 ? high : low) >>> 8 * (selector & 7) & 0xFF;
    }

    private static long shuffledBytes(long low, long high, long selectors) {
        long result = 0;
        for (int bit = 0; bit < 64; bit += 8) {
            result |= shuffledByte(low, high, selectors >>> bit) << bit;
        }
        return result;
    }

    @Encoding("NP 0F 38 00 /r : PSHUFB Pq,Qq : +SSSE3")
    static long pshufb(long a, long b) {
        return shuffledBytes(a, a, b);
    }

    @Encoding({
        "66 0F 38 00 /r : PSHUFB Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 00 /r : VPSHUFB Vx,Hx,Wx : +AVX/AVX2"
    })
    static void pshufb(long[] v, int d, int a, int b) {
        long low = v[a];
        long high = v[a + 1];
        long selectors = v[b + 1];
        v[d] = shuffledBytes(low, high, v[b]);
        v[d + 1] = shuffledBytes(low, high, selectors);
    }

    @Encoding("NP 0F 70 /r : PSHUFW Pq,Qq,Ib : +SSE")
    static long pshufw(long b, int order) {
        return b >>> 16 * (order & 3) & 0xFFFF
                | (b >>> 16 * (order >>> 2 & 3) & 0xFFFF) << 16
                | (b >>> 16 * (order >>> 4 & 3) & 0xFFFF) << 32
                | b >>> 16 * (order >>> 6 & 3) << 48;
    }

    @Encoding({
        "F2 0F 70 /r : PSHUFLW Vx,Wx,Ib : +SSE2",
        "VEX.F2.0F.WIG 70 /r : VPSHUFLW Vx,Wx,Ib : +AVX/AVX2"
    })
    static void pshuflw(long[] v, int d, int b, int order) {
        v[d] = pshufw(v[b], order);
        v[d + 1] = v[b + 1];
    }

    @Encoding({
        "F3 0F 70 /r : PSHUFHW Vx,Wx,Ib : +SSE2",
        "VEX.F3.0F.WIG 70 /r : VPSHUFHW Vx,Wx,Ib : +AVX/AVX2"
    })
    static void pshufhw(long[] v, int d, int b, int order) {
        v[d] = v[b];
        v[d + 1] = pshufw(v[b + 1], order);
    }

    private static long doubleword(long low, long high, int number) {
        return ((number & 2) != 0 ? high : low) >>> 32 * (number & 1) & LOW;
    }

    @Encoding({
        "66 0F 70 /r : PSHUFD Vx,Wx,Ib : +SSE2",
        "VEX.66.0F.WIG 70 /r : VPSHUFD Vx,Wx,Ib : +AVX/AVX2",
        "VEX.66.0F3A.W0 04 /r : VPERMILPS Vps,Wps,Ib : +AVX"
    })
    static void pshufd(long[] v, int d, int b, int order) {
        shufps(v, d, b, b, order);
    }

    @Encoding({
        "NP 0F C6 /r : SHUFPS Vps,Wps,Ib : +SSE",
        "VEX.NP.0F.WIG C6 /r : VSHUFPS Vps,Hps,Wps,Ib : +AVX"
    })
    static void shufps(long[] v, int d, int a, int b, int order) {
        long high =
                doubleword(v[b], v[b + 1], order >>> 4)
                        | doubleword(v[b], v[b + 1], order >>> 6) << 32;
        v[d] = doubleword(v[a], v[a + 1], order) | doubleword(v[a], v[a + 1], order >>> 2) << 32;
        v[d + 1] = high;
    }

    @Encoding({
        "66 0F C6 /r : SHUFPD Vpd,Wpd,Ib : +SSE2",
        "VEX.66.0F.WIG C6 /r : VSHUFPD Vpd,Hpd,Wpd,Ib : +AVX ib>>2"
    })
    static void shufpd(long[] v, int d, int a, int b, int order) {
        long high = v[b + (order >>> 1 & 1)];
        v[d] = v[a + (order & 1)];
        v[d + 1] = high;
    }

    @Encoding("NP 0F 3A 0F /r : PALIGNR Pq,Qq,Ib : +SSSE3")
    static long palignr(long a, long b, int bytes) {
        return extractBytes(b, a, bytes);
    }

    @Encoding({
        "66 0F 3A 0F /r : PALIGNR Vx,Wx,Ib : +SSSE3",
        "VEX.66.0F3A.WIG 0F /r : VPALIGNR Vx,Hx,Wx,Ib : +AVX/AVX2"
    })
    static void palignr(long[] v, int d, int a, int b, int bytes) {
        int n = bytes & 7;
        long e0 = v[b];
        long e1 = v[b + 1];
        long e2 = v[a];
        long e3 = v[a + 1];
        switch (bytes >>> 3) {
            case 0 -> set(v, d, extractBytes(e0, e1, n), extractBytes(e1, e2, n));
            case 1 -> set(v, d, extractBytes(e1, e2, n), extractBytes(e2, e3, n));
            case 2 -> set(v, d, extractBytes(e2, e3, n), extractBytes(e3, 0, n));
            case 3 -> set(v, d, extractBytes(e3, 0, n), 0);
            default -> set(v, d, 0, 0);
        }
    }

    private static void set(long[] v, int d, long low, long high) {
        v[d] = low;
        v[d + 1] = high;
    }

    // --- blending
    // --------------------------------------------------------------------------------------------

    private static long select(long mask, long a, long b) {
        return a & mask | b & ~mask;
    }

    @Encoding({
        "66 0F 38 10 /r : PBLENDVB Vx,Wx,XMM0 : +SSE4_1",
        "VEX.66.0F3A.W0 4C /r : VPBLENDVB Vx,Hx,Wx,Lx : +AVX/AVX2"
    })
    static long pblendvb(long a, long b, long mask) {
        return select(VectorIntegers.pcmpgtb(0, mask), b, a);
    }

    @Encoding({
        "66 0F 38 14 /r : BLENDVPS Vps,Wps,XMM0 : +SSE4_1",
        "VEX.66.0F3A.W0 4A /r : VBLENDVPS Vps,Hps,Wps,Lx : +AVX"
    })
    static long blendvps(long a, long b, long mask) {
        return select((int) mask >> 31 & LOW | mask >> 63 << 32, b, a);
    }

    @Encoding({
        "66 0F 38 15 /r : BLENDVPD Vpd,Wpd,XMM0 : +SSE4_1",
        "VEX.66.0F3A.W0 4B /r : VBLENDVPD Vpd,Hpd,Wpd,Lx : +AVX"
    })
    static long blendvpd(long a, long b, long mask) {
        return mask < 0 ? b : a;
    }

    private static void blend(long[] v, int d, int a, int b, long lowMask, long highMask) {
        v[d] = select(lowMask, v[b], v[a]);
        v[d + 1] = select(highMask, v[b + 1], v[a + 1]);
    }

    /** All bits of the doublewords that the low two bits of {@code bits} select. */
    private static long doublewordMask(int bits) {
        return ((bits & 1) != 0 ? LOW : 0) | ((bits & 2) != 0 ? ~LOW : 0);
    }

    /** All bits of the words that the low four bits of {@code bits} select. */
    private static long wordMask(int bits) {
        return (bits & 1L | (bits & 2L) << 15 | (bits & 4L) << 30 | (bits & 8L) << 45) * 0xFFFF;
    }

    @Encoding({
        "66 0F 3A 0C /r : BLENDPS Vps,Wps,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 0C /r : VBLENDPS Vps,Hps,Wps,Ib : +AVX ib>>4",
        "VEX.66.0F3A.W0 02 /r : VPBLENDD Vx,Hx,Wx,Ib : +AVX2 ib>>4"
    })
    static void blendps(long[] v, int d, int a, int b, int mask) {
        blend(v, d, a, b, doublewordMask(mask), doublewordMask(mask >>> 2));
    }

    @Encoding({
        "66 0F 3A 0D /r : BLENDPD Vpd,Wpd,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 0D /r : VBLENDPD Vpd,Hpd,Wpd,Ib : +AVX ib>>2"
    })
    static void blendpd(long[] v, int d, int a, int b, int mask) {
        blend(v, d, a, b, -(mask & 1L), -(mask >>> 1 & 1L));
    }

    @Encoding({
        "66 0F 3A 0E /r : PBLENDW Vx,Wx,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 0E /r : VPBLENDW Vx,Hx,Wx,Ib : +AVX/AVX2"
    })
    static void pblendw(long[] v, int d, int a, int b, int mask) {
        blend(v, d, a, b, wordMask(mask), wordMask(mask >>> 4));
    }

    // --- widening
    // --------------------------------------------------------------------------------------------

    private static long signBytes(long words) {
        return VectorIntegers.psubw(words ^ 0x0080_0080_0080_0080L, 0x0080_0080_0080_0080L);
    }

    private static long pair(int low, int high) {
        return low & LOW | (long) high << 32;
    }

    @Encoding({
        "66 0F 38 20 /r : PMOVSXBW Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 20 /r : VPMOVSXBW Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 20 /r : VPMOVSXBW Vqq,Wdq : +AVX2 halves"
    })
    static void pmovsxbw(long[] v, int d, long b) {
        set(v, d, signBytes(bytesToWords(b)), signBytes(bytesToWords(b >>> 32)));
    }

    @Encoding({
        "66 0F 38 21 /r : PMOVSXBD Vx,Wd : +SSE4_1",
        "VEX.128.66.0F38.WIG 21 /r : VPMOVSXBD Vx,Wd : +AVX",
        "VEX.256.66.0F38.WIG 21 /r : VPMOVSXBD Vqq,Wq : +AVX2 halves"
    })
    static void pmovsxbd(long[] v, int d, long b) {
        set(v, d, pair((byte) b, (byte) (b >>> 8)), pair((byte) (b >>> 16), (byte) (b >>> 24)));
    }

    @Encoding({
        "66 0F 38 22 /r : PMOVSXBQ Vx,Ww : +SSE4_1",
        "VEX.128.66.0F38.WIG 22 /r : VPMOVSXBQ Vx,Ww : +AVX",
        "VEX.256.66.0F38.WIG 22 /r : VPMOVSXBQ Vqq,Wd : +AVX2 halves"
    })
    static void pmovsxbq(long[] v, int d, long b) {
        set(v, d, (byte) b, (byte) (b >>> 8));
    }

    @Encoding({
        "66 0F 38 23 /r : PMOVSXWD Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 23 /r : VPMOVSXWD Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 23 /r : VPMOVSXWD Vqq,Wdq : +AVX2 halves"
    })
    static void pmovsxwd(long[] v, int d, long b) {
        set(
                v,
                d,
                pair((short) b, (short) (b >>> 16)),
                pair((short) (b >>> 32), (short) (b >>> 48)));
    }

    @Encoding({
        "66 0F 38 24 /r : PMOVSXWQ Vx,Wd : +SSE4_1",
        "VEX.128.66.0F38.WIG 24 /r : VPMOVSXWQ Vx,Wd : +AVX",
        "VEX.256.66.0F38.WIG 24 /r : VPMOVSXWQ Vqq,Wq : +AVX2 halves"
    })
    static void pmovsxwq(long[] v, int d, long b) {
        set(v, d, (short) b, (short) (b >>> 16));
    }

    @Encoding({
        "66 0F 38 25 /r : PMOVSXDQ Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 25 /r : VPMOVSXDQ Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 25 /r : VPMOVSXDQ Vqq,Wdq : +AVX2 halves"
    })
    static void pmovsxdq(long[] v, int d, long b) {
        int low = (int) b;
        set(v, d, low, b >> 32);
    }

    @Encoding({
        "66 0F 38 30 /r : PMOVZXBW Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 30 /r : VPMOVZXBW Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 30 /r : VPMOVZXBW Vqq,Wdq : +AVX2 halves"
    })
    static void pmovzxbw(long[] v, int d, long b) {
        set(v, d, bytesToWords(b), bytesToWords(b >>> 32));
    }

    @Encoding({
        "66 0F 38 31 /r : PMOVZXBD Vx,Wd : +SSE4_1",
        "VEX.128.66.0F38.WIG 31 /r : VPMOVZXBD Vx,Wd : +AVX",
        "VEX.256.66.0F38.WIG 31 /r : VPMOVZXBD Vqq,Wq : +AVX2 halves"
    })
    static void pmovzxbd(long[] v, int d, long b) {
        long words = bytesToWords(b);
        set(v, d, wordsToDoublewords(words), wordsToDoublewords(words >>> 32));
    }

    @Encoding({
        "66 0F 38 32 /r : PMOVZXBQ Vx,Ww : +SSE4_1",
        "VEX.128.66.0F38.WIG 32 /r : VPMOVZXBQ Vx,Ww : +AVX",
        "VEX.256.66.0F38.WIG 32 /r : VPMOVZXBQ Vqq,Wd : +AVX2 halves"
    })
    static void pmovzxbq(long[] v, int d, long b) {
        set(v, d, b & 0xFF, b >>> 8 & 0xFF);
    }

    @Encoding({
        "66 0F 38 33 /r : PMOVZXWD Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 33 /r : VPMOVZXWD Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 33 /r : VPMOVZXWD Vqq,Wdq : +AVX2 halves"
    })
    static void pmovzxwd(long[] v, int d, long b) {
        set(v, d, wordsToDoublewords(b), wordsToDoublewords(b >>> 32));
    }

    @Encoding({
        "66 0F 38 34 /r : PMOVZXWQ Vx,Wd : +SSE4_1",
        "VEX.128.66.0F38.WIG 34 /r : VPMOVZXWQ Vx,Wd : +AVX",
        "VEX.256.66.0F38.WIG 34 /r : VPMOVZXWQ Vqq,Wq : +AVX2 halves"
    })
    static void pmovzxwq(long[] v, int d, long b) {
        set(v, d, b & 0xFFFF, b >>> 16 & 0xFFFF);
    }

    @Encoding({
        "66 0F 38 35 /r : PMOVZXDQ Vx,Wq : +SSE4_1",
        "VEX.128.66.0F38.WIG 35 /r : VPMOVZXDQ Vx,Wq : +AVX",
        "VEX.256.66.0F38.WIG 35 /r : VPMOVZXDQ Vqq,Wdq : +AVX2 halves"
    })
    static void pmovzxdq(long[] v, int d, long b) {
        set(v, d, b & LOW, b >>> 32);
    }
}
