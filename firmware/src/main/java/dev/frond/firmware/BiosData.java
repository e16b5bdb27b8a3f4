// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;

import java.util.List;

/**
 * The BIOS data area at 400h, as far as kernels read it that were not started by a BIOS themselves:
 * where the serial ports are, and where the memory below 640 KiB ends (IBM PS/2 and PC BIOS
 * Interface Technical Reference, section 3, "BIOS Data Area" and "Extended BIOS Data Area").
 */
final class BiosData {
    private static final long SERIAL_PORTS = 0x400;
    private static final int MOST_SERIAL_PORTS = 4;
    private static final long EBDA_SEGMENT = 0x40E;
    private static final long EQUIPMENT = 0x410;
    private static final int COPROCESSOR = 1 << 1;
    private static final int SERIAL_COUNT = 9;
    private static final long MEMORY_SIZE = 0x413;

    private BiosData() {}

    /** Writes it for a machine with serial ports at {@code serialPorts}, with an EBDA of 1 KiB. */
    static void install(AddressSpace memory, List<Integer> serialPorts) {
        int count = Math.min(serialPorts.size(), MOST_SERIAL_PORTS);
        for (int i = 0; i < MOST_SERIAL_PORTS; i++) {
            memory.write(SERIAL_PORTS + 2L * i, 2, i < count ? serialPorts.get(i) : 0);
        }
        memory.write(EBDA_SEGMENT, 2, MemoryMap.EBDA >>> 4);
        memory.write(EQUIPMENT, 2, COPROCESSOR | count << SERIAL_COUNT);
        memory.write(MEMORY_SIZE, 2, MemoryMap.EBDA >>> 10);
        // The first byte of the EBDA is its size in KiB.
        memory.write(MemoryMap.EBDA, 1, (MemoryMap.VGA - MemoryMap.EBDA) >>> 10);
    }
}
