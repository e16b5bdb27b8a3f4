// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;

/** Bitwise operations, shifts and rotates. */
public final class Logic {
    private Logic() {}

    private static long logical(Cpu cpu, int size, long result) {
        long r = Width.sx(size, result);
        cpu.setFlags(r, 0);
        return r;
    }

    @Encoding(
            value = {
                "20 /r : AND Eb,Gb : lock",
                "21 /r : AND Ev,Gv : lock",
                "22 /r : AND Gb,Eb",
                "23 /r : AND Gv,Ev",
                "24 : AND AL,Ib",
                "25 : AND rAX,Iz",
                "80 /4 : AND Eb,Ib : lock",
                "81 /4 : AND Ev,Iz : lock",
                "82 /4 : AND Eb,Ib : lock i64",
                "83 /4 : AND Ev,sIb : lock"
            },
            undefined = "AF")
    static long and(Cpu cpu, int size, long a, long b) {
        return logical(cpu, size, a & b);
    }

    @Encoding(
            value = {
                "08 /r : OR Eb,Gb : lock",
                "09 /r : OR Ev,Gv : lock",
                "0A /r : OR Gb,Eb",
                "0B /r : OR Gv,Ev",
                "0C : OR AL,Ib",
                "0D : OR rAX,Iz",
                "80 /1 : OR Eb,Ib : lock",
                "81 /1 : OR Ev,Iz : lock",
                "82 /1 : OR Eb,Ib : lock i64",
                "83 /1 : OR Ev,sIb : lock"
            },
            undefined = "AF")
    static long or(Cpu cpu, int size, long a, long b) {
        return logical(cpu, size, a | b);
    }

    @Encoding(
            value = {
                "30 /r : XOR Eb,Gb : lock",
                "31 /r : XOR Ev,Gv : lock",
                "32 /r : XOR Gb,Eb",
                "33 /r : XOR Gv,Ev",
                "34 : XOR AL,Ib",
                "35 : XOR rAX,Iz",
                "80 /6 : XOR Eb,Ib : lock",
                "81 /6 : XOR Ev,Iz : lock",
                "82 /6 : XOR Eb,Ib : lock i64",
                "83 /6 : XOR Ev,sIb : lock"
            },
            undefined = "AF")
    static long xor(Cpu cpu, int size, long a, long b) {
        return logical(cpu, size, a ^ b);
    }

    @Encoding(
            value = {
                "84 /r : TEST Eb,Gb", "85 /r : TEST Ev,Gv", "A8 : TEST AL,Ib", "A9 : TEST rAX,Iz",
                "F6 /0 : TEST Eb,Ib", "F7 /0 : TEST Ev,Iz", "F6 /1 : TEST Eb,Ib",
                        "F7 /1 : TEST Ev,Iz"
            },
            undefined = "AF")
    static void test(Cpu cpu, int size, long a, long b) {
        logical(cpu, size, a & b);
    }

    @Encoding({"F6 /2 : NOT Eb : lock", "F7 /2 : NOT Ev : lock"})
    static long not(long a) {
        return ~a;
    }

    // --- shifts
    // --------------------------------------------------------------------------------------------

    private static int count(int size, long b) {
        return (int) b & (size == 8 ? 63 : 31);
    }

    private static void shifted(Cpu cpu, long signExtended, boolean cf, boolean of) {
        cpu.setFlags(signExtended, (cf ? Cpu.CF : 0) | (of ? Cpu.OF : 0));
    }

