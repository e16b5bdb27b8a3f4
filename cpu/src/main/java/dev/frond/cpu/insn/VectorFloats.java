// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.fpu.FpContext;
import dev.frond.cpu.fpu.SseConvert;
import dev.frond.cpu.fpu.SseMath;

/** SSE floating point: arithmetic, comparisons, conversions. */
public final class VectorFloats {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorFloats() {}

    private static long pair(int low, int high) {
        return low & LOW | (long) high << 32;
    }

    // --- addition, subtraction
    // ---------------------------------------------------------------------------

    @Encoding({
        "NP 0F 58 /r : ADDPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 58 /r : VADDPS Vps,Hps,Wps : +AVX"
    })
    static long addps(FpContext c, long a, long b) {
        return SseMath.addps(c, a, b);
    }

    @Encoding({
        "66 0F 58 /r : ADDPD Vpd,Wpd : +SSE2",
        "F2 0F 58 /r : ADDSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 58 /r : VADDPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 58 /r : VADDSD Vsd,Hsd,Wsd : +AVX"
    })
    static long addsd(FpContext c, long a, long b) {
        return SseMath.addsd(c, a, b);
    }

    @Encoding({
        "F3 0F 58 /r : ADDSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 58 /r : VADDSS Vss,Hss,Wss : +AVX"
    })
    static int addss(FpContext c, int a, int b) {
        return SseMath.addss(c, a, b);
    }

    @Encoding({
        "NP 0F 5C /r : SUBPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 5C /r : VSUBPS Vps,Hps,Wps : +AVX"
    })
    static long subps(FpContext c, long a, long b) {
        return SseMath.subps(c, a, b);
    }

    @Encoding({
        "66 0F 5C /r : SUBPD Vpd,Wpd : +SSE2",
        "F2 0F 5C /r : SUBSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 5C /r : VSUBPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 5C /r : VSUBSD Vsd,Hsd,Wsd : +AVX"
    })
    static long subsd(FpContext c, long a, long b) {
        return SseMath.subsd(c, a, b);
    }

    @Encoding({
        "F3 0F 5C /r : SUBSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 5C /r : VSUBSS Vss,Hss,Wss : +AVX"
    })
    static int subss(FpContext c, int a, int b) {
        return SseMath.subss(c, a, b);
    }

    @Encoding({
        "F2 0F 7C /r : HADDPS Vps,Wps : +SSE3 across",
        "VEX.F2.0F.WIG 7C /r : VHADDPS Vps,Hps,Wps : +AVX across"
    })
    static long haddps(FpContext c, long a, long b) {
        return SseMath.haddps(c, a, b);
    }

    @Encoding({
        "66 0F 7C /r : HADDPD Vpd,Wpd : +SSE3 across",
        "VEX.66.0F.WIG 7C /r : VHADDPD Vpd,Hpd,Wpd : +AVX across"
    })
    static long haddpd(FpContext c, long a, long b) {
        return SseMath.addsd(c, a, b);
    }

    @Encoding({
        "F2 0F 7D /r : HSUBPS Vps,Wps : +SSE3 across",
        "VEX.F2.0F.WIG 7D /r : VHSUBPS Vps,Hps,Wps : +AVX across"
    })
    static long hsubps(FpContext c, long a, long b) {
        return SseMath.hsubps(c, a, b);
    }

    @Encoding({
        "66 0F 7D /r : HSUBPD Vpd,Wpd : +SSE3 across",
        "VEX.66.0F.WIG 7D /r : VHSUBPD Vpd,Hpd,Wpd : +AVX across"
    })
    static long hsubpd(FpContext c, long a, long b) {
        return SseMath.subsd(c, a, b);
    }

    @Encoding({
        "F2 0F D0 /r : ADDSUBPS Vps,Wps : +SSE3",
        "VEX.F2.0F.WIG D0 /r : VADDSUBPS Vps,Hps,Wps : +AVX"
    })
    static long addsubps(FpContext c, long a, long b) {
        int low = SseMath.subss(c, (int) a, (int) b);
        return pair(low, SseMath.addss(c, (int) (a >>> 32), (int) (b >>> 32)));
    }

