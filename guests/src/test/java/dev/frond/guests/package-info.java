// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Tests on whole machines, and the rules that the whole code base keeps. */
@NullMarked
package dev.frond.guests;

import org.jspecify.annotations.NullMarked;
