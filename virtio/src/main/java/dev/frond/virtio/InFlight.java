// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

/**
 * Counts requests that a device has handed to other threads. A request touches guest memory from
 * {@link #begin} to {@link #quiet} and is over at {@link #end}, when its chain went back.
 */
final class InFlight {
    private int touching;
    private int open;

    synchronized void begin() {
        touching++;
        open++;
    }

    synchronized void quiet() {
        if (--touching == 0) {
            notifyAll();
        }
    }

    synchronized void end() {
        if (--open == 0) {
            notifyAll();
        }
    }

    /** Waits until no request touches guest memory; may be called with the device's lock held. */
    void awaitQuiet() {
        await(true);
    }

    /**
     * Waits until all requests are over, without the device's lock, which each needs for its end.
     */
    void awaitEnd() {
        await(false);
    }

    /**
     * Not interruptible, since whoever waits is about to reuse the memory; passes an interrupt on.
     */
    private synchronized void await(boolean onlyQuiet) {
        boolean interrupted = false;
        while ((onlyQuiet ? touching : open) != 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
