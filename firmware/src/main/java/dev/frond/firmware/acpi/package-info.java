// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * ACPI tables (ACPI Specification 6.3): a board describes itself in an {@link
 * dev.frond.firmware.acpi.AcpiSpec}, {@link dev.frond.firmware.acpi.AcpiTables} lays the tables out
 * in guest memory.
 */
@NullMarked
package dev.frond.firmware.acpi;

import org.jspecify.annotations.NullMarked;
