// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Width;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/**
 * String instructions with their repeat prefixes. After each element the registers are such that
 * the instruction can be interrupted or can fault, and be executed again.
 */
public final class Strings {
    private Strings() {}

    /** One element: what repeats. Returns whether a REPE or REPNE may go on. */
    @FunctionalInterface
    private interface Element {
        boolean execute(Cpu cpu, Insn insn, int size);
    }

    private static int size(Insn insn) {
        return (insn.opcode & 1) == 0 ? 1 : insn.size;
    }

    private static void repeat(Cpu cpu, Insn insn, int size, boolean compares, Element element) {
        if (insn.repeat == 0) {
            element.execute(cpu, insn, size);
            return;
        }
        int width = insn.addressSize;
        boolean whileEqual = insn.repeat == 0xF3;
        long count = Width.zx(width, cpu.r[Cpu.RCX]);
        cutRegisters(cpu, insn);
        boolean restores = compares && !cpu.cpuid.model().isAmd();
        int flags = restores ? cpu.statusFlags() : 0;
        while (count != 0) {
            if (restores) {
                compare(cpu, insn, size, element, flags);
            } else {
                element.execute(cpu, insn, size);
            }
            count--;
            cpu.setRegister(Cpu.RCX, width, count);
            if (compares && cpu.zf() != whileEqual) {
                return;
            }
            if (count != 0 && cpu.hasEvents()) {
                cpu.goOnAt(insn.rip(cpu));
                return;
            }
        }
    }

    /**
     * An element of a repeated comparison on a processor of Intel: where it faults, the flags are
     * those from before the instruction (SDM Vol. 2B, REP).
     */
    private static void compare(Cpu cpu, Insn insn, int size, Element element, int flags) {
        try {
            element.execute(cpu, insn, size);
        } catch (CpuFault fault) {
            cpu.setStatusFlags(flags);
            throw fault;
        }
    }

    /**
     * Processors of Intel clear, with 32-bit addresses in 64-bit mode, the upper halves of RCX and
     * of the pointers that MOVS and STOS advance before anything else: also where nothing is to be
     * repeated or the first element faults.
     */
    private static void cutRegisters(Cpu cpu, Insn insn) {
        if (!cpu.is64() || insn.addressSize != 4 || cpu.cpuid.model().isAmd()) {
            return;
        }
        cpu.r[Cpu.RCX] &= 0xFFFF_FFFFL;
        boolean moves = (insn.opcode & 0xFE) == 0xA4;
        if (moves) {
            cpu.r[Cpu.RSI] &= 0xFFFF_FFFFL;
        }
        if (moves || (insn.opcode & 0xFE) == 0xAA) {
            cpu.r[Cpu.RDI] &= 0xFFFF_FFFFL;
        }
    }

    private static long step(Cpu cpu, int size) {
        return (cpu.systemFlags & Cpu.DF) != 0 ? -size : size;
    }

    private static long source(Cpu cpu, Insn insn, int size) {
        return cpu.linear(insn.stringSegment, cpu.r[Cpu.RSI] & insn.addressMask(), size, false);
    }

    private static long destination(Cpu cpu, Insn insn, int size, boolean write) {
        return cpu.linear(
                cpu.is64() ? Seg.FLAT : Seg.ES, cpu.r[Cpu.RDI] & insn.addressMask(), size, write);
    }

    private static void advance(Cpu cpu, Insn insn, int register, int size) {
        cpu.setRegister(register, insn.addressSize, cpu.r[register] + step(cpu, size));
    }

    @Encoding({"A4 : MOVSB Yb,Xb : end", "A5 : MOVS Yv,Xv : end"})
    static void movs(Cpu cpu, Insn insn) {
        int size = size(insn);
        if (insn.repeat != 0 && insn.addressSize == 8 && (cpu.systemFlags & Cpu.DF) == 0) {
            moveRuns(cpu, insn, size);
            return;
        }
        repeat(cpu, insn, size, false, Strings::moveElement);
    }

    private static boolean moveElement(Cpu cpu, Insn insn, int size) {
        long value = cpu.load(source(cpu, insn, size), size);
        cpu.store(destination(cpu, insn, size, true), size, value);
        advance(cpu, insn, Cpu.RSI, size);
        advance(cpu, insn, Cpu.RDI, size);
        return true;
    }

    /** Forward REP MOVS with 64-bit addresses: whole runs within a page of each side at once. */
    private static void moveRuns(Cpu cpu, Insn insn, int size) {
        long[] r = cpu.r;
        while (r[Cpu.RCX] != 0) {
            long from = source(cpu, insn, size);
            long to = destination(cpu, insn, size, true);
            long elements = Math.min(cpu.mmu.pageRest(from), cpu.mmu.pageRest(to)) / size;
            elements = Long.compareUnsigned(elements, r[Cpu.RCX]) < 0 ? elements : r[Cpu.RCX];
            long bytes = elements * size;
            // A copy to just above its source repeats a pattern, element by element.
            boolean overlaps = to - from >= 0 && to - from < bytes;
            if (elements > 1 && !overlaps && cpu.mmu.copyRun(from, to, bytes)) {
                r[Cpu.RSI] += bytes;
                r[Cpu.RDI] += bytes;
                r[Cpu.RCX] -= elements;
            } else {
                moveElement(cpu, insn, size);
                r[Cpu.RCX]--;
            }
            if (r[Cpu.RCX] != 0 && cpu.hasEvents()) {
                cpu.goOnAt(insn.rip(cpu));
                return;
            }
        }
    }

