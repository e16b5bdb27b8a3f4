// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.memory.GuestMemory;

import org.jspecify.annotations.Nullable;

/**
 * The byte of guest memory by which a guest ends an interrupt without the EOI register (Linux,
 * Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN). Set to 1 when an interrupt is taken that
 * nothing but its end need follow; a guest that then clears it has ended the interrupt.
 */
final class PvEoi {
    private @Nullable GuestMemory ram;
    private long offset;
    private boolean offered;

    /** The guest has such a byte, {@code offset} bytes into its memory. */
    void place(GuestMemory memory, long at) {
        ram = memory;
        offset = at;
    }

    /** The guest has none. */
    void remove() {
        ram = null;
        offered = false;
    }

    /** Lets the guest end the interrupt just taken in this way, if it has such a byte. */
    void offer() {
        GuestMemory memory = ram;
        if (memory != null) {
            memory.store(offset, 1, 1);
            offered = true;
        }
    }

    /** Whether an interrupt may have been ended by now. */
    boolean isOffered() {
        return offered;
    }

    /** The interrupt in service is another one, or none. */
    void forget() {
        offered = false;
    }

    /**
     * Ends the offer, on the CPU's own thread or while it stands still; true if the guest has made
     * use of it.
     */
    boolean take() {
        GuestMemory memory = ram;
        if (!offered || memory == null) {
            return false;
        }
        offered = false;
        return (memory.compareAndExchange(offset, 1, 1, 0) & 1) == 0;
    }
}
