// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Insn;

/** IN and OUT. */
public final class Ports {
    private Ports() {}

    /** #GP(0) unless IOPL or the task's I/O permission bitmap allow the port (SDM Vol. 1, 19.5). */
    static void check(Cpu cpu, int port, int size) {
        if (!cpu.protectedMode() || cpu.cpl <= cpu.iopl() && !cpu.v8086()) {
            return;
        }
        // Only a 32-bit or 64-bit TSS has a bitmap.
        if ((cpu.segAttributes[Seg.TR] & 8) == 0
                || Integer.compareUnsigned(cpu.segLimit[Seg.TR], 103) < 0) {
            throw cpu.gp();
        }
        long tss = cpu.segBase[Seg.TR];
        int at = ((int) cpu.mmu.loadSystem(tss + 102, 2) & 0xFFFF) + (port >>> 3);
        if (Integer.compareUnsigned(at + 1, cpu.segLimit[Seg.TR]) > 0) {
            throw cpu.gp();
        }
        int bits = (int) cpu.mmu.loadSystem(tss + at, 2) & 0xFFFF;
        if ((bits >>> (port & 7) & (1 << size) - 1) != 0) {
            throw cpu.gp();
        }
    }

    private static void in(Cpu cpu, int port, int size) {
        check(cpu, port, size);
        cpu.setRegister(Cpu.RAX, size, cpu.ports.read(port, size));
        cpu.debug.port(port, size);
    }

    private static void out(Cpu cpu, int port, int size) {
        check(cpu, port, size);
        cpu.ports.write(port, size, cpu.r[Cpu.RAX]);
        cpu.debug.port(port, size);
    }

    private static int size(Insn insn) {
        return (insn.opcode & 1) == 0 ? 1 : insn.size;
    }

    @Encoding({"E4 : IN AL,Ib : end", "E5 : IN eAX,Ib : end"})
    static void inImmediate(Cpu cpu, Insn insn) {
        in(cpu, (int) insn.immediate, size(insn));
    }

    @Encoding({"EC : IN AL,DX : end", "ED : IN eAX,DX : end"})
    static void inDx(Cpu cpu, Insn insn) {
        in(cpu, (int) cpu.r[Cpu.RDX] & 0xFFFF, size(insn));
    }

    @Encoding({"E6 : OUT Ib,AL : end", "E7 : OUT Ib,eAX : end"})
    static void outImmediate(Cpu cpu, Insn insn) {
        out(cpu, (int) insn.immediate, size(insn));
    }

    @Encoding({"EE : OUT DX,AL : end", "EF : OUT DX,eAX : end"})
    static void outDx(Cpu cpu, Insn insn) {
        out(cpu, (int) cpu.r[Cpu.RDX] & 0xFFFF, size(insn));
    }
}
