// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * The vocabulary of a machine: memory, address spaces, interrupt lines, clock, devices, virtual
 * CPUs, state and backend ports.
 */
module dev.frond.machine {
    requires static org.jspecify;
}
