// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.CpuSignals;
import dev.frond.testkit.Recorder;

import java.util.ArrayList;
import java.util.List;

/** A CPU that notes what its APIC signals, and what it takes when a test says so. */
final class TakingCpu implements CpuSignals, Recorder {
    private final ApicRig rig;
    private final List<String> events = new ArrayList<>();

    TakingCpu(ApicRig rig) {
        this.rig = rig;
    }

    void note(String event) {
        events.add(event);
    }

    /** Takes what is pending; the 8259 pair always has vector 8. */
    void take() {
        rig.picVectors.add(0x08);
        int vector = rig.take(0);
        rig.picVectors.clear();
        note("took " + Integer.toHexString(vector));
    }

    @Override
    public void interruptChanged() {
        note("interrupt");
    }

    @Override
    public void nmi() {
        note("nmi");
    }

    @Override
    public void smi() {
        note("smi");
    }

    @Override
    public void init() {
        note("init");
    }

    @Override
    public void startup(int vector) {
        note("startup " + Integer.toHexString(vector));
    }

    @Override
    public List<String> events() {
        return List.copyOf(events);
    }

    @Override
    public String standing() {
        return rig.apic(0).pending() ? "pending" : "";
    }
}
