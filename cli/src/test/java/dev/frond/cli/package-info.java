// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The command line held against every bad value, and against real terminals, pipes and signals. */
@NullMarked
package dev.frond.cli;

import org.jspecify.annotations.NullMarked;
