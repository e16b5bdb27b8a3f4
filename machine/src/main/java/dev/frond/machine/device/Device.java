// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.device;

import java.util.concurrent.locks.ReentrantLock;

/**
 * A part of a machine with state of its own. The state is a record of primitives, enums, strings,
 * {@link Bytes}, {@link Longs}, lists and records; it mirrors the modelled chip. Reset, restore and
 * migration are the same two steps: {@link #load}, which touches nothing but the device itself,
 * and, when all devices are loaded, {@link #settle}, which drives wires and re-arms timers.
 *
 * <p>A device is entered by one thread at a time: buses hold {@link #lock} around its handlers, its
 * own timers and backends take it themselves, and so does whoever calls save, load or settle.
 */
public interface Device<S extends Record> {
    /** The state right after power-on. */
    S resetState();

    /** The state now. */
    S save();

    /** Takes on {@code state}: no wire is driven, no timer armed. */
    void load(S state);

    /** Makes the outside agree with the state: drives wires, arms timers. */
    void settle();

    /**
     * Waits, without the lock, until no request of the device is under way at a backend. Called
     * when no CPU runs, before {@link #save}.
     */
    default void drain() {}

    /** Held while the device is entered. */
    ReentrantLock lock();

    /** Resets as the reset wire does. */
    default void reset() {
        lock().lock();
        try {
            load(resetState());
            settle();
        } finally {
            lock().unlock();
        }
    }
}
