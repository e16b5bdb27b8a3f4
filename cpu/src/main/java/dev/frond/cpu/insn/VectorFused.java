// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.fpu.FpContext;
import dev.frond.cpu.fpu.SseConvert;
import dev.frond.cpu.fpu.SseMath;

/** FMA: x * y + z with one rounding, in three orders of operands; F16C: half precision. */
public final class VectorFused {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorFused() {}

    private static long pair(int low, int high) {
        return low & LOW | (long) high << 32;
    }

    private static long fusedPair(
            FpContext c, long x, long y, long z, int flipProduct, int flipLow, int flipHigh) {
        int low = SseMath.fmass(c, (int) x, (int) y, (int) z, flipProduct, flipLow);
        int high =
                SseMath.fmass(
                        c,
                        (int) (x >>> 32),
                        (int) (y >>> 32),
                        (int) (z >>> 32),
                        flipProduct,
                        flipHigh);
        return pair(low, high);
    }

    @Encoding({
        "VEX.66.0F38.W0 98 /r : VFMADD132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 A8 /r : VFMADD213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 B8 /r : VFMADD231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fmaddps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 0, 0, 0);
    }

    @Encoding({
        "VEX.66.0F38.W1 98 /r : VFMADD132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 A8 /r : VFMADD213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 B8 /r : VFMADD231PD Vpd,Hpd,Wpd : +FMA 231",
        "VEX.LIG.66.0F38.W1 99 /r : VFMADD132SD Vsd,Hsd,Wsd : +FMA 132",
        "VEX.LIG.66.0F38.W1 A9 /r : VFMADD213SD Vsd,Hsd,Wsd : +FMA 213",
        "VEX.LIG.66.0F38.W1 B9 /r : VFMADD231SD Vsd,Hsd,Wsd : +FMA 231"
    })
    static long fmaddpd(FpContext c, long x, long y, long z) {
        return SseMath.fmasd(c, x, y, z, 0, 0);
    }

    @Encoding({
        "VEX.LIG.66.0F38.W0 99 /r : VFMADD132SS Vss,Hss,Wss : +FMA 132",
        "VEX.LIG.66.0F38.W0 A9 /r : VFMADD213SS Vss,Hss,Wss : +FMA 213",
        "VEX.LIG.66.0F38.W0 B9 /r : VFMADD231SS Vss,Hss,Wss : +FMA 231"
    })
    static int fmaddss(FpContext c, int x, int y, int z) {
        return SseMath.fmass(c, x, y, z, 0, 0);
    }

    @Encoding({
        "VEX.66.0F38.W0 9A /r : VFMSUB132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 AA /r : VFMSUB213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 BA /r : VFMSUB231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fmsubps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 0, 1, 1);
    }

    @Encoding({
        "VEX.66.0F38.W1 9A /r : VFMSUB132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 AA /r : VFMSUB213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 BA /r : VFMSUB231PD Vpd,Hpd,Wpd : +FMA 231",
        "VEX.LIG.66.0F38.W1 9B /r : VFMSUB132SD Vsd,Hsd,Wsd : +FMA 132",
        "VEX.LIG.66.0F38.W1 AB /r : VFMSUB213SD Vsd,Hsd,Wsd : +FMA 213",
        "VEX.LIG.66.0F38.W1 BB /r : VFMSUB231SD Vsd,Hsd,Wsd : +FMA 231"
    })
    static long fmsubpd(FpContext c, long x, long y, long z) {
        return SseMath.fmasd(c, x, y, z, 0, 1);
    }

    @Encoding({
        "VEX.LIG.66.0F38.W0 9B /r : VFMSUB132SS Vss,Hss,Wss : +FMA 132",
        "VEX.LIG.66.0F38.W0 AB /r : VFMSUB213SS Vss,Hss,Wss : +FMA 213",
        "VEX.LIG.66.0F38.W0 BB /r : VFMSUB231SS Vss,Hss,Wss : +FMA 231"
    })
    static int fmsubss(FpContext c, int x, int y, int z) {
        return SseMath.fmass(c, x, y, z, 0, 1);
    }

    @Encoding({
        "VEX.66.0F38.W0 9C /r : VFNMADD132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 AC /r : VFNMADD213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 BC /r : VFNMADD231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fnmaddps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 1, 0, 0);
    }

    @Encoding({
        "VEX.66.0F38.W1 9C /r : VFNMADD132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 AC /r : VFNMADD213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 BC /r : VFNMADD231PD Vpd,Hpd,Wpd : +FMA 231",
        "VEX.LIG.66.0F38.W1 9D /r : VFNMADD132SD Vsd,Hsd,Wsd : +FMA 132",
        "VEX.LIG.66.0F38.W1 AD /r : VFNMADD213SD Vsd,Hsd,Wsd : +FMA 213",
        "VEX.LIG.66.0F38.W1 BD /r : VFNMADD231SD Vsd,Hsd,Wsd : +FMA 231"
    })
    static long fnmaddpd(FpContext c, long x, long y, long z) {
        return SseMath.fmasd(c, x, y, z, 1, 0);
    }

    @Encoding({
        "VEX.LIG.66.0F38.W0 9D /r : VFNMADD132SS Vss,Hss,Wss : +FMA 132",
        "VEX.LIG.66.0F38.W0 AD /r : VFNMADD213SS Vss,Hss,Wss : +FMA 213",
        "VEX.LIG.66.0F38.W0 BD /r : VFNMADD231SS Vss,Hss,Wss : +FMA 231"
    })
    static int fnmaddss(FpContext c, int x, int y, int z) {
        return SseMath.fmass(c, x, y, z, 1, 0);
    }

    @Encoding({
        "VEX.66.0F38.W0 9E /r : VFNMSUB132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 AE /r : VFNMSUB213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 BE /r : VFNMSUB231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fnmsubps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 1, 1, 1);
    }

    @Encoding({
        "VEX.66.0F38.W1 9E /r : VFNMSUB132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 AE /r : VFNMSUB213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 BE /r : VFNMSUB231PD Vpd,Hpd,Wpd : +FMA 231",
        "VEX.LIG.66.0F38.W1 9F /r : VFNMSUB132SD Vsd,Hsd,Wsd : +FMA 132",
        "VEX.LIG.66.0F38.W1 AF /r : VFNMSUB213SD Vsd,Hsd,Wsd : +FMA 213",
        "VEX.LIG.66.0F38.W1 BF /r : VFNMSUB231SD Vsd,Hsd,Wsd : +FMA 231"
    })
    static long fnmsubpd(FpContext c, long x, long y, long z) {
        return SseMath.fmasd(c, x, y, z, 1, 1);
    }

    @Encoding({
        "VEX.LIG.66.0F38.W0 9F /r : VFNMSUB132SS Vss,Hss,Wss : +FMA 132",
        "VEX.LIG.66.0F38.W0 AF /r : VFNMSUB213SS Vss,Hss,Wss : +FMA 213",
        "VEX.LIG.66.0F38.W0 BF /r : VFNMSUB231SS Vss,Hss,Wss : +FMA 231"
    })
    static int fnmsubss(FpContext c, int x, int y, int z) {
        return SseMath.fmass(c, x, y, z, 1, 1);
    }

    @Encoding({
        "VEX.66.0F38.W0 96 /r : VFMADDSUB132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 A6 /r : VFMADDSUB213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 B6 /r : VFMADDSUB231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fmaddsubps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 0, 1, 0);
    }

    @Encoding({
        "VEX.66.0F38.W1 96 /r : VFMADDSUB132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 A6 /r : VFMADDSUB213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 B6 /r : VFMADDSUB231PD Vpd,Hpd,Wpd : +FMA 231"
    })
    static void fmaddsubpd(FpContext c, long[] v, int d, int x, int y, int z) {
        v[d] = SseMath.fmasd(c, v[x], v[y], v[z], 0, 1);
        v[d + 1] = SseMath.fmasd(c, v[x + 1], v[y + 1], v[z + 1], 0, 0);
    }

    @Encoding({
        "VEX.66.0F38.W0 97 /r : VFMSUBADD132PS Vps,Hps,Wps : +FMA 132",
        "VEX.66.0F38.W0 A7 /r : VFMSUBADD213PS Vps,Hps,Wps : +FMA 213",
        "VEX.66.0F38.W0 B7 /r : VFMSUBADD231PS Vps,Hps,Wps : +FMA 231"
    })
    static long fmsubaddps(FpContext c, long x, long y, long z) {
        return fusedPair(c, x, y, z, 0, 0, 1);
    }

    @Encoding({
        "VEX.66.0F38.W1 97 /r : VFMSUBADD132PD Vpd,Hpd,Wpd : +FMA 132",
        "VEX.66.0F38.W1 A7 /r : VFMSUBADD213PD Vpd,Hpd,Wpd : +FMA 213",
        "VEX.66.0F38.W1 B7 /r : VFMSUBADD231PD Vpd,Hpd,Wpd : +FMA 231"
    })
    static void fmsubaddpd(FpContext c, long[] v, int d, int x, int y, int z) {
        v[d] = SseMath.fmasd(c, v[x], v[y], v[z], 0, 0);
        v[d + 1] = SseMath.fmasd(c, v[x + 1], v[y + 1], v[z + 1], 0, 1);
    }

    // --- half precision
    // ----------------------------------------------------------------------------------

    @Encoding({
        "VEX.128.66.0F38.W0 13 /r : VCVTPH2PS Vps,Wq : +F16C",
        "VEX.256.66.0F38.W0 13 /r : VCVTPH2PS Vqq,Wdq : +F16C halves"
    })
    static void vcvtph2ps(FpContext c, long[] v, int d, long b) {
        int first = SseConvert.cvtph2ps(c, (int) b);
        v[d] = pair(first, SseConvert.cvtph2ps(c, (int) (b >>> 16)));
        int third = SseConvert.cvtph2ps(c, (int) (b >>> 32));
        v[d + 1] = pair(third, SseConvert.cvtph2ps(c, (int) (b >>> 48)));
    }

    private static long halves(FpContext c, long a, int imm) {
        long low = SseConvert.cvtps2ph(c, (int) a, imm) & 0xFFFFL;
        return low | (SseConvert.cvtps2ph(c, (int) (a >>> 32), imm) & 0xFFFFL) << 16;
    }

    @Encoding({
        "VEX.128.66.0F3A.W0 1D /r : VCVTPS2PH Wq,Vps,Ib : +F16C",
        "VEX.256.66.0F3A.W0 1D /r : VCVTPS2PH Wdq,Vps,Ib : +F16C"
    })
    static long vcvtps2ph(FpContext c, long[] v, int a, int imm) {
        long low = halves(c, v[a], imm);
        return low | halves(c, v[a + 1], imm) << 32;
    }
}
