// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.CpuSignals;
import dev.frond.testkit.Recorder;

import java.util.ArrayList;
import java.util.List;

/**
 * CPU 0 of a rig as one that has taken and ended all its interrupts whenever a test looks at it,
 * and whose APIC accepts whatever comes.
 */
final class GreedyCpu implements CpuSignals, Recorder {
    private static final int ENABLED_WITHOUT_EOI_BROADCAST = 0x11FF;

    private final ApicRig rig;
    private final List<String> events = new ArrayList<>();

    GreedyCpu(ApicRig rig) {
        this.rig = rig;
        rig.apic(0).connect(this);
        rig.write(0, ApicRig.SVR, ENABLED_WITHOUT_EOI_BROADCAST);
    }

    @Override
    public void interruptChanged() {}

    @Override
    public void nmi() {
        events.add("nmi");
    }

    @Override
    public void smi() {
        events.add("smi");
    }

    @Override
    public void init() {
        events.add("init");
        rig.write(0, ApicRig.SVR, ENABLED_WITHOUT_EOI_BROADCAST);
    }

    @Override
    public void startup(int vector) {
        events.add("startup " + Integer.toHexString(vector));
    }

    @Override
    public List<String> events() {
        rig.picVectors.add(0x08);
        for (int vector = rig.take(0); vector >= 0; vector = rig.take(0)) {
            int tmr = rig.read(0, ApicRig.TMR + (vector >> 5 << 4));
            boolean level = (tmr >>> vector & 1) != 0;
            events.add("took %x %s".formatted(vector, level ? "level" : "edge"));
            rig.eoi(0);
            rig.picVectors.add(0x08);
        }
        rig.picVectors.clear();
        return List.copyOf(events);
    }
}
