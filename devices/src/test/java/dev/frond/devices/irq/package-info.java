// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
@NullMarked
package dev.frond.devices.irq;

import org.jspecify.annotations.NullMarked;
