// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

import org.jspecify.annotations.Nullable;

import java.time.Instant;
import java.util.PriorityQueue;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Virtual time that follows the host's monotonic clock, except while paused. One daemon thread
 * sleeps until the earliest deadline and runs the actions one after the other; it never polls.
 */
public final class HostClock implements Clock, AutoCloseable {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final PriorityQueue<Armed> queue = new PriorityQueue<>();
    private final Instant wallAtZero;
    private volatile Base base;
    private boolean acting;
    private boolean closed;
    private final Thread thread;
    private final int slowness;

    private enum Mode {
        RUNNING,
        STANDING,
        /** Between the two; lasts for some instructions. */
        CHANGING
    }

    /**
     * How virtual time follows from the host's: running, it is {@code value} behind; else it is
     * {@code value}.
     */
    private static final class Base {
        static final Base CHANGING = new Base(Mode.CHANGING, 0);

        final Mode mode;
        final long value;

        Base(Mode mode, long value) {
            this.mode = mode;
            this.value = value;
        }
    }

    /** One arming of a timer; a later arming makes it stale. */
    private static final class Armed implements Comparable<Armed> {
        final long deadline;
        final HostTimer timer;

        Armed(long deadline, HostTimer timer) {
            this.deadline = deadline;
            this.timer = timer;
        }

        @Override
        public int compareTo(Armed other) {
            return Long.compare(deadline, other.deadline);
        }
    }

    /**
     * A clock that stands at {@code start} ns, paused, where the guest's day began at {@code
     * wallAtZero}.
     */
    public HostClock(long start, Instant wallAtZero) {
        this(start, wallAtZero, 1);
    }

    /**
     * The same, {@code slowness} (1 or more) times slower than the host's time: for a machine that
     * executes so slowly that it would do little but answer its timer.
     */
    public HostClock(long start, Instant wallAtZero, int slowness) {
        this.wallAtZero = wallAtZero;
        this.slowness = slowness;
        base = new Base(Mode.STANDING, start);
        thread = Thread.ofPlatform().daemon().name("frond-clock").unstarted(this::run);
        thread.start();
    }

    @Override
    public long now() {
        // The host's time counts only if no pause began before it was read: else it would show time
        // that
        // passed while the guest's stood still, and the next call would show less.
        while (true) {
            Base before = base;
            if (before.mode == Mode.STANDING) {
                return before.value;
            }
            long host = host();
            if (before.mode == Mode.RUNNING && base == before) {
                return host - before.value;
            }
            Thread.onSpinWait();
        }
    }

    private long host() {
        long nanos = System.nanoTime();
        return slowness == 1 ? nanos : nanos / slowness;
    }

    @Override
    public Instant wallTime() {
        return wallAtZero.plusNanos(now());
    }

    @Override
    public Timer timer(Runnable action) {
        return new HostTimer(action);
    }

    /**
     * Lets time stand still and returns when no timer's action is running any more; call it without
     * a device's lock, which such an action may be waiting for. From within an action it only stops
     * time.
     */
    public void pause() {
        lock.lock();
        try {
            Base running = base;
            if (running.mode == Mode.RUNNING) {
                base = Base.CHANGING;
                base = new Base(Mode.STANDING, host() - running.value);
                changed.signalAll();
            }
            while (acting && !thread.equals(Thread.currentThread())) {
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Lets time go on from where it stands. */
    public void resume() {
        lock.lock();
        try {
            Base standing = base;
            if (standing.mode == Mode.STANDING) {
                base = new Base(Mode.RUNNING, host() - standing.value);
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Sets the time of a paused clock, as a restore does. */
    public void set(long now) {
        lock.lock();
        try {
            if (base.mode != Mode.STANDING) {
                throw new IllegalStateException(
                        "virtual time can be set only while the clock is paused");
            }
            base = new Base(Mode.STANDING, now);
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
            changed.signalAll();
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
            try {
                due.action.run();
            } finally {
                acted();
            }
        }
    }

    private void acted() {
        lock.lock();
        try {
            acting = false;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private @Nullable HostTimer awaitDue() {
        lock.lock();
        try {
            while (!closed) {
                Armed head = queue.peek();
                if (head == null || base.mode != Mode.RUNNING) {
                    changed.awaitUninterruptibly();
                    continue;
                }
                long wait = head.deadline - now();
                if (wait <= 0) {
                    queue.remove();
                    head.timer.armed = null;
                    acting = true;
                    return head.timer;
                }
                try {
                    wait = changed.awaitNanos(wait * slowness);
                } catch (InterruptedException e) {
                    // Nobody outside holds this thread; an interrupt only makes it look at the
                    // queue again.
                    assert thread.equals(Thread.currentThread());
                }
            }
            return null;
        } finally {
            lock.unlock();
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
                    changed.signalAll();
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
