// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import java.util.ArrayList;
import java.util.List;

/** The CPUs of one machine that an engine executes, and what they must know of each other. */
public final class CpuGroup {
    private final List<Cpu> cpus = new ArrayList<>();
    private volatile boolean sameTsc = true;

    /** A group without CPUs: they join as they are made. */
    public CpuGroup() {}

    synchronized void join(Cpu cpu) {
        cpus.add(cpu);
    }

    /** Whether the time-stamp counters of all CPUs read the same at the same time. */
    boolean hasSameTsc() {
        return sameTsc;
    }

    /** A CPU's {@link Cpu#tscOffset} has changed. */
    synchronized void tscChanged() {
        boolean same = cpus.stream().mapToLong(cpu -> cpu.tscOffset).distinct().count() == 1;
        if (same != sameTsc) {
            sameTsc = same;
            cpus.forEach(cpu -> cpu.post(Cpu.EVENT_TIME));
        }
    }
}
