// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.decode;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Turns bytes into {@link Insn}s for a CPU that offers certain features. Not for several threads at
 * once: fields hold the instruction under way (SDM Vol. 2A, chapter 2).
 */
public final class Decoder {
    /** The longest instruction; one byte more is #GP(0). */
    public static final int MAX_LENGTH = 15;

    /** Why {@link #decode} gave no instruction. */
    public enum Failure {
        /** The bytes given end within the instruction. */
        TRUNCATED,
        /** More than 15 bytes: #GP(0). */
        TOO_LONG,
        /** No such instruction here: #UD. */
        UNDEFINED
    }

    /** In {@link #table} opcodes after a VEX prefix follow the four maps of the others. */
    private static final int VEX_MAPS = 4;

    private final Form[][] table = new Form[8 * 256][];

    private byte[] code = {};
    private int start;
    private int limit;
    private Failure failure = Failure.UNDEFINED;

    int offset;
    int position;
    int size;
    int operandSize;
    int addressSize;
    int repeat;
    boolean lock;
    int rex;
    int opcode;
    int modRm;
    int reg;
    int rm;
    boolean memory;
    int base;
    int index;
    int scale;
    long displacement;
    int segment;
    int stringSegment;
    long immediate;
    int immediate2;
    int vvvv;
    boolean wideVector;
    int vectorIndex;

    private boolean vex;

    /** VEX.vvvv with its highest bit, which names no register in 32-bit code. */
    private int vvvvField;

    /** REX.W or VEX.W; W of a VEX prefix selects opcodes in 32-bit code too. */
    private boolean w;

    private int vexPrefix;

    private boolean code64;
    private boolean code32;
    private boolean operandSizePrefix;
    private int segmentOverride;
    private boolean secondImmediate;

    /** Thrown inside {@link #decode} only. */
    @SuppressWarnings("serial") // Never serialized.
    private static final class Stop extends RuntimeException {
        Stop() {
            super(null, null, false, false);
        }
    }

    private final Stop stop = new Stop();

    /** A decoder of {@code forms} for a CPU that offers {@code features}. */
    public Decoder(List<Form> forms, Set<CpuFeature> features) {
        Set<CpuFeature> offered =
                features.isEmpty() ? EnumSet.noneOf(CpuFeature.class) : EnumSet.copyOf(features);
        List<List<Form>> lists = new ArrayList<>();
        for (int i = 0; i < table.length; i++) {
            lists.add(List.of());
        }
        for (Form form : forms) {
            if (form.feature().isPresent() && !offered.contains(form.feature().get())) {
                continue;
            }
            // An extension like AES has its VEX encodings only together with AVX.
            if (form.is(Form.VEX) && form.isVector() && !offered.contains(CpuFeature.AVX)) {
                continue;
            }
            int at = (form.is(Form.VEX) ? VEX_MAPS : 0) + form.map() << 8 | form.opcode();
            if (lists.get(at).isEmpty()) {
                lists.set(at, new ArrayList<>());
            }
            lists.get(at).add(form);
        }
        for (int i = 0; i < table.length; i++) {
            table[i] = lists.get(i).toArray(Form[]::new);
        }
    }

    /** Why the last {@link #decode} gave nothing. */
    public Failure failure() {
        return failure;
    }

    /** The bytes that the last {@link #decode} looked at. */
    public int consumed() {
        return position;
    }

    /**
     * Decodes the instruction at {@code code[start]}; bytes from {@code limit} on are not there.
     *
     * @param offset the place of the instruction in its code page, 0..4095
     * @param mode {@link Cpu#CODE_32}, {@link Cpu#CODE_64} or 0
     * @return the instruction, or null: see {@link #failure}
     */
    public @Nullable Insn decode(byte[] code, int start, int limit, int offset, int mode) {
        this.code = code;
        this.start = start;
        this.limit = limit;
        this.offset = offset;
        code64 = (mode & Cpu.CODE_64) != 0;
        code32 = (mode & Cpu.CODE_32) != 0;
        position = 0;
        repeat = 0;
        lock = false;
        rex = 0;
        operandSizePrefix = false;
        segmentOverride = -1;
        addressSize = code64 ? 8 : code32 ? 4 : 2;
        modRm = 0;
        reg = 0;
        rm = 0;
        memory = false;
        base = Cpu.NO_REGISTER;
        index = Cpu.NO_REGISTER;
        scale = 0;
        displacement = 0;
        segment = Seg.DS;
        immediate = 0;
        immediate2 = 0;
        secondImmediate = false;
        vvvv = 0;
        wideVector = false;
        vectorIndex = 0;
        vex = false;
        try {
            return instruction();
        } catch (Stop s) {
            return null;
        }
    }

