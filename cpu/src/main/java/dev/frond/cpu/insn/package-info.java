// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The instruction table: each instruction's encodings (see {@link dev.frond.cpu.decode.Encoding})
 * beside the method that is its meaning.
 */
@NullMarked
package dev.frond.cpu.insn;

import org.jspecify.annotations.NullMarked;
