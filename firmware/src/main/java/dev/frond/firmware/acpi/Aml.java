// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/**
 * Writes a list of AML objects (ACPI 6.3, chapter 20). Each call appends one object; the methods
 * without result append, the static ones give the encoding of data.
 */
final class Aml {
    private static final int ZERO_OP = 0x00;
    private static final int ONE_OP = 0x01;
    private static final int NAME_OP = 0x08;
    private static final int BYTE_PREFIX = 0x0A;
    private static final int WORD_PREFIX = 0x0B;
    private static final int DWORD_PREFIX = 0x0C;
    private static final int STRING_PREFIX = 0x0D;
    private static final int QWORD_PREFIX = 0x0E;
    private static final int SCOPE_OP = 0x10;
    private static final int BUFFER_OP = 0x11;
    private static final int PACKAGE_OP = 0x12;
    private static final int EXT_OP_PREFIX = 0x5B;
    private static final int DEVICE_OP = 0x82;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    /** Name (name, data). */
    void name(String name, byte[] data) {
        out.write(NAME_OP);
        out.writeBytes(nameSegment(name));
        out.writeBytes(data);
    }

    /** Scope (name) { contents }. */
    void scope(String name, Consumer<Aml> contents) {
        out.write(SCOPE_OP);
        block(name, contents);
    }

    /** Device (name) { contents }. */
    void device(String name, Consumer<Aml> contents) {
        out.write(EXT_OP_PREFIX);
        out.write(DEVICE_OP);
        block(name, contents);
    }

    /** The bytes so far. */
    byte[] toArray() {
        return out.toByteArray();
    }

    /** An integer in its shortest form; {@code value} is unsigned. */
    static byte[] integer(long value) {
        if (value == 0) {
            return new byte[] {ZERO_OP};
        }
        if (value == 1) {
            return new byte[] {ONE_OP};
        }
        if (value >>> 8 == 0) {
            return prefixed(BYTE_PREFIX, value, 1);
        }
        if (value >>> 16 == 0) {
            return prefixed(WORD_PREFIX, value, 2);
        }
        return value >>> 32 == 0
                ? prefixed(DWORD_PREFIX, value, 4)
                : prefixed(QWORD_PREFIX, value, 8);
    }

    /** A string of ASCII characters other than 0. */
    static byte[] string(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.write(STRING_PREFIX);
        bytes.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
        bytes.write(0);
        return bytes.toByteArray();
    }

    /** EisaId (id): three letters and four hexadecimal digits, for example PNP0501. */
    static byte[] eisaId(String id) {
        if (!id.matches("[A-Z]{3}[0-9A-F]{4}")) {
            throw new IllegalArgumentException("EISA ID " + id);
        }
        int letters = (id.charAt(0) - '@') << 10 | (id.charAt(1) - '@') << 5 | (id.charAt(2) - '@');
        int value = letters << 16 | Integer.parseInt(id.substring(3), 16);
        return prefixed(DWORD_PREFIX, Integer.reverseBytes(value) & 0xFFFF_FFFFL, 4);
    }

    /** Package (elements.length) { elements }. */
    static byte[] packageOf(byte[]... elements) {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.write(elements.length);
        for (byte[] element : elements) {
            body.writeBytes(element);
        }
        return packaged(PACKAGE_OP, body.toByteArray());
    }

    /** ResourceTemplate () { descriptors }: a buffer that ends with an end tag (6.4.2.9). */
    static byte[] resourceTemplate(byte[]... descriptors) {
        ByteArrayOutputStream list = new ByteArrayOutputStream();
        for (byte[] descriptor : descriptors) {
            list.writeBytes(descriptor);
        }
        list.write(0x79);
        list.write(0);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.writeBytes(integer(list.size()));
        body.writeBytes(list.toByteArray());
        return packaged(BUFFER_OP, body.toByteArray());
    }

    /** IO (Decode16, port, port, 1, count) (6.4.2.5). */
    static byte[] io(int port, int count) {
        return bytes(0x47, 1, port, port >>> 8, port, port >>> 8, 1, count);
    }

    /** IRQNoFlags () {irq}: edge-triggered, active high (6.4.2.1). */
    static byte[] irq(int irq) {
        int mask = 1 << irq;
        return bytes(0x22, mask, mask >>> 8);
    }

    /** Memory32Fixed (ReadWrite, address, size) (6.4.3.4). */
    static byte[] memory32Fixed(long address, long size) {
        int a = (int) address;
        int s = (int) size;
        return bytes(0x86, 9, 0, 1, a, a >>> 8, a >>> 16, a >>> 24, s, s >>> 8, s >>> 16, s >>> 24);
    }

    /** Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) {gsi} (6.4.3.6). */
    static byte[] levelInterrupt(int gsi) {
        return bytes(0x89, 6, 0, 1, 1, gsi, gsi >>> 8, gsi >>> 16, gsi >>> 24);
    }

    private void block(String name, Consumer<Aml> contents) {
        Aml inner = new Aml();
        contents.accept(inner);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        body.writeBytes(nameSegment(name));
        body.writeBytes(inner.toArray());
        byte[] bytes = body.toByteArray();
        out.writeBytes(pkgLength(bytes.length));
        out.writeBytes(bytes);
    }

    private static byte[] packaged(int op, byte[] body) {
        ByteArrayOutputStream object = new ByteArrayOutputStream();
        object.write(op);
        object.writeBytes(pkgLength(body.length));
        object.writeBytes(body);
        return object.toByteArray();
    }

    /** PkgLength counts itself (20.2.4). */
    private static byte[] pkgLength(int contents) {
        if (contents + 1 < 1 << 6) {
            return bytes(contents + 1);
        }
        for (int more = 1; more <= 3; more++) {
            int length = contents + 1 + more;
            if (length < 1 << 4 + 8 * more) {
                byte[] encoded = new byte[1 + more];
                encoded[0] = (byte) (more << 6 | length & 0xF);
                for (int i = 1; i <= more; i++) {
                    encoded[i] = (byte) (length >>> 8 * i - 4);
                }
                return encoded;
            }
        }
        throw new IllegalArgumentException(
                "AML block of " + contents + " bytes: accepted are less than 2^28");
    }

    /** A name segment of up to 4 characters, padded with underscores (20.2.2). */
    private static byte[] nameSegment(String name) {
        if (!name.matches("[A-Z_][A-Z0-9_]{0,3}")) {
            throw new IllegalArgumentException("AML name " + name);
        }
        return (name + "___").substring(0, 4).getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] prefixed(int prefix, long value, int size) {
        byte[] bytes = new byte[1 + size];
        bytes[0] = (byte) prefix;
        for (int i = 0; i < size; i++) {
            bytes[1 + i] = (byte) (value >>> 8 * i);
        }
        return bytes;
    }

    private static byte[] bytes(int... values) {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }
}
