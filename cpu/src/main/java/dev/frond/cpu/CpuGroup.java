// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import org.jspecify.annotations.Nullable;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * The CPUs of one machine that an engine executes, and what they must know of each other.
 *
 * <p>A CPU can execute something {@link #alone}, while all others stand between two instructions:
 * that is how a locked instruction is atomic whose operand no instruction of the host's covers,
 * because it crosses an aligned 8 bytes, a line or a page. It costs all CPUs some microseconds, as
 * it does real ones, and needs nothing of the host; the host's own split locks would be quicker
 * within a page, but kernels punish the process that uses them.
 */
public final class CpuGroup {
    /** Looks at another CPU before this one's thread gives up its processor. */
    private static final int SPINS = 200;

    private static final long PAUSE_NANOS = 20_000;

    private final List<Cpu> cpus = new CopyOnWriteArrayList<>();
    private volatile boolean sameTsc = true;

    private final ReentrantLock exclusive = new ReentrantLock();
    private volatile @Nullable Thread alone;

    /** A group without CPUs: they join as they are made. */
    public CpuGroup() {}

    void join(Cpu cpu) {
        cpus.add(cpu);
    }

    // --- time-stamp counters
    // ----------------------------------------------------------------------------

    /** Whether the time-stamp counters of all CPUs read the same at the same time. */
    boolean hasSameTsc() {
        return sameTsc;
    }

    /** A CPU's {@link Cpu#tscOffset} has changed. */
    synchronized void tscChanged() {
        boolean same = cpus.stream().mapToLong(cpu -> cpu.tscOffset).distinct().count() <= 1;
        if (same != sameTsc) {
            sameTsc = same;
            cpus.forEach(cpu -> cpu.post(Cpu.EVENT_TIME));
        }
    }

    // --- one CPU alone
    // ----------------------------------------------------------------------------------

    /** {@code cpu} executes from now on; waits while another one wants to be alone. */
    public void enter(Cpu cpu) {
        while (true) {
            cpu.executing = true;
            if (alone == null) {
                return;
            }
            leave(cpu);
            for (int i = 0; alone != null; i++) {
                pause(i);
            }
        }
    }

    /** {@code cpu} stands between two instructions, or sleeps. */
    public void leave(Cpu cpu) {
        cpu.executing = false;
        Thread waiting = alone;
        if (waiting != null) {
            LockSupport.unpark(waiting);
        }
    }

    /** {@link Cpu#EVENT_ALONE} was taken: lets the CPU that posted it be alone. */
    public void giveWay(Cpu cpu) {
        leave(cpu);
        enter(cpu);
    }

    /**
     * Has {@code cpu}, which is in the middle of an instruction that has stored nothing yet, do
     * {@code action} while no other CPU executes; returns what that gives.
     */
    public boolean alone(Cpu cpu, BooleanSupplier action) {
        if (cpus.size() == 1) {
            return action.getAsBoolean();
        }
        boolean executed = cpu.executing;
        // Another one may be alone first: nothing of this instruction is seen meanwhile.
        leave(cpu);
        exclusive.lock();
        try {
            alone = Thread.currentThread();
            for (Cpu other : cpus) {
                if (other != cpu) {
                    await(other);
                }
            }
            return action.getAsBoolean();
        } finally {
            alone = null;
            exclusive.unlock();
            if (executed) {
                enter(cpu);
            }
        }
    }

    private static void await(Cpu other) {
        if (!other.executing) {
            return;
        }
        other.post(Cpu.EVENT_ALONE);
        for (int i = 0; other.executing; i++) {
            pause(i);
        }
    }

    private static void pause(int times) {
        if (times < SPINS) {
            Thread.onSpinWait();
        } else {
            LockSupport.parkNanos(PAUSE_NANOS);
        }
    }
}