    private Insn instruction() {
        int first = prefixes();
        int map = 0;
        w = (rex & 8) != 0;
        if ((first == 0xC4 || first == 0xC5) && isVex()) {
            map = VEX_MAPS + vex(first);
            first = next();
        } else if (first == 0x0F) {
            first = next();
            map = 1;
            if (first == 0x38) {
                first = next();
                map = 2;
            } else if (first == 0x3A) {
                first = next();
                map = 3;
            }
        }
        opcode = first;
        Form form = select(table[map << 8 | first]);
        if (form.hasModRm()) {
            modRm(form);
        }
        operandSize(form);
        for (Operand operand : form.operands()) {
            if (!isSystemRegister(operand)) {
                throw stop(Failure.UNDEFINED);
            }
            immediate(operand);
        }
        stringSegment = dataSegment(segmentOverride >= 0 ? segmentOverride : Seg.DS);
        if (vex && vvvvField != 0 && !form.usesVvvv()) {
            throw stop(Failure.UNDEFINED);
        }
        if (lock && !(form.is(Form.LOCK) && memory)) {
            throw stop(Failure.UNDEFINED);
        }
        if (position > MAX_LENGTH) {
            throw stop(Failure.TOO_LONG);
        }
        return new Insn(this, form);
    }

    private Stop stop(Failure why) {
        failure = why;
        return stop;
    }

    private int next() {
        if (position >= MAX_LENGTH) {
            throw stop(Failure.TOO_LONG);
        }
        if (start + position >= limit) {
            throw stop(Failure.TRUNCATED);
        }
        return code[start + position++] & 0xFF;
    }

    private int prefixes() {
        while (true) {
            int b = next();
            switch (b) {
                case 0x26, 0x2E, 0x36, 0x3E -> {
                    // ES, CS, SS and DS overrides mean nothing in 64-bit mode.
                    if (!code64) {
                        segmentOverride = b >>> 3 & 3;
                    }
                }
                case 0x64 -> segmentOverride = Seg.FS;
                case 0x65 -> segmentOverride = Seg.GS;
                case 0x66 -> operandSizePrefix = true;
                case 0x67 -> addressSize = code64 ? 4 : code32 ? 2 : 4;
                case 0xF0 -> lock = true;
                case 0xF2, 0xF3 -> repeat = b;
                default -> {
                    if (code64 && (b & 0xF0) == 0x40) {
                        rex = b;
                        continue;
                    }
                    return b;
                }
            }
            // A REX prefix counts only right before the opcode.
            rex = 0;
        }
    }

    /** Outside 64-bit mode C4 and C5 are LES and LDS, which have no register form. */
    private boolean isVex() {
        if (code64) {
            return true;
        }
        int second = next();
        position--;
        return second >= 0xC0;
    }

    /** Reads a VEX prefix (SDM Vol. 2A, 2.3.5) and gives the opcode map. */
    private int vex(int first) {
        if (lock || repeat != 0 || operandSizePrefix || rex != 0) {
            throw stop(Failure.UNDEFINED);
        }
        vex = true;
        int extension = next();
        int last = extension;
        int map = 1;
        // R, X, B and vvvv are stored inverted.
        int bits = (~extension & 0x80) >>> 5;
        if (first == 0xC4) {
            map = extension & 0x1F;
            bits |= (~extension & 0x60) >>> 5;
            last = next();
            w = (last & 0x80) != 0;
            bits |= w ? 8 : 0;
        }
        vvvvField = ~last >>> 3 & 15;
        vvvv = code64 ? vvvvField : vvvvField & 7;
        wideVector = (last & 4) != 0;
        vexPrefix = Form.PREFIX_NONE + (last & 3);
        if (code64) {
            rex = 0x40 | bits;
        }
        if (map < 1 || map > 3) {
            throw stop(Failure.UNDEFINED);
        }
        return map;
    }

