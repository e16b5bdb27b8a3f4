// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Boot paths and what firmware leaves in memory: kernel loading, memory map, ACPI tables, fw_cfg
 * contents.
 */
@NullMarked
package dev.frond.firmware;

import org.jspecify.annotations.NullMarked;
