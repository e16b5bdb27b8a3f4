// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware.smbios;

import dev.frond.machine.memory.AddressSpace;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * The SMBIOS structures of a machine with their 64-bit entry point (DSP0134 3.0, 5.2.2 and chapter
 * 7): BIOS, system, enclosure, processor, memory array, memory device, mapped memory, boot status.
 */
public final class SmbiosTables {
    private static final int ENTRY_SIZE = 24;
    private static final int STRUCTURES = 0x20;

    // Handles; each structure has one of its own.
    private static final int BIOS = 0x0000;
    private static final int SYSTEM = 0x0100;
    private static final int ENCLOSURE = 0x0300;
    private static final int PROCESSOR = 0x0400;
    private static final int MEMORY_ARRAY = 0x1000;
    private static final int MEMORY_DEVICE = 0x1100;
    private static final int MAPPED_ADDRESS = 0x1300;
    private static final int BOOT = 0x2000;
    private static final int END = 0x7F00;

    private static final int NO_HANDLE = 0xFFFF;
    private static final int UNKNOWN = 2;

    private final SmbiosSpec spec;
    private final ByteArrayOutputStream structures = new ByteArrayOutputStream();

    /** The structures of {@code spec}. */
    public SmbiosTables(SmbiosSpec spec) {
        this.spec = spec;
        bios();
        system();
        enclosure();
        processor();
        memory();
        new Structure(32, BOOT, 11).end();
        new Structure(127, END, 4).end();
    }

    /** The bytes that {@link #install} uses. */
    public int size() {
        return STRUCTURES + structures.size();
    }

    /**
     * Writes the entry point to {@code address}, a multiple of 16 in F0000h..FFFFFh, where guests
     * search it, and the structures behind it; in memory that the guest is told not to use.
     */
    public void install(AddressSpace memory, long address) {
        if (address % 16 != 0 || address < 0xF0000 || address + size() > 0x10_0000) {
            throw new IllegalArgumentException(
                    "SMBIOS of "
                            + size()
                            + " bytes at 0x"
                            + Long.toHexString(address)
                            + ": accepted are multiples of 16 from 0xf0000 to 0xfffff");
        }
        ByteBuffer entry = ByteBuffer.allocate(ENTRY_SIZE).order(ByteOrder.LITTLE_ENDIAN);
        entry.put("_SM3_".getBytes(StandardCharsets.US_ASCII)).put((byte) 0).put((byte) ENTRY_SIZE);
        entry.put((byte) 3).put((byte) 0).put((byte) 0).put((byte) 1).put((byte) 0);
        entry.putInt(structures.size()).putLong(address + STRUCTURES);
        int sum = 0;
        for (byte b : entry.array()) {
            sum += b;
        }
        entry.put(5, (byte) -sum);
        memory.writeBytes(address, entry.array());
        memory.writeBytes(address + STRUCTURES, structures.toByteArray());
    }

    /** Type 0: there is no BIOS code, but there is what describes the machine. */
    private void bios() {
        Structure s = new Structure(0, BIOS, 0x18);
        s.string(0x04, "Frond");
        s.string(0x05, spec.version());
        s.put16(0x06, 0xE000);
        s.string(0x08, "01/01/2026");
        s.put8(0x09, 1);
        // Characteristics are not given, except that this is a virtual machine.
        s.put64(0x0A, 1 << 3);
        s.put8(0x13, 1 << 4);
        s.put8(0x16, 0xFF);
        s.put8(0x17, 0xFF);
        s.end();
    }

    /** Type 1. */
    private void system() {
        Structure s = new Structure(1, SYSTEM, 0x1B);
        s.string(0x04, "Frond");
        s.string(0x05, spec.product());
        s.string(0x06, spec.version());
        UUID uuid = spec.uuid();
        // The first three fields are little-endian (7.2.1).
        s.put32(0x08, uuid.getMostSignificantBits() >>> 32);
        s.put16(0x0C, (int) (uuid.getMostSignificantBits() >>> 16));
        s.put16(0x0E, (int) uuid.getMostSignificantBits());
        s.put64(0x10, Long.reverseBytes(uuid.getLeastSignificantBits()));
        s.put8(0x18, 6);
        s.end();
    }

    /** Type 3: of type Other, its states unknown. */
    private void enclosure() {
        Structure s = new Structure(3, ENCLOSURE, 0x16);
        s.string(0x04, "Frond");
        s.put8(0x05, 1);
        s.string(0x06, spec.version());
        s.put8(0x09, UNKNOWN);
        s.put8(0x0A, UNKNOWN);
        s.put8(0x0B, UNKNOWN);
        s.put8(0x0C, UNKNOWN);
        s.end();
    }

