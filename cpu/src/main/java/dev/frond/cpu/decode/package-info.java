// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * How the bytes of an instruction are read: encodings as declared, forms, operands, the decoder.
 */
@NullMarked
package dev.frond.cpu.decode;

import org.jspecify.annotations.NullMarked;
