// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.CpuSignals;

/** What a local APIC signals as long as no CPU is connected to it: nobody hears it. */
enum NoCpu implements CpuSignals {
    INSTANCE;

    @Override
    public void interruptChanged() {}

    @Override
    public void nmi() {}

    @Override
    public void smi() {}

    @Override
    public void init() {}

    @Override
    public void startup(int vector) {}
}
