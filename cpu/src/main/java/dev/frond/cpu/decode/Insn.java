// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.decode;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;

/**
 * One decoded instruction. Position-independent: places in code count from the start of its page.
 */
public final class Insn {
    public final Form form;

    /** The offset of the first byte from the start of the code page, 0..4095. */
    public final int offset;

    /** Bytes, prefixes included, 1..15. */
    public final int length;

    /** Whether it does nothing: NOP in all lengths, ENDBR64, prefetches. */
    public boolean isNop() {
        // 90 with REX.B is XCHG R8,rAX.
        return form.is(Form.NOP) && (form.map() != 0 || opcodeRegister != 8);
    }

    /** The operand size in bytes: 2, 4 or 8, or what the form fixes. */
    public final int size;

    /** The operand size in bytes, 2, 4 or 8, whatever the form fixes. */
    public final int operandSize;

    /** The address size in bytes: 2, 4 or 8. */
    public final int addressSize;

    /** 0xF2, 0xF3 or 0: the last repeat prefix. */
    public final int repeat;

    public final boolean lock;

    /** Whether a REX prefix stands there, which gives SPL..DIL instead of AH..BH. */
    public final boolean rex;

    private final boolean rexW;

    public final int opcode;
    public final int modRm;

    /** ModRM.reg with REX.R. */
    public final int reg;

    /** ModRM.rm with REX.B; a register number if {@link #memory} is false. */
    public final int rm;

    /** The register that VEX.vvvv names, 0..15. */
    public final int vvvv;

    /** VEX.L: whether the vector has 256 bits. */
    public final boolean wideVector;

    /** The vector register of indices if the form is {@link Form#VSIB}. */
    public final int vectorIndex;

    /** The low three bits of the opcode with REX.B. */
    public final int opcodeRegister;

    /** Whether ModRM.rm or a moffs operand names memory. */
    public final boolean memory;

    /** Slots of {@link Cpu#r}. */
    public final int base;

    public final int index;

    /** The index is shifted left by this, 0..3. */
    public final int scale;

    /**
     * The displacement, 32 bits sign-extended; from the code page's start if the base is {@link
     * Cpu#CODE_BASE}, and with the index {@link Cpu#FOUR_GIB} then if that is more.
     */
    public final long displacement;

    /** A {@link Seg} number for {@link Cpu#linear}. */
    public final int segment;

    /**
     * The segment of an override prefix or {@link Seg#DS}, as {@link Cpu#linear} takes it; for
     * strings.
     */
    public final int stringSegment;

    /** The immediate or branch displacement, sign-extended; the offset of a far pointer. */
    public final long immediate;

    /** The second immediate of ENTER and EXTRQ; the selector of a far pointer. */
    public final int immediate2;

    Insn(Decoder d, Form form) {
        this.form = form;
        offset = d.offset;
        length = d.position;
        size = d.size;
        operandSize = d.operandSize;
        addressSize = d.addressSize;
        repeat = d.repeat;
        lock = d.lock;
        rex = d.rex != 0;
        rexW = (d.rex & 8) != 0;
        opcode = d.opcode;
        modRm = d.modRm;
        reg = d.reg;
        rm = d.rm;
        vvvv = d.vvvv;
        wideVector = d.wideVector;
        vectorIndex = d.vectorIndex;
        opcodeRegister = d.opcode & 7 | (d.rex & 1) << 3;
        memory = d.memory;
        base = d.base;
        index = d.index;
        scale = d.scale;
        displacement = d.displacement;
        segment = d.segment;
        stringSegment = d.stringSegment;
        immediate = d.immediate;
        immediate2 = d.immediate2;
    }

    /** Whether REX.W is set, for instructions where it selects more than the operand size. */
    public boolean rexW() {
        return rexW;
    }

    /** What effective addresses are cut to. */
    public long addressMask() {
        return addressSize == 8 ? -1L : addressSize == 4 ? 0xFFFF_FFFFL : 0xFFFF;
    }

    /** The effective address: the offset in its segment. */
    public long effectiveAddress(Cpu cpu) {
        return cpu.r[base] + (cpu.r[index] << scale) + displacement & addressMask();
    }

    /** The linear address of {@code bytes} bytes of memory, checked. */
    public long linear(Cpu cpu, int bytes, boolean write) {
        return cpu.linear(segment, effectiveAddress(cpu), bytes, write);
    }

    /**
     * The linear address of {@code bytes} bytes at {@code delta} from the memory operand, checked.
     */
    public long linear(Cpu cpu, int delta, int bytes, boolean write) {
        return cpu.linear(segment, effectiveAddress(cpu) + delta & addressMask(), bytes, write);
    }

    /** The instruction pointer of this instruction while its page executes. */
    public long rip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + offset;
    }

    /** The instruction pointer of the next instruction. */
    public long nextRip(Cpu cpu) {
        return cpu.r[Cpu.CODE_BASE] + offset + length;
    }

    /** The register number of a byte register, and in bit 8 whether it is AH..BH (numbers 0..3). */
    public int byteRegister(int number) {
        return !rex && number >= 4 && number < 8 ? number - 4 | 0x100 : number;
    }

    /** Reads operand E: a register or memory, of {@code bytes} bytes, bits above unspecified. */
    public long readE(Cpu cpu, int bytes) {
        if (memory) {
            return cpu.load(linear(cpu, bytes, false), bytes);
        }
        return bytes == 1 ? readByteRegister(cpu, rm) : cpu.r[rm];
    }

    /** Reads operand E that {@link #writeE} will write: faults as the write would. */
    public long readForUpdate(Cpu cpu, int bytes) {
        return memory ? cpu.loadForUpdate(linear(cpu, bytes, true), bytes) : readE(cpu, bytes);
    }

    /** Writes operand E. */
    public void writeE(Cpu cpu, int bytes, long value) {
        if (memory) {
            cpu.store(linear(cpu, bytes, true), bytes, value);
        } else if (bytes == 1) {
            writeByteRegister(cpu, rm, value);
        } else {
            cpu.setRegister(rm, bytes, value);
        }
    }

    /** Reads operand G, bits above unspecified. */
    public long readG(Cpu cpu, int bytes) {
        return bytes == 1 ? readByteRegister(cpu, reg) : cpu.r[reg];
    }

    /** Writes operand G. */
    public void writeG(Cpu cpu, int bytes, long value) {
        if (bytes == 1) {
            writeByteRegister(cpu, reg, value);
        } else {
            cpu.setRegister(reg, bytes, value);
        }
    }

    private long readByteRegister(Cpu cpu, int number) {
        int register = byteRegister(number);
        return cpu.r[register & 15] >>> (register >>> 5);
    }

    private void writeByteRegister(Cpu cpu, int number, long value) {
        int register = byteRegister(number);
        int shift = register >>> 5;
        int at = register & 15;
        cpu.r[at] = cpu.r[at] & ~(0xFFL << shift) | (value & 0xFF) << shift;
    }
}
