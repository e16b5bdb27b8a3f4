// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.memory.IoHandler;

/**
 * The xAPIC register page: registers of 32 bits, 16 bytes apart. What the manual leaves undefined
 * (SDM Vol. 3A, 12.4.1) is settled so: narrow reads take their part of the register, reads between
 * registers give 0, writes that are not of a whole register go nowhere.
 */
record XapicPage(LocalApic apic) implements IoHandler {
    @Override
    public long read(long offset, int size) {
        int within = (int) offset & 15;
        if (within >= 4) {
            return 0;
        }
        apic.lock().lock();
        try {
            apic.settlePvEoi();
            long value = Integer.toUnsignedLong(apic.readRegister(register(offset)));
            long mask = size >= 4 ? 0xFFFF_FFFFL : (1L << (8 * size)) - 1;
            return value >>> (8 * within) & mask;
        } finally {
            apic.lock().unlock();
        }
    }

    @Override
    public void write(long offset, int size, long value) {
        if ((offset & 15) != 0 || size != 4) {
            return;
        }
        apic.lock().lock();
        try {
            apic.settlePvEoi();
            apic.writeXapic(register(offset), (int) value);
        } finally {
            apic.lock().unlock();
        }
    }

    private static int register(long offset) {
        return (int) offset >>> 4 & 0xFF;
    }
}
