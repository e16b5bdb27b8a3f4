// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** Integer addition, subtraction, comparison, multiplication and division. */
public final class Arithmetic {
    private Arithmetic() {}

    private static long sum(Cpu cpu, int size, long a, long b, long result) {
        long r = Width.sx(size, result);
        cpu.setFlagsByCarries(size, r, a & b | (a | b) & ~r);
        return r;
    }

    private static long difference(Cpu cpu, int size, long a, long b, long result) {
        long r = Width.sx(size, result);
        cpu.setFlagsByCarries(size, r, ~a & b | (~a | b) & r);
        return r;
    }

    @Encoding({
        "00 /r : ADD Eb,Gb : lock",
        "01 /r : ADD Ev,Gv : lock",
        "02 /r : ADD Gb,Eb",
        "03 /r : ADD Gv,Ev",
        "04 : ADD AL,Ib",
        "05 : ADD rAX,Iz",
        "80 /0 : ADD Eb,Ib : lock",
        "81 /0 : ADD Ev,Iz : lock",
        "82 /0 : ADD Eb,Ib : lock i64",
        "83 /0 : ADD Ev,sIb : lock"
    })
    static long add(Cpu cpu, int size, long a, long b) {
        return sum(cpu, size, a, b, a + b);
    }

    @Encoding({
        "10 /r : ADC Eb,Gb : lock",
        "11 /r : ADC Ev,Gv : lock",
        "12 /r : ADC Gb,Eb",
        "13 /r : ADC Gv,Ev",
        "14 : ADC AL,Ib",
        "15 : ADC rAX,Iz",
        "80 /2 : ADC Eb,Ib : lock",
        "81 /2 : ADC Ev,Iz : lock",
        "82 /2 : ADC Eb,Ib : lock i64",
        "83 /2 : ADC Ev,sIb : lock"
    })
    static long adc(Cpu cpu, int size, long a, long b) {
        return sum(cpu, size, a, b, a + b + cpu.carry());
    }

    @Encoding({
        "28 /r : SUB Eb,Gb : lock",
        "29 /r : SUB Ev,Gv : lock",
        "2A /r : SUB Gb,Eb",
        "2B /r : SUB Gv,Ev",
        "2C : SUB AL,Ib",
        "2D : SUB rAX,Iz",
        "80 /5 : SUB Eb,Ib : lock",
        "81 /5 : SUB Ev,Iz : lock",
        "82 /5 : SUB Eb,Ib : lock i64",
        "83 /5 : SUB Ev,sIb : lock"
    })
    static long sub(Cpu cpu, int size, long a, long b) {
        return difference(cpu, size, a, b, a - b);
    }

    @Encoding({
        "18 /r : SBB Eb,Gb : lock",
        "19 /r : SBB Ev,Gv : lock",
        "1A /r : SBB Gb,Eb",
        "1B /r : SBB Gv,Ev",
        "1C : SBB AL,Ib",
        "1D : SBB rAX,Iz",
        "80 /3 : SBB Eb,Ib : lock",
        "81 /3 : SBB Ev,Iz : lock",
        "82 /3 : SBB Eb,Ib : lock i64",
        "83 /3 : SBB Ev,sIb : lock"
    })
    static long sbb(Cpu cpu, int size, long a, long b) {
        return difference(cpu, size, a, b, a - b - cpu.carry());
    }

    @Encoding({
        "38 /r : CMP Eb,Gb",
        "39 /r : CMP Ev,Gv",
        "3A /r : CMP Gb,Eb",
        "3B /r : CMP Gv,Ev",
        "3C : CMP AL,Ib",
        "3D : CMP rAX,Iz",
        "80 /7 : CMP Eb,Ib",
        "81 /7 : CMP Ev,Iz",
        "82 /7 : CMP Eb,Ib : i64",
        "83 /7 : CMP Ev,sIb"
    })
    static void cmp(Cpu cpu, int size, long a, long b) {
        difference(cpu, size, a, b, a - b);
    }

    @Encoding({"40+r : INC Zv : i64", "FE /0 : INC Eb : lock", "FF /0 : INC Ev : lock"})
    static long inc(Cpu cpu, int size, long a) {
        long r = Width.sx(size, a + 1);
        boolean cf = cpu.cf();
        cpu.setFlagsByCarries(size, r, a & 1 | (a | 1) & ~r);
        cpu.setCarry(cf);
        return r;
    }

    @Encoding({"48+r : DEC Zv : i64", "FE /1 : DEC Eb : lock", "FF /1 : DEC Ev : lock"})
    static long dec(Cpu cpu, int size, long a) {
        long r = Width.sx(size, a - 1);
        boolean cf = cpu.cf();
        cpu.setFlagsByCarries(size, r, ~a & 1 | (~a | 1) & r);
        cpu.setCarry(cf);
        return r;
    }

    @Encoding({"F6 /3 : NEG Eb : lock", "F7 /3 : NEG Ev : lock"})
    static long neg(Cpu cpu, int size, long a) {
        return difference(cpu, size, 0, a, -a);
    }

    // --- multiplication
    // ----------------------------------------------------------------------------------

