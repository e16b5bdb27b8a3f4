// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Devices modelled on real chips. */
@NullMarked
package dev.frond.devices;

import org.jspecify.annotations.NullMarked;
