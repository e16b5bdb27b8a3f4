// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** What tests of several rooms share. Production code never uses it. */
@NullMarked
package dev.frond.testkit;

import org.jspecify.annotations.NullMarked;
