// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.insn;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.FxImage;
import dev.frond.cpu.decode.Encoding;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.fpu.FpContext;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

/** MXCSR, and the state of floating point and vectors saved and restored as a whole. */
public final class StateInsns {
    private StateInsns() {}

    @Encoding("NP 0F 77 : EMMS : +MMX")
    static void emms(Cpu cpu, Insn insn) {
        cpu.requireMmx();
        cpu.x87.emms();
    }

    @Encoding({
        "NP 0F AE /2 mem : LDMXCSR Md : +SSE",
        "VEX.128.NP.0F.WIG AE /2 mem : VLDMXCSR Md : +AVX"
    })
    static void ldmxcsr(Cpu cpu, Insn insn) {
        requireSse(cpu, insn);
        int value = cpu.load32(insn.linear(cpu, 4, false));
        requireMxcsr(cpu, value);
        cpu.sse.mxcsr(value);
    }

    @Encoding({
        "NP 0F AE /3 mem : STMXCSR Md : +SSE",
        "VEX.128.NP.0F.WIG AE /3 mem : VSTMXCSR Md : +AVX"
    })
    static void stmxcsr(Cpu cpu, Insn insn) {
        requireSse(cpu, insn);
        cpu.store32(insn.linear(cpu, 4, true), cpu.sse.mxcsr());
    }

    /** A VEX encoding has been checked by its node. */
    private static void requireSse(Cpu cpu, Insn insn) {
        if (!insn.form.is(Form.VEX)) {
            cpu.requireSse();
        }
    }

    private static void requireMxcsr(Cpu cpu, int value) {
        if ((value & ~FpContext.MXCSR_MASK) != 0) {
            throw cpu.gp();
        }
    }

    // --- FXSAVE
    // ------------------------------------------------------------------------------------------

    private static long fxArea(Cpu cpu, Insn insn, boolean write) {
        cpu.requireFxsave();
        long at = insn.linear(cpu, FxImage.BYTES, write);
        cpu.requireAligned(at, 16);
        return at;
    }

    /** The XMM and YMM registers that exist in the mode. */
    private static int registers(Cpu cpu) {
        return cpu.is64() ? 16 : 8;
    }

    @Encoding("NP 0F AE /0 mem : FXSAVE M : +FXSR")
    static void fxsave(Cpu cpu, Insn insn) {
        long at = fxArea(cpu, insn, true);
        int registers = registers(cpu);
        FxImage.saveX87(cpu, insn.rexW(), cpu.image);
        FxImage.saveMxcsr(cpu, cpu.image);
        FxImage.saveXmm(cpu, registers, cpu.image);
        // What is behind the registers stays as it is.
        cpu.storeImage(at, 0, FxImage.XMM + 16 * registers);
    }

    @Encoding("NP 0F AE /1 mem : FXRSTOR M : +FXSR")
    static void fxrstor(Cpu cpu, Insn insn) {
        long at = fxArea(cpu, insn, false);
        cpu.loadImage(at, FxImage.BYTES);
        requireMxcsr(cpu, FxImage.mxcsr(cpu.image));
        FxImage.loadX87(cpu, insn.rexW(), cpu.image);
        cpu.sse.mxcsr(FxImage.mxcsr(cpu.image));
        FxImage.loadXmm(cpu, registers(cpu), cpu.image);
    }

    // --- XSAVE
    // -------------------------------------------------------------------------------------------

    /** Components of extended state (SDM Vol. 1, 13.1). */
    private static final long X87 = 1;

    private static final long SSE = 2;
    private static final long AVX = 4;
    private static final long PKRU = 0x200;

    /** Offsets in the XSAVE area (SDM Vol. 1, 13.4); Cpuid tells the guest that AVX is at 576. */
    private static final int XSTATE_BV = 512;

    private static final int XCOMP_BV = 520;
    private static final int EXTENDED = 576;
    private static final int AVX_BYTES = 256;

    /** XCOMP_BV: the area is compacted. AVX's component is at 576 there too. */
    private static final long COMPACTED = 1L << 63;

