// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * SMBIOS tables (DMTF DSP0134, System Management BIOS Reference Specification, 3.0): what a guest
 * shows as its maker, model and memory modules.
 */
@NullMarked
package dev.frond.firmware.smbios;

import org.jspecify.annotations.NullMarked;
