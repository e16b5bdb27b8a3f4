// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The memory images of the x87 unit, little-endian in a byte array that the CPU copies from or to
 * guest memory: FNSTENV and FNSAVE (SDM Vol. 1, 8.1.10), FXSAVE and the legacy region of XSAVE
 * (10.5.1, 13.4.1).
 */
public final class X87Image {
    /** The image of FNSTENV and FNSAVE by operand size and mode. */
    public enum Layout {
        /** 16-bit operand size in real-address or virtual-8086 mode. */
        REAL_16(14),
        /** 16-bit operand size in protected mode. */
        PROTECTED_16(14),
        /** 32-bit operand size in real-address or virtual-8086 mode. */
        REAL_32(28),
        /** 32-bit operand size in protected mode, and 64-bit mode. */
        PROTECTED_32(28);

        private final int environmentBytes;

        Layout(int environmentBytes) {
            this.environmentBytes = environmentBytes;
        }

        /** Bytes that FNSTENV writes and FLDENV reads. */
        public int environmentBytes() {
            return environmentBytes;
        }

        /** Bytes that FNSAVE writes and FRSTOR reads: the environment and eight registers. */
        public int stateBytes() {
            return environmentBytes + 80;
        }
    }

    /** Bytes of the FXSAVE image and of the legacy region of XSAVE. */
    public static final int FXSAVE_BYTES = 512;

    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle SHORT =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

    private X87Image() {}

    private static void putLong(byte[] image, int at, long value) {
        LONG.set(image, at, value);
    }

    private static void putInt(byte[] image, int at, int value) {
        INT.set(image, at, value);
    }

    private static void putShort(byte[] image, int at, int value) {
        SHORT.set(image, at, (short) value);
    }

    private static long getLong(byte[] image, int at) {
        return (long) LONG.get(image, at);
    }

    private static int getInt(byte[] image, int at) {
        return (int) INT.get(image, at);
    }

    private static int getShort(byte[] image, int at) {
        return (short) SHORT.get(image, at) & 0xFFFF;
    }

    /**
     * The image of FNSTENV at {@code at}. When memory has it, the CPU masks all exceptions ({@link
     * X87#maskAll}).
     */
    public static void storeEnvironment(X87 f, Layout layout, byte[] image, int at) {
        switch (layout) {
            case REAL_16 -> {
                int code = (int) linear(f.codeSelector(), f.instructionPointer());
                int data = (int) linear(f.dataSelector(), f.dataPointer());
                storeWords(f, image, at);
                putShort(image, at + 6, code);
                putShort(image, at + 8, (code >>> 4 & 0xF000) | f.opcode());
                putShort(image, at + 10, data);
                putShort(image, at + 12, data >>> 4 & 0xF000);
            }
            case PROTECTED_16 -> {
                storeWords(f, image, at);
                putShort(image, at + 6, (int) f.instructionPointer());
                putShort(image, at + 8, f.codeSelector());
                putShort(image, at + 10, (int) f.dataPointer());
                putShort(image, at + 12, f.dataSelector());
            }
            case REAL_32 -> {
                int code = (int) linear(f.codeSelector(), f.instructionPointer());
                int data = (int) linear(f.dataSelector(), f.dataPointer());
                storeDoublewords(f, image, at);
                putInt(image, at + 12, 0xFFFF_0000 | (code & 0xFFFF));
                putInt(image, at + 16, (code >>> 4 & 0x0FFF_F000) | f.opcode());
                putInt(image, at + 20, 0xFFFF_0000 | (data & 0xFFFF));
                putInt(image, at + 24, data >>> 4 & 0x0FFF_F000);
            }
            case PROTECTED_32 -> {
                storeDoublewords(f, image, at);
                putInt(image, at + 12, (int) f.instructionPointer());
                putInt(image, at + 16, f.opcode() << 16 | f.codeSelector());
                putInt(image, at + 20, (int) f.dataPointer());
                putInt(image, at + 24, 0xFFFF_0000 | f.dataSelector());
            }
        }
    }

    private static long linear(int selector, long offset) {
        return ((long) selector << 4) + offset;
    }

    private static void storeWords(X87 f, byte[] image, int at) {
        putShort(image, at, f.controlWord());
        putShort(image, at + 2, f.statusWord());
        putShort(image, at + 4, f.tagWord());
    }

    private static void storeDoublewords(X87 f, byte[] image, int at) {
        putInt(image, at, 0xFFFF_0000 | f.controlWord());
        putInt(image, at + 4, 0xFFFF_0000 | f.statusWord());
        putInt(image, at + 8, 0xFFFF_0000 | f.tagWord());
    }

    /** FLDENV from the image at {@code at}; unmasked flags in it become pending. */
    public static void loadEnvironment(X87 f, Layout layout, byte[] image, int at) {
        int step = layout.environmentBytes() / 7;
        f.controlWord(getShort(image, at));
        f.statusWord(getShort(image, at + step));
        f.tagWord(getShort(image, at + 2 * step));
        switch (layout) {
            case REAL_16 -> {
                int high = getShort(image, at + 8);
                int dataHigh = getShort(image, at + 12);
                f.instruction((high & 0xF000L) << 4 | getShort(image, at + 6), 0, high);
                f.operand((dataHigh & 0xF000L) << 4 | getShort(image, at + 10), 0);
            }
            case PROTECTED_16 -> {
                f.instruction(getShort(image, at + 6), getShort(image, at + 8), 0);
                f.operand(getShort(image, at + 10), getShort(image, at + 12));
            }
            case REAL_32 -> {
                int high = getInt(image, at + 16);
                int dataHigh = getInt(image, at + 24);
                f.instruction((high & 0x0FFF_F000L) << 4 | getShort(image, at + 12), 0, high);
                f.operand((dataHigh & 0x0FFF_F000L) << 4 | getShort(image, at + 20), 0);
            }
            case PROTECTED_32 -> {
                int high = getInt(image, at + 16);
                f.instruction(getInt(image, at + 12) & 0xFFFF_FFFFL, high, high >>> 16);
                f.operand(getInt(image, at + 20) & 0xFFFF_FFFFL, getInt(image, at + 24));
            }
        }
    }

