// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The interpreter: decoded instructions as linked nodes, where decoded code is kept, and the loop.
 */
@NullMarked
package dev.frond.cpu.interp;

import org.jspecify.annotations.NullMarked;
