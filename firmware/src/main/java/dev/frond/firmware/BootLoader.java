// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.vcpu.CpuState;

/**
 * Prepares a machine's memory for its first instruction; called at power-on and after each reset.
 */
@FunctionalInterface
public interface BootLoader {
    /**
     * Loads into {@code memory} and gives the state in which the boot CPU starts: {@code powerOn},
     * its state after a reset, with registers replaced.
     */
    CpuState boot(AddressSpace memory, CpuState powerOn) throws BootException;
}