    /**
     * The image of FNSAVE at {@code at}. When memory has it, the CPU initializes the unit ({@link
     * X87#fninit}).
     */
    public static void store(X87 f, Layout layout, byte[] image, int at) {
        storeEnvironment(f, layout, image, at);
        int registers = at + layout.environmentBytes();
        for (int i = 0; i < 8; i++) {
            putLong(image, registers + 10 * i, f.significand(i));
            putShort(image, registers + 10 * i + 8, f.signExponent(i));
        }
    }

    /** FRSTOR from the image at {@code at}. */
    public static void load(X87 f, Layout layout, byte[] image, int at) {
        loadEnvironment(f, layout, image, at);
        int registers = at + layout.environmentBytes();
        for (int i = 0; i < 8; i++) {
            int register = registers + 10 * i;
            f.setBits(i, getShort(image, register + 8), getLong(image, register));
        }
    }

    /**
     * The x87 and MMX part of FXSAVE, or component 0 of XSAVE: bytes 0 to 23 and 32 to 159 of the
     * image at {@code at}; MXCSR and the XMM registers are the caller's. {@code wide} is REX.W:
     * 64-bit pointers without selectors.
     */
    public static void fxsave(X87 f, boolean wide, byte[] image, int at) {
        putShort(image, at, f.controlWord());
        putShort(image, at + 2, f.statusWord());
        putShort(image, at + 4, f.occupied());
        putShort(image, at + 6, f.opcode());
        if (wide) {
            putLong(image, at + 8, f.instructionPointer());
            putLong(image, at + 16, f.dataPointer());
        } else {
            putInt(image, at + 8, (int) f.instructionPointer());
            putInt(image, at + 12, f.codeSelector());
            putInt(image, at + 16, (int) f.dataPointer());
            putInt(image, at + 20, f.dataSelector());
        }
        for (int i = 0; i < 8; i++) {
            putLong(image, at + 32 + 16 * i, f.significand(i));
            putLong(image, at + 40 + 16 * i, f.signExponent(i));
        }
    }

    /** FXRSTOR and component 0 of XRSTOR, as {@link #fxsave}; reserved bits are ignored. */
    public static void fxrstor(X87 f, boolean wide, byte[] image, int at) {
        f.controlWord(getShort(image, at));
        f.statusWord(getShort(image, at + 2));
        f.occupied(getShort(image, at + 4));
        int opcode = getShort(image, at + 6);
        if (wide) {
            f.instruction(getLong(image, at + 8), 0, opcode);
            f.operand(getLong(image, at + 16), 0);
        } else {
            long code = getInt(image, at + 8) & 0xFFFF_FFFFL;
            long data = getInt(image, at + 16) & 0xFFFF_FFFFL;
            f.instruction(code, getShort(image, at + 12), opcode);
            f.operand(data, getShort(image, at + 20));
        }
        for (int i = 0; i < 8; i++) {
            f.setBits(i, getShort(image, at + 40 + 16 * i), getLong(image, at + 32 + 16 * i));
        }
    }

    /** The length of {@link #save}. */
    public static final int STATE_LONGS = 14;

    /**
     * The whole state: physical registers' significands (0 to 7), their sign-and-exponent words
     * four to a long (8, 9), control word, status word and occupied bits from bit 0, 16, 32 up
     * (10), the two pointers (11, 12), and opcode, code and data selector from bit 0, 16, 32 up
     * (13).
     */
    public static long[] save(X87 f) {
        long[] state = new long[STATE_LONGS];
        for (int n = 0; n < 8; n++) {
            state[n] = f.significands[n];
            state[8 + n / 4] |= (long) f.exponents[n] << (n % 4 * 16);
        }
        state[10] = f.controlWord() | (long) f.statusWord() << 16 | (long) f.occupied() << 32;
        state[11] = f.instructionPointer();
        state[12] = f.dataPointer();
        state[13] = f.opcode() | (long) f.codeSelector() << 16 | (long) f.dataSelector() << 32;
        return state;
    }

    /** Takes over what {@link #save} gave; any bits are accepted, reserved ones are dropped. */
    public static void load(X87 f, long[] state) {
        if (state.length != STATE_LONGS) {
            throw new IllegalArgumentException(
                    "x87 state of " + state.length + " longs, expected " + STATE_LONGS);
        }
        for (int n = 0; n < 8; n++) {
            f.significands[n] = state[n];
            f.exponents[n] = (int) (state[8 + n / 4] >>> (n % 4 * 16)) & 0xFFFF;
        }
        f.controlWord((int) state[10] & 0xFFFF);
        f.statusWord((int) (state[10] >>> 16) & 0xFFFF);
        f.occupied((int) (state[10] >>> 32));
        f.instruction(state[11], (int) (state[13] >>> 16) & 0xFFFF, (int) state[13]);
        f.operand(state[12], (int) (state[13] >>> 32) & 0xFFFF);
    }
}
