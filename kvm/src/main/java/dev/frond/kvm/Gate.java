// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Keeps the CPUs of a machine out of the guest while something changes that none may execute
 * meanwhile: memory that is there before and after may be missing in between. A CPU asks once for
 * each entry, which costs a volatile read.
 */
final class Gate {
    /** What a CPU is to the gate. */
    interface Passer {
        /** Whether it may be executing the guest. */
        boolean isInside();

        /** Makes it leave soon, and find the gate closed. */
        void leave();
    }

    /** How many nanoseconds a CPU may take to leave before it is told again. */
    private static final long PATIENCE = 20_000_000;

    private final List<Passer> passers = new CopyOnWriteArrayList<>();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition left = lock.newCondition();
    private final Condition opened = lock.newCondition();
    private volatile boolean closed;

    void add(Passer passer) {
        passers.add(passer);
    }

    /**
     * Runs {@code change} while no CPU is in the guest. Whoever calls is not in it: another thread,
     * or a CPU that KVM has left something to.
     */
    void whileOutside(Runnable change) {
        boolean interrupted = false;
        lock.lock();
        try {
            closed = true;
            while (passers.stream().anyMatch(Passer::isInside)) {
                passers.forEach(Passer::leave);
                try {
                    long _ = left.awaitNanos(PATIENCE);
                } catch (InterruptedException e) {
                    // The change must be done; the thread is told again afterwards.
                    interrupted = true;
                }
            }
            change.run();
        } finally {
            closed = false;
            opened.signalAll();
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Whether a CPU may not enter. It says first that it is inside, then asks. */
    boolean isClosed() {
        return closed;
    }

    /** Waits until the gate is open again. */
    void pass() {
        lock.lock();
        try {
            while (closed) {
                opened.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /** A CPU left and found the gate closed. */
    void left() {
        lock.lock();
        try {
            left.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