    /** Type 4: all CPUs are cores of one socket. */
    private void processor() {
        Structure s = new Structure(4, PROCESSOR, 0x30);
        s.string(0x04, "CPU 0");
        s.put8(0x05, 3);
        s.put8(0x06, 1);
        s.string(0x07, "Frond");
        s.string(0x10, spec.cpuVersion());
        s.put8(0x18, 0x41);
        s.put8(0x19, 1);
        s.put16(0x1A, NO_HANDLE);
        s.put16(0x1C, NO_HANDLE);
        s.put16(0x1E, NO_HANDLE);
        int few = Math.min(spec.cpus(), 0xFF);
        s.put8(0x23, few);
        s.put8(0x24, few);
        s.put8(0x25, few);
        int multiCore = spec.cpus() > 1 ? 1 << 3 : 0;
        s.put16(0x26, 1 << 2 | multiCore);
        s.put16(0x28, 1);
        s.put16(0x2A, spec.cpus());
        s.put16(0x2C, spec.cpus());
        s.put16(0x2E, spec.cpus());
        s.end();
    }

    /** Types 16, 17 and 19: one array with one module, mapped below and above 4 GiB. */
    private void memory() {
        long total = spec.lowMemory() + spec.highMemory();
        Structure array = new Structure(16, MEMORY_ARRAY, 0x17);
        array.put8(0x04, 3);
        array.put8(0x05, 3);
        array.put8(0x06, 3);
        boolean large = total >>> 10 >= 0x8000_0000L;
        array.put32(0x07, large ? 0x8000_0000L : total >>> 10);
        array.put16(0x0B, 0xFFFE);
        array.put16(0x0D, 1);
        array.put64(0x0F, large ? total : 0);
        array.end();

        Structure device = new Structure(17, MEMORY_DEVICE, 0x28);
        // The field has no smaller unit.
        long mib = Math.max(1, total >>> 20);
        device.put16(0x04, MEMORY_ARRAY);
        device.put16(0x06, 0xFFFE);
        device.put16(0x08, 0xFFFF);
        device.put16(0x0A, 0xFFFF);
        device.put16(0x0C, (int) Math.min(mib, 0x7FFF));
        device.put8(0x0E, 9);
        device.string(0x10, "DIMM 0");
        device.put8(0x12, 7);
        device.put16(0x13, 1 << 1);
        device.string(0x17, "Frond");
        device.put32(0x1C, mib >= 0x7FFF ? mib : 0);
        device.end();

        mapped(MAPPED_ADDRESS, 0, spec.lowMemory());
        if (spec.highMemory() > 0) {
            mapped(MAPPED_ADDRESS + 1, 1L << 32, spec.highMemory());
        }
    }

    private void mapped(int handle, long start, long size) {
        Structure s = new Structure(19, handle, 0x1F);
        long last = start + size - 1;
        boolean large = last >>> 10 >= 0xFFFF_FFFFL;
        s.put32(0x04, large ? 0xFFFF_FFFFL : start >>> 10);
        s.put32(0x08, large ? 0xFFFF_FFFFL : last >>> 10);
        s.put16(0x0C, MEMORY_ARRAY);
        s.put8(0x0E, 1);
        s.put64(0x0F, large ? start : 0);
        s.put64(0x17, large ? last : 0);
        s.end();
    }

    /** One structure: its formatted area, then its strings (6.1). */
    private final class Structure {
        private final ByteBuffer area;
        private final List<String> strings = new ArrayList<>();

        Structure(int type, int handle, int length) {
            area = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
            area.put(0, (byte) type).put(1, (byte) length).putShort(2, (short) handle);
        }

        void put8(int offset, int value) {
            area.put(offset, (byte) value);
        }

        void put16(int offset, int value) {
            area.putShort(offset, (short) value);
        }

        void put32(int offset, long value) {
            area.putInt(offset, (int) value);
        }

        void put64(int offset, long value) {
            area.putLong(offset, value);
        }

        void string(int offset, String text) {
            strings.add(text);
            put8(offset, strings.size());
        }

        void end() {
            byte[] bytes = new byte[area.capacity()];
            area.get(0, bytes);
            structures.writeBytes(bytes);
            for (String text : strings) {
                structures.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
                structures.write(0);
            }
            if (strings.isEmpty()) {
                structures.write(0);
            }
            structures.write(0);
        }
    }
}