    /** The components that are not in their initial configuration (SDM Vol. 1, 13.6). */
    static long inUse(Cpu cpu) {
        long low = 0;
        long high = 0;
        for (int i = 0; i < 16; i++) {
            low |= cpu.v[4 * i] | cpu.v[4 * i + 1];
            high |= cpu.v[4 * i + 2] | cpu.v[4 * i + 3];
        }
        return (cpu.x87.isInitial() ? 0 : X87)
                | (low != 0 ? SSE : 0)
                | (high != 0 ? AVX : 0)
                | (cpu.pkru != 0 ? PKRU : 0);
    }

    private static long components(Cpu cpu) {
        return cpu.xcr0 & (cpu.r[Cpu.RDX] << 32 | cpu.r[Cpu.RAX] & 0xFFFF_FFFFL);
    }

    /** Checks an area of {@code bytes} bytes and gives its address. */
    private static long xArea(Cpu cpu, Insn insn, int bytes, boolean write) {
        if ((cpu.cr4 & ControlRegisters.OSXSAVE) == 0) {
            throw cpu.ud();
        }
        cpu.requireNotTaskSwitched();
        long at = insn.linear(cpu, bytes, write);
        if ((at & 63) != 0) {
            throw cpu.gp();
        }
        return at;
    }

    /** The bytes up to and with AVX's component. */
    private static int vectorBytes(long components) {
        return (components & AVX) != 0 ? EXTENDED + AVX_BYTES : EXTENDED;
    }

    /** Where PKRU is: in the compacted format behind the components that {@code listed} names. */
    private static int pkruAt(boolean compacted, long listed) {
        return compacted ? vectorBytes(listed) : Cpuid.PKRU_OFFSET;
    }

    private static int areaBytes(long components, boolean compacted) {
        return (components & PKRU) != 0
                ? pkruAt(compacted, components) + 8
                : vectorBytes(components);
    }

    @Encoding({"NP 0F AE /4 mem : XSAVE M : +XSAVE", "NP 0F AE /6 mem : XSAVEOPT M : +XSAVEOPT"})
    static void xsave(Cpu cpu, Insn insn) {
        long components = components(cpu);
        int bytes = areaBytes(components, false);
        long at = xArea(cpu, insn, bytes, true);
        boolean optimized = (insn.modRm >>> 3 & 7) == 6;
        cpu.mmu.checkStore(at, bytes);
        long inUse = inUse(cpu);
        long saved = optimized ? components & inUse : components;
        store(cpu, insn, at, saved, Cpuid.PKRU_OFFSET);
        if ((components & (SSE | AVX)) != 0) {
            FxImage.saveMxcsr(cpu, cpu.image);
            cpu.storeImage(at, FxImage.MXCSR, FxImage.ST);
        }
        long old = cpu.load64(at + XSTATE_BV);
        cpu.store64(at + XSTATE_BV, old & ~components | components & inUse);
    }

    /** Stores components to an area, without MXCSR and header. */
    private static void store(Cpu cpu, Insn insn, long at, long saved, int pkruAt) {
        int registers = registers(cpu);
        byte[] image = cpu.image;
        if ((saved & X87) != 0) {
            FxImage.saveX87(cpu, insn.rexW(), image);
            cpu.storeImage(at, 0, FxImage.MXCSR);
            cpu.storeImage(at, FxImage.ST, FxImage.XMM);
        }
        if ((saved & SSE) != 0) {
            FxImage.saveXmm(cpu, registers, image);
            cpu.storeImage(at, FxImage.XMM, FxImage.XMM + 16 * registers);
        }
        if ((saved & AVX) != 0) {
            for (int i = 0; i < registers; i++) {
                cpu.store64(at + EXTENDED + 16L * i, cpu.v[4 * i + 2]);
                cpu.store64(at + EXTENDED + 16L * i + 8, cpu.v[4 * i + 3]);
            }
        }
        if ((saved & PKRU) != 0) {
            cpu.store64(at + pkruAt, cpu.pkru & 0xFFFF_FFFFL);
        }
    }

