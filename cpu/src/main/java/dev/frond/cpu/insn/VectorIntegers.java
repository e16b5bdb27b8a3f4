// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.decode.Encoding;

/**
 * Integer arithmetic and comparisons on packed elements; a meaning does 64 bits of them. What is
 * not multiplied is done in all elements at once within the long.
 */
public final class VectorIntegers {
    /** The sign bits of bytes, words and doublewords. */
    private static final long B = 0x8080_8080_8080_8080L;

    static final long W = 0x8000_8000_8000_8000L;
    private static final long D = 0x8000_0000_8000_0000L;
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorIntegers() {}

    // --- elements within a long; "signs" tells their width
    // -----------------------------------------------

    private static long sum(long a, long b, long signs) {
        return (a & ~signs) + (b & ~signs) ^ (a ^ b) & signs;
    }

    private static long difference(long a, long b, long signs) {
        return (a | signs) - (b & ~signs) ^ ~(a ^ b) & signs;
    }

    /** All bits of the elements of which {@code bits} has the sign bit. */
    static long spread(long bits, long signs) {
        int shift = shift(signs);
        long ones = (bits & signs) >>> shift;
        return (ones << shift << 1) - ones;
    }

    /** The place of the lowest sign bit: 7, 15 or 31. */
    private static int shift(long signs) {
        return signs == B ? 7 : signs == W ? 15 : 31;
    }

    static long select(long mask, long a, long b) {
        return a & mask | b & ~mask;
    }

    private static long belowUnsigned(long a, long b, long signs) {
        return spread(~a & b | (~a | b) & difference(a, b, signs), signs);
    }

    private static long belowSigned(long a, long b, long signs) {
        return belowUnsigned(a ^ signs, b ^ signs, signs);
    }

    private static long equal(long a, long b, long signs) {
        long x = a ^ b;
        return spread(~((x & ~signs) + ~signs | x), signs);
    }

    private static long sumSigned(long a, long b, long signs) {
        long s = sum(a, b, signs);
        return saturated(s, a, ~(a ^ b) & (a ^ s), signs);
    }

    private static long differenceSigned(long a, long b, long signs) {
        long s = difference(a, b, signs);
        return saturated(s, a, (a ^ b) & (a ^ s), signs);
    }

    /**
     * {@code value}, or where {@code overflow} has the sign bit the extreme on the side of {@code
     * a}.
     */
    private static long saturated(long value, long a, long overflow, long signs) {
        long extreme = ~signs + ((a & signs) >>> shift(signs));
        return select(spread(overflow, signs), extreme, value);
    }

    private static long sumUnsigned(long a, long b, long signs) {
        long s = sum(a, b, signs);
        return s | spread(a & b | (a | b) & ~s, signs);
    }

    private static long differenceUnsigned(long a, long b, long signs) {
        long s = difference(a, b, signs);
        return s & ~spread(~a & b | (~a | b) & s, signs);
    }

    // --- addition and subtraction
    // ------------------------------------------------------------------------

