// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

import java.util.OptionalLong;

/**
 * The machine that a kernel is loaded into.
 *
 * @param memory its memory bus
 * @param map what the kernel is told of it
 * @param rsdp the physical address of the ACPI RSDP, if there are ACPI tables
 * @param powerOn the state of the boot CPU after power-on
 */
public record BootTarget(AddressSpace memory, MemoryMap map, OptionalLong rsdp, CpuState powerOn) {
    /**
     * Whether a program that says where it goes may go to {@code size} bytes at {@code base}. Free
     * RAM, and below 1 MiB also what the map keeps for a BIOS as far as it is RAM: linkers put an
     * ELF header into the page below a program at 1 MiB. But not the page with the tables.
     */
    boolean isLoadable(long base, long size) {
        if (base >= MemoryMap.ONE_MIB) {
            return map.isRam(base, size);
        }
        long end = base + size;
        long lowEnd = Math.min(end, MemoryMap.ONE_MIB);
        boolean meetsTables =
                base < MemoryMap.TABLES + MemoryMap.TABLES_SIZE && lowEnd > MemoryMap.TABLES;
        return !meetsTables
                && GuestRam.isRam(memory, base, lowEnd - base)
                && (end <= MemoryMap.ONE_MIB
                        || map.isRam(MemoryMap.ONE_MIB, end - MemoryMap.ONE_MIB));
    }
}
