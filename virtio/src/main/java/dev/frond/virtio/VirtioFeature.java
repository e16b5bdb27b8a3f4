// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

/** Feature bits that belong to queues and transports, as masks (virtio 1.2, section 6). */
public final class VirtioFeature {
    /** VIRTIO_F_INDIRECT_DESC (28): a descriptor may refer to a table of descriptors. */
    public static final long INDIRECT_DESC = 1L << 28;

    /** VIRTIO_F_EVENT_IDX (29): each side says at which ring position it wants to be notified. */
    public static final long EVENT_IDX = 1L << 29;

    /** VIRTIO_F_VERSION_1 (32): not a legacy device. */
    public static final long VERSION_1 = 1L << 32;

    /** VIRTIO_F_RING_PACKED (34): packed instead of split queues. */
    public static final long RING_PACKED = 1L << 34;

    private VirtioFeature() {}
}
