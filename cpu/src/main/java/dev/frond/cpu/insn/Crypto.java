// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.decode.Encoding;

/** AES rounds (FIPS 197), carry-less multiplication, SHA-1 and SHA-256 rounds (FIPS 180-4). */
public final class Crypto {
    private static final long LOW = 0xFFFF_FFFFL;

    private Crypto() {}

    private static long pair(int low, int high) {
        return low & LOW | (long) high << 32;
    }

    // --- AES
    // --------------------------------------------------------------------------------------------

    private static final byte[] S_BOX = new byte[256];
    private static final byte[] INVERSE_S_BOX = new byte[256];

    /** By a byte of row 0 before SubBytes: the column that MixColumns makes of it. */
    private static final int[] ENCRYPT = new int[256];

    /** The same for InvSubBytes and InvMixColumns. */
    private static final int[] DECRYPT = new int[256];

    /** By a byte of row 0: InvMixColumns alone. */
    private static final int[] INVERSE_MIX = new int[256];

    static {
        // p runs through all non-zero bytes as powers of 3, q through their inverses.
        int p = 1;
        int q = 1;
        do {
            p = p ^ p << 1 & 0xFF ^ (p & 0x80) / 0x80 * 0x1B;
            q ^= q << 1;
            q ^= q << 2;
            q ^= q << 4;
            q &= 0xFF;
            q ^= (q & 0x80) / 0x80 * 0x09;
            int x = q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63;
            S_BOX[p] = (byte) x;
        } while (p != 1);
        S_BOX[0] = 0x63;
        for (int i = 0; i < 256; i++) {
            INVERSE_S_BOX[S_BOX[i] & 0xFF] = (byte) i;
        }
        for (int i = 0; i < 256; i++) {
            int s = S_BOX[i] & 0xFF;
            ENCRYPT[i] = times(s, 2) | s << 8 | s << 16 | times(s, 3) << 24;
            INVERSE_MIX[i] =
                    times(i, 14) | times(i, 9) << 8 | times(i, 13) << 16 | times(i, 11) << 24;
        }
        for (int i = 0; i < 256; i++) {
            DECRYPT[i] = INVERSE_MIX[INVERSE_S_BOX[i] & 0xFF];
        }
    }

    private static int rotate(int b, int n) {
        return (b << n | b >>> 8 - n) & 0xFF;
    }

    /** The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
    private static int times(int a, int b) {
        int product = 0;
        int shifted = a;
        for (int bits = b; bits != 0; bits >>>= 1) {
            if ((bits & 1) != 0) {
                product ^= shifted;
            }
            shifted = shifted << 1 ^ (shifted & 0x80) / 0x80 * 0x11B;
        }
        return product;
    }

    /** Byte {@code row} of column {@code column} modulo 4 of the state. */
    private static int at(long low, long high, int column, int row) {
        int c = column & 3;
        return (int) ((c < 2 ? low : high) >>> 32 * (c & 1) + 8 * row) & 0xFF;
    }

    /** A column of the next state: row r comes from {@code step * r} columns further on. */
    private static int mixed(int[] table, long low, long high, int column, int step) {
        return table[at(low, high, column, 0)]
                ^ Integer.rotateLeft(table[at(low, high, column + step, 1)], 8)
                ^ Integer.rotateLeft(table[at(low, high, column + 2 * step, 2)], 16)
                ^ Integer.rotateLeft(table[at(low, high, column + 3 * step, 3)], 24);
    }

    private static int substituted(byte[] box, long low, long high, int column, int step) {
        return box[at(low, high, column, 0)] & 0xFF
                | (box[at(low, high, column + step, 1)] & 0xFF) << 8
                | (box[at(low, high, column + 2 * step, 2)] & 0xFF) << 16
                | box[at(low, high, column + 3 * step, 3)] << 24;
    }

    private static void round(long[] v, int d, int a, int b, int[] table, int step) {
        long low = v[a];
        long high = v[a + 1];
        long keyLow = v[b];
        long keyHigh = v[b + 1];
        v[d] = keyLow ^ pair(mixed(table, low, high, 0, step), mixed(table, low, high, 1, step));
        v[d + 1] =
                keyHigh ^ pair(mixed(table, low, high, 2, step), mixed(table, low, high, 3, step));
    }

    private static void lastRound(long[] v, int d, int a, int b, byte[] box, int step) {
        long low = v[a];
        long high = v[a + 1];
        long keyLow = v[b];
        long keyHigh = v[b + 1];
        v[d] =
                keyLow
                        ^ pair(
                                substituted(box, low, high, 0, step),
                                substituted(box, low, high, 1, step));
        v[d + 1] =
                keyHigh
                        ^ pair(
                                substituted(box, low, high, 2, step),
                                substituted(box, low, high, 3, step));
    }

