// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.translate;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HexFormat;

/** Plays a fault of the translator: other code than it emitted. */
public final class Spoiled {
    private Spoiled() {}

    /**
     * Replaces the first occurrence of emitted bytes; the CPU must not run.
     *
     * @throws IllegalArgumentException if they were not emitted
     */
    public static void replace(Translator translator, String bytes, String by) {
        byte[] wanted = HexFormat.ofDelimiter(" ").parseHex(bytes);
        byte[] instead = HexFormat.ofDelimiter(" ").parseHex(by);
        MemorySegment code = translator.codeMemory();
        byte[] all = code.asSlice(0, 1 << 16).toArray(JAVA_BYTE);
        for (int at = 0; at + wanted.length <= all.length; at++) {
            if (Arrays.equals(all, at, at + wanted.length, wanted, 0, wanted.length)) {
                MemorySegment.copy(instead, 0, code, JAVA_BYTE, at, instead.length);
                return;
            }
        }
        throw new IllegalArgumentException("nothing emitted is " + bytes);
    }
}
