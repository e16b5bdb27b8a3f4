// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import dev.frond.machine.clock.Clock;
import dev.frond.machine.memory.AddressSpace;

import java.util.List;
import java.util.Set;

/** An engine that executes guest code. */
public interface Accelerator extends AutoCloseable {
    /** The name that {@code --engine} takes. */
    String name();

    /** The features that a CPU of this engine can offer. */
    Set<CpuFeature> features();

    /** The features that a CPU of the model {@link CpuModel#MAX} has here. */
    default Set<CpuFeature> best() {
        return features();
    }

    /** What a CPU of this engine is if {@code wanted} is asked for: that within what it can. */
    default CpuModel offer(CpuModel wanted) {
        return wanted.within(wanted.isMax() ? best() : features());
    }

    /**
     * Makes CPU number {@code id}, in its power-on state: CPU 0 at the reset vector, all others
     * waiting for a start-up IPI.
     */
    Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring);

    /**
     * Tells which chips of the board an engine may keep in the board's place: the 8259 pair, the
     * I/O APIC and the 8254, each at its place on a PC. When all CPUs are made; an engine gives
     * back what it kept before, all of it when there are none.
     */
    default void chips(List<EngineKept> chips) {}

    @Override
    void close();

    /** What a CPU is connected to: its two buses, time, and its local interrupt controller. */
    record Wiring(
            AddressSpace memory, AddressSpace ports, Clock clock, LocalInterrupts interrupts) {}
}