    private int mandatoryPrefix() {
        if (vex) {
            return vexPrefix;
        }
        return repeat == 0xF2
                ? Form.PREFIX_F2
                : repeat == 0xF3
                        ? Form.PREFIX_F3
                        : operandSizePrefix ? Form.PREFIX_66 : Form.PREFIX_NONE;
    }

    /**
     * The form whose demands are all met; one that names the prefix goes before one that takes any.
     */
    private Form select(Form[] candidates) {
        int prefix = mandatoryPrefix();
        int peek = -1;
        Form any = null;
        for (Form form : candidates) {
            if (form.prefix() != prefix && form.prefix() != Form.PREFIX_ANY) {
                continue;
            }
            if (code64 ? form.is(Form.NOT_64) : form.is(Form.ONLY_64)) {
                continue;
            }
            if (form.hasModRm()) {
                if (peek < 0) {
                    peek = next();
                    position--;
                }
                if (!matches(form, peek)) {
                    continue;
                }
            }
            if (form.is(Form.W0) && w || form.is(Form.W1) && !w) {
                continue;
            }
            if (form.is(Form.L0) && wideVector || form.is(Form.L1) && !wideVector) {
                continue;
            }
            if (form.prefix() == prefix) {
                return form;
            }
            if (any == null) {
                any = form;
            }
        }
        if (any == null) {
            throw stop(Failure.UNDEFINED);
        }
        return any;
    }

    private static boolean matches(Form form, int modRm) {
        boolean register = modRm >= 0xC0;
        if (form.is(Form.MEMORY_ONLY) && register || form.is(Form.REGISTER_ONLY) && !register) {
            return false;
        }
        int digit = form.digit();
        return digit == Form.ANY_DIGIT
                || (digit >= Form.EXACT ? digit - Form.EXACT == modRm : digit == (modRm >>> 3 & 7));
    }

    private void operandSize(Form form) {
        boolean wide = (rex & 8) != 0;
        int v;
        if (code64) {
            boolean word = operandSizePrefix && form.prefix() != Form.PREFIX_66;
            v = wide || form.is(Form.FORCE_64) ? 8 : word ? 2 : form.is(Form.DEFAULT_64) ? 8 : 4;
        } else {
            v = code32 != operandSizePrefix ? 4 : 2;
        }
        operandSize = v;
        size =
                switch (form.sizing()) {
                    case V -> v;
                    case Y -> wide && code64 || form.is(Form.FORCE_64) && code64 ? 8 : 4;
                    case Z -> Math.min(v, 4);
                    case BYTE -> 1;
                    case WORD -> 2;
                    case DWORD -> 4;
                    case QWORD -> 8;
                };
    }

    private void modRm(Form form) {
        modRm = next();
        reg = modRm >>> 3 & 7 | (rex & 4) << 1;
        int mod = modRm >>> 6;
        rm = modRm & 7 | (rex & 1) << 3;
        // MOV to and from control and debug registers has no memory form, whatever mod says.
        if (mod == 3 || form.operands().contains(Operand.Ry)) {
            return;
        }
        memory = true;
        if (form.is(Form.VSIB) && ((modRm & 7) != 4 || addressSize == 2)) {
            throw stop(Failure.UNDEFINED);
        }
        if (addressSize == 2) {
            address16(mod);
        } else {
            address32(form, mod);
        }
    }

