// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

/** The pins of a CPU as its local APIC drives them; every call may come from any thread. */
public interface CpuSignals {
    /** The answer of {@link LocalInterrupts#pending} may have changed. */
    void interruptChanged();

    /** A non-maskable interrupt. */
    void nmi();

    /** A system-management interrupt. */
    void smi();

    /**
     * INIT: the CPU resets, except for caches and floating point, and waits for {@link #startup}.
     */
    void init();

    /** Start-up IPI: a waiting CPU starts in real mode at {@code vector << 12}, vector 0..255. */
    void startup(int vector);

    /** Pins that lead nowhere. */
    CpuSignals UNCONNECTED =
            new CpuSignals() {
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
            };
}
