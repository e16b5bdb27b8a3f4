// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.machine.memory.GuestMemory;

/**
 * The address monitor of one CPU: MONITOR arms it, a store to the line triggers it, MWAIT waits for
 * that (SDM Vol. 3A, 9.10.4; APM Vol. 3, MONITOR).
 *
 * <p>The page of the line is watched as a page of code is, so that every CPU and device tells of
 * its stores to it; a CPU that could store untold until then triggers the monitor when it gives
 * that up, which is a false wake-up and allowed. The page stays watched for the next MWAIT, since
 * to begin costs all CPUs more than some told stores.
 */
public final class Monitor implements GuestMemory.Watcher {
    /** The bytes that are monitored: an aligned line. */
    public static final int LINE = 64;

    /** After so many stores while nothing is armed the page is watched no more. */
    private static final int PATIENCE = 1000;

    private static final long NONE = -1;

    private final Cpu cpu;
    private volatile Runnable wake;

    /** The offset in RAM of the line that is monitored. */
    private volatile long line = NONE;

    /** The number of the page that is watched. */
    private volatile long page = NONE;

    private volatile boolean waiting;
    private boolean breaksOnMasked;
    private int told;

    Monitor(Cpu cpu) {
        this.cpu = cpu;
        wake = () -> cpu.post(Cpu.EVENT_MONITOR);
        cpu.ram.watch(this);
    }

    /** Ends the watching of guest memory. */
    public void close() {
        cpu.ram.unwatch(this);
    }

    /** What wakes the CPU's thread and posts {@link Cpu#EVENT_MONITOR}; from any thread. */
    public void onTrigger(Runnable action) {
        wake = action;
    }

    /** MONITOR: the line of {@code linear} is monitored; faults as a load of a byte does. */
    public void arm(long linear) {
        disarm();
        cpu.load8(linear);
        long offset = cpu.mmu.ramOffsetForLoad(linear);
        if (offset < 0) {
            // Nothing tells of stores to devices: MWAIT will not wait.
            return;
        }
        long number = offset >>> GuestMemory.PAGE_SHIFT;
        synchronized (this) {
            told = 0;
            page = number;
        }
        if (cpu.ram.markCode(number)) {
            cpu.mmu.flushWritesTo(number << GuestMemory.PAGE_SHIFT);
        }
        line = offset & -LINE;
    }

    /** Whether a store would trigger it. */
    public boolean isArmed() {
        return line != NONE;
    }

    /**
     * MWAIT: the CPU is halted until the monitor triggers or an interrupt comes, even a masked one
     * if {@code masked}; unless that was so already.
     */
    public void await(boolean masked) {
        waiting = true;
        breaksOnMasked = masked;
        if (isArmed() && !(masked && cpu.interrupts.pending())) {
            cpu.halted = true;
        } else {
            disarm();
        }
    }

    /** Whether the CPU is halted by MWAIT. */
    public boolean isWaiting() {
        return waiting;
    }

    /** A masked interrupt is pending: ends the wait if MWAIT asked for that. */
    public void masked() {
        if (waiting && breaksOnMasked) {
            cpu.wakeUp();
        }
    }

    /** {@link Cpu#EVENT_MONITOR} was taken: ends the wait if the monitor was triggered. */
    public void attend() {
        if (waiting && !isArmed()) {
            cpu.wakeUp();
        }
    }

    /** Monitors nothing. */
    public void disarm() {
        waiting = false;
        line = NONE;
    }

    private void trigger() {
        line = NONE;
        if (waiting) {
            wake.run();
        }
    }

    @Override
    public synchronized boolean stored(long offset, int length) {
        if (offset >>> GuestMemory.PAGE_SHIFT != page) {
            return false;
        }
        long monitored = line;
        if (monitored != NONE) {
            if (offset < monitored + LINE && offset + length > monitored) {
                trigger();
            }
            return true;
        }
        if (++told > PATIENCE) {
            page = NONE;
            return false;
        }
        return true;
    }

    @Override
    public boolean holds(long number) {
        return number == page;
    }

    @Override
    public void marked(long number) {
        // The CPU's code cache gives up the right to store.
    }

    @Override
    public void tellsFromNow(long number) {
        if (line != NONE && line >>> GuestMemory.PAGE_SHIFT == number) {
            trigger();
        }
    }
}
