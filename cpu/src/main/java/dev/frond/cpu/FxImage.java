// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.cpu.fpu.FpContext;
import dev.frond.cpu.fpu.X87Image;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** The 512-byte FXSAVE image of a CPU: x87, MMX, MXCSR, XMM0-15 (SDM Vol. 1, 10.5.1). */
public final class FxImage {
    private static final VarHandle LONG =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    public static final int BYTES = 512;

    /** Offset of MXCSR, which MXCSR_MASK follows. */
    public static final int MXCSR = 24;

    /** Offset of the x87 registers. */
    public static final int ST = 32;

    /** Offset of the XMM registers. */
    public static final int XMM = 160;

    private FxImage() {}

    /** Fills {@code image} in the 64-bit layout. */
    public static void save(Cpu cpu, byte[] image) {
        saveX87(cpu, true, image);
        saveMxcsr(cpu, image);
        saveXmm(cpu, 16, image);
    }

    /** Takes on {@code image} in the 64-bit layout. */
    public static void load(Cpu cpu, byte[] image) {
        loadX87(cpu, true, image);
        cpu.sse.mxcsr(mxcsr(image) & FpContext.MXCSR_MASK);
        loadXmm(cpu, 16, image);
    }

    /** Fills in the x87 and MMX part; {@code wide} gives the layout with 64-bit pointers. */
    public static void saveX87(Cpu cpu, boolean wide, byte[] image) {
        X87Image.fxsave(cpu.x87, wide, image, 0);
    }

    /** Takes on the x87 and MMX part. */
    public static void loadX87(Cpu cpu, boolean wide, byte[] image) {
        X87Image.fxrstor(cpu.x87, wide, image, 0);
    }

    /** Fills in MXCSR and its mask. */
    public static void saveMxcsr(Cpu cpu, byte[] image) {
        INT.set(image, MXCSR, cpu.sse.mxcsr());
        INT.set(image, MXCSR + 4, FpContext.MXCSR_MASK);
    }

    /** MXCSR as {@code image} has it. */
    public static int mxcsr(byte[] image) {
        return (int) INT.get(image, MXCSR);
    }

    /** Fills in the first {@code registers} XMM registers. */
    public static void saveXmm(Cpu cpu, int registers, byte[] image) {
        for (int i = 0; i < registers; i++) {
            LONG.set(image, XMM + 16 * i, cpu.v[4 * i]);
            LONG.set(image, XMM + 16 * i + 8, cpu.v[4 * i + 1]);
        }
    }

    /** Takes on the first {@code registers} XMM registers. */
    public static void loadXmm(Cpu cpu, int registers, byte[] image) {
        for (int i = 0; i < registers; i++) {
            cpu.v[4 * i] = load64(image, XMM + 16 * i);
            cpu.v[4 * i + 1] = load64(image, XMM + 16 * i + 8);
        }
    }

    /** Eight bytes of {@code image}. */
    public static long load64(byte[] image, int at) {
        return (long) LONG.get(image, at);
    }
}
