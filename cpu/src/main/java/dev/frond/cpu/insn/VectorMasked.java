// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;

/**
 * Moves of elements under a mask, gathers, and the clearing of registers. Elements that the mask
 * leaves out do not fault (SDM Vol. 2C, VMASKMOV).
 */
public final class VectorMasked {
    private static final long LOW = 0xFFFF_FFFFL;

    private VectorMasked() {}

    /** Element {@code i} of {@code size} (4, 8) bytes, sign-extended. */
    private static long element(long[] v, int register, int i, int size) {
        return size == 8 ? v[4 * register + i] : v[4 * register + (i >>> 1)] << 32 * (~i & 1) >> 32;
    }

    private static void element(long[] v, int register, int i, int size, long value) {
        if (size == 8) {
            v[4 * register + i] = value;
            return;
        }
        int at = 4 * register + (i >>> 1);
        int bit = 32 * (i & 1);
        v[at] = v[at] & ~(LOW << bit) | (value & LOW) << bit;
    }

    private static int vectorBytes(Insn insn) {
        return insn.wideVector ? 32 : 16;
    }

    private static int elementBytes(Insn insn) {
        boolean doubles = (insn.opcode & ~2) == 0x2D;
        return doubles || insn.form.is(Form.W1) ? 8 : 4;
    }

    @Encoding({
        "VEX.66.0F38.W0 2C /r mem : VMASKMOVPS Vx,Hx,Mx : +AVX",
        "VEX.66.0F38.W0 2D /r mem : VMASKMOVPD Vx,Hx,Mx : +AVX",
        "VEX.66.0F38.W0 8C /r mem : VPMASKMOVD Vx,Hx,Mx : +AVX2",
        "VEX.66.0F38.W1 8C /r mem : VPMASKMOVQ Vx,Hx,Mx : +AVX2"
    })
    static void vmaskmovLoad(Cpu cpu, Insn insn) {
        long[] v = cpu.v;
        int size = elementBytes(insn);
        int count = vectorBytes(insn) / size;
        int scratch = Cpu.SCRATCH / 4;
        for (int i = 0; i < count; i++) {
            boolean wanted = element(v, insn.vvvv, i, size) < 0;
            long value = wanted ? cpu.load(insn.linear(cpu, i * size, size, false), size) : 0;
            element(v, scratch, i, size, value);
        }
        int d = 4 * insn.reg;
        for (int i = 0; i < 4; i++) {
            v[d + i] = 8 * i < vectorBytes(insn) ? v[Cpu.SCRATCH + i] : 0;
        }
    }

    @Encoding({
        "VEX.66.0F38.W0 2E /r mem : VMASKMOVPS Mx,Hx,Vx : +AVX",
        "VEX.66.0F38.W0 2F /r mem : VMASKMOVPD Mx,Hx,Vx : +AVX",
        "VEX.66.0F38.W0 8E /r mem : VPMASKMOVD Mx,Hx,Vx : +AVX2",
        "VEX.66.0F38.W1 8E /r mem : VPMASKMOVQ Mx,Hx,Vx : +AVX2"
    })
    static void vmaskmovStore(Cpu cpu, Insn insn) {
        long[] v = cpu.v;
        int size = elementBytes(insn);
        int count = vectorBytes(insn) / size;
        for (int i = 0; i < count; i++) {
            if (element(v, insn.vvvv, i, size) < 0) {
                cpu.mmu.checkStore(insn.linear(cpu, i * size, size, true), size);
            }
        }
        for (int i = 0; i < count; i++) {
            if (element(v, insn.vvvv, i, size) < 0) {
                long at = insn.linear(cpu, i * size, size, true);
                cpu.store(at, size, element(v, insn.reg, i, size));
            }
        }
    }

    // --- gathers
    // ----------------------------------------------------------------------------------------

    @Encoding({
        "VEX.66.0F38.W0 90 /r mem : VPGATHERDD Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W1 90 /r mem : VPGATHERDQ Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W0 91 /r mem : VPGATHERQD Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W1 91 /r mem : VPGATHERQQ Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W0 92 /r mem : VGATHERDPS Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W1 92 /r mem : VGATHERDPD Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W0 93 /r mem : VGATHERQPS Vx,Mx,Hx : +AVX2 vsib",
        "VEX.66.0F38.W1 93 /r mem : VGATHERQPD Vx,Mx,Hx : +AVX2 vsib"
    })
    static void vgather(Cpu cpu, Insn insn) {
        if (insn.reg == insn.vvvv
                || insn.reg == insn.vectorIndex
                || insn.vvvv == insn.vectorIndex) {
            throw cpu.ud();
        }
        long[] v = cpu.v;
        int size = insn.form.is(Form.W1) ? 8 : 4;
        int indexSize = (insn.opcode & 1) != 0 ? 8 : 4;
        int count = vectorBytes(insn) / Math.max(size, indexSize);
        long base = insn.effectiveAddress(cpu);
        if (!cpu.cpuid.model().isAmd()) {
            // Processors of Intel make each mask all ones or zeros first, as the manual says.
            for (int i = 0; i < 32 / size; i++) {
                boolean there = i < vectorBytes(insn) / size;
                long mask = there ? element(v, insn.vvvv, i, size) >> 63 : 0;
                element(v, insn.vvvv, i, size, mask);
            }
        }
        // An element that faults leaves those before it done, and their masks cleared.
        for (int i = 0; i < count; i++) {
            if (element(v, insn.vvvv, i, size) < 0) {
                long index = element(v, insn.vectorIndex, i, indexSize) << insn.scale;
                long offset = base + index & insn.addressMask();
                long at = cpu.linear(insn.segment, offset, size, false);
                element(v, insn.reg, i, size, cpu.load(at, size));
                if (!insn.wideVector && !cpu.cpuid.model().isAmd()) {
                    // Theirs clear what is above 128 bits with each element.
                    v[4 * insn.reg + 2] = 0;
                    v[4 * insn.reg + 3] = 0;
                }
            }
            element(v, insn.vvvv, i, size, 0);
        }
        int d = 4 * insn.reg;
        if (count * size == 8) {
            v[d + 1] = 0;
        }
        if (count * size <= 16) {
            v[d + 2] = 0;
            v[d + 3] = 0;
        }
        java.util.Arrays.fill(v, 4 * insn.vvvv, 4 * insn.vvvv + 4, 0);
    }

    // --- clearing
    // ---------------------------------------------------------------------------------------

    private static int registers(Cpu cpu) {
        return cpu.is64() ? 16 : 8;
    }

    @Encoding("VEX.128.NP.0F.WIG 77 : VZEROUPPER : +AVX")
    static void vzeroupper(Cpu cpu, Insn insn) {
        for (int i = 0; i < registers(cpu); i++) {
            cpu.v[4 * i + 2] = 0;
            cpu.v[4 * i + 3] = 0;
        }
    }

    @Encoding("VEX.256.NP.0F.WIG 77 : VZEROALL : +AVX")
    static void vzeroall(Cpu cpu, Insn insn) {
        java.util.Arrays.fill(cpu.v, 0, 4 * registers(cpu), 0);
    }
}
