// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.decode;

/**
 * An operand in the notation of SDM Vol. 2D, A.2: a capital letter for where it is, a small one for
 * its type.
 */
public enum Operand {
    /** A general register or memory, by ModRM.rm. */
    Eb,
    Ew,
    Ed,
    Eq,
    Ev,
    Ey,
    /** A general register by ModRM.reg. */
    Gb,
    Gw,
    Gd,
    Gq,
    Gv,
    Gz,
    Gy,
    /** A general register by ModRM.rm. */
    Rd,
    Rq,
    Rv,
    Ry,
    /** A general register by the low three bits of the opcode. */
    Zb,
    Zv,
    /** Memory: its address. */
    M,
    /** Memory only. */
    Mb,
    Mw,
    Md,
    Mq,
    Mdq,
    Mv,
    My,
    Mp,
    Ma,
    Ms,
    /** An immediate; sIb and sIz are sign-extended to the operand size. */
    Ib,
    Iw,
    Iz,
    Iv,
    sIb,
    sIz,
    /** A displacement relative to the next instruction. */
    Jb,
    Jz,
    /** A far pointer in the instruction. */
    Ap,
    /** Memory at an address in the instruction. */
    Ob,
    Ov,
    /** A segment, control or debug register by ModRM.reg. */
    Sw,
    Cy,
    Dy,
    /** Fixed registers. */
    AL,
    AX,
    eAX,
    rAX,
    CL,
    DX,
    ES,
    CS,
    SS,
    DS,
    FS,
    GS,
    /** The constant 1. */
    One,
    /** String operands at rSI and rDI. */
    Xb,
    Xv,
    Xz,
    Yb,
    Yv,
    Yz,
    /** MMX registers and memory: by ModRM.reg; ModRM.rm or memory; ModRM.rm. */
    Pq,
    Pd,
    Py,
    Qq,
    Qd,
    Nq,
    /** XMM registers by ModRM.reg. */
    Vx,
    Vdq,
    Vps,
    Vpd,
    Vss,
    Vsd,
    Vq,
    Vd,
    Vy,
    /** XMM registers by ModRM.rm, or memory. */
    Wx,
    Wdq,
    Wps,
    Wpd,
    Wss,
    Wsd,
    Wq,
    Wd,
    Ww,
    Wb,
    /** XMM registers by ModRM.rm. */
    Ux,
    Udq,
    Ups,
    Upd,
    Uq,
    /** A general register by VEX.vvvv. */
    By,
    /** Vectors of the length that VEX.L gives (x, ps, pd), of 256 bits (qq), XMM registers. */
    Vqq,
    Wqq,
    Uqq,
    /** Vector registers by VEX.vvvv. */
    Hx,
    Hdq,
    Hqq,
    Hps,
    Hpd,
    Hss,
    Hsd,
    Hq,
    /** Scalars in registers by ModRM.rm. */
    Uss,
    Usd,
    /** A vector register by bits 7:4 of an immediate byte. */
    Lx,
    /** Memory elements at vector indices, or under a mask. */
    Mx,
    /** XMM0, which SSE4.1's variable blends read unsaid. */
    XMM0,
    /** x87: ST(0), ST(i) by the low three bits of ModRM. */
    ST0,
    STi;

    /** Whether this is an XMM or YMM register, or memory in its stead. */
    public boolean isVector() {
        return switch (name().charAt(0)) {
            case 'V', 'W', 'U', 'H', 'L' -> true;
            default -> this == XMM0;
        };
    }

    /**
     * The number of bytes of the immediate that this operand takes at operand size {@code size}.
     */
    int immediateBytes(int size) {
        return switch (this) {
            case Ib, sIb, Jb, Lx -> 1;
            case Iw -> 2;
            case Iz, sIz, Jz -> Math.min(size, 4);
            case Iv -> size;
            default -> 0;
        };
    }
}
