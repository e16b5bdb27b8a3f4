// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Device;

import java.util.List;

/**
 * What is particular to one type of virtio device (virtio 1.2, section 5). Negotiation, status,
 * queues and interrupts belong to the transport, which shares the device's {@link #lock} and holds
 * it around every call. The state is what the driver can set in the device itself; a driver's reset
 * sets it back.
 */
public interface VirtioDevice<S extends Record> extends Device<S> {
    /** The device ID (section 5). */
    int type();

    /** The device-specific features on offer, as a mask. */
    long features();

    /** The most entries of each queue, powers of 2 up to {@link VirtQueue#MAX_SIZE}. */
    List<Integer> queueSizes();

    /** The configuration space as the driver reads it now. */
    Bytes config();

    /**
     * The driver stores {@code size} (1, 2, 4) bytes at {@code offset} of the configuration space.
     */
    default void writeConfig(int offset, int size, long value) {}

    /**
     * The driver wants to go on with {@code features}, all of them on offer; false if these do not
     * go together.
     */
    default boolean accept(long features) {
        return true;
    }

    /**
     * The driver is ready, or was when the state was saved: {@code transport} serves until {@link
     * #stop}.
     */
    void start(VirtioTransport transport);

    /** The driver may have made chains of queue number {@code queue} available; take all. */
    void notified(int queue);

    /**
     * Ends {@link #start}: returns when no request touches guest memory any more. Requests may
     * still complete their chains afterwards, without effect if the queue is gone.
     */
    void stop();
}
