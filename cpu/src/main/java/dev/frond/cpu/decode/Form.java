// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.decode;

import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.Optional;

/**
 * One encoding of one instruction: a line of an {@link Encoding}, as the decoder, the disassembler,
 * the tests and the engines use it.
 */
public final class Form {
    /** Any mandatory prefix is ignored: 66 is the operand size, F2 and F3 mean nothing. */
    public static final int PREFIX_ANY = 0;

    /** None of 66, F2, F3 may stand before the opcode. */
    public static final int PREFIX_NONE = 1;

    public static final int PREFIX_66 = 2;
    public static final int PREFIX_F3 = 3;
    public static final int PREFIX_F2 = 4;

    /** {@link #digit}: there is no ModRM byte. */
    public static final int NO_MODRM = -1;

    /** {@link #digit}: any ModRM byte, written /r. */
    public static final int ANY_DIGIT = 8;

    /** {@link #digit}: added to the ModRM byte that must stand there. */
    public static final int EXACT = 0x100;

    public static final int LOCK = 1;
    public static final int ONLY_64 = 2;
    public static final int NOT_64 = 4;
    public static final int DEFAULT_64 = 8;
    public static final int FORCE_64 = 0x10;
    public static final int END = 0x20;
    public static final int CPL0 = 0x40;
    public static final int W0 = 0x80;
    public static final int W1 = 0x100;
    public static final int MEMORY_ONLY = 0x200;
    public static final int REGISTER_ONLY = 0x400;

    /** A memory operand of 16 or 32 bytes need not be aligned. */
    public static final int UNALIGNED = 0x800;

    /** Does nothing, but for 90 with REX.B. */
    public static final int NOP = 0x10_0000;

    /** The opcode follows a VEX prefix, which names the mandatory prefix and the map. */
    public static final int VEX = 0x1000;

    /** VEX.L must be 0. */
    public static final int L0 = 0x2000;

    /** VEX.L must be 1. */
    public static final int L1 = 0x4000;

    /** Memory is addressed by a SIB byte whose index is a vector register. */
    public static final int VSIB = 0x8000;

    /** How the operand size that selects the node follows from the instruction's. */
    public enum Sizing {
        /** As the operand size: 2, 4 or 8. */
        V,
        /** 4, or 8 with REX.W. */
        Y,
        /** 2 or 4. */
        Z,
        BYTE,
        WORD,
        DWORD,
        QWORD
    }

    private final String mnemonic;
    private final int map;
    private final int opcode;
    private final int prefix;
    private final int digit;
    private final int attributes;
    private final Sizing sizing;
    private final @Nullable CpuFeature feature;
    private final int undefinedFlags;
    private final List<Operand> operands;
    private final short[] nodes;
    private final boolean usesVvvv;
    private final boolean vector;

    /**
     * @param map 0 for one-byte opcodes, 1 for 0F, 2 for 0F 38, 3 for 0F 3A
     * @param nodes node numbers by {@code log2(size) * 3 + (0 register, 1 memory, 2 locked memory)}
     */
    public Form(
            String mnemonic,
            int map,
            int opcode,
            int prefix,
            int digit,
            int attributes,
            Sizing sizing,
            @Nullable CpuFeature feature,
            int undefinedFlags,
            List<Operand> operands,
            short... nodes) {
        this.mnemonic = mnemonic;
        this.map = map;
        this.opcode = opcode;
        this.prefix = prefix;
        this.digit = digit;
        this.attributes = attributes;
        this.sizing = sizing;
        this.feature = feature;
        this.undefinedFlags = undefinedFlags;
        this.operands = operands;
        this.nodes = nodes;
        usesVvvv = operands.stream().anyMatch(o -> o == Operand.By || o.name().charAt(0) == 'H');
        vector = operands.stream().anyMatch(Operand::isVector);
    }

    /** The manual's name, in capitals. */
    public String mnemonic() {
        return mnemonic;
    }

    /** 0 for one-byte opcodes, 1 for 0F, 2 for 0F 38, 3 for 0F 3A. */
    public int map() {
        return map;
    }

    /** The opcode byte. */
    public int opcode() {
        return opcode;
    }

    /** One of the PREFIX constants. */
    public int prefix() {
        return prefix;
    }

    /** {@link #NO_MODRM}, {@link #ANY_DIGIT}, 0..7, or {@link #EXACT} plus a ModRM byte. */
    public int digit() {
        return digit;
    }

    /** Whether all of the attribute bits {@code mask} are set. */
    public boolean is(int mask) {
        return (attributes & mask) == mask;
    }

    /** Whether a ModRM byte follows the opcode. */
    public boolean hasModRm() {
        return digit != NO_MODRM;
    }

    /** Whether VEX.vvvv names an operand; it must be 1111b otherwise. */
    public boolean usesVvvv() {
        return usesVvvv;
    }

    /** Whether there is an XMM or YMM register among the operands. */
    public boolean isVector() {
        return vector;
    }

    /** How the node's size follows from the operand size. */
    public Sizing sizing() {
        return sizing;
    }

    /** The feature that the CPU must offer. */
    public Optional<CpuFeature> feature() {
        return Optional.ofNullable(feature);
    }

    /** Status flags that the manual leaves undefined, at their places in RFLAGS. */
    public int undefinedFlags() {
        return undefinedFlags;
    }

    /** The explicit operands, destination first. */
    public List<Operand> operands() {
        return operands;
    }

    /** The node number for an operand of {@code size} bytes, or -1 if there is none. */
    public int node(int size, boolean memory, boolean locked) {
        return nodes[(31 - Integer.numberOfLeadingZeros(size)) * 3 + (memory ? locked ? 2 : 1 : 0)];
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        if (is(VEX)) {
            text.append(is(L1) ? "VEX.256 " : is(L0) ? "VEX.128 " : "VEX.LIG ");
        }
        text.append(is(W0) ? "W0 " : is(W1) ? "W1 " : "");
        text.append(
                switch (prefix) {
                    case PREFIX_NONE -> "NP ";
                    case PREFIX_66 -> "66 ";
                    case PREFIX_F3 -> "F3 ";
                    case PREFIX_F2 -> "F2 ";
                    default -> "";
                });
        text.append(
                switch (map) {
                    case 1 -> "0F ";
                    case 2 -> "0F 38 ";
                    case 3 -> "0F 3A ";
                    default -> "";
                });
        text.append(String.format("%02X", opcode));
        if (digit >= EXACT) {
            text.append(String.format(" =%02X", digit - EXACT));
        } else if (digit == ANY_DIGIT) {
            text.append(" /r");
        } else if (digit != NO_MODRM) {
            text.append(" /").append(digit);
        }
        text.append(" ").append(mnemonic);
        for (int i = 0; i < operands.size(); i++) {
            text.append(i == 0 ? " " : ",").append(operands.get(i));
        }
        return text.toString();
    }
}
