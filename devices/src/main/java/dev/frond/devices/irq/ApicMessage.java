// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.EngineApic;

/**
 * One interrupt message on the bus between the APICs.
 *
 * @param destination an APIC ID or a logical destination
 * @param wide whether the destination has 32 bits, as x2APIC sends it, not 8
 * @param logical whether the destination is compared with the logical destination registers
 * @param vector 0..255
 * @param level whether the interrupt is level-triggered and its EOI is waited for
 */
record ApicMessage(
        int destination,
        boolean wide,
        boolean logical,
        DeliveryMode mode,
        int vector,
        boolean level) {

    /** Whether every APIC is addressed (SDM Vol. 3A, 12.6.2.1 and 12.12.9). */
    boolean broadcast() {
        return destination == (wide ? -1 : 0xFF);
    }

    /** Whether it names the APIC in x2APIC mode that has this ID (SDM Vol. 3A, 12.12.9). */
    boolean addresses(int x2apicId) {
        if (broadcast()) {
            return true;
        }
        return logical
                ? destination >>> 16 == x2apicId >>> 4
                        && (destination & ApicRegisters.logicalId(x2apicId) & 0xFFFF) != 0
                : destination == x2apicId;
    }

    /** Whether it names the APIC in xAPIC mode with these registers (12.6.2). */
    boolean addresses(int id, int ldr, int dfr) {
        if (broadcast()) {
            return true;
        }
        if (!logical) {
            return destination == id >>> 24;
        }
        int address = ldr >>> 24;
        if (dfr >>> 28 == 0xF) {
            return (destination & address & 0xFF) != 0;
        }
        // Cluster model: bits 7:4 name the cluster, bits 3:0 its members.
        return (destination ^ address) >>> 4 == 0 && (destination & address & 15) != 0;
    }

    // A message as a memory write (12.11): in the address destination 19:12, redirection hint 3
    // and destination mode 2; in the data trigger mode 15, level 14, delivery mode and vector.
    static final long MSI_ADDRESS = 0xFEE0_0000L;
    static final int MSI_LOGICAL = 1 << 2;
    static final int MSI_REDIRECTION_HINT = 1 << 3;
    static final int MSI_ASSERT = 1 << 14;
    static final int MSI_LEVEL = 1 << 15;

    /** The message as a device would write it; the destination must be of 8 bits. */
    EngineApic.Message encoded() {
        boolean lowest = mode == DeliveryMode.LOWEST_PRIORITY;
        return new EngineApic.Message(
                MSI_ADDRESS
                        | (destination & 0xFFL) << 12
                        | (lowest ? MSI_REDIRECTION_HINT : 0)
                        | (logical ? MSI_LOGICAL : 0),
                vector | mode.ordinal() << 8 | (level ? MSI_LEVEL | MSI_ASSERT : 0));
    }
}
