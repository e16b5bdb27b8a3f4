// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Carries bytes from a device to a stream on a thread of its own, through a buffer of fixed size:
 * whoever puts bytes in faster than the stream takes them waits. A byte after a pause goes out at
 * once; a busy writer's bytes go out together, so that there are at most a few hundred writes per
 * second.
 */
final class OutputPump {
    static final int CAPACITY = 1 << 16;
    private static final int URGENT = CAPACITY / 2;
    private static final long PAUSE_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

    private final OutputStream out;
    private final Consumer<IOException> failed;
    private final Thread thread;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition filled = lock.newCondition();
    private final Condition drained = lock.newCondition();
    private final byte[] buffer = new byte[CAPACITY];
    private int head;
    private int count;
    private boolean released;
    private boolean closing;
    private boolean finished;

    /**
     * A pump into {@code out}, which it never closes.
     *
     * @param failed is told of the first error; the bytes from there on are lost
     */
    OutputPump(String name, OutputStream out, Consumer<IOException> failed) {
        this.out = out;
        this.failed = failed;
        // A stream that nobody reads must not keep the process alive.
        this.thread = Thread.ofPlatform().name(name).daemon(true).start(this::run);
    }

    /** Takes one byte; waits while the buffer is full, unless {@link #release} was called. */
    void put(int value) {
        lock.lock();
        try {
            while (count == CAPACITY && !released && !finished) {
                drained.awaitUninterruptibly();
            }
            if (count == CAPACITY || closing || finished) {
                return;
            }
            buffer[(head + count) % CAPACITY] = (byte) value;
            count++;
            if (count == 1 || count == URGENT) {
                filled.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** From now on nobody waits in {@link #put}: what does not fit is lost. */
    void release() {
        lock.lock();
        try {
            released = true;
            drained.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Writes out what is there and ends; whether that was done within this time. Again it only
     * waits.
     */
    boolean close(Duration patience) {
        lock.lock();
        try {
            closing = true;
            released = true;
            filled.signal();
            drained.signalAll();
            long nanos = patience.toNanos();
            while (!finished && nanos > 0) {
                nanos = drained.awaitNanos(nanos);
            }
            return finished;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        byte[] chunk = new byte[CAPACITY];
        long last = System.nanoTime() - PAUSE_NANOS;
        try {
            for (int n = take(chunk, last); n > 0; n = take(chunk, last)) {
                out.write(chunk, 0, n);
                last = System.nanoTime();
            }
            out.flush();
        } catch (IOException e) {
            // Whoever waits in put goes on before anybody is told.
            finish();
            failed.accept(e);
        } finally {
            finish();
        }
    }

    private int take(byte[] chunk, long last) {
        lock.lock();
        try {
            while (count == 0 && !closing) {
                filled.awaitUninterruptibly();
            }
            long rest = last + PAUSE_NANOS - System.nanoTime();
            while (count > 0 && count < URGENT && !closing && rest > 0) {
                rest = filled.awaitNanos(rest);
            }
            int n = count;
            int first = Math.min(n, CAPACITY - head);
            System.arraycopy(buffer, head, chunk, 0, first);
            System.arraycopy(buffer, 0, chunk, first, n - first);
            head = (head + n) % CAPACITY;
            count = 0;
            drained.signalAll();
            return n;
        } catch (InterruptedException e) {
            throw new AssertionError("nobody interrupts " + thread.getName(), e);
        } finally {
            lock.unlock();
        }
    }

    private void finish() {
        lock.lock();
        try {
            finished = true;
            drained.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
