// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The boards: one wiring file each. */
module dev.frond.boards {
    requires static org.jspecify;
    requires transitive dev.frond.machine;
    requires transitive dev.frond.devices;
    requires transitive dev.frond.virtio;
    requires transitive dev.frond.firmware;

    exports dev.frond.boards;
}
