// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import java.util.Locale;

/** What the compact constructors of state records say when a value cannot be in the chip. */
final class Checks {
    private Checks() {}

    /** Refuses a register value with bits outside {@code mask}. */
    static void bits(String register, int value, int mask) {
        if ((value & ~mask) != 0) {
            throw new IllegalArgumentException(
                    register + " " + hex(value) + ": accepted are the bits in " + hex(mask));
        }
    }

    private static String hex(int value) {
        return Integer.toHexString(value).toUpperCase(Locale.ROOT) + "h";
    }

    /** Refuses a value outside {@code least..most}. */
    static void range(String name, long value, long least, long most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(
                    name + " " + value + ": accepted are " + least + ".." + most);
        }
    }
}