    @Encoding({
        "66 0F 38 DC /r : AESENC Vdq,Wdq : +AES",
        "VEX.128.66.0F38.WIG DC /r : VAESENC Vdq,Hdq,Wdq : +AES"
    })
    static void aesenc(long[] v, int d, int a, int b) {
        round(v, d, a, b, ENCRYPT, 1);
    }

    @Encoding({
        "66 0F 38 DD /r : AESENCLAST Vdq,Wdq : +AES",
        "VEX.128.66.0F38.WIG DD /r : VAESENCLAST Vdq,Hdq,Wdq : +AES"
    })
    static void aesenclast(long[] v, int d, int a, int b) {
        lastRound(v, d, a, b, S_BOX, 1);
    }

    @Encoding({
        "66 0F 38 DE /r : AESDEC Vdq,Wdq : +AES",
        "VEX.128.66.0F38.WIG DE /r : VAESDEC Vdq,Hdq,Wdq : +AES"
    })
    static void aesdec(long[] v, int d, int a, int b) {
        round(v, d, a, b, DECRYPT, -1);
    }

    @Encoding({
        "66 0F 38 DF /r : AESDECLAST Vdq,Wdq : +AES",
        "VEX.128.66.0F38.WIG DF /r : VAESDECLAST Vdq,Hdq,Wdq : +AES"
    })
    static void aesdeclast(long[] v, int d, int a, int b) {
        lastRound(v, d, a, b, INVERSE_S_BOX, -1);
    }

    @Encoding({
        "66 0F 38 DB /r : AESIMC Vdq,Wdq : +AES",
        "VEX.128.66.0F38.WIG DB /r : VAESIMC Vdq,Wdq : +AES"
    })
    static void aesimc(long[] v, int d, int b) {
        long low = v[b];
        long high = v[b + 1];
        v[d] = pair(mixed(INVERSE_MIX, low, high, 0, 0), mixed(INVERSE_MIX, low, high, 1, 0));
        v[d + 1] = pair(mixed(INVERSE_MIX, low, high, 2, 0), mixed(INVERSE_MIX, low, high, 3, 0));
    }

    @Encoding({
        "66 0F 3A DF /r : AESKEYGENASSIST Vdq,Wdq,Ib : +AES",
        "VEX.128.66.0F3A.WIG DF /r : VAESKEYGENASSIST Vdq,Wdq,Ib : +AES"
    })
    static void aeskeygenassist(long[] v, int d, int b, int constant) {
        int first = substituted(S_BOX, v[b], v[b + 1], 1, 0);
        int second = substituted(S_BOX, v[b], v[b + 1], 3, 0);
        v[d] = pair(first, Integer.rotateRight(first, 8) ^ constant);
        v[d + 1] = pair(second, Integer.rotateRight(second, 8) ^ constant);
    }

    // --- carry-less multiplication
    // -----------------------------------------------------------------------

    @Encoding({
        "66 0F 3A 44 /r : PCLMULQDQ Vdq,Wdq,Ib : +PCLMULQDQ",
        "VEX.128.66.0F3A.WIG 44 /r : VPCLMULQDQ Vdq,Hdq,Wdq,Ib : +PCLMULQDQ"
    })
    static void pclmulqdq(long[] v, int d, int a, int b, int imm) {
        long x = v[a + (imm & 1)];
        long y = v[b + (imm >>> 4 & 1)];
        long low = 0;
        long high = 0;
        for (long bits = y; bits != 0; bits &= bits - 1) {
            int n = Long.numberOfTrailingZeros(bits);
            low ^= x << n;
            high ^= x >>> 1 >>> 63 - n;
        }
        v[d] = low;
        v[d + 1] = high;
    }

    // --- SHA-1
    // ------------------------------------------------------------------------------------------

    /** Doubleword {@code i}, 3 the most significant. */
    private static int word(long[] v, int a, int i) {
        return (int) (v[a + (i >>> 1)] >>> 32 * (i & 1));
    }

    private static void words(long[] v, int d, int w3, int w2, int w1, int w0) {
        v[d] = pair(w0, w1);
        v[d + 1] = pair(w2, w3);
    }

    private static int choose(int x, int y, int z) {
        return x & y ^ ~x & z;
    }

    private static int majority(int x, int y, int z) {
        return x & y ^ x & z ^ y & z;
    }

