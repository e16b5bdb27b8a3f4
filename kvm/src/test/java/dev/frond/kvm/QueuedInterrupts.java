// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.vcpu.LocalInterrupts;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;

/** A local interrupt controller that hands out what a test puts in, and notes what it is told. */
final class QueuedInterrupts implements LocalInterrupts, IoHandler {
    static final long PAGE = 0xFEE0_0000L;

    private final Queue<Integer> vectors = new ArrayDeque<>();
    final Map<Integer, Long> msrs = new ConcurrentHashMap<>(Map.of(0x1B, PAGE | 0x900L));
    final List<String> accesses = new ArrayList<>();
    volatile long priority;
    volatile long tscOffset;

    /** Where the byte is by which the guest may end an interrupt; -1 if there is none. */
    volatile long pvEoi = -1;

    @Override
    public void pvEoi(GuestMemory ram, long offset) {
        pvEoi = offset;
    }

    @Override
    public void noPvEoi() {
        pvEoi = -1;
    }

    synchronized void raise(int vector) {
        vectors.add(vector);
    }

    @Override
    public synchronized boolean pending() {
        return !vectors.isEmpty();
    }

    @Override
    public synchronized int acknowledge() {
        Integer vector = vectors.poll();
        return vector == null ? -1 : vector;
    }

    @Override
    public long taskPriority() {
        return priority;
    }

    @Override
    public void setTaskPriority(long priorityClass) {
        priority = priorityClass;
    }

    @Override
    public long registerPage() {
        return PAGE;
    }

    @Override
    public IoHandler registers() {
        return this;
    }

    @Override
    public long read(long offset, int size) {
        accesses.add("read " + size + " at " + Long.toHexString(offset));
        return 0x14;
    }

    @Override
    public void write(long offset, int size, long value) {
        accesses.add(
                "write "
                        + size
                        + " at "
                        + Long.toHexString(offset)
                        + ": "
                        + Long.toHexString(value));
    }

    @Override
    public boolean readable(int index) {
        return msrs.containsKey(index);
    }

    @Override
    public long readMsr(int index) {
        return msrs.getOrDefault(index, 0L);
    }

    @Override
    public boolean writeMsr(int index, long value) {
        return msrs.computeIfPresent(index, (_, _) -> value) != null;
    }

    @Override
    public void tscOffset(long offset) {
        tscOffset = offset;
    }
}