    @Encoding({
        "66 0F D0 /r : ADDSUBPD Vpd,Wpd : +SSE3",
        "VEX.66.0F.WIG D0 /r : VADDSUBPD Vpd,Hpd,Wpd : +AVX"
    })
    static void addsubpd(FpContext c, long[] v, int d, int a, int b) {
        v[d] = SseMath.subsd(c, v[a], v[b]);
        v[d + 1] = SseMath.addsd(c, v[a + 1], v[b + 1]);
    }

    // --- multiplication, division, roots
    // ---------------------------------------------------------------------

    @Encoding({
        "NP 0F 59 /r : MULPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 59 /r : VMULPS Vps,Hps,Wps : +AVX"
    })
    static long mulps(FpContext c, long a, long b) {
        return SseMath.mulps(c, a, b);
    }

    @Encoding({
        "66 0F 59 /r : MULPD Vpd,Wpd : +SSE2",
        "F2 0F 59 /r : MULSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 59 /r : VMULPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 59 /r : VMULSD Vsd,Hsd,Wsd : +AVX"
    })
    static long mulsd(FpContext c, long a, long b) {
        return SseMath.mulsd(c, a, b);
    }

    @Encoding({
        "F3 0F 59 /r : MULSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 59 /r : VMULSS Vss,Hss,Wss : +AVX"
    })
    static int mulss(FpContext c, int a, int b) {
        return SseMath.mulss(c, a, b);
    }

    @Encoding({
        "NP 0F 5E /r : DIVPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 5E /r : VDIVPS Vps,Hps,Wps : +AVX"
    })
    static long divps(FpContext c, long a, long b) {
        return SseMath.divps(c, a, b);
    }

    @Encoding({
        "66 0F 5E /r : DIVPD Vpd,Wpd : +SSE2",
        "F2 0F 5E /r : DIVSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 5E /r : VDIVPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 5E /r : VDIVSD Vsd,Hsd,Wsd : +AVX"
    })
    static long divsd(FpContext c, long a, long b) {
        return SseMath.divsd(c, a, b);
    }

    @Encoding({
        "F3 0F 5E /r : DIVSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 5E /r : VDIVSS Vss,Hss,Wss : +AVX"
    })
    static int divss(FpContext c, int a, int b) {
        return SseMath.divss(c, a, b);
    }

    @Encoding({
        "NP 0F 51 /r : SQRTPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 51 /r : VSQRTPS Vps,Wps : +AVX"
    })
    static long sqrtps(FpContext c, long b) {
        return SseMath.sqrtps(c, b);
    }

    @Encoding({
        "66 0F 51 /r : SQRTPD Vpd,Wpd : +SSE2",
        "F2 0F 51 /r : SQRTSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 51 /r : VSQRTPD Vpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 51 /r : VSQRTSD Vsd,Hsd,Wsd : +AVX"
    })
    static long sqrtsd(FpContext c, long b) {
        return SseMath.sqrtsd(c, b);
    }

    @Encoding({
        "F3 0F 51 /r : SQRTSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 51 /r : VSQRTSS Vss,Hss,Wss : +AVX"
    })
    static int sqrtss(FpContext c, int b) {
        return SseMath.sqrtss(c, b);
    }

    @Encoding({"NP 0F 53 /r : RCPPS Vps,Wps : +SSE", "VEX.NP.0F.WIG 53 /r : VRCPPS Vps,Wps : +AVX"})
    static long rcpps(long b) {
        return pair(SseMath.rcpss((int) b), SseMath.rcpss((int) (b >>> 32)));
    }

    @Encoding({
        "F3 0F 53 /r : RCPSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 53 /r : VRCPSS Vss,Hss,Wss : +AVX"
    })
    static int rcpss(int b) {
        return SseMath.rcpss(b);
    }

    @Encoding({
        "NP 0F 52 /r : RSQRTPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 52 /r : VRSQRTPS Vps,Wps : +AVX"
    })
    static long rsqrtps(long b) {
        return pair(SseMath.rsqrtss((int) b), SseMath.rsqrtss((int) (b >>> 32)));
    }

    @Encoding({
        "F3 0F 52 /r : RSQRTSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 52 /r : VRSQRTSS Vss,Hss,Wss : +AVX"
    })
    static int rsqrtss(int b) {
        return SseMath.rsqrtss(b);
    }

