// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import java.util.Arrays;

/**
 * Writes host instructions into a buffer that grows. Registers are numbers in the order of their
 * encoding.
 */
final class Assembler {
    static final int RAX = 0;
    static final int RCX = 1;
    static final int RDX = 2;
    static final int RBX = 3;
    static final int RSP = 4;
    static final int RBP = 5;
    static final int RSI = 6;
    static final int RDI = 7;
    static final int R12 = 12;
    static final int R13 = 13;
    static final int R14 = 14;
    static final int R15 = 15;

    /** No base or index register. */
    static final int NONE = -1;

    /** REX.W: 64-bit operands. */
    static final int W = 1;

    /** Prefix 66. */
    static final int P66 = 2;

    static final int PF2 = 4;
    static final int PF3 = 8;
    static final int PLOCK = 0x10;

    /** A REX prefix even if no bit of it is needed: byte registers SPL to DIL. */
    static final int REX = 0x20;

    /** A VEX prefix in place of the others; for its fields see {@link #vex}. */
    static final int VEX = 0x40;

    private static final int VEX_L = 0x80;

    private static final int VVVV_SHIFT = 8;

    static final int JB = 2;
    static final int JAE = 3;
    static final int JZ = 4;
    static final int JNZ = 5;
    static final int JA = 7;
    static final int JG = 15;

    private byte[] code = new byte[16384];
    private int size;

    void clear() {
        size = 0;
    }

    int size() {
        return size;
    }

    byte[] bytes() {
        return code;
    }

    void byte1(int value) {
        if (size == code.length) {
            code = Arrays.copyOf(code, 2 * size);
        }
        code[size++] = (byte) value;
    }

    void int2(int value) {
        byte1(value);
        byte1(value >> 8);
    }

    void int4(int value) {
        int2(value);
        int2(value >> 16);
    }

    void int8(long value) {
        int4((int) value);
        int4((int) (value >> 32));
    }

    void patch4(int at, int value) {
        for (int i = 0; i < 4; i++) {
            code[at + i] = (byte) (value >> 8 * i);
        }
    }

    /** A VEX prefix with these fields, to be joined with {@link #W} and a mandatory prefix. */
    static int vex(int vvvv, boolean wide) {
        return VEX | (wide ? VEX_L : 0) | vvvv << VVVV_SHIFT;
    }

    /** SDM Vol. 2A, 2.3.5: R, X, B and vvvv are inverted. */
    private void vexPrefix(int flags, int map, int reg, int index, int base) {
        byte1(0xC4);
        byte1((reg & 8) << 4 ^ 0x80 | (index & 8) << 3 ^ 0x40 | (base & 8) << 2 ^ 0x20 | map);
        int pp = (flags & P66) != 0 ? 1 : (flags & PF3) != 0 ? 2 : (flags & PF2) != 0 ? 3 : 0;
        byte1(
                (flags & W) << 7
                        | (~(flags >> VVVV_SHIFT) & 15) << 3
                        | ((flags & VEX_L) != 0 ? 4 : 0)
                        | pp);
    }

    private void prefixes(int flags, int map, int opcode, int reg, int index, int base) {
        if ((flags & VEX) != 0) {
            vexPrefix(flags, map, reg, index, base);
            byte1(opcode);
            return;
        }
        if ((flags & PLOCK) != 0) {
            byte1(0xF0);
        }
        if ((flags & P66) != 0) {
            byte1(0x66);
        }
        if ((flags & PF2) != 0) {
            byte1(0xF2);
        }
        if ((flags & PF3) != 0) {
            byte1(0xF3);
        }
        int rex = (flags & W) << 3 | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;
        if (rex != 0 || (flags & REX) != 0) {
            byte1(0x40 | rex);
        }
        if (map > 0) {
            byte1(0x0F);
            if (map == 2) {
                byte1(0x38);
            } else if (map == 3) {
                byte1(0x3A);
            }
        }
        byte1(opcode);
    }

    /** An instruction with two registers, by ModRM.reg and ModRM.rm. */
    void registers(int flags, int map, int opcode, int reg, int rm) {
        prefixes(flags, map, opcode, reg, 0, rm);
        byte1(0xC0 | (reg & 7) << 3 | rm & 7);
    }

