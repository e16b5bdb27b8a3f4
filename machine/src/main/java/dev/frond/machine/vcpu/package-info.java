// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** Virtual CPUs: architectural state, models, exits, and the port that every engine implements. */
@NullMarked
package dev.frond.machine.vcpu;

import org.jspecify.annotations.NullMarked;
