// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Host-facing disk backends. A backend adds no cache to the host's: when a write returns, the data
 * is out of this process, and a kill of it loses nothing.
 */
@NullMarked
package dev.frond.block;

import org.jspecify.annotations.NullMarked;
