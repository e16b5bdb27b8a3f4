// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A run of little-endian structures that point at each other, at a known physical address. A
 * protocol composes it twice: once anywhere, to learn its size, and once where it will stand.
 */
final class InfoBlock {
    private final long base;
    private ByteBuffer bytes = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);

    InfoBlock(long base) {
        this.base = base;
    }

    /** Appends {@code size} zero bytes at a multiple of {@code align}; returns their address. */
    long reserve(int size, int align) {
        int at = Math.toIntExact(Placement.alignUp(bytes.position(), align));
        int end = Math.addExact(at, size);
        if (end > bytes.capacity()) {
            byte[] grown = Arrays.copyOf(bytes.array(), Math.max(end, bytes.capacity() * 2));
            bytes = ByteBuffer.wrap(grown).order(ByteOrder.LITTLE_ENDIAN);
        }
        bytes.position(end);
        return base + at;
    }

    /** Appends {@code text} in UTF-8 with a terminating zero byte; returns its address. */
    long string(String text) {
        byte[] utf8 = GuestRam.zeroTerminated(text);
        long address = reserve(utf8.length, 1);
        bytes.put((int) (address - base), utf8);
        return address;
    }

    /** Stores a byte at physical {@code address}. */
    void putByte(long address, int value) {
        bytes.put((int) (address - base), (byte) value);
    }

    /** Stores 32 bits at physical {@code address}. */
    void putInt(long address, long value) {
        bytes.putInt((int) (address - base), (int) value);
    }

    /** Stores 64 bits at physical {@code address}. */
    void putLong(long address, long value) {
        bytes.putLong((int) (address - base), value);
    }

    /** The number of bytes so far. */
    int size() {
        return bytes.position();
    }

    /** A copy of the bytes so far. */
    byte[] toArray() {
        return Arrays.copyOf(bytes.array(), bytes.position());
    }
}