    @Encoding(
            value = {
                "C0 /4 : SHL Eb,Ib", "C1 /4 : SHL Ev,Ib", "D0 /4 : SHL Eb,1", "D1 /4 : SHL Ev,1",
                        "D2 /4 : SHL Eb,CL",
                "D3 /4 : SHL Ev,CL", "C0 /6 : SHL Eb,Ib", "C1 /6 : SHL Ev,Ib", "D0 /6 : SHL Eb,1",
                        "D1 /6 : SHL Ev,1",
                "D2 /6 : SHL Eb,CL", "D3 /6 : SHL Ev,CL"
            },
            undefined = "AF OF CF")
    static long shl(Cpu cpu, int size, long a, long b) {
        int n = count(size, b);
        if (n == 0) {
            return a;
        }
        // The bit shifted out last; for a count above the width that is a bit of zeroes.
        boolean cf = n <= 8 * size && (a >>> 8 * size - n & 1) != 0;
        long r = Width.sx(size, a << n);
        shifted(cpu, r, cf, r < 0 != cf);
        return r;
    }

    @Encoding(
            value = {
                "C0 /5 : SHR Eb,Ib",
                "C1 /5 : SHR Ev,Ib",
                "D0 /5 : SHR Eb,1",
                "D1 /5 : SHR Ev,1",
                "D2 /5 : SHR Eb,CL",
                "D3 /5 : SHR Ev,CL"
            },
            undefined = "AF OF CF")
    static long shr(Cpu cpu, int size, long a, long b) {
        int n = count(size, b);
        if (n == 0) {
            return a;
        }
        long x = Width.zx(size, a);
        boolean cf = (x >>> n - 1 & 1) != 0;
        long r = Width.sx(size, x >>> n);
        // OF is defined for a count of 1: the top bit of the operand.
        shifted(cpu, r, cf, (x >>> 8 * size - 1 & 1) != 0 && n == 1);
        return r;
    }

    @Encoding(
            value = {
                "C0 /7 : SAR Eb,Ib",
                "C1 /7 : SAR Ev,Ib",
                "D0 /7 : SAR Eb,1",
                "D1 /7 : SAR Ev,1",
                "D2 /7 : SAR Eb,CL",
                "D3 /7 : SAR Ev,CL"
            },
            undefined = "AF OF")
    static long sar(Cpu cpu, int size, long a, long b) {
        int n = count(size, b);
        if (n == 0) {
            return a;
        }
        long x = Width.sx(size, a);
        shifted(cpu, x >> n, (x >> n - 1 & 1) != 0, false);
        return x >> n;
    }

    // --- rotates
    // ---------------------------------------------------------------------------------------------

    /** Rotates change only CF and OF. */
    private static void rotated(Cpu cpu, boolean cf, boolean of) {
        cpu.setCarry(cf);
        cpu.setOverflow(of);
    }

    @Encoding(
            value = {
                "C0 /0 : ROL Eb,Ib",
                "C1 /0 : ROL Ev,Ib",
                "D0 /0 : ROL Eb,1",
                "D1 /0 : ROL Ev,1",
                "D2 /0 : ROL Eb,CL",
                "D3 /0 : ROL Ev,CL"
            },
            undefined = "OF")
    static long rol(Cpu cpu, int size, long a, long b) {
        int n = count(size, b);
        if (n == 0) {
            return a;
        }
        int bits = 8 * size;
        int m = n & bits - 1;
        long x = Width.zx(size, a);
        long r = size == 8 ? Long.rotateLeft(x, m) : x << m | x >>> bits - m;
        boolean cf = (r & 1) != 0;
        rotated(cpu, cf, (r >>> bits - 1 & 1) != 0 != cf);
        return r;
    }

    @Encoding(
            value = {
                "C0 /1 : ROR Eb,Ib",
                "C1 /1 : ROR Ev,Ib",
                "D0 /1 : ROR Eb,1",
                "D1 /1 : ROR Ev,1",
                "D2 /1 : ROR Eb,CL",
                "D3 /1 : ROR Ev,CL"
            },
            undefined = "OF")
    static long ror(Cpu cpu, int size, long a, long b) {
        int n = count(size, b);
        if (n == 0) {
            return a;
        }
        int bits = 8 * size;
        int m = n & bits - 1;
        long x = Width.zx(size, a);
        long r = size == 8 ? Long.rotateRight(x, m) : x >>> m | x << bits - m;
        boolean cf = (r >>> bits - 1 & 1) != 0;
        rotated(cpu, cf, cf != ((r >>> bits - 2 & 1) != 0));
        return r;
    }