    @Encoding({"AA : STOSB Yb,AL : end", "AB : STOS Yv,rAX : end"})
    static void stos(Cpu cpu, Insn insn) {
        int size = size(insn);
        if (insn.repeat != 0 && insn.addressSize == 8 && (cpu.systemFlags & Cpu.DF) == 0) {
            storeRuns(cpu, insn, size);
            return;
        }
        repeat(cpu, insn, size, false, Strings::storeElement);
    }

    private static boolean storeElement(Cpu cpu, Insn insn, int size) {
        cpu.store(destination(cpu, insn, size, true), size, cpu.r[Cpu.RAX]);
        advance(cpu, insn, Cpu.RDI, size);
        return true;
    }

    private static void storeRuns(Cpu cpu, Insn insn, int size) {
        long[] r = cpu.r;
        while (r[Cpu.RCX] != 0) {
            long to = destination(cpu, insn, size, true);
            long elements = cpu.mmu.pageRest(to) / size;
            elements = Long.compareUnsigned(elements, r[Cpu.RCX]) < 0 ? elements : r[Cpu.RCX];
            if (elements > 1 && cpu.mmu.fillRun(to, size, elements, r[Cpu.RAX])) {
                r[Cpu.RDI] += elements * size;
                r[Cpu.RCX] -= elements;
            } else {
                storeElement(cpu, insn, size);
                r[Cpu.RCX]--;
            }
            if (r[Cpu.RCX] != 0 && cpu.hasEvents()) {
                cpu.goOnAt(insn.rip(cpu));
                return;
            }
        }
    }

    @Encoding({"AC : LODSB AL,Xb : end", "AD : LODS rAX,Xv : end"})
    static void lods(Cpu cpu, Insn insn) {
        repeat(cpu, insn, size(insn), false, Strings::loadElement);
    }

    private static boolean loadElement(Cpu cpu, Insn insn, int size) {
        cpu.setRegister(Cpu.RAX, size, cpu.load(source(cpu, insn, size), size));
        advance(cpu, insn, Cpu.RSI, size);
        return true;
    }

    @Encoding({"A6 : CMPSB Xb,Yb : end", "A7 : CMPS Xv,Yv : end"})
    static void cmps(Cpu cpu, Insn insn) {
        repeat(cpu, insn, size(insn), true, Strings::compareElement);
    }

    private static boolean compareElement(Cpu cpu, Insn insn, int size) {
        long a = cpu.load(source(cpu, insn, size), size);
        long b = cpu.load(destination(cpu, insn, size, false), size);
        Arithmetic.cmp(cpu, size, a, b);
        advance(cpu, insn, Cpu.RSI, size);
        advance(cpu, insn, Cpu.RDI, size);
        return true;
    }

    @Encoding({"AE : SCASB AL,Yb : end", "AF : SCAS rAX,Yv : end"})
    static void scas(Cpu cpu, Insn insn) {
        repeat(cpu, insn, size(insn), true, Strings::scanElement);
    }

    private static boolean scanElement(Cpu cpu, Insn insn, int size) {
        long b = cpu.load(destination(cpu, insn, size, false), size);
        Arithmetic.cmp(cpu, size, cpu.r[Cpu.RAX], b);
        advance(cpu, insn, Cpu.RDI, size);
        return true;
    }

    // --- ports
    // ---------------------------------------------------------------------------------------------

    @Encoding({"6C : INSB Yb,DX : end", "6D : INS Yz,DX : end"})
    static void ins(Cpu cpu, Insn insn) {
        repeat(cpu, insn, size(insn), false, Strings::inElement);
    }

    private static boolean inElement(Cpu cpu, Insn insn, int size) {
        int port = (int) cpu.r[Cpu.RDX] & 0xFFFF;
        Ports.check(cpu, port, size);
        long at = destination(cpu, insn, size, true);
        // The port must not be read if the store would fault.
        cpu.mmu.checkStore(at, size);
        cpu.store(at, size, cpu.ports.read(port, size));
        cpu.debug.port(port, size);
        advance(cpu, insn, Cpu.RDI, size);
        return true;
    }

    @Encoding({"6E : OUTSB DX,Xb : end", "6F : OUTS DX,Xz : end"})
    static void outs(Cpu cpu, Insn insn) {
        repeat(cpu, insn, size(insn), false, Strings::outElement);
    }

    private static boolean outElement(Cpu cpu, Insn insn, int size) {
        int port = (int) cpu.r[Cpu.RDX] & 0xFFFF;
        Ports.check(cpu, port, size);
        cpu.ports.write(port, size, cpu.load(source(cpu, insn, size), size));
        cpu.debug.port(port, size);
        advance(cpu, insn, Cpu.RSI, size);
        return true;
    }
}