    @Encoding({
        "66 0F 3A 40 /r : DPPS Vps,Wps,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 40 /r : VDPPS Vps,Hps,Wps,Ib : +AVX"
    })
    static void dpps(FpContext c, long[] v, int d, int a, int b, int imm) {
        SseMath.dpps(c, v, d, a, b, imm, 1);
    }

    @Encoding("VEX.256.66.0F3A.WIG 40 /r : VDPPS Vqq,Hqq,Wqq,Ib : +AVX")
    static void vdpps(FpContext c, long[] v, int d, int a, int b, int imm) {
        SseMath.dpps(c, v, d, a, b, imm, 2);
    }

    @Encoding({
        "66 0F 3A 41 /r : DPPD Vpd,Wpd,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 41 /r : VDPPD Vpd,Hpd,Wpd,Ib : +AVX"
    })
    static void dppd(FpContext c, long[] v, int d, int a, int b, int imm) {
        SseMath.dppd(c, v, d, a, b, imm);
    }

    // --- comparison
    // --------------------------------------------------------------------------------------------

    @Encoding({
        "NP 0F 5D /r : MINPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 5D /r : VMINPS Vps,Hps,Wps : +AVX"
    })
    static long minps(FpContext c, long a, long b) {
        return SseMath.minps(c, a, b);
    }

    @Encoding({
        "66 0F 5D /r : MINPD Vpd,Wpd : +SSE2",
        "F2 0F 5D /r : MINSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 5D /r : VMINPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 5D /r : VMINSD Vsd,Hsd,Wsd : +AVX"
    })
    static long minsd(FpContext c, long a, long b) {
        return SseMath.minsd(c, a, b);
    }

    @Encoding({
        "F3 0F 5D /r : MINSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 5D /r : VMINSS Vss,Hss,Wss : +AVX"
    })
    static int minss(FpContext c, int a, int b) {
        return SseMath.minss(c, a, b);
    }

    @Encoding({
        "NP 0F 5F /r : MAXPS Vps,Wps : +SSE",
        "VEX.NP.0F.WIG 5F /r : VMAXPS Vps,Hps,Wps : +AVX"
    })
    static long maxps(FpContext c, long a, long b) {
        return SseMath.maxps(c, a, b);
    }

    @Encoding({
        "66 0F 5F /r : MAXPD Vpd,Wpd : +SSE2",
        "F2 0F 5F /r : MAXSD Vsd,Wsd : +SSE2",
        "VEX.66.0F.WIG 5F /r : VMAXPD Vpd,Hpd,Wpd : +AVX",
        "VEX.LIG.F2.0F.WIG 5F /r : VMAXSD Vsd,Hsd,Wsd : +AVX"
    })
    static long maxsd(FpContext c, long a, long b) {
        return SseMath.maxsd(c, a, b);
    }

    @Encoding({
        "F3 0F 5F /r : MAXSS Vss,Wss : +SSE",
        "VEX.LIG.F3.0F.WIG 5F /r : VMAXSS Vss,Hss,Wss : +AVX"
    })
    static int maxss(FpContext c, int a, int b) {
        return SseMath.maxss(c, a, b);
    }

    @Encoding("NP 0F C2 /r : CMPPS Vps,Wps,Ib : +SSE")
    static long cmpps(FpContext c, long a, long b, int predicate) {
        return SseMath.cmpps(c, a, b, predicate & 7);
    }

    @Encoding({"66 0F C2 /r : CMPPD Vpd,Wpd,Ib : +SSE2", "F2 0F C2 /r : CMPSD Vsd,Wsd,Ib : +SSE2"})
    static long cmpsd(FpContext c, long a, long b, int predicate) {
        return SseMath.cmpsd(c, a, b, predicate & 7);
    }

    @Encoding("F3 0F C2 /r : CMPSS Vss,Wss,Ib : +SSE")
    static int cmpss(FpContext c, int a, int b, int predicate) {
        return SseMath.cmpss(c, a, b, predicate & 7);
    }

    // AVX has 32 predicates.
    @Encoding("VEX.NP.0F.WIG C2 /r : VCMPPS Vps,Hps,Wps,Ib : +AVX")
    static long vcmpps(FpContext c, long a, long b, int predicate) {
        return SseMath.cmpps(c, a, b, predicate);
    }