    private void address16(int mod) {
        int defaultSegment = Seg.DS;
        switch (modRm & 7) {
            case 0 -> indexed(Cpu.RBX, Cpu.RSI);
            case 1 -> indexed(Cpu.RBX, Cpu.RDI);
            case 2 -> indexed(Cpu.RBP, Cpu.RSI);
            case 3 -> indexed(Cpu.RBP, Cpu.RDI);
            case 4 -> base = Cpu.RSI;
            case 5 -> base = Cpu.RDI;
            case 6 -> base = mod == 0 ? Cpu.NO_REGISTER : Cpu.RBP;
            default -> base = Cpu.RBX;
        }
        if (base == Cpu.RBP) {
            defaultSegment = Seg.SS;
        }
        if (mod == 1) {
            displacement = (byte) next();
        } else if (mod == 2 || base == Cpu.NO_REGISTER) {
            displacement = (short) little(2);
        }
        segment = dataSegment(segmentOverride >= 0 ? segmentOverride : defaultSegment);
    }

    private void indexed(int baseRegister, int indexRegister) {
        base = baseRegister;
        index = indexRegister;
    }

    private void address32(Form form, int mod) {
        int low = modRm & 7;
        boolean ripRelative = false;
        if (low == 4) {
            int sib = next();
            scale = sib >>> 6;
            int indexRegister = sib >>> 3 & 7 | (rex & 2) << 2;
            vectorIndex = indexRegister;
            index = indexRegister == 4 || form.is(Form.VSIB) ? Cpu.NO_REGISTER : indexRegister;
            base = sib & 7 | (rex & 1) << 3;
            if ((sib & 7) == 5 && mod == 0) {
                base = Cpu.NO_REGISTER;
                displacement = (int) little(4);
            }
        } else if (low == 5 && mod == 0) {
            displacement = (int) little(4);
            ripRelative = code64;
            base = ripRelative ? Cpu.CODE_BASE : Cpu.NO_REGISTER;
        } else {
            base = rm;
        }
        if (mod == 1) {
            displacement = (byte) next();
        } else if (mod == 2) {
            displacement = (int) little(4);
        }
        int defaultSegment = base == Cpu.RSP || base == Cpu.RBP ? Seg.SS : Seg.DS;
        segment = dataSegment(segmentOverride >= 0 ? segmentOverride : defaultSegment);
        if (ripRelative) {
            // Relative to the next instruction, whose place is known once the immediate's size is.
            operandSize(form);
            int immediateBytes = 0;
            for (Operand operand : form.operands()) {
                immediateBytes += operand.immediateBytes(size);
            }
            displacement += offset + position + immediateBytes;
            if (displacement > Integer.MAX_VALUE) {
                index = Cpu.FOUR_GIB;
                displacement -= 1L << 32;
            }
        }
    }

    private int dataSegment(int seg) {
        if (!code64) {
            return seg;
        }
        return switch (seg) {
            case Seg.FS -> Seg.FS64;
            case Seg.GS -> Seg.GS64;
            case Seg.SS -> Seg.FLAT_STACK;
            default -> Seg.FLAT;
        };
    }

    /** Whether there is a control or debug register with the number that ModRM.reg gives. */
    private boolean isSystemRegister(Operand operand) {
        return switch (operand) {
            case Cy -> reg == 0 || reg >= 2 && reg <= 4 || reg == 8;
            case Dy -> reg < 8;
            default -> true;
        };
    }

    private void immediate(Operand operand) {
        switch (operand) {
            case Ib -> takeImmediate(next());
            case Lx -> takeImmediate(code64 ? next() : next() & 0x7F);
            case sIb, Jb -> takeImmediate((byte) next());
            case Iw -> takeImmediate(little(2));
            case Iz, sIz, Iv, Jz -> {
                int bytes = operand.immediateBytes(size);
                long value = little(bytes);
                takeImmediate(bytes == 2 ? (short) value : bytes == 4 ? (int) value : value);
            }
            case Ap -> {
                immediate = little(size);
                immediate2 = (int) little(2);
            }
            case Ob, Ov -> {
                memory = true;
                displacement = little(addressSize);
                segment = dataSegment(segmentOverride >= 0 ? segmentOverride : Seg.DS);
            }
            default -> {}
        }
    }

    private void takeImmediate(long value) {
        if (secondImmediate) {
            immediate2 = (int) value;
        } else {
            immediate = value;
        }
        secondImmediate = true;
    }

    private long little(int bytes) {
        long value = 0;
        for (int i = 0; i < bytes; i++) {
            value |= (long) next() << (8 * i);
        }
        return value;
    }
}
