// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.util.ArrayList;
import java.util.List;

/**
 * What a guest is told of its physical memory: the address map of ACPI 6.3, section 15, which every
 * boot path hands over in its own form. Ranges are ascending and disjoint; addresses that no range
 * names hold device registers or nothing.
 */
public record MemoryMap(List<Range> ranges) {
    /** RAM below 4 GiB ends here at the latest; device registers follow. */
    public static final long LOW_LIMIT = 0xC000_0000L;

    /** RAM that does not fit below {@link #LOW_LIMIT} goes on here. */
    public static final long HIGH_BASE = 0x1_0000_0000L;

    /** The extended BIOS data area: 1 KiB below 640 KiB. */
    public static final long EBDA = 0x9FC00;

    /** The frame buffer of a VGA would start here. */
    public static final long VGA = 0xA0000;

    /** A BIOS would be here; kept from the guest up to 1 MiB. */
    public static final long BIOS_AREA = 0xE0000;

    /**
     * The page with the tables that a guest without other advice searches: the RSDP first (ACPI
     * 6.3, 5.2.5.1), with the FACS behind it.
     */
    public static final long TABLES = 0xF0000;

    /** The SMBIOS entry point, in the page of {@link #TABLES} (DSP0134 3.0, 5.2.2). */
    public static final long SMBIOS = 0xF0080;

    /** The size of the page at {@link #TABLES}. */
    public static final long TABLES_SIZE = 4096;

    /** The end of the BIOS area. */
    public static final long ONE_MIB = 0x10_0000;

    /**
     * The most ranges that a boot_params page takes (Linux Documentation/arch/x86/zero-page.rst).
     */
    public static final int MAX_RANGES = 128;

    /** The kinds of memory, with their numbers in an E820 entry. */
    public enum Type {
        /** Free for the guest. */
        RAM(1),
        /** Not to be used. */
        RESERVED(2),
        /** ACPI tables; free once the guest has read them. */
        ACPI(3),
        /** Not to be used, and kept over a sleep. */
        NVS(4);

        private final int e820;

        Type(int e820) {
            this.e820 = e820;
        }

        /** The type field of an E820 entry. */
        public int e820() {
            return e820;
        }
    }

    /** Bytes {@code base .. base + size - 1}; both are below 2^63 and size is not 0. */
    public record Range(long base, long size, Type type) {
        public Range {
            if (base < 0 || size <= 0 || base > Long.MAX_VALUE - size) {
                throw new IllegalArgumentException(
                        "memory range of " + size + " bytes at 0x" + Long.toHexString(base));
            }
        }

        /** The first address after the range. */
        public long end() {
            return base + size;
        }
    }

    public MemoryMap {
        ranges = List.copyOf(ranges);
        if (ranges.isEmpty() || ranges.size() > MAX_RANGES) {
            throw new IllegalArgumentException(
                    "memory map of " + ranges.size() + " ranges: accepted are 1 to " + MAX_RANGES);
        }
        for (int i = 1; i < ranges.size(); i++) {
            if (ranges.get(i).base() < ranges.get(i - 1).end()) {
                throw new IllegalArgumentException(
                        "memory map: range " + i + " is not above the one before");
            }
        }
    }

    /**
     * The map of a PC with {@code memory} bytes of RAM, a multiple of 4 KiB: all of it from 0 on,
     * except that what passes {@link #LOW_LIMIT} stands at {@link #HIGH_BASE}. The last {@code
     * acpiBytes} (rounded up to pages) of the low part hold ACPI tables; EBDA and BIOS area are
     * reserved.
     */
    public static MemoryMap pc(long memory, long acpiBytes) {
        long acpi = (acpiBytes + 4095) & -4096L;
        if (memory % 4096 != 0 || acpiBytes < 0 || memory < ONE_MIB + acpi + 4096) {
            throw new IllegalArgumentException(
                    "memory of "
                            + memory
                            + " bytes: accepted are multiples of 4096 from "
                            + (ONE_MIB + acpi + 4096)
                            + " on");
        }
        long lowEnd = Math.min(memory, LOW_LIMIT);
        List<Range> ranges = new ArrayList<>();
        ranges.add(new Range(0, EBDA, Type.RAM));
        ranges.add(new Range(EBDA, VGA - EBDA, Type.RESERVED));
        ranges.add(new Range(BIOS_AREA, ONE_MIB - BIOS_AREA, Type.RESERVED));
        ranges.add(new Range(ONE_MIB, lowEnd - acpi - ONE_MIB, Type.RAM));
        if (acpi > 0) {
            ranges.add(new Range(lowEnd - acpi, acpi, Type.ACPI));
        }
        if (memory > lowEnd) {
            ranges.add(new Range(HIGH_BASE, memory - lowEnd, Type.RAM));
        }
        return new MemoryMap(ranges);
    }

    /** The first address after the free RAM that starts at 1 MiB; 1 MiB if there is none. */
    public long lowTop() {
        for (Range range : ranges) {
            if (range.type() == Type.RAM && range.base() <= ONE_MIB && range.end() > ONE_MIB) {
                return range.end();
            }
        }
        return ONE_MIB;
    }

    /** Whether all of {@code size} bytes at {@code base} is free RAM. */
    public boolean isRam(long base, long size) {
        for (Range range : ranges) {
            if (range.type() == Type.RAM && base >= range.base() && base < range.end()) {
                return size >= 0 && size <= range.end() - base;
            }
        }
        return false;
    }

    /** All bytes of free RAM. */
    public long ram() {
        return ranges.stream().filter(r -> r.type() == Type.RAM).mapToLong(Range::size).sum();
    }
}
