// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/**
 * What a recording holds: who made it, the program (recorded-vectors.asm) as it stands in memory
 * from address 0, and the cases with what the recorded processor told of each.
 */
@SuppressWarnings("ArrayRecordComponent") // Never compared.
record RecordedVectors(String origin, byte[] program, List<Vector> vectors) {
    /** The resource, gzip. */
    static final String RESOURCE = "recorded-vectors.gz";

    /** Where the program expects the cases: see recorded-vectors.asm. */
    static final int TABLE = 0x40_0000;

    /** Bytes of what is told of a case, without its changes of memory. */
    private static final int RESULT = 140;

    /** One case, as it stands in the table, and what came of it, as the program tells it. */
    @SuppressWarnings("ArrayRecordComponent")
    record Vector(byte[] start, byte[] result) {}

    /** All cases as the program takes them. */
    byte[] table() {
        return table(vectors.stream().map(Vector::start).toList());
    }

    static byte[] table(List<byte[]> cases) {
        int size = cases.stream().mapToInt(c -> c.length).sum();
        byte[] table = new byte[size + 4];
        int at = 0;
        for (byte[] each : cases) {
            System.arraycopy(each, 0, table, at, each.length);
            at += each.length;
        }
        return table;
    }

    /** What the program has told, case by case; the last one may be cut off and is left out. */
    static List<byte[]> results(byte[] told) {
        List<byte[]> results = new ArrayList<>();
        int at = 0;
        while (at + RESULT <= told.length) {
            int end = at + RESULT + 8 * int32(told, at + RESULT - 4);
            if (end > told.length) {
                break;
            }
            results.add(Arrays.copyOfRange(told, at, end));
            at = end;
        }
        return results;
    }

    static int int32(byte[] bytes, int at) {
        return (bytes[at] & 0xFF)
                | (bytes[at + 1] & 0xFF) << 8
                | (bytes[at + 2] & 0xFF) << 16
                | bytes[at + 3] << 24;
    }

    static int int16(byte[] bytes, int at) {
        return int32(bytes, at & ~3) >>> 8 * (at & 2) & 0xFFFF;
    }

