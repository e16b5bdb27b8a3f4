// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.MachineControl;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Remembers what was asked of the machine: {@code reset}, {@code power off}, {@code debug exit V}.
 */
public final class RecordingControl implements MachineControl, Recorder {
    private final List<String> events = new ArrayList<>();

    @Override
    public synchronized void reset() {
        events.add("reset");
    }

    @Override
    public synchronized void powerOff() {
        events.add("power off");
    }

    @Override
    public synchronized void debugExit(long value) {
        events.add("debug exit " + value);
    }

    @Override
    public synchronized List<String> events() {
        return Collections.unmodifiableList(events);
    }
}
