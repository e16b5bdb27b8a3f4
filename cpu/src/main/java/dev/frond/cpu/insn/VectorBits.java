// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;

/** Logic and shifts on vectors: bit by bit, of packed elements, and of 128 bits by bytes. */
public final class VectorBits {
    private VectorBits() {}

    // --- logic
    // -----------------------------------------------------------------------------------------------

    @Encoding({
        "NP 0F DB /r : PAND Pq,Qq : +MMX",
        "66 0F DB /r : PAND Vx,Wx : +SSE2",
        "NP 0F 54 /r : ANDPS Vps,Wps : +SSE",
        "66 0F 54 /r : ANDPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG DB /r : VPAND Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 54 /r : VANDPS Vps,Hps,Wps : +AVX",
        "VEX.66.0F.WIG 54 /r : VANDPD Vpd,Hpd,Wpd : +AVX"
    })
    static long pand(long a, long b) {
        return a & b;
    }

    @Encoding({
        "NP 0F DF /r : PANDN Pq,Qq : +MMX",
        "66 0F DF /r : PANDN Vx,Wx : +SSE2",
        "NP 0F 55 /r : ANDNPS Vps,Wps : +SSE",
        "66 0F 55 /r : ANDNPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG DF /r : VPANDN Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 55 /r : VANDNPS Vps,Hps,Wps : +AVX",
        "VEX.66.0F.WIG 55 /r : VANDNPD Vpd,Hpd,Wpd : +AVX"
    })
    static long pandn(long a, long b) {
        return ~a & b;
    }

    @Encoding({
        "NP 0F EB /r : POR Pq,Qq : +MMX",
        "66 0F EB /r : POR Vx,Wx : +SSE2",
        "NP 0F 56 /r : ORPS Vps,Wps : +SSE",
        "66 0F 56 /r : ORPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG EB /r : VPOR Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 56 /r : VORPS Vps,Hps,Wps : +AVX",
        "VEX.66.0F.WIG 56 /r : VORPD Vpd,Hpd,Wpd : +AVX"
    })
    static long por(long a, long b) {
        return a | b;
    }

    @Encoding({
        "NP 0F EF /r : PXOR Pq,Qq : +MMX",
        "66 0F EF /r : PXOR Vx,Wx : +SSE2",
        "NP 0F 57 /r : XORPS Vps,Wps : +SSE",
        "66 0F 57 /r : XORPD Vpd,Wpd : +SSE2",
        "VEX.66.0F.WIG EF /r : VPXOR Vx,Hx,Wx : +AVX/AVX2",
        "VEX.NP.0F.WIG 57 /r : VXORPS Vps,Hps,Wps : +AVX",
        "VEX.66.0F.WIG 57 /r : VXORPD Vpd,Hpd,Wpd : +AVX"
    })
    static long pxor(long a, long b) {
        return a ^ b;
    }

    @Encoding({
        "66 0F 38 17 /r : PTEST Vx,Wx : +SSE4_1",
        "VEX.128.66.0F38.WIG 17 /r : VPTEST Vx,Wx : +AVX"
    })
    static void ptest(Cpu cpu, long[] v, int a, int b) {
        boolean zero = (v[a] & v[b] | v[a + 1] & v[b + 1]) == 0;
        boolean carry = (~v[a] & v[b] | ~v[a + 1] & v[b + 1]) == 0;
        cpu.setStatusFlags((zero ? Cpu.ZF : 0) | (carry ? Cpu.CF : 0));
    }

    // --- shifts
    // ------------------------------------------------------------------------------------------------

    private static final long LOW = 0xFFFF_FFFFL;
    private static final long EACH_WORD = 0x0001_0001_0001_0001L;
    private static final long EACH_DOUBLEWORD = 0x0000_0001_0000_0001L;

