// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.device.Bytes;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** Makes small kernels of every format. */
final class Images {
    static final int SETUP_SECTS = 0x1F1;
    static final int SYSSIZE = 0x1F4;
    static final int JUMP_LENGTH = 0x201;
    static final int VERSION = 0x206;
    static final int LOADFLAGS = 0x211;
    static final int INITRD_ADDR_MAX = 0x22C;
    static final int KERNEL_ALIGNMENT = 0x230;
    static final int RELOCATABLE_KERNEL = 0x234;
    static final int XLOADFLAGS = 0x236;
    static final int CMDLINE_SIZE = 0x238;
    static final int PREF_ADDRESS = 0x258;
    static final int INIT_SIZE = 0x260;

    /** The file offset of the protected-mode code of {@link #bzImage}. */
    static final int KERNEL = 3 * 512;

    static final int MIB = 1 << 20;

    private Images() {}

    /** One loadable part of an ELF file. */
    record Part(long vaddr, long paddr, Bytes bytes, long memorySize, boolean executable) {
        Part(long vaddr, long paddr, byte[] bytes, long memorySize, boolean executable) {
            this(vaddr, paddr, Bytes.of(bytes), memorySize, executable);
        }
    }

    /** A relocatable 64-bit bzImage of 4096 bytes of code that wants 1 MiB at 2 MiB. */
    static ByteBuffer bzImage() {
        ByteBuffer image = ByteBuffer.allocate(KERNEL + 4096).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = KERNEL; i < image.limit(); i++) {
            image.put(i, (byte) (i * 7));
        }
        image.put(SETUP_SECTS, (byte) 2);
        image.putInt(SYSSIZE, 4096 / 16);
        image.putShort(0x1FE, (short) 0xAA55);
        image.put(0x200, (byte) 0xEB).put(JUMP_LENGTH, (byte) 0x6A);
        image.put(0x202, "HdrS".getBytes(StandardCharsets.US_ASCII));
        image.putShort(VERSION, (short) 0x020F);
        image.put(LOADFLAGS, (byte) 1);
        image.putInt(0x214, 0x10_0000);
        image.putInt(INITRD_ADDR_MAX, 0x7FFF_FFFF);
        image.putInt(KERNEL_ALIGNMENT, 2 * MIB);
        image.put(RELOCATABLE_KERNEL, (byte) 1);
        image.putShort(XLOADFLAGS, (short) 3);
        image.putInt(CMDLINE_SIZE, 2047);
        image.putLong(PREF_ADDRESS, 2 * MIB);
        image.putInt(INIT_SIZE, MIB);
        return image;
    }

    /** An ELF file of {@code parts}, and a note if {@code note} is not empty. */
    static byte[] elf(boolean is64, long entry, List<Part> parts, byte[] note) {
        int headerSize = is64 ? 64 : 52;
        int entrySize = is64 ? 56 : 32;
        int count = parts.size() + (note.length == 0 ? 0 : 1);
        int at = align(headerSize + entrySize * count);
        int size =
                at
                        + align(note.length)
                        + parts.stream().mapToInt(p -> align(p.bytes.length())).sum();
        ByteBuffer elf = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        elf.put(new byte[] {0x7F, 'E', 'L', 'F', (byte) (is64 ? 2 : 1), 1, 1}).position(16);
        elf.putShort((short) 2).putShort((short) (is64 ? 62 : 3)).putInt(1);
        if (is64) {
            elf.putLong(entry).putLong(headerSize).putLong(0);
        } else {
            elf.putInt((int) entry).putInt(headerSize).putInt(0);
        }
        elf.putInt(0)
                .putShort((short) headerSize)
                .putShort((short) entrySize)
                .putShort((short) count);
        elf.position(headerSize);
        for (Part part : parts) {
            header(elf, is64, 1, at, part);
            elf.put(at, part.bytes.toArray());
            at += align(part.bytes.length());
        }
        if (note.length > 0) {
            header(elf, is64, 4, at, new Part(0, 0, note, note.length, false));
            elf.put(at, note);
        }
        return elf.array();
    }

    private static void header(ByteBuffer elf, boolean is64, int type, int offset, Part part) {
        int flags = part.executable ? 5 : 6;
        if (is64) {
            elf.putInt(type).putInt(flags).putLong(offset).putLong(part.vaddr).putLong(part.paddr);
            elf.putLong(part.bytes.length()).putLong(part.memorySize).putLong(4);
        } else {
            elf.putInt(type).putInt(offset).putInt((int) part.vaddr).putInt((int) part.paddr);
            elf.putInt(part.bytes.length()).putInt((int) part.memorySize).putInt(flags).putInt(4);
        }
    }

    /** A note of another owner, then the XEN_ELFNOTE_PHYS32_ENTRY with {@code valueSize} bytes. */
    static byte[] pvhNote(long entry, int valueSize) {
        ByteBuffer note = ByteBuffer.allocate(20 + 16 + valueSize).order(ByteOrder.LITTLE_ENDIAN);
        note.putInt(4)
                .putInt(1)
                .putInt(18)
                .put("GNU\0".getBytes(StandardCharsets.US_ASCII))
                .put((byte) 9);
        note.position(20);
        note.putInt(4)
                .putInt(valueSize)
                .putInt(18)
                .put("Xen\0".getBytes(StandardCharsets.US_ASCII));
        if (valueSize == 8) {
            note.putLong(entry);
        } else if (valueSize == 4) {
            note.putInt((int) entry);
        }
        return note.array();
    }

    /** A 64-bit kernel linked at the top of the address space, with a PVH entry at 0x100040. */
    static byte[] pvhKernel() {
        return elf(
                true,
                0x10_0000,
                List.of(
                        new Part(
                                0xFFFF_FFFF_8010_0000L,
                                0x10_0000,
                                pattern(0x1000, 3),
                                0x1000,
                                true),
                        new Part(
                                0xFFFF_FFFF_8020_0000L,
                                0x20_0000,
                                pattern(0x123, 5),
                                0x2000,
                                false)),
                pvhNote(0x10_0040, 8));
    }

    /** A Multiboot header with {@code flags} and, as they ask for, further {@code fields}. */
    static byte[] multibootHeader(int flags, int... fields) {
        ByteBuffer header =
                ByteBuffer.allocate(12 + 4 * fields.length).order(ByteOrder.LITTLE_ENDIAN);
        header.putInt(0x1BAD_B002).putInt(flags).putInt(-(0x1BAD_B002 + flags));
        for (int field : fields) {
            header.putInt(field);
        }
        return header.array();
    }

    /** An ELF with a Multiboot header in its first part, entered at physical 0x100020. */
    static byte[] multibootElf(boolean is64, byte[] header) {
        byte[] text = pattern(0x800, 11);
        System.arraycopy(header, 0, text, 0x40, header.length);
        long offset = is64 ? 0xFFFF_FFFF_8000_0000L : 0xC000_0000L;
        return elf(
                is64,
                offset + 0x10_0020,
                List.of(
                        new Part(offset + 0x10_1000, 0x10_1000, pattern(0x100, 13), 0x3000, false),
                        new Part(offset + 0x10_0000, 0x10_0000, text, 0x800, true)),
                new byte[0]);
    }

    /** A file that is no ELF, with a Multiboot header at 0x20 that says to load it to 1 MiB. */
    static byte[] multibootFlat() {
        byte[] image = pattern(0x1000, 17);
        byte[] header =
                multibootHeader(0x1_0003, 0x10_0010, 0x10_0000, 0x10_0800, 0x10_2000, 0x10_0100);
        System.arraycopy(header, 0, image, 0x20, header.length);
        return image;
    }

    /** {@code size} bytes without many zeroes, different for each {@code step}. */
    static byte[] pattern(int size, int step) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = (byte) (i * step + (i >> 8) + 1);
        }
        return bytes;
    }

    /** A copy of all bytes of {@code image}. */
    static byte[] bytes(ByteBuffer image) {
        byte[] bytes = new byte[image.limit()];
        image.get(0, bytes);
        return bytes;
    }

    static BootFile file(String name, byte[] bytes) {
        return BootFile.of(name, bytes);
    }

    static BootArguments.Module module(String name, byte[] bytes, String arguments) {
        return new BootArguments.Module(BootFile.of(name, bytes), arguments);
    }

    static byte[] range(byte[] bytes, int from, int size) {
        return Arrays.copyOfRange(bytes, from, from + size);
    }

    private static int align(int value) {
        return (value + 15) & -16;
    }
}
