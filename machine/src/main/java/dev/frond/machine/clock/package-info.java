// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** Virtual time: the only time that a device knows. */
@NullMarked
package dev.frond.machine.clock;

import org.jspecify.annotations.NullMarked;
