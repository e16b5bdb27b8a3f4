// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

/**
 * A chip of the board that an engine may keep in the board's place ({@link EngineChips}); what
 * drives its wires and who saves it do not notice. Called while the machine stands still.
 */
public interface EngineKept {
    /** Gives the registers to {@code engine}, which keeps them from here on. */
    void entrust(EngineChips engine);

    /** Takes the registers back from {@code engine}, if it keeps them. */
    void withdraw(EngineChips engine);
}
