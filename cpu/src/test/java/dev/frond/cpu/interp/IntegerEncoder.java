// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;

import java.io.ByteArrayOutputStream;

/**
 * The bytes of an integer instruction of a {@link Form} with every choice that its encoding leaves:
 * prefixes, registers, forms of memory operand. Choices that the form does not have are ignored.
 */
final class IntegerEncoder {
    /** How a memory operand is written. */
    enum Addressing {
        BASE,
        BASE_DISP8,
        BASE_DISP32,
        BASE_INDEX_DISP8,
        BASE_INDEX_DISP32,
        INDEX_DISP32,
        ABSOLUTE,
        RIP_RELATIVE;

        boolean hasBase() {
            return ordinal() <= BASE_INDEX_DISP32.ordinal();
        }

        boolean hasIndex() {
            return this == BASE_INDEX_DISP8 || this == BASE_INDEX_DISP32 || this == INDEX_DISP32;
        }
    }

    /** 64-bit code; else 32-bit code, without REX. */
    boolean code64 = true;

    /** 16-bit code, if it is not 64-bit code. */
    boolean code16;

    boolean wide;

    /** A REX prefix even if nothing needs one: SPL..DIL for AH..BH. */
    boolean rex;

    /** 66. */
    boolean word;

    /** 67. */
    boolean shortAddress;

    boolean lock;

    /** F2, F3 or 0. */
    int repeat;

    /** A segment override, or 0. */
    int override;

    /** VEX.vvvv where the form has it. */
    int vvvv;

    /** In 32-bit code: the bit of VEX.vvvv that means nothing there. */
    boolean strayBit;

    int reg;
    int rm;
    boolean memory;
    Addressing addressing = Addressing.BASE;
    int base;
    int index;
    int scale;
    int displacement;

    /** ModRM's mod, 0 to 2, and rm of a memory operand with 16-bit addressing. */
    int mod16;

    int rm16;

    /** What {@link Addressing#ABSOLUTE}, RIP-relative and moffs operands name. */
    long address;

    long immediate;
    long immediate2;

    static boolean registerInOpcode(Form form) {
        return form.operands().contains(Operand.Zb) || form.operands().contains(Operand.Zv);
    }

    /** Whether ModRM.rm of this encoding of {@code form} is memory. */
    boolean hasMemory(Form form) {
        return memory && form.hasModRm() && form.digit() < Form.EXACT;
    }

    /** Whether addresses have 16 bits. */
    boolean addresses16() {
        return !code64 && code16 != shortAddress;
    }

    /** Whether there is a 66, the form's own or another. */
    private boolean prefix66(Form form) {
        boolean own = !form.is(Form.VEX) && form.prefix() == Form.PREFIX_66;
        return own || word && (form.is(Form.VEX) || form.prefix() != Form.PREFIX_NONE);
    }

    /** The operand size in bytes, as far as prefixes and the form's attributes say. */
    int size(Form form) {
        boolean w = code64 && (wide || form.is(Form.FORCE_64));
        boolean half =
                code16 && !code64 ? !prefix66(form) : word && form.prefix() != Form.PREFIX_66;
        int v = w ? 8 : half ? 2 : code64 && form.is(Form.DEFAULT_64) ? 8 : 4;
        return switch (form.sizing()) {
            case V -> v;
            case Y -> w ? 8 : 4;
            case Z -> Math.min(v, 4);
            case BYTE -> 1;
            case WORD -> 2;
            case DWORD -> 4;
            case QWORD -> 8;
        };
    }

    /** The size of an immediate or of an operand that depends on the operand size. */
    private int operandSize(Form form) {
        boolean w = code64 && (wide || form.is(Form.FORCE_64));
        boolean half = code16 && !code64 ? !prefix66(form) : word;
        return w ? 8 : half ? 2 : code64 && form.is(Form.DEFAULT_64) ? 8 : 4;
    }

