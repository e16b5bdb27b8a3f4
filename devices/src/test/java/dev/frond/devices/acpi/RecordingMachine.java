// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import dev.frond.machine.MachineControl;

import java.util.ArrayList;
import java.util.List;

/** Notes what a device asks of its machine. */
final class RecordingMachine implements MachineControl {
    final List<String> calls = new ArrayList<>();

    @Override
    public void reset() {
        calls.add("reset");
    }

    @Override
    public void powerOff() {
        calls.add("powerOff");
    }

    @Override
    public void debugExit(long value) {
        calls.add("debugExit " + value);
    }
}
