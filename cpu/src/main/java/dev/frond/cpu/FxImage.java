// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.cpu.fpu.X87Image;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** The 512-byte FXSAVE image of a CPU: x87, MMX, MXCSR, XMM0-15 (SDM Vol. 1, 10.5.1). */
public final class FxImage {
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    public static final int BYTES = 512;
    private static final int MXCSR = 24;
    private static final int MXCSR_MASK = 28;
    private static final int XMM = 160;

    private FxImage() {}

    /** Fills {@code image} in the 64-bit layout. */
    public static void save(Cpu cpu, byte[] image) {
        X87Image.fxsave(cpu.x87, true, image, 0);
        INT.set(image, MXCSR, cpu.sse.mxcsr());
        INT.set(image, MXCSR_MASK, 0xFFFF);
        for (int i = 0; i < 16; i++) {
            LONG.set(image, XMM + 16 * i, cpu.v[4 * i]);
            LONG.set(image, XMM + 16 * i + 8, cpu.v[4 * i + 1]);
        }
    }

    /** Takes on {@code image} in the 64-bit layout. */
    public static void load(Cpu cpu, byte[] image) {
        X87Image.fxrstor(cpu.x87, true, image, 0);
        cpu.sse.mxcsr((int) INT.get(image, MXCSR) & 0xFFFF);
        for (int i = 0; i < 16; i++) {
            cpu.v[4 * i] = (long) LONG.get(image, XMM + 16 * i);
            cpu.v[4 * i + 1] = (long) LONG.get(image, XMM + 16 * i + 8);
        }
    }
}
