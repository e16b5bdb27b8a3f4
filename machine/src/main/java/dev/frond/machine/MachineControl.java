// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

/** What a guest can ask of its whole machine; each call returns at once and takes effect soon. */
public interface MachineControl {
    /** The reset wire, as i8042, ACPI and port CF9h pull it. */
    void reset();

    /** Power off, as ACPI S5 asks for. */
    void powerOff();

    /** Ends the machine with a value of the debug-exit port, 0..2^32-1. */
    void debugExit(long value);
}
