// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * The little of a 64-bit little-endian ELF file (System V ABI, chapter 4) that building an
 * initramfs asks for. Anything that is not such a file, or that points outside of itself, has no
 * sections and is not static.
 */
final class Elf64 {
    private static final int E_PHOFF = 32;
    private static final int E_SHOFF = 40;
    private static final int E_PHENTSIZE = 54;
    private static final int E_PHNUM = 56;
    private static final int E_SHENTSIZE = 58;
    private static final int E_SHNUM = 60;
    private static final int E_SHSTRNDX = 62;
    private static final int E_MACHINE = 18;
    private static final int EM_X86_64 = 62;
    private static final int PT_INTERP = 3;
    private static final int PT_NOTE = 4;
    private static final int P_OFFSET = 8;
    private static final int P_FILESZ = 32;
    private static final int XEN_ELFNOTE_PHYS32_ENTRY = 18;

    /** The name "Xen" with its zero. */
    private static final int XEN = 0x006E6558;

    private static final int SH_OFFSET = 24;
    private static final int SH_SIZE = 32;

    private final ByteBuffer file;

    Elf64(byte[] file) {
        this.file = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The contents of the section of that name. */
    Optional<byte[]> section(String name) {
        if (!isX86()) {
            return Optional.empty();
        }
        try {
            int names = header(Short.toUnsignedInt(file.getShort(E_SHSTRNDX)));
            int namesAt = Math.toIntExact(file.getLong(names + SH_OFFSET));
            int count = Short.toUnsignedInt(file.getShort(E_SHNUM));
            for (int i = 0; i < count; i++) {
                int header = header(i);
                if (string(Math.addExact(namesAt, file.getInt(header))).equals(name)) {
                    byte[] contents = new byte[size(header)];
                    file.get(Math.toIntExact(file.getLong(header + SH_OFFSET)), contents);
                    return Optional.of(contents);
                }
            }
            return Optional.empty();
        } catch (IndexOutOfBoundsException
                | BufferUnderflowException
                | ArithmeticException damaged) {
            return Optional.empty();
        }
    }

    /** Whether this is an x86-64 program that needs no dynamic linker. */
    boolean isStaticProgram() {
        if (!isX86()) {
            return false;
        }
        try {
            int count = Short.toUnsignedInt(file.getShort(E_PHNUM));
            int size = Short.toUnsignedInt(file.getShort(E_PHENTSIZE));
            int start = Math.toIntExact(file.getLong(E_PHOFF));
            for (int i = 0; i < count; i++) {
                if (file.getInt(Math.addExact(start, i * size)) == PT_INTERP) {
                    return false;
                }
            }
            return count > 0;
        } catch (IndexOutOfBoundsException | ArithmeticException damaged) {
            return false;
        }
    }

    /**
     * Whether this is a kernel that says where it is entered by PVH: a Xen note of type 18
     * (xen/include/public/elfnote.h).
     */
    boolean hasPvhEntry() {
        if (!isX86()) {
            return false;
        }
        try {
            int count = Short.toUnsignedInt(file.getShort(E_PHNUM));
            int size = Short.toUnsignedInt(file.getShort(E_PHENTSIZE));
            int start = Math.toIntExact(file.getLong(E_PHOFF));
            for (int i = 0; i < count; i++) {
                int header = Math.addExact(start, i * size);
                if (file.getInt(header) == PT_NOTE
                        && hasPvhNote(
                                Math.toIntExact(file.getLong(header + P_OFFSET)),
                                Math.toIntExact(file.getLong(header + P_FILESZ)))) {
                    return true;
                }
            }
            return false;
        } catch (IndexOutOfBoundsException | ArithmeticException damaged) {
            return false;
        }
    }

    private boolean hasPvhNote(int start, int size) {
        int at = start;
        while (at + 12 <= start + size) {
            int nameSize = file.getInt(at);
            int contentSize = file.getInt(at + 4);
            if (nameSize < 0 || contentSize < 0) {
                return false;
            }
            if (file.getInt(at + 8) == XEN_ELFNOTE_PHYS32_ENTRY
                    && nameSize == 4
                    && file.getInt(at + 12) == XEN) {
                return true;
            }
            at = Math.addExact(at + 12, Math.addExact(padded(nameSize), padded(contentSize)));
        }
        return false;
    }

    private static int padded(int size) {
        return Math.addExact(size, 3) & ~3;
    }

    private boolean isX86() {
        byte[] ident = {0x7F, 'E', 'L', 'F', 2, 1};
        return file.limit() >= 64
                && Arrays.equals(Arrays.copyOf(file.array(), ident.length), ident)
                && file.getShort(E_MACHINE) == EM_X86_64;
    }

    private int header(int index) {
        int size = Short.toUnsignedInt(file.getShort(E_SHENTSIZE));
        return Math.addExact(Math.toIntExact(file.getLong(E_SHOFF)), index * size);
    }

    private int size(int header) {
        int size = Math.toIntExact(file.getLong(header + SH_SIZE));
        if (size < 0 || size > file.limit()) {
            throw new IndexOutOfBoundsException(size);
        }
        return size;
    }

    private String string(int start) {
        int end = start;
        while (file.get(end) != 0) {
            end++;
        }
        return new String(file.array(), start, end - start, StandardCharsets.ISO_8859_1);
    }
}