    @Encoding({
        "VEX.66.0F.WIG C2 /r : VCMPPD Vpd,Hpd,Wpd,Ib : +AVX",
        "VEX.LIG.F2.0F.WIG C2 /r : VCMPSD Vsd,Hsd,Wsd,Ib : +AVX"
    })
    static long vcmpsd(FpContext c, long a, long b, int predicate) {
        return SseMath.cmpsd(c, a, b, predicate);
    }

    @Encoding("VEX.LIG.F3.0F.WIG C2 /r : VCMPSS Vss,Hss,Wss,Ib : +AVX")
    static int vcmpss(FpContext c, int a, int b, int predicate) {
        return SseMath.cmpss(c, a, b, predicate);
    }

    /** The flags stay as they are if the comparison ends in #XM. */
    private static void setFlags(Cpu cpu, FpContext c, int flags) {
        if (c.pending() == 0) {
            cpu.setStatusFlags(flags);
        }
    }

    @Encoding({
        "NP 0F 2E /r : UCOMISS Vss,Wss : +SSE",
        "VEX.LIG.NP.0F.WIG 2E /r : VUCOMISS Vss,Wss : +AVX"
    })
    static void ucomiss(Cpu cpu, FpContext c, int a, int b) {
        setFlags(cpu, c, SseMath.ucomiss(c, a, b));
    }

    @Encoding({
        "66 0F 2E /r : UCOMISD Vsd,Wsd : +SSE2",
        "VEX.LIG.66.0F.WIG 2E /r : VUCOMISD Vsd,Wsd : +AVX"
    })
    static void ucomisd(Cpu cpu, FpContext c, long a, long b) {
        setFlags(cpu, c, SseMath.ucomisd(c, a, b));
    }

    @Encoding({
        "NP 0F 2F /r : COMISS Vss,Wss : +SSE",
        "VEX.LIG.NP.0F.WIG 2F /r : VCOMISS Vss,Wss : +AVX"
    })
    static void comiss(Cpu cpu, FpContext c, int a, int b) {
        setFlags(cpu, c, SseMath.comiss(c, a, b));
    }

    @Encoding({
        "66 0F 2F /r : COMISD Vsd,Wsd : +SSE2",
        "VEX.LIG.66.0F.WIG 2F /r : VCOMISD Vsd,Wsd : +AVX"
    })
    static void comisd(Cpu cpu, FpContext c, long a, long b) {
        setFlags(cpu, c, SseMath.comisd(c, a, b));
    }

    // --- conversion
    // --------------------------------------------------------------------------------------------

    @Encoding({
        "F2 0F 2A /r : CVTSI2SD Vsd,Ey : +SSE2",
        "VEX.LIG.F2.0F 2A /r : VCVTSI2SD Vsd,Hsd,Ey : +AVX"
    })
    static long cvtsi2sd(FpContext c, int size, long b) {
        return size == 8 ? SseConvert.cvtsi2sd(c, b) : SseConvert.cvtsi2sd((int) b);
    }

    @Encoding({
        "F3 0F 2A /r : CVTSI2SS Vss,Ey : +SSE",
        "VEX.LIG.F3.0F 2A /r : VCVTSI2SS Vss,Hss,Ey : +AVX"
    })
    static int cvtsi2ss(FpContext c, int size, long b) {
        return size == 8 ? SseConvert.cvtsi2ss(c, b) : SseConvert.cvtsi2ss(c, (int) b);
    }

    @Encoding({
        "F2 0F 2C /r : CVTTSD2SI Gy,Wsd : +SSE2",
        "VEX.LIG.F2.0F 2C /r : VCVTTSD2SI Gy,Wsd : +AVX"
    })
    static long cvttsd2si(FpContext c, int size, long b) {
        return size == 8 ? SseConvert.cvttsd2si64(c, b) : SseConvert.cvttsd2si32(c, b);
    }

    @Encoding({
        "F2 0F 2D /r : CVTSD2SI Gy,Wsd : +SSE2",
        "VEX.LIG.F2.0F 2D /r : VCVTSD2SI Gy,Wsd : +AVX"
    })
    static long cvtsd2si(FpContext c, int size, long b) {
        return size == 8 ? SseConvert.cvtsd2si64(c, b) : SseConvert.cvtsd2si32(c, b);
    }

