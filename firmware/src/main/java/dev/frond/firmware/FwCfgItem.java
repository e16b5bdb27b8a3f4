// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.device.Bytes;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The bytes of one fw_cfg item, at most 2^32 - 1. */
public sealed interface FwCfgItem {
    /** The most bytes that an item has: its size is a 32-bit number. */
    long MAX_SIZE = 0xFFFF_FFFFL;

    /** The number of bytes. */
    long size();

    /** Bytes that are at hand. */
    record Data(Bytes bytes) implements FwCfgItem {
        @Override
        public long size() {
            return bytes.length();
        }
    }

    /** {@code size} bytes of a file from {@code offset} on, read when the guest asks for them. */
    record Part(BootFile file, long offset, long size) implements FwCfgItem {
        public Part {
            if (offset < 0 || size < 0 || size > MAX_SIZE || offset > file.size() - size) {
                throw new IllegalArgumentException(
                        file.name()
                                + ": "
                                + size
                                + " bytes at "
                                + offset
                                + " for fw_cfg: accepted are parts of the file below 4 GiB");
            }
        }
    }

    /** All of {@code file}. */
    static FwCfgItem of(BootFile file) {
        return new Part(file, 0, file.size());
    }

    /** A copy of {@code bytes}. */
    static FwCfgItem of(byte... bytes) {
        return new Data(Bytes.of(bytes));
    }

    /** A 16-bit number, little-endian. */
    static FwCfgItem u16(int value) {
        return of((byte) value, (byte) (value >>> 8));
    }

    /** A 32-bit number, little-endian. */
    static FwCfgItem u32(long value) {
        return of(
                ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt((int) value).array());
    }

    /** A 64-bit number, little-endian. */
    static FwCfgItem u64(long value) {
        return of(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
    }

    /** Text in UTF-8 with a terminating zero byte. */
    static FwCfgItem string(String text) {
        return of(GuestRam.zeroTerminated(text));
    }
}
