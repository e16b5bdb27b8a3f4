// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** SSE4.2's text processing: string comparisons (SDM Vol. 2B, 4.1) and CRC32. */
public final class VectorStrings {
    private VectorStrings() {}

    // --- the immediate's fields
    // ---------------------------------------------------------------------------

    private static final int WORDS = 1;
    private static final int SIGNED = 2;
    private static final int MOST_SIGNIFICANT_OR_EXPANDED = 0x40;

    private static int elements(int imm) {
        return (imm & WORDS) != 0 ? 8 : 16;
    }

    private static int element(long[] v, int at, int i, int imm) {
        if ((imm & WORDS) != 0) {
            int value = (int) (v[at + (i >>> 2)] >>> 16 * (i & 3));
            return (imm & SIGNED) != 0 ? (short) value : value & 0xFFFF;
        }
        int value = (int) (v[at + (i >>> 3)] >>> 8 * (i & 7));
        return (imm & SIGNED) != 0 ? (byte) value : value & 0xFF;
    }

    /** The length of a string that ends before its first zero element. */
    private static int implicitLength(long[] v, int at, int imm) {
        int n = elements(imm);
        for (int i = 0; i < n; i++) {
            if (element(v, at, i, imm) == 0) {
                return i;
            }
        }
        return n;
    }

    /** The length that RAX or RDX gives: its magnitude, cut to the number of elements. */
    private static int explicitLength(long register, boolean wide, int imm) {
        long length = Math.abs(wide ? register : (int) register);
        int n = elements(imm);
        return length < 0 || length > n ? n : (int) length;
    }

    private static int equalAny(long[] v, int a, int aLength, int b, int bLength, int imm) {
        int result = 0;
        for (int i = 0; i < bLength; i++) {
            int value = element(v, b, i, imm);
            for (int j = 0; j < aLength; j++) {
                if (element(v, a, j, imm) == value) {
                    result |= 1 << i;
                    break;
                }
            }
        }
        return result;
    }

    private static int ranges(long[] v, int a, int aLength, int b, int bLength, int imm) {
        int result = 0;
        for (int i = 0; i < bLength; i++) {
            int value = element(v, b, i, imm);
            for (int j = 0; j + 1 < aLength; j += 2) {
                if (value >= element(v, a, j, imm) && value <= element(v, a, j + 1, imm)) {
                    result |= 1 << i;
                    break;
                }
            }
        }
        return result;
    }

    private static int equalEach(long[] v, int a, int aLength, int b, int bLength, int imm) {
        int result = 0;
        for (int i = 0; i < elements(imm); i++) {
            boolean inA = i < aLength;
            boolean inB = i < bLength;
            if (inA == inB && (!inA || element(v, a, i, imm) == element(v, b, i, imm))) {
                result |= 1 << i;
            }
        }
        return result;
    }

    private static int equalOrdered(long[] v, int a, int aLength, int b, int bLength, int imm) {
        int n = elements(imm);
        int result = 0;
        for (int i = 0; i < n; i++) {
            boolean found = true;
            for (int j = 0; j < aLength && i + j < n && found; j++) {
                found = i + j < bLength && element(v, a, j, imm) == element(v, b, i + j, imm);
            }
            if (found) {
                result |= 1 << i;
            }
        }
        return result;
    }

    /** Compares and sets the flags; gives a bit for each element of {@code b}. */
    private static int compare(Cpu cpu, int a, int aLength, int b, int bLength, int imm) {
        long[] v = cpu.v;
        int n = elements(imm);
        int result =
                switch (imm >>> 2 & 3) {
                    case 0 -> equalAny(v, a, aLength, b, bLength, imm);
                    case 1 -> ranges(v, a, aLength, b, bLength, imm);
                    case 2 -> equalEach(v, a, aLength, b, bLength, imm);
                    default -> equalOrdered(v, a, aLength, b, bLength, imm);
                };
        int all = (1 << n) - 1;
        switch (imm >>> 4 & 3) {
            case 1 -> result ^= all;
            case 3 -> result ^= (1 << bLength) - 1;
            default -> {
                // The positive polarity leaves it as it is.
            }
        }
        cpu.setStatusFlags(
                (result != 0 ? Cpu.CF : 0)
                        | (bLength < n ? Cpu.ZF : 0)
                        | (aLength < n ? Cpu.SF : 0)
                        | ((result & 1) != 0 ? Cpu.OF : 0));
        return result;
    }

    private static void index(Cpu cpu, int result, int imm) {
        int index;
        if (result == 0) {
            index = elements(imm);
        } else if ((imm & MOST_SIGNIFICANT_OR_EXPANDED) != 0) {
            index = 31 - Integer.numberOfLeadingZeros(result);
        } else {
            index = Integer.numberOfTrailingZeros(result);
        }
        cpu.r[Cpu.RCX] = index;
    }

