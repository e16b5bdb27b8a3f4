// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import java.util.Optional;

/** A driver's side of one virtqueue, in guest memory, for tests. Not thread-safe. */
interface DriverQueue {
    /** One element of a request: a run of guest memory that the device reads or writes. */
    record Element(long address, int length, boolean write) {
        static Element out(long address, int length) {
            return new Element(address, length, false);
        }

        static Element in(long address, int length) {
            return new Element(address, length, true);
        }
    }

    /** A request that came back. */
    record Used(int id, long written) {}

    /** The number of the queue. */
    int index();

    /** Makes a request available as a chain of descriptors; its id. The ring must have room. */
    int add(Element... elements);

    /** Makes a request available through an indirect table at {@code table}; its id. */
    int addIndirect(long table, Element... elements);

    /** Whether the device wants to know what was added since the last call. */
    boolean needsKick();

    /** Takes the next request that came back. */
    Optional<Used> poll();

    /** Asks for an interrupt at the next used buffer; false if one is there already. */
    boolean enableInterrupt();

    /** Asks for no interrupts. */
    void disableInterrupt();

    /** Free descriptors. */
    int room();
}
