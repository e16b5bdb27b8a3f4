// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** Moves to, from and between MMX and XMM registers. */
public final class VectorMoves {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorMoves() {}

    @Encoding({
        "NP 0F 28 /r : MOVAPS Vps,Wps : +SSE",
        "66 0F 28 /r : MOVAPD Vpd,Wpd : +SSE2",
        "NP 0F 29 /r : MOVAPS Wps,Vps : +SSE",
        "66 0F 29 /r : MOVAPD Wpd,Vpd : +SSE2",
        "66 0F 6F /r : MOVDQA Vx,Wx : +SSE2",
        "66 0F 7F /r : MOVDQA Wx,Vx : +SSE2",
        "NP 0F 10 /r : MOVUPS Vps,Wps : +SSE unaligned",
        "66 0F 10 /r : MOVUPD Vpd,Wpd : +SSE2 unaligned",
        "NP 0F 11 /r : MOVUPS Wps,Vps : +SSE unaligned",
        "66 0F 11 /r : MOVUPD Wpd,Vpd : +SSE2 unaligned",
        "F3 0F 6F /r : MOVDQU Vx,Wx : +SSE2 unaligned",
        "F3 0F 7F /r : MOVDQU Wx,Vx : +SSE2 unaligned",
        "F2 0F F0 /r mem : LDDQU Vx,Wx : +SSE3 unaligned",
        "NP 0F 2B /r mem : MOVNTPS Wps,Vps : +SSE",
        "66 0F 2B /r mem : MOVNTPD Wpd,Vpd : +SSE2",
        "66 0F E7 /r mem : MOVNTDQ Wx,Vx : +SSE2",
        "66 0F 38 2A /r mem : MOVNTDQA Vx,Wx : +SSE4_1",
        "F3 0F 2B /r mem : MOVNTSS Wss,Vss : +SSE4A",
        "F2 0F 2B /r mem : MOVNTSD Wsd,Vsd : +SSE4A",
        "NP 0F 6F /r : MOVQ Pq,Qq : +MMX",
        "NP 0F 7F /r : MOVQ Qq,Pq : +MMX",
        "NP 0F E7 /r mem : MOVNTQ Qq,Pq : +SSE",
        "NP 0F 6E /r : MOVD Py,Ey : +MMX",
        "NP 0F 7E /r : MOVD Ey,Py : +MMX",
        "66 0F 6E /r : MOVD Vy,Ey : +SSE2",
        "66 0F 7E /r : MOVD Ey,Vy : +SSE2",
        "F3 0F 7E /r : MOVQ Vq,Wq : +SSE2",
        "66 0F D6 /r : MOVQ Wq,Vq : +SSE2",
        "F3 0F D6 /r reg : MOVQ2DQ Vq,Nq : +SSE2",
        "F2 0F D6 /r reg : MOVDQ2Q Pq,Uq : +SSE2",
        "F3 0F 10 /r reg : MOVSS Vss,Wss : +SSE",
        "F3 0F 10 /r mem : MOVSS Vd,Wd : +SSE",
        "F3 0F 11 /r : MOVSS Wss,Vss : +SSE",
        "F2 0F 10 /r reg : MOVSD Vsd,Wsd : +SSE2",
        "F2 0F 10 /r mem : MOVSD Vq,Wq : +SSE2",
        "F2 0F 11 /r : MOVSD Wsd,Vsd : +SSE2",
        "NP 0F 12 /r mem : MOVLPS Vsd,Wsd : +SSE",
        "66 0F 12 /r mem : MOVLPD Vsd,Wsd : +SSE2",
        "NP 0F 13 /r mem : MOVLPS Wsd,Vsd : +SSE",
        "66 0F 13 /r mem : MOVLPD Wsd,Vsd : +SSE2",
        "VEX.NP.0F.WIG 28 /r : VMOVAPS Vps,Wps : +AVX aligned",
        "VEX.66.0F.WIG 28 /r : VMOVAPD Vpd,Wpd : +AVX aligned",
        "VEX.NP.0F.WIG 29 /r : VMOVAPS Wps,Vps : +AVX aligned",
        "VEX.66.0F.WIG 29 /r : VMOVAPD Wpd,Vpd : +AVX aligned",
        "VEX.66.0F.WIG 6F /r : VMOVDQA Vx,Wx : +AVX aligned",
        "VEX.66.0F.WIG 7F /r : VMOVDQA Wx,Vx : +AVX aligned",
        "VEX.NP.0F.WIG 10 /r : VMOVUPS Vps,Wps : +AVX",
        "VEX.66.0F.WIG 10 /r : VMOVUPD Vpd,Wpd : +AVX",
        "VEX.NP.0F.WIG 11 /r : VMOVUPS Wps,Vps : +AVX",
        "VEX.66.0F.WIG 11 /r : VMOVUPD Wpd,Vpd : +AVX",
        "VEX.F3.0F.WIG 6F /r : VMOVDQU Vx,Wx : +AVX",
        "VEX.F3.0F.WIG 7F /r : VMOVDQU Wx,Vx : +AVX",
        "VEX.F2.0F.WIG F0 /r mem : VLDDQU Vx,Wx : +AVX",
        "VEX.NP.0F.WIG 2B /r mem : VMOVNTPS Wps,Vps : +AVX aligned",
        "VEX.66.0F.WIG 2B /r mem : VMOVNTPD Wpd,Vpd : +AVX aligned",
        "VEX.66.0F.WIG E7 /r mem : VMOVNTDQ Wx,Vx : +AVX aligned",
        "VEX.66.0F38.WIG 2A /r mem : VMOVNTDQA Vx,Wx : +AVX/AVX2 aligned",
        "VEX.128.66.0F 6E /r : VMOVD Vy,Ey : +AVX",
        "VEX.128.66.0F 7E /r : VMOVD Ey,Vy : +AVX",
        "VEX.128.F3.0F.WIG 7E /r : VMOVQ Vq,Wq : +AVX",
        "VEX.128.66.0F.WIG D6 /r : VMOVQ Wq,Vq : +AVX",
        "VEX.LIG.F3.0F.WIG 10 /r reg : VMOVSS Vss,Hss,Wss : +AVX",
        "VEX.LIG.F3.0F.WIG 10 /r mem : VMOVSS Vd,Wd : +AVX",
        "VEX.LIG.F3.0F.WIG 11 /r reg : VMOVSS Uss,Hss,Vss : +AVX",
        "VEX.LIG.F3.0F.WIG 11 /r mem : VMOVSS Wss,Vss : +AVX",
        "VEX.LIG.F2.0F.WIG 10 /r reg : VMOVSD Vsd,Hsd,Wsd : +AVX",
        "VEX.LIG.F2.0F.WIG 10 /r mem : VMOVSD Vq,Wq : +AVX",
        "VEX.LIG.F2.0F.WIG 11 /r reg : VMOVSD Usd,Hsd,Vsd : +AVX",
        "VEX.LIG.F2.0F.WIG 11 /r mem : VMOVSD Wsd,Vsd : +AVX",
        "VEX.128.NP.0F.WIG 12 /r mem : VMOVLPS Vsd,Hsd,Wsd : +AVX",
        "VEX.128.66.0F.WIG 12 /r mem : VMOVLPD Vsd,Hsd,Wsd : +AVX",
        "VEX.128.NP.0F.WIG 13 /r mem : VMOVLPS Wsd,Vsd : +AVX",
        "VEX.128.66.0F.WIG 13 /r mem : VMOVLPD Wsd,Vsd : +AVX"
    })
    static long mov(long source) {
        return source;
    }

