// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Guests held against the programs that read them, and against an apt that fails on command. */
@NullMarked
package dev.frond.vmm.guest;

import org.jspecify.annotations.NullMarked;
