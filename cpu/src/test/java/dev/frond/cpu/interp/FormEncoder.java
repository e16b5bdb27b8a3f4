// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;

import java.io.ByteArrayOutputStream;

/**
 * The bytes of an instruction of a {@link Form} with chosen operands: an assembler that knows only
 * what the instruction table says. Fields that the form does not use are ignored.
 */
final class FormEncoder {
    /** REX.W. */
    boolean wide;

    /** A 66 prefix for the operand size. */
    boolean word;

    /** 16-bit code. */
    boolean code16;

    /** In 16-bit code: a 67 prefix, and addressing with 32 bits. */
    boolean longAddress;

    /** ModRM.reg, or the register in the opcode; 0 to 15, from 8 on only in 64-bit mode. */
    int reg;

    /** ModRM.rm as a register, 0 to 15. */
    int rm;

    /** ModRM.rm is memory: at {@link #base} plus {@link #displacement}. */
    boolean memory;

    /** The base register of memory, 0 to 15. */
    int base;

    int displacement;

    /** VEX.vvvv where the form has it, 0 to 15. */
    int vvvv;

    /** VEX.L where the form does not fix it. */
    boolean wideVector;

    /** The three-byte VEX prefix even where two bytes would do. */
    boolean longPrefix;

    /** The vector register of indices, and their shift, of a form with VSIB. */
    int index;

    int scale;
    long immediate;
    long immediate2;

    /** Encodes; legacy prefixes, REX, opcode, ModRM, displacement, immediates. */
    byte[] encode(Form form) {
        ByteArrayOutputStream out = new ByteArrayOutputStream(15);
        if (code16 && longAddress) {
            out.write(0x67);
        }
        if (form.is(Form.VEX)) {
            vex(out, form);
            out.write(form.opcode());
            operands(out, form);
            return out.toByteArray();
        }
        boolean sized =
                word && form.prefix() == Form.PREFIX_ANY || word && form.prefix() == Form.PREFIX_F2;
        if (sized || form.prefix() == Form.PREFIX_66) {
            out.write(0x66);
        }
        if (form.prefix() == Form.PREFIX_F2 || form.prefix() == Form.PREFIX_F3) {
            out.write(form.prefix() == Form.PREFIX_F2 ? 0xF2 : 0xF3);
        }
        int low = memory ? base : rm;
        boolean inOpcode =
                form.operands().contains(Operand.Zb) || form.operands().contains(Operand.Zv);
        int rex =
                (wide ? 8 : 0)
                        | (inOpcode ? 0 : (reg & 8) >>> 1)
                        | ((inOpcode ? reg : low) & 8) >>> 3;
        if (form.digit() != Form.ANY_DIGIT) {
            rex &= ~4;
        }
        if (!form.hasModRm() && !inOpcode || form.digit() >= Form.EXACT) {
            rex &= 8;
        }
        if (rex != 0) {
            out.write(0x40 | rex);
        }
        if (form.map() > 0) {
            out.write(0x0F);
        }
        if (form.map() > 1) {
            out.write(form.map() == 2 ? 0x38 : 0x3A);
        }
        out.write(form.opcode());
        operands(out, form);
        return out.toByteArray();
    }

    private void vex(ByteArrayOutputStream out, Form form) {
        int low = memory ? base : rm;
        int r = form.digit() == Form.ANY_DIGIT ? ~reg & 8 : 8;
        int x = form.is(Form.VSIB) ? ~index & 8 : 8;
        int b = form.hasModRm() ? ~low & 8 : 8;
        boolean w = form.is(Form.W1) || wide && !form.is(Form.W0);
        boolean l = form.is(Form.L1) || wideVector && !form.is(Form.L0);
        int v = form.usesVvvv() ? ~vvvv & 15 : 15;
        int last = v << 3 | (l ? 4 : 0) | form.prefix() - Form.PREFIX_NONE;
        if (form.map() == 1 && x == 8 && b == 8 && !w && !longPrefix) {
            out.write(0xC5);
            out.write(r << 4 | last);
        } else {
            out.write(0xC4);
            out.write(r << 4 | x << 3 | b << 2 | form.map());
            out.write((w ? 0x80 : 0) | last);
        }
    }

    private void operands(ByteArrayOutputStream out, Form form) {
        if (form.digit() >= Form.EXACT) {
            out.write(form.digit() - Form.EXACT);
        } else if (form.hasModRm()) {
            modRm(out, form, form.digit() == Form.ANY_DIGIT ? reg & 7 : form.digit());
        }
        boolean first = true;
        for (Operand operand : form.operands()) {
            int bytes = immediateBytes(operand);
            little(out, first ? immediate : immediate2, bytes);
            first &= bytes == 0;
        }
    }

    private void modRm(ByteArrayOutputStream out, Form form, int field) {
        if (!memory) {
            out.write(0xC0 | field << 3 | rm & 7);
            return;
        }
        if (code16 && !longAddress) {
            // SI, DI, BP and BX with a displacement.
            int how =
                    switch (base) {
                        case Cpu.RSI -> 4;
                        case Cpu.RDI -> 5;
                        case Cpu.RBP -> 6;
                        case Cpu.RBX -> 7;
                        default -> throw new IllegalArgumentException("base " + base);
                    };
            out.write(0x80 | field << 3 | how);
            little(out, displacement, 2);
            return;
        }
        if (form.is(Form.VSIB)) {
            out.write(0x84 | field << 3);
            out.write(scale << 6 | (index & 7) << 3 | base & 7);
            little(out, displacement, 4);
            return;
        }
        out.write(0x80 | field << 3 | base & 7);
        if ((base & 7) == 4) {
            // RSP and R12 as base need a SIB byte, here without index.
            out.write(0x24);
        }
        little(out, displacement, 4);
    }

    private int immediateBytes(Operand operand) {
        int size = wide ? 8 : word ? 2 : 4;
        return switch (operand) {
            case Ib, sIb, Jb, Lx -> 1;
            case Iw -> 2;
            case Iz, sIz, Jz -> Math.min(size, 4);
            case Iv -> size;
            default -> 0;
        };
    }

    private static void little(ByteArrayOutputStream out, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> 8 * i));
        }
    }
}