    /** #GP(0) unless the header of an area is as the format demands (SDM Vol. 1, 13.8.1). */
    private static void requireHeader(
            Cpu cpu, long at, long present, long format, boolean compacted) {
        boolean valid = (present & ~cpu.xcr0) == 0 && cpu.load64(at + XCOMP_BV + 8) == 0;
        if (compacted) {
            long listed = format & ~COMPACTED;
            valid &= (listed & ~cpu.xcr0) == 0 && (present & ~listed) == 0;
            for (int i = XCOMP_BV + 16; i < EXTENDED; i += 8) {
                valid &= cpu.load64(at + i) == 0;
            }
        } else {
            valid &= format == 0;
        }
        if (!valid) {
            throw cpu.gp();
        }
    }

    // IA32_XSS holds no components, so that XSAVES saves what XSAVEC does.
    @Encoding({"NP 0F C7 /4 mem : XSAVEC M : +XSAVEC", "NP 0F C7 /5 mem : XSAVES M : cpl0 +XSAVES"})
    static void xsavec(Cpu cpu, Insn insn) {
        long components = components(cpu);
        int bytes = areaBytes(components, true);
        long at = xArea(cpu, insn, bytes, true);
        cpu.mmu.checkStore(at, bytes);
        boolean mxcsrInUse = cpu.sse.mxcsr() != FpContext.MXCSR_RESET;
        long saved = components & (inUse(cpu) | (mxcsrInUse ? SSE : 0));
        if ((saved & SSE) != 0) {
            FxImage.saveMxcsr(cpu, cpu.image);
            cpu.storeImage(at, FxImage.MXCSR, FxImage.ST);
        }
        store(cpu, insn, at, saved, pkruAt(true, components));
        cpu.store64(at + XSTATE_BV, saved);
        cpu.store64(at + XCOMP_BV, COMPACTED | components);
    }

    @Encoding({"NP 0F AE /5 mem : XRSTOR M : +XSAVE", "NP 0F C7 /3 mem : XRSTORS M : cpl0 +XSAVES"})
    static void xrstor(Cpu cpu, Insn insn) {
        long components = components(cpu);
        // How far the area reaches is known when its header is read.
        long at = xArea(cpu, insn, vectorBytes(components), false);
        long present = cpu.load64(at + XSTATE_BV);
        long format = cpu.load64(at + XCOMP_BV);
        boolean compacted = format < 0 && cpu.cpuid.has(CpuFeature.XSAVEC);
        requireHeader(cpu, at, present, format, compacted);
        if (!compacted && insn.opcode == 0xC7) {
            throw cpu.gp();
        }
        byte[] image = cpu.image;
        cpu.loadImage(at, vectorBytes(components));
        int pkru = 0;
        if ((components & present & PKRU) != 0) {
            int pkruAt = pkruAt(compacted, format);
            insn.linear(cpu, pkruAt, 8, false);
            pkru = cpu.load32(at + pkruAt);
        }
        // The compacted format has MXCSR as a part of the component SSE.
        boolean loadsMxcsr = (components & (compacted ? SSE : SSE | AVX)) != 0;
        int mxcsr =
                compacted && (present & SSE) == 0 ? FpContext.MXCSR_RESET : FxImage.mxcsr(image);
        if (loadsMxcsr) {
            requireMxcsr(cpu, mxcsr);
        }
        if ((components & X87) != 0) {
            if ((present & X87) != 0) {
                FxImage.loadX87(cpu, insn.rexW(), image);
            } else {
                cpu.x87.initialize();
            }
        }
        if ((components & PKRU) != 0) {
            cpu.setPkru(pkru);
        }
        int registers = registers(cpu);
        if (loadsMxcsr) {
            cpu.sse.mxcsr(mxcsr);
        }
        if ((components & SSE) != 0) {
            if ((present & SSE) == 0) {
                java.util.Arrays.fill(image, FxImage.XMM, FxImage.XMM + 16 * registers, (byte) 0);
            }
            FxImage.loadXmm(cpu, registers, image);
        }
        if ((components & AVX) != 0) {
            boolean initial = (present & AVX) == 0;
            for (int i = 0; i < registers; i++) {
                cpu.v[4 * i + 2] = initial ? 0 : FxImage.load64(image, EXTENDED + 16 * i);
                cpu.v[4 * i + 3] = initial ? 0 : FxImage.load64(image, EXTENDED + 16 * i + 8);
            }
        }
    }
}