    @Encoding(
            value = {
                "C0 /2 : RCL Eb,Ib",
                "C1 /2 : RCL Ev,Ib",
                "D0 /2 : RCL Eb,1",
                "D1 /2 : RCL Ev,1",
                "D2 /2 : RCL Eb,CL",
                "D3 /2 : RCL Ev,CL"
            },
            undefined = "OF")
    static long rcl(Cpu cpu, int size, long a, long b) {
        int bits = 8 * size;
        int n = count(size, b) % (bits + 1);
        if (count(size, b) == 0) {
            return a;
        }
        long x = Width.zx(size, a);
        boolean cf = cpu.cf();
        for (int i = 0; i < n; i++) {
            boolean out = (x >>> bits - 1 & 1) != 0;
            x = Width.zx(size, x << 1 | (cf ? 1 : 0));
            cf = out;
        }
        rotated(cpu, cf, (x >>> bits - 1 & 1) != 0 != cf);
        return x;
    }

    @Encoding(
            value = {
                "C0 /3 : RCR Eb,Ib",
                "C1 /3 : RCR Ev,Ib",
                "D0 /3 : RCR Eb,1",
                "D1 /3 : RCR Ev,1",
                "D2 /3 : RCR Eb,CL",
                "D3 /3 : RCR Ev,CL"
            },
            undefined = "OF")
    static long rcr(Cpu cpu, int size, long a, long b) {
        int bits = 8 * size;
        int n = count(size, b) % (bits + 1);
        if (count(size, b) == 0) {
            return a;
        }
        long x = Width.zx(size, a);
        boolean cf = cpu.cf();
        for (int i = 0; i < n; i++) {
            boolean out = (x & 1) != 0;
            x = x >>> 1 | (cf ? 1L << bits - 1 : 0);
            cf = out;
        }
        rotated(cpu, cf, ((x >>> bits - 1 ^ x >>> bits - 2) & 1) != 0);
        return x;
    }

    @Encoding(
            value = {"0F A4 /r : SHLD Ev,Gv,Ib", "0F A5 /r : SHLD Ev,Gv,CL"},
            undefined = "AF OF CF SF ZF PF")
    static long shld(Cpu cpu, int size, long a, long b, long c) {
        int n = count(size, c);
        if (n == 0) {
            return a;
        }
        int bits = 8 * size;
        long x = Width.zx(size, a);
        long y = Width.zx(size, b);
        long r;
        boolean cf;
        if (size == 2) {
            // Counts above 16 are undefined; CPUs shift the three words a:b:a.
            long wide = x << 32 | y << 16 | x;
            long shifted = wide << n;
            r = Width.sx(2, shifted >>> 32);
            cf = (shifted >>> 48 & 1) != 0;
        } else {
            r = Width.sx(size, x << n | y >>> bits - n);
            cf = (x >>> bits - n & 1) != 0;
        }
        shifted(cpu, r, cf, r < 0 != Width.sx(size, a) < 0);
        return r;
    }

    @Encoding(
            value = {"0F AC /r : SHRD Ev,Gv,Ib", "0F AD /r : SHRD Ev,Gv,CL"},
            undefined = "AF OF CF SF ZF PF")
    static long shrd(Cpu cpu, int size, long a, long b, long c) {
        int n = count(size, c);
        if (n == 0) {
            return a;
        }
        int bits = 8 * size;
        long x = Width.zx(size, a);
        long y = Width.zx(size, b);
        long r;
        boolean cf;
        if (size == 2) {
            long wide = x << 32 | y << 16 | x;
            r = Width.sx(2, wide >>> n);
            cf = (wide >>> n - 1 & 1) != 0;
        } else {
            r = Width.sx(size, x >>> n | y << bits - n);
            cf = (x >>> n - 1 & 1) != 0;
        }
        shifted(cpu, r, cf, r < 0 != Width.sx(size, a) < 0);
        return r;
    }
}
