// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** JMH benchmarks. */
@NullMarked
package dev.frond.bench;

import org.jspecify.annotations.NullMarked;