    private static void multiplied(Cpu cpu, int size, long low, boolean overflow) {
        // SF and PF follow the low half as current CPUs have it; ZF and AF are clear then.
        long r = Width.sx(size, low);
        cpu.setFlags(r, overflow ? Cpu.CF | Cpu.OF : 0);
    }

    @Encoding(
            value = {"F6 /4 : MUL Eb", "F7 /4 : MUL Ev"},
            undefined = "SF ZF AF PF")
    static void mul(Cpu cpu, int size, long b) {
        long x = Width.zx(size, cpu.r[Cpu.RAX]);
        long y = Width.zx(size, b);
        long low = x * y;
        if (size == 1) {
            cpu.setRegister(Cpu.RAX, 2, low);
            multiplied(cpu, size, low, low >>> 8 != 0);
        } else {
            long high = size == 8 ? Math.unsignedMultiplyHigh(x, y) : low >>> 8 * size;
            cpu.setRegister(Cpu.RAX, size, low);
            cpu.setRegister(Cpu.RDX, size, high);
            multiplied(cpu, size, low, high != 0);
        }
    }

    @Encoding(
            value = {"F6 /5 : IMUL Eb", "F7 /5 : IMUL Ev"},
            undefined = "SF ZF AF PF")
    static void imulAccumulator(Cpu cpu, int size, long b) {
        long x = Width.sx(size, cpu.r[Cpu.RAX]);
        long y = Width.sx(size, b);
        long low = x * y;
        if (size == 1) {
            cpu.setRegister(Cpu.RAX, 2, low);
            multiplied(cpu, size, low, low != (byte) low);
        } else {
            long high = size == 8 ? Math.multiplyHigh(x, y) : low >> 8 * size;
            cpu.setRegister(Cpu.RAX, size, low);
            cpu.setRegister(Cpu.RDX, size, high);
            multiplied(cpu, size, low, high != Width.sx(size, low) >> 63);
        }
    }

    private static long imul(Cpu cpu, int size, long a, long b) {
        long x = Width.sx(size, a);
        long y = Width.sx(size, b);
        long low = x * y;
        boolean overflow =
                size == 8 ? Math.multiplyHigh(x, y) != low >> 63 : low != Width.sx(size, low);
        multiplied(cpu, size, low, overflow);
        return low;
    }

    @Encoding(value = "0F AF /r : IMUL Gv,Ev", undefined = "SF ZF AF PF")
    static long imul2(Cpu cpu, int size, long a, long b) {
        return imul(cpu, size, a, b);
    }

    @Encoding(
            value = {"69 /r : IMUL Gv,Ev,Iz", "6B /r : IMUL Gv,Ev,sIb"},
            undefined = "SF ZF AF PF")
    static long imul3(Cpu cpu, int size, long a, long b) {
        return imul(cpu, size, a, b);
    }

    // --- division
    // ------------------------------------------------------------------------------------------

    @Encoding(
            value = {"F6 /6 : DIV Eb", "F7 /6 : DIV Ev"},
            undefined = "CF OF SF ZF AF PF")
    static void div(Cpu cpu, int size, long b) {
        long divisor = Width.zx(size, b);
        if (divisor == 0) {
            throw cpu.fault(CpuFault.DE);
        }
        long[] r = cpu.r;
        if (size == 8) {
            div64(cpu, divisor);
            return;
        }
        long dividend =
                size == 1
                        ? r[Cpu.RAX] & 0xFFFF
                        : Width.zx(size, r[Cpu.RDX]) << 8 * size | Width.zx(size, r[Cpu.RAX]);
        long quotient = Long.divideUnsigned(dividend, divisor);
        long remainder = dividend - quotient * divisor;
        if (Width.zx(size, quotient) != quotient) {
            throw cpu.fault(CpuFault.DE);
        }
        divided(cpu, size, quotient, remainder);
    }

    private static void divided(Cpu cpu, int size, long quotient, long remainder) {
        if (size == 1) {
            cpu.setRegister(Cpu.RAX, 2, quotient & 0xFF | (remainder & 0xFF) << 8);
        } else {
            cpu.setRegister(Cpu.RAX, size, quotient);
            cpu.setRegister(Cpu.RDX, size, remainder);
        }
    }

    private static void div64(Cpu cpu, long divisor) {
        long high = cpu.r[Cpu.RDX];
        long low = cpu.r[Cpu.RAX];
        if (Long.compareUnsigned(high, divisor) >= 0) {
            throw cpu.fault(CpuFault.DE);
        }
        long quotient = divideUnsigned128(high, low, divisor);
        cpu.r[Cpu.RAX] = quotient;
        cpu.r[Cpu.RDX] = low - quotient * divisor;
    }