    /** Encodes, to stand at {@code rip}. */
    byte[] encode(Form form, long rip) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(16);
        if (lock) {
            out.write(0xF0);
        }
        if (override != 0) {
            out.write(override);
        }
        if (shortAddress) {
            out.write(0x67);
        }
        legacyPrefixes(out, form);
        boolean inMemory = hasMemory(form);
        int low = 0;
        int high = 0;
        int x = 0;
        if (registerInOpcode(form)) {
            low = reg;
        } else if (form.hasModRm() && form.digit() < Form.EXACT) {
            low = inMemory ? addressing.hasBase() ? base : 0 : rm;
            x = inMemory && addressing.hasIndex() ? index : 0;
            high = form.digit() == Form.ANY_DIGIT ? reg : 0;
        }
        if (form.is(Form.VEX)) {
            vex(out, form, high, x, low);
        } else if (code64) {
            int bits = (wide ? 8 : 0) | (high & 8) >>> 1 | (x & 8) >>> 2 | (low & 8) >>> 3;
            if (bits != 0 || rex) {
                out.write(0x40 | bits);
            }
        }
        if (form.map() > 0 && !form.is(Form.VEX)) {
            out.write(0x0F);
        }
        if (form.map() > 1 && !form.is(Form.VEX)) {
            out.write(form.map() == 2 ? 0x38 : 0x3A);
        }
        out.write(form.opcode());
        byte[] tail = immediates(form);
        if (form.digit() >= Form.EXACT) {
            out.write(form.digit() - Form.EXACT);
        } else if (form.hasModRm()) {
            int field = form.digit() == Form.ANY_DIGIT ? reg & 7 : form.digit();
            if (inMemory) {
                memory(out, field << 3, rip, tail.length);
            } else {
                out.write(0xC0 | field << 3 | rm & 7);
            }
        }
        out.writeBytes(tail);
        return out.toByteArray();
    }

    private void vex(ByteArrayOutputStream out, Form form, int high, int x, int low) {
        out.write(0xC4);
        out.write(~high << 4 & 0x80 | ~x << 3 & 0x40 | ~low << 2 & 0x20 | form.map());
        int v = form.usesVvvv() ? ~vvvv & 15 : 15;
        out.write(
                (wide ? 0x80 : 0) | (strayBit ? v ^ 8 : v) << 3 | form.prefix() - Form.PREFIX_NONE);
    }

    private void memory(ByteArrayOutputStream out, int field, long rip, int tail) {
        if (addresses16()) {
            out.write(mod16 << 6 | field | rm16);
            little(out, displacement, mod16 == 1 ? 1 : mod16 == 2 || rm16 == 6 ? 2 : 0);
            return;
        }
        switch (addressing) {
            case BASE, BASE_DISP8, BASE_DISP32 -> {
                int mod = addressing.ordinal() << 6;
                if (mod == 0 && (base & 7) == Cpu.RBP) {
                    // RBP and R13 have no form without displacement.
                    mod = 0x40;
                }
                out.write(mod | field | base & 7);
                if ((base & 7) == Cpu.RSP) {
                    out.write(0x24);
                }
                little(out, displacement, mod == 0 ? 0 : mod == 0x40 ? 1 : 4);
            }
            case BASE_INDEX_DISP8, BASE_INDEX_DISP32 -> {
                boolean small = addressing == Addressing.BASE_INDEX_DISP8;
                out.write((small ? 0x44 : 0x84) | field);
                out.write(scale << 6 | (index & 7) << 3 | base & 7);
                little(out, displacement, small ? 1 : 4);
            }
            case INDEX_DISP32 -> {
                out.write(4 | field);
                out.write(scale << 6 | (index & 7) << 3 | 5);
                little(out, displacement, 4);
            }
            case ABSOLUTE -> {
                if (code64) {
                    out.write(4 | field);
                    out.write(0x25);
                } else {
                    out.write(5 | field);
                }
                little(out, address, 4);
            }
            case RIP_RELATIVE -> {
                out.write(5 | field);
                little(out, address - (rip + out.size() + 4 + tail), 4);
            }
        }
    }

    private void legacyPrefixes(ByteArrayOutputStream out, Form form) {
        boolean vex = form.is(Form.VEX);
        if (prefix66(form)) {
            out.write(0x66);
        }
        if (!vex && form.prefix() == Form.PREFIX_F2) {
            out.write(0xF2);
        } else if (!vex && form.prefix() == Form.PREFIX_F3) {
            out.write(0xF3);
        } else if (repeat != 0) {
            out.write(repeat);
        }
    }

    private byte[] immediates(Form form) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(8);
        int size = operandSize(form);
        boolean first = true;
        for (Operand operand : form.operands()) {
            int bytes =
                    switch (operand) {
                        case Ib, sIb, Jb -> 1;
                        case Iw -> 2;
                        case Iz, sIz, Jz, Ap -> Math.min(size, 4);
                        case Iv -> size;
                        default -> 0;
                    };
            little(out, first ? immediate : immediate2, bytes);
            first &= bytes == 0;
            if (operand == Operand.Ob || operand == Operand.Ov) {
                little(out, address, code64 && !shortAddress ? 8 : addresses16() ? 2 : 4);
            }
            if (operand == Operand.Ap) {
                little(out, immediate2, 2);
            }
        }
        return out.toByteArray();
    }

    private static void little(ByteArrayOutputStream out, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }

    /** The segment register of the memory operand. */
    int segment(Form form) {
        switch (override) {
            case 0x26, 0x2E, 0x36, 0x3E -> {
                return override >>> 3 & 3;
            }
            case 0x64 -> {
                return Seg.FS;
            }
            case 0x65 -> {
                return Seg.GS;
            }
            default -> {}
        }
        if (!hasMemory(form)) {
            return Seg.DS;
        }
        boolean stack =
                addresses16()
                        ? rm16 == 2 || rm16 == 3 || rm16 == 6 && mod16 != 0
                        : addressing.hasBase() && (base == Cpu.RSP || base == Cpu.RBP);
        return stack ? Seg.SS : Seg.DS;
    }
}
