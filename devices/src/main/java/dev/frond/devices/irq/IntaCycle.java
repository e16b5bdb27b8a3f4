// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

/** The interrupt-acknowledge cycle by which a CPU fetches a vector from the 8259 pair. */
@FunctionalInterface
public interface IntaCycle {
    /**
     * Runs both INTA pulses and returns the vector, 0..255; that of IR7 if the request has gone.
     * Called by the CPU's thread, with no lock of the APICs held.
     */
    int acknowledge();
}