    @Encoding({
        "F3 0F 2C /r : CVTTSS2SI Gy,Wss : +SSE",
        "VEX.LIG.F3.0F 2C /r : VCVTTSS2SI Gy,Wss : +AVX"
    })
    static long cvttss2si(FpContext c, int size, int b) {
        return size == 8 ? SseConvert.cvttss2si64(c, b) : SseConvert.cvttss2si32(c, b);
    }

    @Encoding({
        "F3 0F 2D /r : CVTSS2SI Gy,Wss : +SSE",
        "VEX.LIG.F3.0F 2D /r : VCVTSS2SI Gy,Wss : +AVX"
    })
    static long cvtss2si(FpContext c, int size, int b) {
        return size == 8 ? SseConvert.cvtss2si64(c, b) : SseConvert.cvtss2si32(c, b);
    }

    @Encoding({
        "F3 0F 5A /r : CVTSS2SD Vsd,Wss : +SSE2",
        "VEX.LIG.F3.0F.WIG 5A /r : VCVTSS2SD Vsd,Hsd,Wss : +AVX"
    })
    static long cvtss2sd(FpContext c, int b) {
        return SseConvert.cvtss2sd(c, b);
    }

    @Encoding({
        "F2 0F 5A /r : CVTSD2SS Vss,Wsd : +SSE2",
        "VEX.LIG.F2.0F.WIG 5A /r : VCVTSD2SS Vss,Hss,Wsd : +AVX"
    })
    static int cvtsd2ss(FpContext c, long b) {
        return SseConvert.cvtsd2ss(c, b);
    }

    @Encoding({
        "NP 0F 5A /r : CVTPS2PD Vpd,Wq : +SSE2",
        "VEX.128.NP.0F.WIG 5A /r : VCVTPS2PD Vpd,Wq : +AVX",
        "VEX.256.NP.0F.WIG 5A /r : VCVTPS2PD Vqq,Wdq : +AVX halves"
    })
    static void cvtps2pd(FpContext c, long[] v, int d, long b) {
        v[d] = SseConvert.cvtss2sd(c, (int) b);
        v[d + 1] = SseConvert.cvtss2sd(c, (int) (b >>> 32));
    }

    @Encoding({
        "66 0F 5A /r : CVTPD2PS Vq,Wpd : +SSE2",
        "VEX.128.66.0F.WIG 5A /r : VCVTPD2PS Vq,Wpd : +AVX",
        "VEX.256.66.0F.WIG 5A /r : VCVTPD2PS Vdq,Wpd : +AVX"
    })
    static long cvtpd2ps(FpContext c, long[] v, int b) {
        int low = SseConvert.cvtsd2ss(c, v[b]);
        return pair(low, SseConvert.cvtsd2ss(c, v[b + 1]));
    }

    @Encoding({
        "NP 0F 5B /r : CVTDQ2PS Vps,Wx : +SSE2",
        "VEX.NP.0F.WIG 5B /r : VCVTDQ2PS Vps,Wx : +AVX"
    })
    static long cvtdq2ps(FpContext c, long b) {
        return SseConvert.cvtdq2ps(c, b);
    }

    @Encoding({
        "66 0F 5B /r : CVTPS2DQ Vx,Wps : +SSE2",
        "VEX.66.0F.WIG 5B /r : VCVTPS2DQ Vx,Wps : +AVX"
    })
    static long cvtps2dq(FpContext c, long b) {
        return SseConvert.cvtps2dq(c, b);
    }

    @Encoding({
        "F3 0F 5B /r : CVTTPS2DQ Vx,Wps : +SSE2",
        "VEX.F3.0F.WIG 5B /r : VCVTTPS2DQ Vx,Wps : +AVX"
    })
    static long cvttps2dq(FpContext c, long b) {
        return SseConvert.cvttps2dq(c, b);
    }

    @Encoding({
        "F3 0F E6 /r : CVTDQ2PD Vpd,Wq : +SSE2",
        "VEX.128.F3.0F.WIG E6 /r : VCVTDQ2PD Vpd,Wq : +AVX",
        "VEX.256.F3.0F.WIG E6 /r : VCVTDQ2PD Vqq,Wdq : +AVX halves"
    })
    static void cvtdq2pd(long[] v, int d, long b) {
        v[d] = SseConvert.cvtsi2sd((int) b);
        v[d + 1] = SseConvert.cvtsi2sd((int) (b >>> 32));
    }

