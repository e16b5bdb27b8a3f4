// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The chips of a PC that sit on the ISA bus: one file each, modelled on its data sheet. */
@NullMarked
package dev.frond.devices.isa;

import org.jspecify.annotations.NullMarked;
