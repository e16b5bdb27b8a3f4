// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The boards: one wiring file each. */
@NullMarked
package dev.frond.boards;

import org.jspecify.annotations.NullMarked;
