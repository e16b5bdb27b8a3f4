// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import java.util.Optional;

/** A transport as a started device sees it. Every method is called with the device's lock held. */
public interface VirtioTransport {
    /** The features that driver and device agreed on, as a mask. */
    long features();

    /** Queue number {@code index}, if the driver enabled it. */
    Optional<VirtQueue> queue(int index);

    /** Tells the driver that {@link VirtioDevice#config} changed by itself. */
    void configChanged();

    /**
     * The driver did what the specification forbids: all queues stand still until it resets the
     * device.
     */
    void needsReset(String reason);
}
