// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The x86-64 processor: one instruction table, its decoder, its meanings and the interpreter. */
@NullMarked
package dev.frond.cpu;

import org.jspecify.annotations.NullMarked;
