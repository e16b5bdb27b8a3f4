// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

/**
 * One virtual CPU of an engine. {@link #run}, {@link #save} and {@link #load} belong to its own
 * thread; {@link #kick} and the {@link CpuSignals} may come from any.
 */
public interface Vcpu extends CpuSignals {
    /** Executes the guest until something needs the caller. A halted CPU sleeps inside. */
    VcpuExit run();

    /** Makes {@link #run} return {@link VcpuExit.Kicked} soon, also if it is called only later. */
    void kick();

    /** The architectural state; the CPU must not be running. */
    CpuState save();

    /** Takes on {@code state}; the CPU must not be running. */
    void load(CpuState state);

    /**
     * Has {@link #run} return {@link VcpuExit.Debug} as {@code request} says, until the next
     * request; the CPU must not be running.
     *
     * @throws UnsupportedOperationException if this engine cannot, saying what it cannot
     */
    default void debug(DebugRequest request) {
        if (!request.equals(DebugRequest.NONE)) {
            throw new UnsupportedOperationException("this engine does not stop for a debugger");
        }
    }

    /** Counters of this CPU for people, in the order to show them. */
    VcpuStats stats();
}