    @Encoding({
        "NP 0F F1 /r : PSLLW Pq,Qq : +MMX",
        "66 0F F1 /r : PSLLW Vx,Wx : +SSE2 count",
        "NP 0F 71 /6 reg : PSLLW Nq,Ib : +MMX",
        "66 0F 71 /6 reg : PSLLW Ux,Ib : +SSE2",
        "VEX.66.0F.WIG F1 /r : VPSLLW Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 71 /6 reg : VPSLLW Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psllw(long a, long count) {
        return count >>> 4 != 0 ? 0 : a << count & (0xFFFFL << count & 0xFFFF) * EACH_WORD;
    }

    @Encoding({
        "NP 0F F2 /r : PSLLD Pq,Qq : +MMX",
        "66 0F F2 /r : PSLLD Vx,Wx : +SSE2 count",
        "NP 0F 72 /6 reg : PSLLD Nq,Ib : +MMX",
        "66 0F 72 /6 reg : PSLLD Ux,Ib : +SSE2",
        "VEX.66.0F.WIG F2 /r : VPSLLD Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 72 /6 reg : VPSLLD Hx,Ux,Ib : +AVX/AVX2"
    })
    static long pslld(long a, long count) {
        return count >>> 5 != 0 ? 0 : a << count & (LOW << count & LOW) * EACH_DOUBLEWORD;
    }

    @Encoding({
        "NP 0F F3 /r : PSLLQ Pq,Qq : +MMX",
        "66 0F F3 /r : PSLLQ Vx,Wx : +SSE2 count",
        "NP 0F 73 /6 reg : PSLLQ Nq,Ib : +MMX",
        "66 0F 73 /6 reg : PSLLQ Ux,Ib : +SSE2",
        "VEX.66.0F.WIG F3 /r : VPSLLQ Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 73 /6 reg : VPSLLQ Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psllq(long a, long count) {
        return count >>> 6 != 0 ? 0 : a << count;
    }

    @Encoding({
        "NP 0F D1 /r : PSRLW Pq,Qq : +MMX",
        "66 0F D1 /r : PSRLW Vx,Wx : +SSE2 count",
        "NP 0F 71 /2 reg : PSRLW Nq,Ib : +MMX",
        "66 0F 71 /2 reg : PSRLW Ux,Ib : +SSE2",
        "VEX.66.0F.WIG D1 /r : VPSRLW Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 71 /2 reg : VPSRLW Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psrlw(long a, long count) {
        return count >>> 4 != 0 ? 0 : a >>> count & (0xFFFFL >>> count) * EACH_WORD;
    }

    @Encoding({
        "NP 0F D2 /r : PSRLD Pq,Qq : +MMX",
        "66 0F D2 /r : PSRLD Vx,Wx : +SSE2 count",
        "NP 0F 72 /2 reg : PSRLD Nq,Ib : +MMX",
        "66 0F 72 /2 reg : PSRLD Ux,Ib : +SSE2",
        "VEX.66.0F.WIG D2 /r : VPSRLD Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 72 /2 reg : VPSRLD Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psrld(long a, long count) {
        return count >>> 5 != 0 ? 0 : a >>> count & (LOW >>> count) * EACH_DOUBLEWORD;
    }

    @Encoding({
        "NP 0F D3 /r : PSRLQ Pq,Qq : +MMX",
        "66 0F D3 /r : PSRLQ Vx,Wx : +SSE2 count",
        "NP 0F 73 /2 reg : PSRLQ Nq,Ib : +MMX",
        "66 0F 73 /2 reg : PSRLQ Ux,Ib : +SSE2",
        "VEX.66.0F.WIG D3 /r : VPSRLQ Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 73 /2 reg : VPSRLQ Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psrlq(long a, long count) {
        return count >>> 6 != 0 ? 0 : a >>> count;
    }

    @Encoding({
        "NP 0F E1 /r : PSRAW Pq,Qq : +MMX",
        "66 0F E1 /r : PSRAW Vx,Wx : +SSE2 count",
        "NP 0F 71 /4 reg : PSRAW Nq,Ib : +MMX",
        "66 0F 71 /4 reg : PSRAW Ux,Ib : +SSE2",
        "VEX.66.0F.WIG E1 /r : VPSRAW Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 71 /4 reg : VPSRAW Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psraw(long a, long count) {
        long n = count >>> 4 != 0 ? 15 : count;
        long kept = (0xFFFFL >>> n) * EACH_WORD;
        return VectorIntegers.select(kept, a >>> n, VectorIntegers.spread(a, VectorIntegers.W));
    }

    @Encoding({
        "NP 0F E2 /r : PSRAD Pq,Qq : +MMX",
        "66 0F E2 /r : PSRAD Vx,Wx : +SSE2 count",
        "NP 0F 72 /4 reg : PSRAD Nq,Ib : +MMX",
        "66 0F 72 /4 reg : PSRAD Ux,Ib : +SSE2",
        "VEX.66.0F.WIG E2 /r : VPSRAD Vx,Hx,Wdq : +AVX/AVX2 count",
        "VEX.66.0F.WIG 72 /4 reg : VPSRAD Hx,Ux,Ib : +AVX/AVX2"
    })
    static long psrad(long a, long count) {
        long n = count >>> 5 != 0 ? 31 : count;
        return (int) a >> n & LOW | a >> 32 >> n << 32;
    }

    @Encoding({
        "66 0F 73 /7 reg : PSLLDQ Ux,Ib : +SSE2",
        "VEX.66.0F.WIG 73 /7 reg : VPSLLDQ Hx,Ux,Ib : +AVX/AVX2"
    })
    static void pslldq(long[] v, int d, int a, int bytes) {
        long low = v[a];
        long high = v[a + 1];
        int n = Math.min(bytes, 16);
        v[d] = VectorShuffles.extractBytes(0, low, 8 - Math.min(n, 8));
        v[d + 1] =
                n < 8
                        ? VectorShuffles.extractBytes(low, high, 8 - n)
                        : VectorShuffles.extractBytes(0, low, 16 - n);
    }

    @Encoding({
        "66 0F 73 /3 reg : PSRLDQ Ux,Ib : +SSE2",
        "VEX.66.0F.WIG 73 /3 reg : VPSRLDQ Hx,Ux,Ib : +AVX/AVX2"
    })
    static void psrldq(long[] v, int d, int a, int bytes) {
        long low = v[a];
        long high = v[a + 1];
        int n = Math.min(bytes, 16);
        v[d] = VectorShuffles.extractBytes(low, high, n);
        v[d + 1] = VectorShuffles.extractBytes(high, 0, n);
    }
}