    /**
     * The quotient of high:low by divisor, for high below divisor (Knuth, TAOCP Vol. 2, 4.3.1,
     * algorithm D).
     */
    private static long divideUnsigned128(long high, long low, long divisor) {
        if (high == 0) {
            return Long.divideUnsigned(low, divisor);
        }
        int shift = Long.numberOfLeadingZeros(divisor);
        long d = divisor << shift;
        long n1 = shift == 0 ? high : high << shift | low >>> 64 - shift;
        long n0 = low << shift;
        long dHigh = d >>> 32;
        long dLow = d & 0xFFFF_FFFFL;
        long q1 = digit(n1, n0 >>> 32, dHigh, dLow);
        long rest = (n1 << 32 | n0 >>> 32) - q1 * d;
        long q0 = digit(rest, n0 & 0xFFFF_FFFFL, dHigh, dLow);
        return (q1 << 32) + q0;
    }

    /** One 32-bit digit of the quotient: of n:next by dHigh:dLow, for n below that. */
    private static long digit(long n, long next, long dHigh, long dLow) {
        long q = Long.divideUnsigned(n, dHigh);
        long r = n - q * dHigh;
        while (q >>> 32 != 0 || Long.compareUnsigned(q * dLow, r << 32 | next) > 0) {
            q--;
            r += dHigh;
            if (r >>> 32 != 0) {
                break;
            }
        }
        return q;
    }

    @Encoding(
            value = {"F6 /7 : IDIV Eb", "F7 /7 : IDIV Ev"},
            undefined = "CF OF SF ZF AF PF")
    static void idiv(Cpu cpu, int size, long b) {
        long divisor = Width.sx(size, b);
        if (divisor == 0) {
            throw cpu.fault(CpuFault.DE);
        }
        long[] r = cpu.r;
        if (size == 8) {
            idiv64(cpu, divisor);
            return;
        }
        long dividend =
                size == 1
                        ? (short) r[Cpu.RAX]
                        : Width.sx(size, r[Cpu.RDX]) << 8 * size | Width.zx(size, r[Cpu.RAX]);
        if (dividend == Long.MIN_VALUE && divisor == -1) {
            throw cpu.fault(CpuFault.DE);
        }
        long quotient = dividend / divisor;
        if (Width.sx(size, quotient) != quotient) {
            throw cpu.fault(CpuFault.DE);
        }
        divided(cpu, size, quotient, dividend % divisor);
    }

    private static void idiv64(Cpu cpu, long divisor) {
        long high = cpu.r[Cpu.RDX];
        long low = cpu.r[Cpu.RAX];
        boolean negative = high < 0;
        long absHigh = negative ? ~high + (low == 0 ? 1 : 0) : high;
        long absLow = negative ? -low : low;
        long absDivisor = Math.abs(divisor);
        if (Long.compareUnsigned(absHigh, absDivisor) >= 0) {
            throw cpu.fault(CpuFault.DE);
        }
        long quotient = divideUnsigned128(absHigh, absLow, absDivisor);
        long remainder = absLow - quotient * absDivisor;
        boolean negativeQuotient = negative != divisor < 0;
        if (negativeQuotient ? Long.compareUnsigned(quotient, Long.MIN_VALUE) > 0 : quotient < 0) {
            throw cpu.fault(CpuFault.DE);
        }
        cpu.r[Cpu.RAX] = negativeQuotient ? -quotient : quotient;
        cpu.r[Cpu.RDX] = negative ? -remainder : remainder;
    }

    // --- exchange and add, compare and exchange
    // ---------------------------------------------------------------

    @Encoding({"0F C0 /r : XADD Eb,Gb : lock", "0F C1 /r : XADD Ev,Gv : lock"})
    static void xadd(Cpu cpu, Insn insn) {
        int size = insn.size;
        long addend = insn.readG(cpu, size);
        if (!insn.memory) {
            long old = insn.readE(cpu, size);
            long sum = add(cpu, size, old, addend);
            insn.writeG(cpu, size, old);
            insn.writeE(cpu, size, sum);
            return;
        }
        long at = insn.linear(cpu, size, true);
        long old;
        long sum;
        do {
            old = cpu.loadForUpdate(at, size);
            sum = old + addend;
        } while (!cpu.compareAndSet(at, size, old, sum));
        add(cpu, size, old, addend);
        insn.writeG(cpu, size, old);
    }

    @Encoding({"0F B0 /r : CMPXCHG Eb,Gb : lock", "0F B1 /r : CMPXCHG Ev,Gv : lock"})
    static void cmpxchg(Cpu cpu, Insn insn) {
        int size = insn.size;
        long expected = cpu.r[Cpu.RAX];
        long replacement = insn.readG(cpu, size);
        if (!insn.memory) {
            long old = insn.readE(cpu, size);
            cmp(cpu, size, expected, old);
            if (cpu.zf()) {
                insn.writeE(cpu, size, replacement);
            } else {
                // The register is not written, not even the upper half of a 32-bit one.
                cpu.setRegister(Cpu.RAX, size, old);
            }
            return;
        }
        long at = insn.linear(cpu, size, true);
        while (true) {
            long old = cpu.loadForUpdate(at, size);
            boolean equal = Width.zx(size, old) == Width.zx(size, expected);
            // Memory is written in both cases: with what it held if the comparison failed.
            if (cpu.compareAndSet(at, size, old, equal ? replacement : old)) {
                cmp(cpu, size, expected, old);
                if (!equal) {
                    cpu.setRegister(Cpu.RAX, size, old);
                }
                return;
            }
        }
    }
}
