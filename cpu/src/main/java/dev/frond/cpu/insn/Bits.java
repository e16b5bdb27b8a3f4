// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** Single bits, bit scans and counts, flags, decimal adjustment. */
public final class Bits {
    private Bits() {}

    private static void setCf(Cpu cpu, boolean set) {
        cpu.setCarry(set);
    }

    /** What BTS, BTR and BTC make of a bit. */
    private enum Change {
        NONE,
        SET,
        RESET,
        COMPLEMENT;

        long apply(long value, long bit) {
            return switch (this) {
                case NONE -> value;
                case SET -> value | bit;
                case RESET -> value & ~bit;
                case COMPLEMENT -> value ^ bit;
            };
        }
    }

    private static void bit(Cpu cpu, Insn insn, Change change) {
        int size = insn.size;
        boolean immediate = insn.opcode == 0xBA;
        long number = immediate ? insn.immediate : Width.sx(size, insn.readG(cpu, size));
        long bit = 1L << (number & 8 * size - 1);
        if (!insn.memory) {
            long value = insn.readE(cpu, size);
            if (change != Change.NONE) {
                insn.writeE(cpu, size, change.apply(value, bit));
            }
            setCf(cpu, (value & bit) != 0);
            return;
        }
        // With a register, the bit may be anywhere around the operand.
        long delta = immediate ? 0 : (number >> 3) & -size;
        long address = insn.effectiveAddress(cpu) + delta & insn.addressMask();
        long at = cpu.linear(insn.segment, address, size, change != Change.NONE);
        long old;
        if (change == Change.NONE) {
            old = cpu.load(at, size);
        } else if (insn.lock) {
            do {
                old = cpu.loadForUpdate(at, size);
            } while (!cpu.compareAndSet(at, size, old, change.apply(old, bit)));
        } else {
            old = cpu.loadForUpdate(at, size);
            cpu.store(at, size, change.apply(old, bit));
        }
        setCf(cpu, (old & bit) != 0);
    }

    @Encoding(
            value = {"0F A3 /r : BT Ev,Gv", "0F BA /4 : BT Ev,Ib"},
            undefined = "OF SF AF PF")
    static void bt(Cpu cpu, Insn insn) {
        bit(cpu, insn, Change.NONE);
    }

    @Encoding(
            value = {"0F AB /r : BTS Ev,Gv : lock", "0F BA /5 : BTS Ev,Ib : lock"},
            undefined = "OF SF AF PF")
    static void bts(Cpu cpu, Insn insn) {
        bit(cpu, insn, Change.SET);
    }

    @Encoding(
            value = {"0F B3 /r : BTR Ev,Gv : lock", "0F BA /6 : BTR Ev,Ib : lock"},
            undefined = "OF SF AF PF")
    static void btr(Cpu cpu, Insn insn) {
        bit(cpu, insn, Change.RESET);
    }

    @Encoding(
            value = {"0F BB /r : BTC Ev,Gv : lock", "0F BA /7 : BTC Ev,Ib : lock"},
            undefined = "OF SF AF PF")
    static void btc(Cpu cpu, Insn insn) {
        bit(cpu, insn, Change.COMPLEMENT);
    }

    @Encoding(value = "0F BC /r : BSF Gv,Ev", undefined = "CF OF SF AF PF")
    static void bsf(Cpu cpu, Insn insn) {
        scan(cpu, insn, false);
    }

    @Encoding(value = "0F BD /r : BSR Gv,Ev", undefined = "CF OF SF AF PF")
    static void bsr(Cpu cpu, Insn insn) {
        scan(cpu, insn, true);
    }

    private static void scan(Cpu cpu, Insn insn, boolean reverse) {
        long value = Width.zx(insn.size, insn.readE(cpu, insn.size));
        if (value == 0) {
            // The destination is left as it was, upper half included.
            cpu.setStatusFlags(cpu.statusFlags() | Cpu.ZF);
            return;
        }
        insn.writeG(
                cpu,
                insn.size,
                reverse
                        ? 63 - Long.numberOfLeadingZeros(value)
                        : Long.numberOfTrailingZeros(value));
        cpu.setStatusFlags(cpu.statusFlags() & ~Cpu.ZF);
    }

    @Encoding("F3 0F B8 /r : POPCNT Gv,Ev : +POPCNT")
    static long popcnt(Cpu cpu, int size, long source) {
        long value = Width.zx(size, source);
        cpu.setStatusFlags(value == 0 ? Cpu.ZF : 0);
        return Long.bitCount(value);
    }

    // --- flags
    // ---------------------------------------------------------------------------------------------

    @Encoding("F5 : CMC")
    static void cmc(Cpu cpu, Insn insn) {
        cpu.setCarry(!cpu.cf());
    }

