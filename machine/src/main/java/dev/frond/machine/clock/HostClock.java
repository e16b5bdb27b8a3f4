// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

import java.time.Instant;
import java.util.PriorityQueue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Virtual time that follows the host's monotonic clock, except while paused. One daemon thread sleeps
 * until the earliest deadline and runs the actions one after the other; it never polls.
 */
public final class HostClock implements Clock, AutoCloseable {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final PriorityQueue<Armed> queue = new PriorityQueue<>();
    private final Instant wallAtZero;
    private volatile long zero;
    private volatile boolean paused = true;
    private volatile long pausedAt;
    private boolean closed;
    private final Thread thread;

    /** One arming of a timer; a later arming makes it stale. */
    private record Armed(long deadline, HostTimer timer) implements Comparable<Armed> {
        @Override
        public int compareTo(Armed other) {
            return Long.compare(deadline, other.deadline);
        }
    }

    /** A clock that stands at {@code start} ns, paused, where the guest's day began at {@code wallAtZero}. */
    public HostClock(long start, Instant wallAtZero) {
        this.wallAtZero = wallAtZero;
        pausedAt = start;
        thread = Thread.ofPlatform().daemon().name("frond-clock").unstarted(this::run);
        thread.start();
    }

    @Override
    public long now() {
        // A pause between the two reads shows at most the time at the pause: still monotonic.
        return paused ? pausedAt : System.nanoTime() - zero;
    }

    @Override
    public Instant wallTime() {
        return wallAtZero.plusNanos(now());
    }

    @Override
    public Timer timer(Runnable action) {
        return new HostTimer(action);
    }

    /** Lets time stand still; does nothing while it does. */
    public void pause() {
        lock.lock();
        try {
            if (!paused) {
                pausedAt = System.nanoTime() - zero;
                paused = true;
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Lets time go on from where it stands. */
    public void resume() {
        lock.lock();
        try {
            if (paused) {
                zero = System.nanoTime() - pausedAt;
                paused = false;
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Sets the time of a paused clock, as a restore does. */
    public void set(long now) {
        lock.lock();
        try {
            if (!paused) {
                throw new IllegalStateException("virtual time can be set only while the clock is paused");
            }
            pausedAt = now;
        } finally {
            lock.unlock();
        }
    }

    /** Ends the clock's thread; timers no longer fire. */
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    private void run() {
        while (true) {
            HostTimer due = awaitDue();
            if (due == null) {
                return;
            }
            due.action.run();
        }
    }

    private @Nullable HostTimer awaitDue() {
        lock.lock();
        try {
            while (!closed) {
                Armed head = queue.peek();
                if (head != null && head.timer.armed != head) {
                    queue.remove();
                } else if (head == null || paused) {
                    changed.awaitUninterruptibly();
                } else {
                    long wait = head.deadline - now();
                    if (wait <= 0) {
                        queue.remove();
                        head.timer.armed = null;
                        return head.timer;
                    }
                    awaitNanos(wait);
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    private void awaitNanos(long wait) {
        try {
            long left = changed.awaitNanos(wait);
            assert left <= wait;
        } catch (InterruptedException e) {
            // Nobody outside holds this thread; an interrupt only makes it look at the queue again.
            assert thread == Thread.currentThread();
        }
    }

    private final class HostTimer implements Timer {
        final Runnable action;
        volatile @Nullable Armed armed;

        HostTimer(Runnable action) {
            this.action = action;
        }

        @Override
        public void arm(long deadline) {
            lock.lock();
            try {
                Armed old = armed;
                if (old != null) {
                    if (old.deadline == deadline) {
                        return;
                    }
                    queue.remove(old);
                }
                Armed now = new Armed(deadline, this);
                armed = now;
                queue.add(now);
                if (queue.peek() == now) {
                    changed.signal();
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void cancel() {
            lock.lock();
            try {
                Armed old = armed;
                if (old != null) {
                    armed = null;
                    queue.remove(old);
                }
            } finally {
                lock.unlock();
            }
        }
    }
}
