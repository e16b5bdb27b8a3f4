// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The command line: {@code frond run}, {@code frond version} and their help. */
@NullMarked
package dev.frond.cli;

import org.jspecify.annotations.NullMarked;
