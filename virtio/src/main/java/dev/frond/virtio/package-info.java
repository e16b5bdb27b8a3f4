// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Virtio 1.2: queues, transports and devices. */
@NullMarked
package dev.frond.virtio;

import org.jspecify.annotations.NullMarked;
