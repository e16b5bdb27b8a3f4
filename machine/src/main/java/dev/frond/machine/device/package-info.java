// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** What a device is, and how its state becomes bytes and comes back. */
@NullMarked
package dev.frond.machine.device;

import org.jspecify.annotations.NullMarked;
