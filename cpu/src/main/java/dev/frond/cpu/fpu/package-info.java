// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Floating point of x86 in software. */
@NullMarked
package dev.frond.cpu.fpu;

import org.jspecify.annotations.NullMarked;
