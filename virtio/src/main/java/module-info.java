// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Virtio 1.2: queues, transports and devices. */
module dev.frond.virtio {
    requires static org.jspecify;
    requires transitive dev.frond.machine;

    exports dev.frond.virtio;
}