    @Encoding({
        "NP 0F 12 /r reg : MOVHLPS Vps,Ups : +SSE",
        "VEX.128.NP.0F.WIG 12 /r reg : VMOVHLPS Vps,Hps,Ups : +AVX"
    })
    static void movhlps(long[] v, int d, int a, int b) {
        v[d] = v[b + 1];
        v[d + 1] = v[a + 1];
    }

    @Encoding({
        "NP 0F 16 /r reg : MOVLHPS Vps,Uq : +SSE",
        "NP 0F 16 /r mem : MOVHPS Vps,Wq : +SSE",
        "66 0F 16 /r mem : MOVHPD Vpd,Wq : +SSE2",
        "VEX.128.NP.0F.WIG 16 /r reg : VMOVLHPS Vps,Hps,Uq : +AVX",
        "VEX.128.NP.0F.WIG 16 /r mem : VMOVHPS Vps,Hps,Wq : +AVX",
        "VEX.128.66.0F.WIG 16 /r mem : VMOVHPD Vpd,Hpd,Wq : +AVX"
    })
    static void movhps(long[] v, int d, int a, long b) {
        v[d] = v[a];
        v[d + 1] = b;
    }

    @Encoding({
        "NP 0F 17 /r mem : MOVHPS Wq,Vps : +SSE",
        "66 0F 17 /r mem : MOVHPD Wq,Vpd : +SSE2",
        "VEX.128.NP.0F.WIG 17 /r mem : VMOVHPS Wq,Vps : +AVX",
        "VEX.128.66.0F.WIG 17 /r mem : VMOVHPD Wq,Vpd : +AVX"
    })
    static long movhpsStore(long[] v, int a) {
        return v[a + 1];
    }