    /** An instruction with a register or digit and memory at base + index * 2^scale + disp. */
    void memory(int flags, int map, int opcode, int reg, int base, int index, int scale, int disp) {
        prefixes(flags, map, opcode, reg, Math.max(index, 0), Math.max(base, 0));
        int field = (reg & 7) << 3;
        boolean sib = index != NONE || base == NONE || (base & 7) == RSP;
        int mod;
        if (base == NONE) {
            mod = 0;
        } else if (disp == 0 && (base & 7) != RBP) {
            mod = 0;
        } else {
            mod = disp == (byte) disp ? 1 : 2;
        }
        if (sib) {
            byte1(mod << 6 | field | RSP);
            byte1(
                    scale << 6
                            | (index == NONE ? RSP : index & 7) << 3
                            | (base == NONE ? RBP : base & 7));
        } else {
            byte1(mod << 6 | field | base & 7);
        }
        if (mod == 1) {
            byte1(disp);
        } else if (mod == 2 || base == NONE) {
            int4(disp);
        }
    }

    /** An instruction with memory at base + disp. */
    void memory(int flags, int map, int opcode, int reg, int base, int disp) {
        memory(flags, map, opcode, reg, base, NONE, 0, disp);
    }

    /** An instruction with a register in the low bits of its opcode. */
    void opcodeRegister(int flags, int map, int opcode, int register) {
        prefixes(flags, map, opcode | register & 7, 0, 0, register);
    }

    /** An instruction that is its opcode. */
    void plain(int flags, int map, int opcode) {
        prefixes(flags, map, opcode, 0, 0, 0);
    }

    // --- single instructions
    // ----------------------------------------------------------------------

    void move(int to, int from) {
        registers(W, 0, 0x8B, to, from);
    }

    void move4(int to, int from) {
        registers(0, 0, 0x8B, to, from);
    }

    void load(int to, int base, int disp) {
        memory(W, 0, 0x8B, to, base, disp);
    }

    void load4(int to, int base, int disp) {
        memory(0, 0, 0x8B, to, base, disp);
    }

    /** Loads 1, 2 or 4 bytes; the bits above become 0. */
    void load4OrLess(int size, int to, int base) {
        switch (size) {
            case 1 -> memory(0, 1, 0xB6, to, base, 0);
            case 2 -> memory(0, 1, 0xB7, to, base, 0);
            default -> load4(to, base, 0);
        }
    }

    void store(int base, int disp, int from) {
        memory(W, 0, 0x89, from, base, disp);
    }

    void store4(int base, int disp, int from) {
        memory(0, 0, 0x89, from, base, disp);
    }

    void storeImmediate4(int base, int disp, int value) {
        memory(0, 0, 0xC7, 0, base, disp);
        int4(value);
    }

    void lea(int to, int base, int disp) {
        memory(W, 0, 0x8D, to, base, disp);
    }

    void moveImmediate(int to, long value) {
        boolean small = value >>> 32 == 0;
        opcodeRegister(small ? 0 : W, 0, 0xB8, to);
        if (small) {
            int4((int) value);
        } else {
            int8(value);
        }
    }

    /** SAHF's and LAHF's partner: AL is OF (SETO AL). */
    void saveFlagsToAx() {
        byte1(0x9F);
        registers(0, 1, 0x90, 0, RAX);
    }

    /** ADD AL,7Fh sets OF if AL is 1; SAHF sets the others from AH. */
    void restoreFlagsFromAx() {
        byte1(0x04);
        byte1(0x7F);
        byte1(0x9E);
    }

    void push(int register) {
        if (register >= 8) {
            byte1(0x41);
        }
        byte1(0x50 | register & 7);
    }

    void pop(int register) {
        if (register >= 8) {
            byte1(0x41);
        }
        byte1(0x58 | register & 7);
    }

    void ret() {
        byte1(0xC3);
    }

    /** A conditional jump with a 32-bit displacement; returns where the displacement is. */
    int jump(int condition) {
        byte1(0x0F);
        byte1(0x80 | condition);
        int4(0);
        return size - 4;
    }

    /** A jump with a 32-bit displacement; returns where the displacement is. */
    int jump() {
        byte1(0xE9);
        int4(0);
        return size - 4;
    }

    /** A jump with an 8-bit displacement; returns where it is. */
    int shortJump() {
        byte1(0xEB);
        byte1(0);
        return size - 1;
    }

    /** JRCXZ with an 8-bit displacement; returns where it is. */
    int jrcxz() {
        byte1(0xE3);
        byte1(0);
        return size - 1;
    }

    /** Lets the 8-bit displacement at {@code at} lead here. */
    void land1(int at) {
        code[at] = (byte) (size - at - 1);
    }

    /** Lets the 32-bit displacement at {@code at} lead here. */
    void land4(int at) {
        patch4(at, size - at - 4);
    }
}