    /** The recording of the project. */
    static RecordedVectors load() {
        try (InputStream resource = RecordedVectors.class.getResourceAsStream(RESOURCE)) {
            if (resource == null) {
                throw new IllegalStateException("no resource " + RESOURCE);
            }
            DataInputStream in = new DataInputStream(new GZIPInputStream(resource, 1 << 16));
            String origin = in.readUTF();
            byte[] program = in.readNBytes(in.readInt());
            List<Vector> vectors = new ArrayList<>();
            for (int left = in.readInt(); left > 0; left--) {
                byte[] start = in.readNBytes(in.readUnsignedShort());
                vectors.add(new Vector(start, in.readNBytes(in.readUnsignedShort())));
            }
            return new RecordedVectors(origin, program, List.copyOf(vectors));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes the resource; a case and its result stand together, which is easy to compress. */
    void write(OutputStream to) throws IOException {
        try (DataOutputStream out = new DataOutputStream(new GZIPOutputStream(to, 1 << 16))) {
            out.writeUTF(origin);
            out.writeInt(program.length);
            out.write(program);
            out.writeInt(vectors.size());
            for (Vector vector : vectors) {
                out.writeShort(vector.start.length);
                out.write(vector.start);
                out.writeShort(vector.result.length);
                out.write(vector.result);
            }
        }
    }

    // --- the parts of a case --------------------------------------------------------------------

    static final int REAL = 0;
    static final int VIRTUAL = 1;
    static final int PROTECTED = 2;
    static final int LONG = 3;

    /** What a case starts with, as recorded-vectors.asm has it from {@code head} on. */
    @SuppressWarnings("ArrayRecordComponent")
    record Start(byte[] bytes) {
        int mode() {
            return int32(bytes, 4);
        }

        int flags() {
            return int32(bytes, 8);
        }

        int eip() {
            return int32(bytes, 12);
        }

        int cs() {
            return int16(bytes, 16);
        }

        /** A register by its number in encodings. */
        int register(int number) {
            return int32(bytes, 28 + 4 * number);
        }

        /** The linear address of the first instruction. */
        int code() {
            return (mode() >= PROTECTED ? 0 : cs() << 4) + eip();
        }

        /** A byte of memory in the arena. */
        int memory(int address) {
            int found = 0xCC;
            int at = 64;
            for (int left = int32(bytes, 60); left > 0; left--) {
                int from = int32(bytes, at);
                int length = int32(bytes, at + 4);
                if (address >= from && address < from + length) {
                    found = bytes[at + 8 + address - from] & 0xFF;
                }
                at += 8 + (length + 3 & ~3);
            }
            return found;
        }

        /** {@code count} bytes of memory. */
        byte[] memory(int address, int count) {
            byte[] all = new byte[count];
            for (int i = 0; i < count; i++) {
                all[i] = (byte) memory(address + i);
            }
            return all;
        }

        @Override
        public String toString() {
            StringBuilder text =
                    new StringBuilder(
                            List.of("real", "virtual-8086", "protected", "64-bit").get(mode()));
            text.append(String.format(" flags %x, %x:%x, ss..gs", flags(), cs(), eip()));
            for (int i = 0; i < 5; i++) {
                text.append(String.format(" %x", int16(bytes, 18 + 2 * i)));
            }
            text.append(", eax..edi");
            for (int i = 0; i < 8; i++) {
                text.append(String.format(" %x", register(i)));
            }
            int at = 64;
            for (int left = int32(bytes, 60); left > 0; left--) {
                int length = int32(bytes, at + 4);
                text.append(String.format(", %x:", int32(bytes, at)));
                for (int i = 0; i < length; i++) {
                    text.append(String.format(" %02x", bytes[at + 8 + i]));
                }
                at += 8 + (length + 3 & ~3);
            }
            return text.toString();
        }
    }

    private static final List<String> NAMES =
            List.of(
                    "vector", "flags", "cr0", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi",
                    "edi");

    /**
     * What came of a case by name, flags without the bits {@code undefinedFlags}, in the handler
     * and as they were pushed; there without RF, too, which TCG (QEMU 7.2) does not set.
     */
    static Map<String, String> outcome(Start start, byte[] result, int undefinedFlags) {
        int undefined = undefinedFlags | (start.mode() == REAL ? 0 : Cpu.RF);
        Map<String, Integer> parts = new TreeMap<>();
        for (int i = 0; i < NAMES.size(); i++) {
            parts.put(NAMES.get(i), int32(result, 4 * i));
        }
        parts.computeIfPresent("flags", (_, flags) -> flags & ~undefined);
        for (int i = 0; i < 5; i++) {
            parts.put(List.of("ss", "ds", "es", "fs", "gs").get(i), int16(result, 44 + 2 * i));
        }
        boolean level0 = start.mode() >= PROTECTED && (start.cs() & 3) == 0;
        // Where flags are, from the top: behind 6, 2 or, in 64-bit mode, 2 others.
        int pushed = start.mode() == VIRTUAL ? 5 : start.mode() == PROTECTED ? 9 : 6;
        for (int i = 0; i < 12; i++) {
            int value = int32(result, 56 + 4 * i);
            parts.put("frame " + i, i == pushed ? value & ~undefined : value);
        }
        int flags =
                start.mode() == REAL
                        ? (int16(result, 44) << 4) + (int32(result, 28) & 0xFFFF) + 4
                        : level0 ? int32(result, 28) + above(start, result) : 0;
        for (int at = RESULT; at < result.length; at += 8) {
            int address = int32(result, at);
            for (int i = 0; i < 4; i++) {
                int shown = result[at + 4 + i] & 0xFF;
                int nth = address + i - flags;
                int mask = nth >= 0 && nth < (level0 ? 4 : 2) ? undefined >>> 8 * nth : 0;
                if (flags != 0 && mask != 0) {
                    shown = shown & ~mask | start.memory(address + i) & mask;
                }
                if (shown != start.memory(address + i)) {
                    parts.put(String.format("[%05x]", address + i), shown);
                }
            }
        }
        Map<String, String> shown = new TreeMap<>();
        parts.forEach((name, value) -> shown.put(name, Integer.toHexString(value)));
        return shown;
    }

    /** How far pushed flags are above the stack pointer: behind the instruction's address. */
    private static int above(Start start, byte[] result) {
        return (start.mode() == LONG ? 8 : 4) * (hasError(result) ? 3 : 2);
    }

    private static boolean hasError(byte[] result) {
        return switch (int32(result, 0)) {
            case 8, 10, 11, 12, 13, 14, 17 -> true;
            default -> false;
        };
    }
}
