// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Machine code written down beside its assembly text: each line is {@code bytes in hexadecimal |
 * assembly}, in the syntax of nasm. What runs are the bytes; the text is for the reader, and a test
 * has an assembler confirm that both say the same.
 *
 * <p>A label ({@code name:}) stands for the offset of the next byte, an {@code equ} of the form
 * {@code NAME equ $$ + 0x1000} for an offset from the first byte.
 */
final class MachineText {
    private static final Pattern COMMENT = Pattern.compile(";.*");
    private static final String EQUATE = " equ $$ + 0x";

    private final byte[] code;
    private final Map<String, Integer> offsets;

    private MachineText(byte[] code, Map<String, Integer> offsets) {
        this.code = code;
        this.offsets = offsets;
    }

    static MachineText of(String text) {
        ByteArrayOutputStream code = new ByteArrayOutputStream();
        Map<String, Integer> offsets = new HashMap<>();
        text.lines()
                .forEach(line -> {
                    int bar = line.indexOf('|');
                    code.writeBytes(HexFormat.of().parseHex(line.substring(0, bar).strip()));
                    String assembly =
                            COMMENT.matcher(line.substring(bar + 1)).replaceAll("").strip();
                    int equate = assembly.indexOf(EQUATE);
                    if (equate > 0) {
                        offsets.put(
                                assembly.substring(0, equate),
                                Integer.parseInt(assembly.substring(equate + EQUATE.length()), 16));
                    } else if (assembly.endsWith(":")) {
                        offsets.put(assembly.substring(0, assembly.length() - 1), code.size());
                    }
                });
        return new MachineText(code.toByteArray(), Map.copyOf(offsets));
    }

    /** A copy of the bytes. */
    byte[] code() {
        return code.clone();
    }

    /** The offset of a label or equate from the first byte. */
    int offset(String name) {
        Integer offset = offsets.get(name);
        if (offset == null) {
            throw new IllegalArgumentException("no label " + name);
        }
        return offset;
    }
}
