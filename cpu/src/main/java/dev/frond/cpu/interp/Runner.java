// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;

import java.util.Map;

/** Another way to execute blocks of code than by nodes, for one CPU. */
public interface Runner {
    /** Always leaves it to the nodes. */
    Runner NODES =
            new Runner() {
                @Override
                public boolean run() {
                    return false;
                }

                @Override
                public void setOwner(Thread thread) {}

                @Override
                public boolean isCounted() {
                    return true;
                }

                @Override
                public Map<String, Long> counters() {
                    return Map.of();
                }
            };

    /**
     * Executes from {@link Cpu#rip} on until {@link Cpu#hasEvents}, {@link Cpu#halted}, or code
     * that it leaves to the nodes; false if it does so at once. Afterwards, and when it throws a
     * {@link dev.frond.cpu.CpuFault}, the CPU's state is exact, {@link Cpu#rip} included.
     */
    boolean run();

    /** The thread that calls {@link #run} from now on. */
    void setOwner(Thread thread);

    /** Whether {@link Cpu#instructions} tells how many were executed. */
    boolean isCounted();

    /** What is counted, by name; any thread may ask. */
    Map<String, Long> counters();
}
