// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;

/**
 * Which 4 KiB pages of a {@link GuestMemory} were stored to. Off until {@link #start}; CPUs that
 * cache the right to store to a page without telling the memory ask {@link #isLogging} and listen
 * to {@link #onHarvest}, so that they tell again after each harvest.
 */
public final class DirtyLog {
    private static final VarHandle BITS = MethodHandles.arrayElementVarHandle(long[].class);

    private final long pages;
    private final List<Runnable> harvestListeners = new CopyOnWriteArrayList<>();
    private volatile long[] bits = {};

    DirtyLog(long pages) {
        this.pages = pages;
    }

    /** Whether stores are being logged. */
    public boolean isLogging() {
        return bits.length != 0;
    }

    /** Starts to log, with all pages clean. */
    public void start() {
        bits = new long[Math.toIntExact((pages + 63) >>> 6)];
        harvestListeners.forEach(Runnable::run);
    }

    /** Stops to log and forgets what was logged. */
    public void stop() {
        bits = new long[0];
    }

    /**
     * Called before pages are reported clean again; a listener drops every cached right to store.
     */
    public void onHarvest(Runnable listener) {
        harvestListeners.add(listener);
    }

    /** Ends {@link #onHarvest}. */
    public void offHarvest(Runnable listener) {
        harvestListeners.remove(listener);
    }

    /** Logs a store to page number {@code page}; does nothing while not logging. */
    public void mark(long page) {
        long[] current = bits;
        if (current.length != 0) {
            int index = (int) (page >>> 6);
            long bit = 1L << page;
            if (((long) BITS.getOpaque(current, index) & bit) == 0) {
                BITS.getAndBitwiseOr(current, index, bit);
            }
        }
    }

    /** Gives each page stored to since the last harvest to {@code consumer} and marks it clean. */
    public void harvest(LongConsumer consumer) {
        harvestListeners.forEach(Runnable::run);
        long[] current = bits;
        for (int i = 0; i < current.length; i++) {
            long word = (long) BITS.getAndSet(current, i, 0L);
            while (word != 0) {
                consumer.accept(((long) i << 6) + Long.numberOfTrailingZeros(word));
                word &= word - 1;
            }
        }
    }
}
