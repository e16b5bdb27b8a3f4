// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

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
}
