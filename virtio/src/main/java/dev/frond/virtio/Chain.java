// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

/**
 * One request of a driver, taken from a queue by {@link VirtQueue#next} and given back by {@link
 * VirtQueue#complete}. Until then, but no longer, the device may read {@link #readable} and write
 * {@link #writable}, from any thread.
 */
public final class Chain {
    private final VirtQueue queue;
    private final int id;
    private final int slots;
    private final Buffers readable;
    private final Buffers writable;
    private final long[] written;
    private boolean completed;

    /**
     * A chain of {@code queue} that the driver knows by {@code id} and that occupies {@code slots}
     * of its ring; {@code written} holds address and length of each writable run.
     */
    Chain(VirtQueue queue, int id, int slots, Buffers readable, Buffers writable, long[] written) {
        this.queue = queue;
        this.id = id;
        this.slots = slots;
        this.readable = readable;
        this.writable = writable;
        this.written = written;
    }

    /** What the driver tells the device. */
    public Buffers readable() {
        return readable;
    }

    /** The room for the device's answer. */
    public Buffers writable() {
        return writable;
    }

    VirtQueue queue() {
        return queue;
    }

    int id() {
        return id;
    }

    int slots() {
        return slots;
    }

    /** Address and length, in turn, of each run of guest memory in {@link #writable}. */
    long[] written() {
        return written;
    }

    /** Marks the chain as given back; false if it was before. */
    boolean markCompleted() {
        boolean first = !completed;
        completed = true;
        return first;
    }
}