    @Encoding({
        "F2 0F 12 /r : MOVDDUP Vpd,Wq : +SSE3",
        "VEX.128.F2.0F.WIG 12 /r : VMOVDDUP Vpd,Wq : +AVX"
    })
    static void movddup(long[] v, int d, long b) {
        v[d] = b;
        v[d + 1] = b;
    }

    @Encoding({
        "F3 0F 12 /r : MOVSLDUP Vps,Wps : +SSE3",
        "VEX.F3.0F.WIG 12 /r : VMOVSLDUP Vps,Wps : +AVX"
    })
    static long movsldup(long a) {
        return a & LOW | a << 32;
    }

    @Encoding({
        "F3 0F 16 /r : MOVSHDUP Vps,Wps : +SSE3",
        "VEX.F3.0F.WIG 16 /r : VMOVSHDUP Vps,Wps : +AVX"
    })
    static long movshdup(long a) {
        return a & ~LOW | a >>> 32;
    }

    // --- signs to general registers
    // --------------------------------------------------------------------

    @Encoding({
        "NP 0F 50 /r reg : MOVMSKPS Gd,Ups : +SSE",
        "VEX.128.NP.0F.WIG 50 /r reg : VMOVMSKPS Gd,Ups : +AVX"
    })
    static long movmskps(long[] v, int a) {
        return v[a] >>> 31 & 1 | v[a] >>> 62 & 2 | v[a + 1] >>> 29 & 4 | v[a + 1] >>> 60 & 8;
    }

    @Encoding({
        "66 0F 50 /r reg : MOVMSKPD Gd,Upd : +SSE2",
        "VEX.128.66.0F.WIG 50 /r reg : VMOVMSKPD Gd,Upd : +AVX"
    })
    static long movmskpd(long[] v, int a) {
        return v[a] >>> 63 | v[a + 1] >>> 62 & 2;
    }

    @Encoding("NP 0F D7 /r reg : PMOVMSKB Gd,Nq : +SSE")
    static long pmovmskb(long a) {
        // The product brings bit 8 * i to bit 56 + i.
        return (a >>> 7 & 0x0101_0101_0101_0101L) * 0x0102_0408_1020_4080L >>> 56;
    }

    @Encoding({
        "66 0F D7 /r reg : PMOVMSKB Gd,Ux : +SSE2",
        "VEX.128.66.0F.WIG D7 /r reg : VPMOVMSKB Gd,Ux : +AVX"
    })
    static long pmovmskb(long[] v, int a) {
        return pmovmskb(v[a]) | pmovmskb(v[a + 1]) << 8;
    }

    // --- single elements
    // ---------------------------------------------------------------------------------

    private static void insert(long[] v, int d, int a, long value, int bit, long mask) {
        v[d] = v[a];
        v[d + 1] = v[a + 1];
        int at = d + (bit >>> 6);
        v[at] = v[at] & ~(mask << bit) | (value & mask) << bit;
    }

    @Encoding({
        "66 0F C4 /r : PINSRW Vx,Ew,Ib : +SSE2",
        "VEX.128.66.0F.WIG C4 /r : VPINSRW Vx,Hx,Ew,Ib : +AVX"
    })
    static void pinsrw(long[] v, int d, int a, long b, int element) {
        insert(v, d, a, b, (element & 7) * 16, 0xFFFF);
    }

    @Encoding("NP 0F C4 /r : PINSRW Pq,Ew,Ib : +SSE")
    static long pinsrw(long a, long b, int element) {
        int bit = (element & 3) * 16;
        return a & ~(0xFFFFL << bit) | (b & 0xFFFF) << bit;
    }

