// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** Wires and messages: how a device raises an interrupt without knowing who listens. */
@NullMarked
package dev.frond.machine.irq;

import org.jspecify.annotations.NullMarked;
