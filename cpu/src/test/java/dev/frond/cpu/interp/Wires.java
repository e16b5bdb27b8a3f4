// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.vcpu.LocalInterrupts;

/** A local interrupt controller that offers one vector at a time and has no registers. */
final class Wires implements LocalInterrupts {
    private int vector = -1;
    private long taskPriority;

    /** Offers {@code offered} until the CPU takes it. */
    void offer(int offered) {
        vector = offered;
    }

    @Override
    public boolean pending() {
        return vector >= 0;
    }

    @Override
    public int acknowledge() {
        int taken = vector;
        vector = -1;
        return taken;
    }

    @Override
    public long taskPriority() {
        return taskPriority;
    }

    @Override
    public void setTaskPriority(long priorityClass) {
        taskPriority = priorityClass;
    }

    @Override
    public long registerPage() {
        return -1;
    }

    @Override
    public IoHandler registers() {
        throw new IllegalStateException("there is no register page");
    }

    @Override
    public boolean readable(int index) {
        return false;
    }

    @Override
    public long readMsr(int index) {
        // Of IA32_APIC_BASE: enabled.
        return 0xFEE0_0800L;
    }

    @Override
    public boolean writeMsr(int index, long value) {
        return false;
    }

    @Override
    public void tscOffset(long offset) {
        // There is no timer.
    }
}