    @Encoding({
        "NP 0F FC /r : PADDB Pq,Qq : +MMX",
        "66 0F FC /r : PADDB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG FC /r : VPADDB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddb(long a, long b) {
        return sum(a, b, B);
    }

    @Encoding({
        "NP 0F FD /r : PADDW Pq,Qq : +MMX",
        "66 0F FD /r : PADDW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG FD /r : VPADDW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddw(long a, long b) {
        return sum(a, b, W);
    }

    @Encoding({
        "NP 0F FE /r : PADDD Pq,Qq : +MMX",
        "66 0F FE /r : PADDD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG FE /r : VPADDD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddd(long a, long b) {
        return sum(a, b, D);
    }

    @Encoding({
        "NP 0F D4 /r : PADDQ Pq,Qq : +SSE2",
        "66 0F D4 /r : PADDQ Vx,Wx : +SSE2",
        "VEX.66.0F.WIG D4 /r : VPADDQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddq(long a, long b) {
        return a + b;
    }

    @Encoding({
        "NP 0F F8 /r : PSUBB Pq,Qq : +MMX",
        "66 0F F8 /r : PSUBB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG F8 /r : VPSUBB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubb(long a, long b) {
        return difference(a, b, B);
    }

    @Encoding({
        "NP 0F F9 /r : PSUBW Pq,Qq : +MMX",
        "66 0F F9 /r : PSUBW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG F9 /r : VPSUBW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubw(long a, long b) {
        return difference(a, b, W);
    }

    @Encoding({
        "NP 0F FA /r : PSUBD Pq,Qq : +MMX",
        "66 0F FA /r : PSUBD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG FA /r : VPSUBD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubd(long a, long b) {
        return difference(a, b, D);
    }

    @Encoding({
        "NP 0F FB /r : PSUBQ Pq,Qq : +SSE2",
        "66 0F FB /r : PSUBQ Vx,Wx : +SSE2",
        "VEX.66.0F.WIG FB /r : VPSUBQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubq(long a, long b) {
        return a - b;
    }

    @Encoding({
        "NP 0F EC /r : PADDSB Pq,Qq : +MMX",
        "66 0F EC /r : PADDSB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG EC /r : VPADDSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddsb(long a, long b) {
        return sumSigned(a, b, B);
    }

    @Encoding({
        "NP 0F ED /r : PADDSW Pq,Qq : +MMX",
        "66 0F ED /r : PADDSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG ED /r : VPADDSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddsw(long a, long b) {
        return sumSigned(a, b, W);
    }

    @Encoding({
        "NP 0F DC /r : PADDUSB Pq,Qq : +MMX",
        "66 0F DC /r : PADDUSB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG DC /r : VPADDUSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddusb(long a, long b) {
        return sumUnsigned(a, b, B);
    }

    @Encoding({
        "NP 0F DD /r : PADDUSW Pq,Qq : +MMX",
        "66 0F DD /r : PADDUSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG DD /r : VPADDUSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long paddusw(long a, long b) {
        return sumUnsigned(a, b, W);
    }

    @Encoding({
        "NP 0F E8 /r : PSUBSB Pq,Qq : +MMX",
        "66 0F E8 /r : PSUBSB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E8 /r : VPSUBSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubsb(long a, long b) {
        return differenceSigned(a, b, B);
    }

    @Encoding({
        "NP 0F E9 /r : PSUBSW Pq,Qq : +MMX",
        "66 0F E9 /r : PSUBSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E9 /r : VPSUBSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubsw(long a, long b) {
        return differenceSigned(a, b, W);
    }

    @Encoding({
        "NP 0F D8 /r : PSUBUSB Pq,Qq : +MMX",
        "66 0F D8 /r : PSUBUSB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG D8 /r : VPSUBUSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubusb(long a, long b) {
        return differenceUnsigned(a, b, B);
    }

    @Encoding({
        "NP 0F D9 /r : PSUBUSW Pq,Qq : +MMX",
        "66 0F D9 /r : PSUBUSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG D9 /r : VPSUBUSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psubusw(long a, long b) {
        return differenceUnsigned(a, b, W);
    }

    @Encoding({
        "NP 0F E0 /r : PAVGB Pq,Qq : +SSE",
        "66 0F E0 /r : PAVGB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E0 /r : VPAVGB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pavgb(long a, long b) {
        return (a | b) - ((a ^ b) >>> 1 & ~B);
    }

    @Encoding({
        "NP 0F E3 /r : PAVGW Pq,Qq : +SSE",
        "66 0F E3 /r : PAVGW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E3 /r : VPAVGW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pavgw(long a, long b) {
        return (a | b) - ((a ^ b) >>> 1 & ~W);
    }

    @Encoding({
        "NP 0F 38 1C /r : PABSB Pq,Qq : +SSSE3",
        "66 0F 38 1C /r : PABSB Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 1C /r : VPABSB Vx,Wx : +AVX/AVX2"
    })
    static long pabsb(long b) {
        return signed(b, b, B);
    }

    @Encoding({
        "NP 0F 38 1D /r : PABSW Pq,Qq : +SSSE3",
        "66 0F 38 1D /r : PABSW Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 1D /r : VPABSW Vx,Wx : +AVX/AVX2"
    })
    static long pabsw(long b) {
        return signed(b, b, W);
    }

    @Encoding({
        "NP 0F 38 1E /r : PABSD Pq,Qq : +SSSE3",
        "66 0F 38 1E /r : PABSD Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 1E /r : VPABSD Vx,Wx : +AVX/AVX2"
    })
    static long pabsd(long b) {
        return signed(b, b, D);
    }

    /** {@code a} negated where {@code b} is negative. */
    private static long signed(long a, long b, long signs) {
        long negative = spread(b, signs);
        return difference(a ^ negative, negative, signs);
    }

    @Encoding({
        "NP 0F 38 08 /r : PSIGNB Pq,Qq : +SSSE3",
        "66 0F 38 08 /r : PSIGNB Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 08 /r : VPSIGNB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psignb(long a, long b) {
        return signed(a, b, B) & ~equal(b, 0, B);
    }

    @Encoding({
        "NP 0F 38 09 /r : PSIGNW Pq,Qq : +SSSE3",
        "66 0F 38 09 /r : PSIGNW Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 09 /r : VPSIGNW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psignw(long a, long b) {
        return signed(a, b, W) & ~equal(b, 0, W);
    }

    @Encoding({
        "NP 0F 38 0A /r : PSIGND Pq,Qq : +SSSE3",
        "66 0F 38 0A /r : PSIGND Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 0A /r : VPSIGND Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psignd(long a, long b) {
        return signed(a, b, D) & ~equal(b, 0, D);
    }

    // --- neighbours
    // ----------------------------------------------------------------------------------------

    /** The even-numbered words of a, then of b. */
    private static long evenWords(long a, long b) {
        return a & 0xFFFF
                | a >>> 16 & 0xFFFF_0000L
                | (b & 0xFFFF) << 32
                | b << 16 & 0xFFFF_0000_0000_0000L;
    }

    private static long oddWords(long a, long b) {
        return evenWords(a >>> 16, b >>> 16);
    }

    private static long evenDoublewords(long a, long b) {
        return a & LOW | b << 32;
    }

    private static long oddDoublewords(long a, long b) {
        return a >>> 32 | b & ~LOW;
    }

    @Encoding({
        "NP 0F 38 01 /r : PHADDW Pq,Qq : +SSSE3",
        "66 0F 38 01 /r : PHADDW Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 01 /r : VPHADDW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phaddw(long a, long b) {
        return sum(evenWords(a, b), oddWords(a, b), W);
    }

    @Encoding({
        "NP 0F 38 02 /r : PHADDD Pq,Qq : +SSSE3",
        "66 0F 38 02 /r : PHADDD Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 02 /r : VPHADDD Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phaddd(long a, long b) {
        return sum(evenDoublewords(a, b), oddDoublewords(a, b), D);
    }

    @Encoding({
        "NP 0F 38 03 /r : PHADDSW Pq,Qq : +SSSE3",
        "66 0F 38 03 /r : PHADDSW Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 03 /r : VPHADDSW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phaddsw(long a, long b) {
        return sumSigned(evenWords(a, b), oddWords(a, b), W);
    }

    @Encoding({
        "NP 0F 38 05 /r : PHSUBW Pq,Qq : +SSSE3",
        "66 0F 38 05 /r : PHSUBW Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 05 /r : VPHSUBW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phsubw(long a, long b) {
        return difference(evenWords(a, b), oddWords(a, b), W);
    }

    @Encoding({
        "NP 0F 38 06 /r : PHSUBD Pq,Qq : +SSSE3",
        "66 0F 38 06 /r : PHSUBD Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 06 /r : VPHSUBD Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phsubd(long a, long b) {
        return difference(evenDoublewords(a, b), oddDoublewords(a, b), D);
    }

    @Encoding({
        "NP 0F 38 07 /r : PHSUBSW Pq,Qq : +SSSE3",
        "66 0F 38 07 /r : PHSUBSW Vx,Wx : +SSSE3 across",
        "VEX.66.0F38.WIG 07 /r : VPHSUBSW Vx,Hx,Wx : +AVX/AVX2 across"
    })
    static long phsubsw(long a, long b) {
        return differenceSigned(evenWords(a, b), oddWords(a, b), W);
    }

    // --- comparison
    // ----------------------------------------------------------------------------------------

    @Encoding({
        "NP 0F 74 /r : PCMPEQB Pq,Qq : +MMX",
        "66 0F 74 /r : PCMPEQB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 74 /r : VPCMPEQB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpeqb(long a, long b) {
        return equal(a, b, B);
    }

    @Encoding({
        "NP 0F 75 /r : PCMPEQW Pq,Qq : +MMX",
        "66 0F 75 /r : PCMPEQW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 75 /r : VPCMPEQW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpeqw(long a, long b) {
        return equal(a, b, W);
    }

    @Encoding({
        "NP 0F 76 /r : PCMPEQD Pq,Qq : +MMX",
        "66 0F 76 /r : PCMPEQD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 76 /r : VPCMPEQD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpeqd(long a, long b) {
        return equal(a, b, D);
    }

    @Encoding({
        "66 0F 38 29 /r : PCMPEQQ Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 29 /r : VPCMPEQQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpeqq(long a, long b) {
        return a == b ? -1 : 0;
    }

    @Encoding({
        "NP 0F 64 /r : PCMPGTB Pq,Qq : +MMX",
        "66 0F 64 /r : PCMPGTB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 64 /r : VPCMPGTB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpgtb(long a, long b) {
        return belowSigned(b, a, B);
    }

    @Encoding({
        "NP 0F 65 /r : PCMPGTW Pq,Qq : +MMX",
        "66 0F 65 /r : PCMPGTW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 65 /r : VPCMPGTW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpgtw(long a, long b) {
        return belowSigned(b, a, W);
    }

    @Encoding({
        "NP 0F 66 /r : PCMPGTD Pq,Qq : +MMX",
        "66 0F 66 /r : PCMPGTD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG 66 /r : VPCMPGTD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpgtd(long a, long b) {
        return belowSigned(b, a, D);
    }

    @Encoding({
        "66 0F 38 37 /r : PCMPGTQ Vx,Wx : +SSE4_2",
        "VEX.66.0F38.WIG 37 /r : VPCMPGTQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pcmpgtq(long a, long b) {
        return a > b ? -1 : 0;
    }

    @Encoding({
        "NP 0F DA /r : PMINUB Pq,Qq : +SSE",
        "66 0F DA /r : PMINUB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG DA /r : VPMINUB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminub(long a, long b) {
        return select(belowUnsigned(a, b, B), a, b);
    }

    @Encoding({
        "NP 0F DE /r : PMAXUB Pq,Qq : +SSE",
        "66 0F DE /r : PMAXUB Vx,Wx : +SSE2",
        "VEX.66.0F.WIG DE /r : VPMAXUB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxub(long a, long b) {
        return select(belowUnsigned(a, b, B), b, a);
    }

    @Encoding({
        "NP 0F EA /r : PMINSW Pq,Qq : +SSE",
        "66 0F EA /r : PMINSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG EA /r : VPMINSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminsw(long a, long b) {
        return select(belowSigned(a, b, W), a, b);
    }

    @Encoding({
        "NP 0F EE /r : PMAXSW Pq,Qq : +SSE",
        "66 0F EE /r : PMAXSW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG EE /r : VPMAXSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxsw(long a, long b) {
        return select(belowSigned(a, b, W), b, a);
    }

    @Encoding({
        "66 0F 38 38 /r : PMINSB Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 38 /r : VPMINSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminsb(long a, long b) {
        return select(belowSigned(a, b, B), a, b);
    }

    @Encoding({
        "66 0F 38 39 /r : PMINSD Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 39 /r : VPMINSD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminsd(long a, long b) {
        return select(belowSigned(a, b, D), a, b);
    }

    @Encoding({
        "66 0F 38 3A /r : PMINUW Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3A /r : VPMINUW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminuw(long a, long b) {
        return select(belowUnsigned(a, b, W), a, b);
    }

    @Encoding({
        "66 0F 38 3B /r : PMINUD Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3B /r : VPMINUD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pminud(long a, long b) {
        return select(belowUnsigned(a, b, D), a, b);
    }

    @Encoding({
        "66 0F 38 3C /r : PMAXSB Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3C /r : VPMAXSB Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxsb(long a, long b) {
        return select(belowSigned(a, b, B), b, a);
    }

    @Encoding({
        "66 0F 38 3D /r : PMAXSD Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3D /r : VPMAXSD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxsd(long a, long b) {
        return select(belowSigned(a, b, D), b, a);
    }

    @Encoding({
        "66 0F 38 3E /r : PMAXUW Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3E /r : VPMAXUW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxuw(long a, long b) {
        return select(belowUnsigned(a, b, W), b, a);
    }

    @Encoding({
        "66 0F 38 3F /r : PMAXUD Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 3F /r : VPMAXUD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaxud(long a, long b) {
        return select(belowUnsigned(a, b, D), b, a);
    }

    @Encoding({
        "66 0F 38 41 /r : PHMINPOSUW Vx,Wx : +SSE4_1",
        "VEX.128.66.0F38.WIG 41 /r : VPHMINPOSUW Vx,Wx : +AVX"
    })
    static void phminposuw(long[] v, int d, int b) {
        long least = 0xFFFF;
        long at = 0;
        for (int i = 7; i >= 0; i--) {
            long element = v[b + (i >>> 2)] >>> 16 * (i & 3) & 0xFFFF;
            if (element <= least) {
                least = element;
                at = i;
            }
        }
        v[d] = least | at << 16;
        v[d + 1] = 0;
    }

    // --- multiplication
    // ------------------------------------------------------------------------------------

    private static int signedWord(long a, int i) {
        return (short) (a >>> 16 * i);
    }

    private static int word(long a, int i) {
        return (int) (a >>> 16 * i) & 0xFFFF;
    }

    private static long words(int w0, int w1, int w2, int w3) {
        return w0 & 0xFFFF | (w1 & 0xFFFFL) << 16 | (w2 & 0xFFFFL) << 32 | (long) w3 << 48;
    }

    @Encoding({
        "NP 0F D5 /r : PMULLW Pq,Qq : +MMX",
        "66 0F D5 /r : PMULLW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG D5 /r : VPMULLW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmullw(long a, long b) {
        return words(
                word(a, 0) * word(b, 0),
                word(a, 1) * word(b, 1),
                word(a, 2) * word(b, 2),
                word(a, 3) * word(b, 3));
    }

    @Encoding({
        "NP 0F E5 /r : PMULHW Pq,Qq : +MMX",
        "66 0F E5 /r : PMULHW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E5 /r : VPMULHW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmulhw(long a, long b) {
        return words(
                signedWord(a, 0) * signedWord(b, 0) >> 16,
                signedWord(a, 1) * signedWord(b, 1) >> 16,
                signedWord(a, 2) * signedWord(b, 2) >> 16,
                signedWord(a, 3) * signedWord(b, 3) >> 16);
    }

    @Encoding({
        "NP 0F E4 /r : PMULHUW Pq,Qq : +SSE",
        "66 0F E4 /r : PMULHUW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG E4 /r : VPMULHUW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmulhuw(long a, long b) {
        return words(
                word(a, 0) * word(b, 0) >>> 16,
                word(a, 1) * word(b, 1) >>> 16,
                word(a, 2) * word(b, 2) >>> 16,
                word(a, 3) * word(b, 3) >>> 16);
    }

    @Encoding({
        "NP 0F 38 0B /r : PMULHRSW Pq,Qq : +SSSE3",
        "66 0F 38 0B /r : PMULHRSW Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 0B /r : VPMULHRSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmulhrsw(long a, long b) {
        return words(rounded(a, b, 0), rounded(a, b, 1), rounded(a, b, 2), rounded(a, b, 3));
    }

    private static int rounded(long a, long b, int i) {
        return (signedWord(a, i) * signedWord(b, i) >> 14) + 1 >> 1;
    }

    @Encoding({
        "NP 0F F5 /r : PMADDWD Pq,Qq : +MMX",
        "66 0F F5 /r : PMADDWD Vx,Wx : +SSE2",
        "VEX.66.0F.WIG F5 /r : VPMADDWD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaddwd(long a, long b) {
        int low = signedWord(a, 0) * signedWord(b, 0) + signedWord(a, 1) * signedWord(b, 1);
        int high = signedWord(a, 2) * signedWord(b, 2) + signedWord(a, 3) * signedWord(b, 3);
        return low & LOW | (long) high << 32;
    }

    @Encoding({
        "NP 0F 38 04 /r : PMADDUBSW Pq,Qq : +SSSE3",
        "66 0F 38 04 /r : PMADDUBSW Vx,Wx : +SSSE3",
        "VEX.66.0F38.WIG 04 /r : VPMADDUBSW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmaddubsw(long a, long b) {
        return words(
                products(a, b),
                products(a >>> 16, b >>> 16),
                products(a >>> 32, b >>> 32),
                products(a >>> 48, b >>> 48));
    }

    private static int products(long a, long b) {
        int sum = ((int) a & 0xFF) * (byte) b + ((int) a >>> 8 & 0xFF) * (byte) (b >>> 8);
        return Math.clamp(sum, Short.MIN_VALUE, Short.MAX_VALUE);
    }

    @Encoding({
        "NP 0F F4 /r : PMULUDQ Pq,Qq : +SSE2",
        "66 0F F4 /r : PMULUDQ Vx,Wx : +SSE2",
        "VEX.66.0F.WIG F4 /r : VPMULUDQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmuludq(long a, long b) {
        return (a & LOW) * (b & LOW);
    }

    @Encoding({
        "66 0F 38 28 /r : PMULDQ Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 28 /r : VPMULDQ Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmuldq(long a, long b) {
        return (long) (int) a * (int) b;
    }

    @Encoding({
        "66 0F 38 40 /r : PMULLD Vx,Wx : +SSE4_1",
        "VEX.66.0F38.WIG 40 /r : VPMULLD Vx,Hx,Wx : +AVX/AVX2"
    })
    static long pmulld(long a, long b) {
        return a * b & LOW | (a >>> 32) * (b >>> 32) << 32;
    }

    @Encoding({
        "NP 0F F6 /r : PSADBW Pq,Qq : +SSE",
        "66 0F F6 /r : PSADBW Vx,Wx : +SSE2",
        "VEX.66.0F.WIG F6 /r : VPSADBW Vx,Hx,Wx : +AVX/AVX2"
    })
    static long psadbw(long a, long b) {
        long distances = differenceUnsigned(a, b, B) | differenceUnsigned(b, a, B);
        long pairs =
                (distances & 0x00FF_00FF_00FF_00FFL) + (distances >>> 8 & 0x00FF_00FF_00FF_00FFL);
        return pairs * 0x0001_0001_0001_0001L >>> 48;
    }

    @Encoding({
        "66 0F 3A 42 /r : MPSADBW Vx,Wx,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 42 /r : VMPSADBW Vx,Hx,Wx,Ib : +AVX/AVX2 ib>>3"
    })
    static void mpsadbw(long[] v, int d, int a, int b, int imm) {
        long low = v[a];
        long high = v[a + 1];
        int block = (int) (v[b + (imm >>> 1 & 1)] >>> 32 * (imm & 1));
        int from = (imm >>> 2 & 1) * 4;
        long first = 0;
        long second = 0;
        for (int i = 0; i < 4; i++) {
            first |= distance(low, high, from + i, block) << 16 * i;
            second |= distance(low, high, from + 4 + i, block) << 16 * i;
        }
        v[d] = first;
        v[d + 1] = second;
    }

    private static long distance(long low, long high, int at, int block) {
        return psadbw((int) VectorShuffles.extractBytes(low, high, at) & LOW, block & LOW);
    }
}
