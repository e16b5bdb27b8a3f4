// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/**
 * Guest-physical memory: RAM, the regions laid over it, and the flat view that CPUs and devices
 * look addresses up in.
 */
@NullMarked
package dev.frond.machine.memory;

import org.jspecify.annotations.NullMarked;
