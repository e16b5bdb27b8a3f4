// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Small ELF files, laid out by the System V ABI. */
final class ElfFiles {
    private static final int HEADER = 64;
    private static final int SECTION_HEADER = 64;
    private static final int PROGRAM_HEADER = 56;
    private static final int PT_LOAD = 1;
    private static final int PT_INTERP = 3;
    private static final int PT_NOTE = 4;
    private static final byte[] NAMES =
            "\0.modinfo\0.shstrtab\0".getBytes(StandardCharsets.US_ASCII);

    private ElfFiles() {}

    /** A relocatable file with a section .modinfo of these entries. */
    static byte[] module(String... entries) {
        byte[] info = (String.join("\0", entries) + "\0").getBytes(StandardCharsets.UTF_8);
        int namesAt = HEADER + info.length;
        int sections = namesAt + NAMES.length;
        byte[] bytes = new byte[sections + 3 * SECTION_HEADER];
        ByteBuffer file = header(1, bytes);
        file.putLong(40, sections)
                .putShort(58, (short) SECTION_HEADER)
                .putShort(60, (short) 3)
                .putShort(62, (short) 2);
        file.put(HEADER, info).put(namesAt, NAMES);
        section(file, sections + SECTION_HEADER, 1, HEADER, info.length);
        section(file, sections + 2 * SECTION_HEADER, 10, namesAt, NAMES.length);
        return bytes;
    }

    /** A program with these bytes in it, static or with an interpreter. */
    static byte[] program(boolean isStatic, byte[] contents) {
        int at = HEADER + 2 * PROGRAM_HEADER;
        byte[] bytes = new byte[at + contents.length];
        ByteBuffer file = header(2, bytes);
        file.putLong(32, HEADER).putShort(54, (short) PROGRAM_HEADER).putShort(56, (short) 2);
        file.putInt(HEADER, PT_LOAD);
        file.putInt(HEADER + PROGRAM_HEADER, isStatic ? PT_LOAD : PT_INTERP);
        file.put(at, contents);
        return bytes;
    }

    /**
     * A kernel with a note that names its PVH entry, and these many bytes of noise and text after
     * it.
     */
    static byte[] pvhKernel(int more) {
        int note = HEADER + PROGRAM_HEADER;
        byte[] bytes = new byte[note + 20 + more];
        new Random(more).nextBytes(bytes);
        Arrays.fill(bytes, 0, note + 20, (byte) 0);
        ByteBuffer file = header(2, bytes);
        file.putLong(32, HEADER).putShort(54, (short) PROGRAM_HEADER).putShort(56, (short) 1);
        file.putInt(HEADER, PT_NOTE).putLong(HEADER + 8, note).putLong(HEADER + 32, 20);
        file.putInt(note, 4).putInt(note + 4, 4).putInt(note + 8, 18);
        file.put(note + 12, "Xen\0".getBytes(StandardCharsets.US_ASCII))
                .putInt(note + 16, 0x100_0000);
        return bytes;
    }

    /** A static program that has a table of these applets, as busybox does. */
    static byte[] busybox(List<String> applets) {
        String table = "text\0" + String.join("\0", applets) + "\0\0more";
        return program(true, table.getBytes(StandardCharsets.US_ASCII));
    }

    /** Enough names for a table of applets. */
    static List<String> applets() {
        List<String> names = new ArrayList<>(List.of("[", "[[", "ash", "busybox"));
        for (int i = 10; i < 60; i++) {
            names.add("cmd-" + i);
        }
        names.add("init");
        names.add("sh");
        return names;
    }

    private static ByteBuffer header(int type, byte[] bytes) {
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        file.put(0, new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1});
        file.putShort(16, (short) type).putShort(18, (short) 62);
        return file;
    }

    private static void section(ByteBuffer file, int header, int name, int offset, int size) {
        file.putInt(header, name).putLong(header + 24, offset).putLong(header + 32, size);
    }
}
