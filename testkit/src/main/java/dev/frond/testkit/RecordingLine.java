// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.irq.IrqLine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A wire that remembers its changes; inactive at first. */
public final class RecordingLine implements IrqLine, Recorder {
    private final List<String> events = new ArrayList<>();
    private boolean active;
    private int rises;

    @Override
    public synchronized void set(boolean level) {
        if (level != active) {
            active = level;
            events.add(level ? "rise" : "fall");
            rises += level ? 1 : 0;
        }
    }

    /** Whether the wire is active. */
    public synchronized boolean isActive() {
        return active;
    }

    /** How often the wire became active so far. */
    public synchronized int rises() {
        return rises;
    }

    @Override
    public synchronized List<String> events() {
        return Collections.unmodifiableList(events);
    }

    @Override
    public String standing() {
        return isActive() ? "active" : "inactive";
    }
}