    @Encoding("F8 : CLC")
    static void clc(Cpu cpu, Insn insn) {
        setCf(cpu, false);
    }

    @Encoding("F9 : STC")
    static void stc(Cpu cpu, Insn insn) {
        setCf(cpu, true);
    }

    @Encoding("FC : CLD")
    static void cld(Cpu cpu, Insn insn) {
        cpu.systemFlags &= ~Cpu.DF;
    }

    @Encoding("FD : STD")
    static void std(Cpu cpu, Insn insn) {
        cpu.systemFlags |= Cpu.DF;
    }

    @Encoding("FA : CLI")
    static void cli(Cpu cpu, Insn insn) {
        cpu.virtualInterrupts.clear();
    }

    @Encoding("FB : STI")
    static void sti(Cpu cpu, Insn insn) {
        if (cpu.virtualInterrupts.set()) {
            cpu.shadowRip = insn.nextRip(cpu);
        }
    }

    @Encoding("9E : SAHF")
    static void sahf(Cpu cpu, Insn insn) {
        cpu.setStatusFlags(cpu.r[Cpu.RAX] >>> 8 & (Cpu.STATUS & 0xFF) | cpu.statusFlags() & Cpu.OF);
    }

    @Encoding("9F : LAHF")
    static void lahf(Cpu cpu, Insn insn) {
        cpu.r[Cpu.RAX] = cpu.r[Cpu.RAX] & ~0xFF00L | (cpu.statusFlags() & 0xFF | 2) << 8;
    }

    @Encoding("D6 : SALC : i64")
    static void salc(Cpu cpu, Insn insn) {
        cpu.setRegister(Cpu.RAX, 1, cpu.cf() ? 0xFF : 0);
    }

    // --- decimal adjustment
    // -----------------------------------------------------------------------------------

    private static void adjusted(Cpu cpu, long al, boolean af, boolean cf) {
        cpu.setRegister(Cpu.RAX, 1, al);
        cpu.setFlags((byte) al, (af ? Cpu.AF : 0) | (cf ? Cpu.CF : 0));
    }

    @Encoding(value = "27 : DAA : i64", undefined = "OF")
    static void daa(Cpu cpu, Insn insn) {
        int al = (int) cpu.r[Cpu.RAX] & 0xFF;
        boolean low = (al & 15) > 9 || cpu.af();
        boolean high = al > 0x99 || cpu.cf();
        adjusted(cpu, al + (low ? 6 : 0) + (high ? 0x60 : 0), low, high);
    }

    @Encoding(value = "2F : DAS : i64", undefined = "OF")
    static void das(Cpu cpu, Insn insn) {
        int al = (int) cpu.r[Cpu.RAX] & 0xFF;
        boolean low = (al & 15) > 9 || cpu.af();
        boolean high = al > 0x99 || cpu.cf();
        boolean borrow = low && al < 6;
        adjusted(cpu, al - (low ? 6 : 0) - (high ? 0x60 : 0), low, high || borrow);
    }

    @Encoding(value = "37 : AAA : i64", undefined = "OF SF ZF PF")
    static void aaa(Cpu cpu, Insn insn) {
        asciiAdjust(cpu, 0x106);
    }

    @Encoding(value = "3F : AAS : i64", undefined = "OF SF ZF PF")
    static void aas(Cpu cpu, Insn insn) {
        asciiAdjust(cpu, -0x106);
    }

    private static void asciiAdjust(Cpu cpu, int adjustment) {
        long ax = cpu.r[Cpu.RAX] & 0xFFFF;
        boolean adjust = (ax & 15) > 9 || cpu.af();
        long result = (adjust ? ax + adjustment : ax) & 0xFF0F;
        cpu.setRegister(Cpu.RAX, 2, result);
        cpu.setFlags((byte) result, adjust ? Cpu.AF | Cpu.CF : 0);
    }

    @Encoding(value = "D4 : AAM Ib : i64", undefined = "OF AF CF")
    static void aam(Cpu cpu, Insn insn) {
        int base = (int) insn.immediate & 0xFF;
        if (base == 0) {
            throw cpu.fault(dev.frond.cpu.CpuFault.DE);
        }
        int al = (int) cpu.r[Cpu.RAX] & 0xFF;
        cpu.setRegister(Cpu.RAX, 2, al / base << 8 | al % base);
        cpu.setFlags((byte) (al % base), 0);
    }

    @Encoding(value = "D5 : AAD Ib : i64", undefined = "OF AF CF")
    static void aad(Cpu cpu, Insn insn) {
        int ax = (int) cpu.r[Cpu.RAX];
        int al = (ax & 0xFF) + (ax >>> 8 & 0xFF) * ((int) insn.immediate & 0xFF) & 0xFF;
        cpu.setRegister(Cpu.RAX, 2, al);
        cpu.setFlags((byte) al, 0);
    }
}
