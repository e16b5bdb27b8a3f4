// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.backend.CharBackend.Receiver;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Carries bytes to a device as fast as it takes them, through a buffer of fixed size, on a thread
 * of its own.
 */
final class InputFeed {
    static final int CAPACITY = 1 << 14;

    private final Receiver receiver;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final byte[] buffer = new byte[CAPACITY];
    private int head;
    private int count;
    private boolean room;

    InputFeed(String name, Receiver receiver) {
        this.receiver = receiver;
        Thread.ofPlatform().name(name).daemon(true).start(this::run);
    }

    /** Takes one byte; waits while the buffer is full. */
    void put(int value) {
        lock.lock();
        try {
            while (count == CAPACITY) {
                changed.awaitUninterruptibly();
            }
            store(value);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes one byte if there is room for it, as a terminal's own buffer does; whether there was.
     */
    boolean offer(int value) {
        lock.lock();
        try {
            if (count == CAPACITY) {
                return false;
            }
            store(value);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** The device has room again. Waits for nobody: the device's lock is held. */
    void ready() {
        lock.lock();
        try {
            room = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void store(int value) {
        buffer[(head + count) % CAPACITY] = (byte) value;
        count++;
        changed.signalAll();
    }

    @SuppressWarnings("InfiniteLoopStatement")
    private void run() {
        while (true) {
            int value = next();
            // The device's lock is taken in offer: ours must not be held.
            while (!receiver.offer(value)) {
                awaitRoom();
            }
            remove();
        }
    }

    private int next() {
        lock.lock();
        try {
            while (count == 0) {
                changed.awaitUninterruptibly();
            }
            room = false;
            return Byte.toUnsignedInt(buffer[head]);
        } finally {
            lock.unlock();
        }
    }

    private void awaitRoom() {
        lock.lock();
        try {
            while (!room) {
                changed.awaitUninterruptibly();
            }
            room = false;
        } finally {
            lock.unlock();
        }
    }

    private void remove() {
        lock.lock();
        try {
            head = (head + 1) % CAPACITY;
            count--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