    @Encoding("NP 0F 3A CC /r : SHA1RNDS4 Vdq,Wdq,Ib : +SHA")
    static void sha1rnds4(long[] v, int d, int s1, int s2, int imm) {
        int function = imm & 3;
        int k =
                switch (function) {
                    case 0 -> 0x5A82_7999;
                    case 1 -> 0x6ED9_EBA1;
                    case 2 -> 0x8F1B_BCDC;
                    default -> 0xCA62_C1D6;
                };
        int a = word(v, s1, 3);
        int b = word(v, s1, 2);
        int c = word(v, s1, 1);
        int e = 0;
        int dd = word(v, s1, 0);
        for (int i = 3; i >= 0; i--) {
            int f =
                    switch (function) {
                        case 0 -> choose(b, c, dd);
                        case 2 -> majority(b, c, dd);
                        default -> b ^ c ^ dd;
                    };
            int next = f + Integer.rotateLeft(a, 5) + word(v, s2, i) + e + k;
            e = dd;
            dd = c;
            c = Integer.rotateLeft(b, 30);
            b = a;
            a = next;
        }
        words(v, d, a, b, c, dd);
    }

    @Encoding("NP 0F 38 C8 /r : SHA1NEXTE Vdq,Wdq : +SHA")
    static void sha1nexte(long[] v, int d, int a, int b) {
        long e = (long) Integer.rotateLeft(word(v, a, 3), 30) << 32;
        long high = v[b + 1] + e;
        v[d] = v[b];
        v[d + 1] = high;
    }

    @Encoding("NP 0F 38 C9 /r : SHA1MSG1 Vdq,Wdq : +SHA")
    static void sha1msg1(long[] v, int d, int a, int b) {
        long low = v[a] ^ v[b + 1];
        v[d + 1] = v[a + 1] ^ v[a];
        v[d] = low;
    }

    @Encoding("NP 0F 38 CA /r : SHA1MSG2 Vdq,Wdq : +SHA")
    static void sha1msg2(long[] v, int d, int a, int b) {
        int w16 = Integer.rotateLeft(word(v, a, 3) ^ word(v, b, 2), 1);
        int w17 = Integer.rotateLeft(word(v, a, 2) ^ word(v, b, 1), 1);
        int w18 = Integer.rotateLeft(word(v, a, 1) ^ word(v, b, 0), 1);
        int w19 = Integer.rotateLeft(word(v, a, 0) ^ w16, 1);
        words(v, d, w16, w17, w18, w19);
    }

    // --- SHA-256
    // ----------------------------------------------------------------------------------------

    private static int smallSigma0(int x) {
        return Integer.rotateRight(x, 7) ^ Integer.rotateRight(x, 18) ^ x >>> 3;
    }

    private static int smallSigma1(int x) {
        return Integer.rotateRight(x, 17) ^ Integer.rotateRight(x, 19) ^ x >>> 10;
    }

    private static int bigSigma0(int x) {
        return Integer.rotateRight(x, 2) ^ Integer.rotateRight(x, 13) ^ Integer.rotateRight(x, 22);
    }

    private static int bigSigma1(int x) {
        return Integer.rotateRight(x, 6) ^ Integer.rotateRight(x, 11) ^ Integer.rotateRight(x, 25);
    }

    @Encoding("NP 0F 38 CB /r : SHA256RNDS2 Vdq,Wdq,XMM0 : +SHA")
    static void sha256rnds2(long[] v, int d, int s1, int s2, int wk) {
        int a = word(v, s2, 3);
        int b = word(v, s2, 2);
        int c = word(v, s1, 3);
        int dd = word(v, s1, 2);
        int e = word(v, s2, 1);
        int f = word(v, s2, 0);
        int g = word(v, s1, 1);
        int h = word(v, s1, 0);
        for (int i = 0; i < 2; i++) {
            int t1 = choose(e, f, g) + bigSigma1(e) + word(v, wk, i) + h;
            int t2 = majority(a, b, c) + bigSigma0(a);
            h = g;
            g = f;
            f = e;
            e = dd + t1;
            dd = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        words(v, d, a, b, e, f);
    }

    @Encoding("NP 0F 38 CC /r : SHA256MSG1 Vdq,Wdq : +SHA")
    static void sha256msg1(long[] v, int d, int a, int b) {
        int w1 = word(v, a, 1);
        int w2 = word(v, a, 2);
        int w3 = word(v, a, 3);
        int w4 = word(v, b, 0);
        words(
                v,
                d,
                w3 + smallSigma0(w4),
                w2 + smallSigma0(w3),
                w1 + smallSigma0(w2),
                word(v, a, 0) + smallSigma0(w1));
    }

    @Encoding("NP 0F 38 CD /r : SHA256MSG2 Vdq,Wdq : +SHA")
    static void sha256msg2(long[] v, int d, int a, int b) {
        int w16 = word(v, a, 0) + smallSigma1(word(v, b, 2));
        int w17 = word(v, a, 1) + smallSigma1(word(v, b, 3));
        int w18 = word(v, a, 2) + smallSigma1(w16);
        int w19 = word(v, a, 3) + smallSigma1(w17);
        words(v, d, w19, w18, w17, w16);
    }
}