    private static void mask(Cpu cpu, int result, int imm) {
        if ((imm & MOST_SIGNIFICANT_OR_EXPANDED) == 0) {
            cpu.v[0] = result;
            cpu.v[1] = 0;
        } else if ((imm & WORDS) != 0) {
            cpu.v[0] = Long.expand(result & 15, 0x0001_0001_0001_0001L) * 0xFFFF;
            cpu.v[1] = Long.expand(result >>> 4, 0x0001_0001_0001_0001L) * 0xFFFF;
        } else {
            cpu.v[0] = Long.expand(result & 0xFF, 0x0101_0101_0101_0101L) * 0xFF;
            cpu.v[1] = Long.expand(result >>> 8, 0x0101_0101_0101_0101L) * 0xFF;
        }
    }

    private static int compareImplicit(Cpu cpu, int a, int b, int imm) {
        return compare(
                cpu, a, implicitLength(cpu.v, a, imm), b, implicitLength(cpu.v, b, imm), imm);
    }

    private static int compareExplicit(Cpu cpu, Insn insn) {
        int imm = (int) insn.immediate;
        int b = 4 * insn.rm;
        if (insn.memory) {
            b = Cpu.SCRATCH;
            cpu.load128(insn.linear(cpu, 16, false), b);
        }
        int aLength = explicitLength(cpu.r[Cpu.RAX], insn.rexW(), imm);
        int bLength = explicitLength(cpu.r[Cpu.RDX], insn.rexW(), imm);
        return compare(cpu, 4 * insn.reg, aLength, b, bLength, imm);
    }

    @Encoding({
        "66 0F 3A 63 /r : PCMPISTRI Vx,Wx,Ib : +SSE4_2 unaligned",
        "VEX.128.66.0F3A.WIG 63 /r : VPCMPISTRI Vx,Wx,Ib : +AVX"
    })
    static void pcmpistri(Cpu cpu, long[] v, int a, int b, int imm) {
        index(cpu, compareImplicit(cpu, a, b, imm), imm);
    }

    @Encoding("66 0F 3A 62 /r : PCMPISTRM Vx,Wx,Ib : +SSE4_2 unaligned")
    static void pcmpistrm(Cpu cpu, long[] v, int a, int b, int imm) {
        mask(cpu, compareImplicit(cpu, a, b, imm), imm);
    }

    @Encoding({
        "66 0F 3A 61 /r : PCMPESTRI Vx,Wx,Ib : +SSE4_2 unaligned",
        "VEX.128.66.0F3A.WIG 61 /r : VPCMPESTRI Vx,Wx,Ib : +AVX"
    })
    static void pcmpestri(Cpu cpu, Insn insn) {
        index(cpu, compareExplicit(cpu, insn), (int) insn.immediate);
    }

    @Encoding("66 0F 3A 60 /r : PCMPESTRM Vx,Wx,Ib : +SSE4_2 unaligned")
    static void pcmpestrm(Cpu cpu, Insn insn) {
        mask(cpu, compareExplicit(cpu, insn), (int) insn.immediate);
    }

    /** A VEX encoding clears what is above the mask in YMM0. */
    private static void clearUpper(Cpu cpu) {
        cpu.v[2] = 0;
        cpu.v[3] = 0;
    }

    @Encoding("VEX.128.66.0F3A.WIG 62 /r : VPCMPISTRM Vx,Wx,Ib : +AVX")
    static void vpcmpistrm(Cpu cpu, long[] v, int a, int b, int imm) {
        pcmpistrm(cpu, v, a, b, imm);
        clearUpper(cpu);
    }

    @Encoding("VEX.128.66.0F3A.WIG 60 /r : VPCMPESTRM Vx,Wx,Ib : +AVX")
    static void vpcmpestrm(Cpu cpu, Insn insn) {
        pcmpestrm(cpu, insn);
        clearUpper(cpu);
    }

    // --- CRC32
    // -------------------------------------------------------------------------------------------

    /** The polynomial 11EDC6F41h without its top bit, bit-reflected. */
    private static final int POLYNOMIAL = 0x82F6_3B78;

    private static final int[] CRC = new int[256];

    static {
        for (int i = 0; i < CRC.length; i++) {
            int crc = i;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc >>> 1 ^ POLYNOMIAL & -(crc & 1);
            }
            CRC[i] = crc;
        }
    }

    @Encoding("F2 0F 38 F0 /r : CRC32 Gd,Eb : +SSE4_2")
    static long crc32Byte(long crc, long value) {
        int next = (int) crc >>> 8 ^ CRC[(int) (crc ^ value) & 0xFF];
        return next;
    }

    @Encoding("F2 0F 38 F1 /r : CRC32 Gd,Ev : +SSE4_2")
    static long crc32(int size, long crc, long value) {
        long result = crc;
        for (int i = 0; i < size; i++) {
            result = crc32Byte(result, value >>> 8 * i);
        }
        return result;
    }
}
