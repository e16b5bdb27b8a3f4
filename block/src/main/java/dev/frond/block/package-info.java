// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Host-facing disk backends. */
@NullMarked
package dev.frond.block;

import org.jspecify.annotations.NullMarked;
