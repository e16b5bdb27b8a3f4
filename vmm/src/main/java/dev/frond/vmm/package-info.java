// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The virtual machine monitor: life cycle of a machine, choice of engine and backends. */
@NullMarked
package dev.frond.vmm;

import org.jspecify.annotations.NullMarked;
