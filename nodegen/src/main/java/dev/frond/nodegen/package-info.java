// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Build tool: the annotation processor behind the instruction table of room cpu. */
@NullMarked
package dev.frond.nodegen;

import org.jspecify.annotations.NullMarked;
