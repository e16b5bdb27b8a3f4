// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** Ports to the host: a controller sees these, never a file or a socket. */
@NullMarked
package dev.frond.machine.backend;

import org.jspecify.annotations.NullMarked;
