// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** General registers in the newer extensions: BMI1, BMI2, LZCNT, ADX, MOVBE. */
public final class BitFields {
    private BitFields() {}

    private static long result(Cpu cpu, int size, long value, boolean carry) {
        cpu.setFlags(Width.sx(size, value), carry ? Cpu.CF : 0);
        return value;
    }

    // --- BMI1
    // -------------------------------------------------------------------------------------------

    @Encoding(value = "VEX.128.NP.0F38 F2 /r : ANDN Gy,By,Ey : +BMI1", undefined = "AF PF")
    static long andn(Cpu cpu, int size, long a, long b) {
        return result(cpu, size, ~a & b, false);
    }

    @Encoding(value = "VEX.128.NP.0F38 F7 /r : BEXTR Gy,Ey,By : +BMI1", undefined = "AF SF PF")
    static long bextr(Cpu cpu, int size, long source, long control) {
        int start = (int) control & 0xFF;
        int length = (int) control >>> 8 & 0xFF;
        long shifted = start < 8 * size ? Width.zx(size, source) >>> start : 0;
        return result(cpu, size, length < 64 ? shifted & ~(-1L << length) : shifted, false);
    }

    @Encoding(value = "VEX.128.NP.0F38 F3 /3 : BLSI By,Ey : +BMI1", undefined = "AF PF")
    static long blsi(Cpu cpu, int size, long source) {
        long value = Width.zx(size, source);
        return result(cpu, size, value & -value, value != 0);
    }

    @Encoding(value = "VEX.128.NP.0F38 F3 /2 : BLSMSK By,Ey : +BMI1", undefined = "AF PF")
    static long blsmsk(Cpu cpu, int size, long source) {
        long value = Width.zx(size, source);
        return result(cpu, size, value ^ value - 1, value == 0);
    }

    @Encoding(value = "VEX.128.NP.0F38 F3 /1 : BLSR By,Ey : +BMI1", undefined = "AF PF")
    static long blsr(Cpu cpu, int size, long source) {
        long value = Width.zx(size, source);
        return result(cpu, size, value & value - 1, value == 0);
    }

    /** The flags of TZCNT and LZCNT: CF if the source was zero, ZF if the count is. */
    private static long count(Cpu cpu, int size, int count) {
        cpu.setStatusFlags((count == 8 * size ? Cpu.CF : 0) | (count == 0 ? Cpu.ZF : 0));
        return count;
    }

    @Encoding(value = "F3 0F BC /r : TZCNT Gv,Ev : +BMI1", undefined = "OF SF AF PF")
    static long tzcnt(Cpu cpu, int size, long source) {
        long value = Width.zx(size, source);
        return count(cpu, size, Math.min(8 * size, Long.numberOfTrailingZeros(value)));
    }

    @Encoding(value = "F3 0F BD /r : LZCNT Gv,Ev : +ABM", undefined = "OF SF AF PF")
    static long lzcnt(Cpu cpu, int size, long source) {
        int zeros = Long.numberOfLeadingZeros(Width.zx(size, source));
        return count(cpu, size, zeros - (64 - 8 * size));
    }

    // --- BMI2
    // -------------------------------------------------------------------------------------------

    @Encoding(value = "VEX.128.NP.0F38 F5 /r : BZHI Gy,Ey,By : +BMI2", undefined = "AF PF")
    static long bzhi(Cpu cpu, int size, long source, long index) {
        int n = (int) index & 0xFF;
        boolean whole = n >= 8 * size;
        return result(cpu, size, whole ? source : source & ~(-1L << n), whole);
    }

    @Encoding("VEX.128.F2.0F38 F6 /r : MULX Gy,By,Ey : +BMI2")
    static void mulx(Cpu cpu, Insn insn) {
        long a = cpu.r[Cpu.RDX];
        long b = insn.readE(cpu, insn.size);
        long low;
        long high;
        if (insn.size == 8) {
            low = a * b;
            high = Math.unsignedMultiplyHigh(a, b);
        } else {
            low = Width.zx(4, a) * Width.zx(4, b);
            high = low >>> 32;
        }
        cpu.setRegister(insn.vvvv, insn.size, low);
        cpu.setRegister(insn.reg, insn.size, high);
    }

    @Encoding("VEX.128.F2.0F38 F5 /r : PDEP Gy,By,Ey : +BMI2")
    static long pdep(int size, long source, long mask) {
        return Long.expand(source, Width.zx(size, mask));
    }

    @Encoding("VEX.128.F3.0F38 F5 /r : PEXT Gy,By,Ey : +BMI2")
    static long pext(int size, long source, long mask) {
        return Long.compress(source, Width.zx(size, mask));
    }

    @Encoding("VEX.128.F2.0F3A F0 /r : RORX Gy,Ey,Ib : +BMI2")
    static long rorx(int size, long source, long count) {
        return size == 8
                ? Long.rotateRight(source, (int) count)
                : Integer.rotateRight((int) source, (int) count);
    }

    @Encoding("VEX.128.F3.0F38 F7 /r : SARX Gy,Ey,By : +BMI2")
    static long sarx(int size, long source, long count) {
        return size == 8 ? source >> count : (int) source >> (int) count;
    }

    @Encoding("VEX.128.66.0F38 F7 /r : SHLX Gy,Ey,By : +BMI2")
    static long shlx(int size, long source, long count) {
        return size == 8 ? source << count : (int) source << (int) count;
    }

    @Encoding("VEX.128.F2.0F38 F7 /r : SHRX Gy,Ey,By : +BMI2")
    static long shrx(int size, long source, long count) {
        return size == 8 ? source >>> count : (int) source >>> (int) count;
    }

    // --- ADX
    // --------------------------------------------------------------------------------------------

    /** Whether {@code a + b + carry} carries out; {@code sum} is that, cut to 64 bits. */
    private static boolean carries(int size, long a, long b, long sum) {
        long bits = a & b | (a | b) & ~sum;
        return (bits >>> 8 * size - 1 & 1) != 0;
    }

    @Encoding("66 0F 38 F6 /r : ADCX Gy,Ey : +ADX")
    static long adcx(Cpu cpu, int size, long a, long b) {
        long sum = a + b + cpu.carry();
        cpu.setCarry(carries(size, a, b, sum));
        return sum;
    }

    @Encoding("F3 0F 38 F6 /r : ADOX Gy,Ey : +ADX")
    static long adox(Cpu cpu, int size, long a, long b) {
        long sum = a + b + (cpu.of() ? 1 : 0);
        cpu.setOverflow(carries(size, a, b, sum));
        return sum;
    }

    // --- MOVBE
    // ------------------------------------------------------------------------------------------

    @Encoding({"0F 38 F0 /r mem : MOVBE Gv,Mv : +MOVBE", "0F 38 F1 /r mem : MOVBE Mv,Gv : +MOVBE"})
    static long movbe(int size, long source) {
        return Long.reverseBytes(source) >>> 64 - 8 * size;
    }
}