    @Encoding({
        "66 0F 3A 20 /r reg : PINSRB Vx,Rd,Ib : +SSE4_1",
        "66 0F 3A 20 /r mem : PINSRB Vx,Mb,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 20 /r reg : VPINSRB Vx,Hx,Rd,Ib : +AVX",
        "VEX.128.66.0F3A.WIG 20 /r mem : VPINSRB Vx,Hx,Mb,Ib : +AVX"
    })
    static void pinsrb(long[] v, int d, int a, long b, int element) {
        insert(v, d, a, b, (element & 15) * 8, 0xFF);
    }

    @Encoding({
        "66 0F 3A 22 /r : PINSRD Vx,Ey,Ib : +SSE4_1",
        "VEX.128.66.0F3A.W0 22 /r : VPINSRD Vx,Hx,Ed,Ib : +AVX",
        "VEX.128.66.0F3A.W1 22 /r : VPINSRQ Vx,Hx,Eq,Ib : o64 +AVX"
    })
    static void pinsrd(int size, long[] v, int d, int a, long b, int element) {
        if (size == 8) {
            insert(v, d, a, b, (element & 1) * 64, -1L);
        } else {
            insert(v, d, a, b, (element & 3) * 32, LOW);
        }
    }

    @Encoding({
        "66 0F 3A 21 /r reg : INSERTPS Vps,Ups,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 21 /r reg : VINSERTPS Vps,Hps,Ups,Ib : +AVX"
    })
    static void insertpsRegister(long[] v, int d, int a, int b, int imm) {
        insertps(v, d, a, v[b + (imm >>> 7)] >>> (imm >>> 1 & 32), imm);
    }

    @Encoding({
        "66 0F 3A 21 /r mem : INSERTPS Vps,Wd,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 21 /r mem : VINSERTPS Vps,Hps,Wd,Ib : +AVX"
    })
    static void insertps(long[] v, int d, int a, long b, int imm) {
        insert(v, d, a, b, (imm >>> 4 & 3) * 32, LOW);
        v[d] &= keep(imm);
        v[d + 1] &= keep(imm >>> 2);
    }

    /** The elements of 64 bits that INSERTPS's zero mask leaves. */
    private static long keep(int zero) {
        return ((zero & 1) != 0 ? 0 : LOW) | ((zero & 2) != 0 ? 0 : ~LOW);
    }

    private static long extract(long[] v, int a, int bit) {
        return v[a + (bit >>> 6)] >>> bit;
    }

    @Encoding({
        "66 0F C5 /r reg : PEXTRW Gd,Ux,Ib : +SSE2",
        "66 0F 3A 15 /r reg : PEXTRW Rd,Vx,Ib : +SSE4_1",
        "66 0F 3A 15 /r mem : PEXTRW Mw,Vx,Ib : +SSE4_1",
        "VEX.128.66.0F.WIG C5 /r reg : VPEXTRW Gd,Ux,Ib : +AVX",
        "VEX.128.66.0F3A.WIG 15 /r reg : VPEXTRW Rd,Vx,Ib : +AVX",
        "VEX.128.66.0F3A.WIG 15 /r mem : VPEXTRW Mw,Vx,Ib : +AVX"
    })
    static long pextrw(long[] v, int a, int element) {
        return extract(v, a, (element & 7) * 16) & 0xFFFF;
    }

    @Encoding("NP 0F C5 /r reg : PEXTRW Gd,Nq,Ib : +SSE")
    static long pextrw(long a, int element) {
        return a >>> (element & 3) * 16 & 0xFFFF;
    }

    @Encoding({
        "66 0F 3A 14 /r reg : PEXTRB Rd,Vx,Ib : +SSE4_1",
        "66 0F 3A 14 /r mem : PEXTRB Mb,Vx,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 14 /r reg : VPEXTRB Rd,Vx,Ib : +AVX",
        "VEX.128.66.0F3A.WIG 14 /r mem : VPEXTRB Mb,Vx,Ib : +AVX"
    })
    static long pextrb(long[] v, int a, int element) {
        return extract(v, a, (element & 15) * 8) & 0xFF;
    }

    @Encoding({
        "66 0F 3A 16 /r : PEXTRD Ey,Vx,Ib : +SSE4_1",
        "VEX.128.66.0F3A.W0 16 /r : VPEXTRD Ed,Vx,Ib : +AVX",
        "VEX.128.66.0F3A.W1 16 /r : VPEXTRQ Eq,Vx,Ib : o64 +AVX"
    })
    static long pextrd(int size, long[] v, int a, int element) {
        return size == 8 ? v[a + (element & 1)] : extract(v, a, (element & 3) * 32);
    }