    @Encoding({
        "F2 0F E6 /r : CVTPD2DQ Vq,Wpd : +SSE2",
        "66 0F 2D /r : CVTPD2PI Pq,Wpd : +SSE2",
        "VEX.128.F2.0F.WIG E6 /r : VCVTPD2DQ Vq,Wpd : +AVX",
        "VEX.256.F2.0F.WIG E6 /r : VCVTPD2DQ Vdq,Wpd : +AVX"
    })
    static long cvtpd2dq(FpContext c, long[] v, int b) {
        int low = SseConvert.cvtsd2si32(c, v[b]);
        return pair(low, SseConvert.cvtsd2si32(c, v[b + 1]));
    }

    @Encoding({
        "66 0F E6 /r : CVTTPD2DQ Vq,Wpd : +SSE2",
        "66 0F 2C /r : CVTTPD2PI Pq,Wpd : +SSE2",
        "VEX.128.66.0F.WIG E6 /r : VCVTTPD2DQ Vq,Wpd : +AVX",
        "VEX.256.66.0F.WIG E6 /r : VCVTTPD2DQ Vdq,Wpd : +AVX"
    })
    static long cvttpd2dq(FpContext c, long[] v, int b) {
        int low = SseConvert.cvttsd2si32(c, v[b]);
        return pair(low, SseConvert.cvttsd2si32(c, v[b + 1]));
    }

    // As Intel has it the x87 unit becomes the MMX unit here whatever the operand is; CPUs of AMD
    // leave it
    // alone when the operand is in memory, and change it even if a conversion to or from MMX ends
    // in #XM.
    @Encoding("NP 0F 2A /r : CVTPI2PS Vsd,Qq : +SSE")
    static long cvtpi2ps(FpContext c, long b) {
        return SseConvert.cvtdq2ps(c, b);
    }

    // With an operand in memory no MMX register is used, and the x87 unit left alone.
    @Encoding({
        "66 0F 2A /r reg : CVTPI2PD Vpd,Nq : +SSE2",
        "66 0F 2A /r mem : CVTPI2PD Vpd,Wq : +SSE2"
    })
    static void cvtpi2pd(long[] v, int d, long b) {
        cvtdq2pd(v, d, b);
    }

    @Encoding("NP 0F 2D /r : CVTPS2PI Pq,Wq : +SSE")
    static long cvtps2pi(FpContext c, long b) {
        return SseConvert.cvtps2dq(c, b);
    }

    @Encoding("NP 0F 2C /r : CVTTPS2PI Pq,Wq : +SSE")
    static long cvttps2pi(FpContext c, long b) {
        return SseConvert.cvttps2dq(c, b);
    }

    // --- rounding to integers
    // ----------------------------------------------------------------------------------

    @Encoding({
        "66 0F 3A 08 /r : ROUNDPS Vps,Wps,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 08 /r : VROUNDPS Vps,Wps,Ib : +AVX"
    })
    static long roundps(FpContext c, long b, int imm) {
        int low = SseConvert.roundss(c, (int) b, imm);
        return pair(low, SseConvert.roundss(c, (int) (b >>> 32), imm));
    }

    @Encoding({
        "66 0F 3A 09 /r : ROUNDPD Vpd,Wpd,Ib : +SSE4_1",
        "66 0F 3A 0B /r : ROUNDSD Vsd,Wsd,Ib : +SSE4_1",
        "VEX.66.0F3A.WIG 09 /r : VROUNDPD Vpd,Wpd,Ib : +AVX",
        "VEX.LIG.66.0F3A.WIG 0B /r : VROUNDSD Vsd,Hsd,Wsd,Ib : +AVX"
    })
    static long roundsd(FpContext c, long b, int imm) {
        return SseConvert.roundsd(c, b, imm);
    }

    @Encoding({
        "66 0F 3A 0A /r : ROUNDSS Vss,Wss,Ib : +SSE4_1",
        "VEX.LIG.66.0F3A.WIG 0A /r : VROUNDSS Vss,Hss,Wss,Ib : +AVX"
    })
    static int roundss(FpContext c, int b, int imm) {
        return SseConvert.roundss(c, b, imm);
    }
}
