// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.device.Longs;

import java.util.Arrays;

/** 256 bits, one for each vector, as IRR, ISR and TMR hold them (SDM Vol. 3A, 12.8.4). */
final class VectorBits {
    private final long[] words = new long[4];

    void set(int vector) {
        words[vector >> 6] |= 1L << vector;
    }

    void clear(int vector) {
        words[vector >> 6] &= ~(1L << vector);
    }

    boolean test(int vector) {
        return (words[vector >> 6] >>> vector & 1) != 0;
    }

    /** The highest vector whose bit is set, or -1. */
    int highest() {
        for (int i = 3; i >= 0; i--) {
            if (words[i] != 0) {
                return i * 64 + 63 - Long.numberOfLeadingZeros(words[i]);
            }
        }
        return -1;
    }

    /** Bits {@code 32 * index} to {@code 32 * index + 31}: one of the eight registers. */
    int register(int index) {
        return (int) (words[index >> 1] >>> (32 * (index & 1)));
    }

    void clearAll() {
        Arrays.fill(words, 0);
    }

    void load(Longs bits) {
        for (int i = 0; i < 4; i++) {
            words[i] = bits.at(i);
        }
    }

    Longs save() {
        return Longs.of(words);
    }
}