    @Encoding({
        "66 0F 3A 17 /r : EXTRACTPS Ed,Vps,Ib : +SSE4_1",
        "VEX.128.66.0F3A.WIG 17 /r : VEXTRACTPS Ed,Vps,Ib : +AVX"
    })
    static long extractps(long[] v, int a, int element) {
        return extract(v, a, (element & 3) * 32);
    }

    // --- bit fields of SSE4A (APM Vol. 4, EXTRQ and INSERTQ); the upper half is left undefined
    // --------------------------------------------------------------------------------------------

    /** The low bits that a length field of 6 bits selects; 0 stands for 64. */
    private static long lowBits(int length) {
        return -1L >>> (-length & 63);
    }

    private static void extract(Cpu cpu, int register, int length, int index) {
        cpu.v[4 * register] = cpu.v[4 * register] >>> (index & 63) & lowBits(length);
    }

    @Encoding("66 0F 78 /0 reg : EXTRQ Ux,Ib,Ib : +SSE4A")
    static void extrqImmediate(Cpu cpu, Insn insn) {
        extract(cpu, insn.rm, (int) insn.immediate, insn.immediate2);
    }

    @Encoding("66 0F 79 /r reg : EXTRQ Vx,Ux : +SSE4A")
    static void extrq(Cpu cpu, Insn insn) {
        int control = (int) cpu.v[4 * insn.rm];
        extract(cpu, insn.reg, control, control >>> 8);
    }

    private static void insert(Cpu cpu, Insn insn, int length, int index) {
        long bits = lowBits(length);
        int at = 4 * insn.reg;
        long value = (cpu.v[4 * insn.rm] & bits) << index;
        cpu.v[at] = cpu.v[at] & ~(bits << index) | value;
    }

    @Encoding("F2 0F 78 /r reg : INSERTQ Vx,Ux,Ib,Ib : +SSE4A")
    static void insertqImmediate(Cpu cpu, Insn insn) {
        insert(cpu, insn, (int) insn.immediate, insn.immediate2);
    }

    @Encoding("F2 0F 79 /r reg : INSERTQ Vx,Ux : +SSE4A")
    static void insertq(Cpu cpu, Insn insn) {
        int control = (int) cpu.v[4 * insn.rm + 1];
        insert(cpu, insn, control, control >>> 8);
    }

    // --- masked stores
    // -----------------------------------------------------------------------------------

    @Encoding({
        "66 0F F7 /r reg : MASKMOVDQU Vx,Ux : +SSE2",
        "VEX.128.66.0F.WIG F7 /r reg : VMASKMOVDQU Vx,Ux : +AVX"
    })
    static void maskmovdqu(Cpu cpu, Insn insn) {
        long[] v = cpu.v;
        int mask = (int) pmovmskb(v, 4 * insn.rm);
        store(cpu, insn, mask, v[4 * insn.reg], v[4 * insn.reg + 1]);
    }

    @Encoding("NP 0F F7 /r reg : MASKMOVQ Pq,Nq : +SSE")
    static void maskmovq(Cpu cpu, Insn insn) {
        int mask = (int) pmovmskb(cpu.x87.mmx(insn.rm));
        store(cpu, insn, mask, cpu.x87.mmx(insn.reg), 0);
        cpu.x87.enterMmx();
    }

    /**
     * Stores the bytes that {@code mask} selects at DS:rDI; without any, memory is not looked at.
     */
    private static void store(Cpu cpu, Insn insn, int mask, long low, long high) {
        if (mask == 0) {
            return;
        }
        int first = Integer.numberOfTrailingZeros(mask);
        int bytes = 32 - Integer.numberOfLeadingZeros(mask) - first;
        long offset = cpu.r[Cpu.RDI] + first & insn.addressMask();
        long at = cpu.linear(insn.stringSegment, offset, bytes, true);
        cpu.mmu.checkStore(at, bytes);
        for (int i = first; i < first + bytes; i++) {
            if ((mask >>> i & 1) != 0) {
                cpu.store8(at + i - first, (i < 8 ? low : high) >>> 8 * (i & 7));
            }
        }
    }
}
