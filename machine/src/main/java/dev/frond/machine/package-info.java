// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** A machine: its parts in order, its life cycle and its saved state. */
@NullMarked
package dev.frond.machine;

import org.jspecify.annotations.NullMarked;
