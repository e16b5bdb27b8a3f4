// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The fixed hardware of ACPI: power management registers and the reset register. */
@NullMarked
package dev.frond.devices.acpi;

import org.jspecify.annotations.NullMarked;
