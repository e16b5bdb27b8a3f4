// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.irq.IrqLine;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** An interrupt wire that a test looks at and waits for. */
final class TestIrq implements IrqLine {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private boolean active;
    private int edges;

    @Override
    public void set(boolean level) {
        lock.lock();
        try {
            if (level && !active) {
                edges++;
            }
            active = level;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    boolean isActive() {
        lock.lock();
        try {
            return active;
        } finally {
            lock.unlock();
        }
    }

    /** How often the wire went from inactive to active. */
    int edges() {
        lock.lock();
        try {
            return edges;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the wire is active; false after ten seconds. */
    boolean awaitActive() throws InterruptedException {
        lock.lock();
        try {
            long left = TimeUnit.SECONDS.toNanos(10);
            while (!active && left > 0) {
                left = changed.awaitNanos(left);
            }
            return active;
        } finally {
            lock.unlock();
        }
    }
}
