// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.machine.MachineControl;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.util.concurrent.locks.ReentrantLock;

/**
 * The port by which a test kernel ends its machine: a value written to it, of 1, 2 or 4 bytes, goes
 * to {@link MachineControl#debugExit}. It reads as 0 and has no state.
 */
public final class DebugExitPort implements IoHandler {
    private final ReentrantLock lock = new ReentrantLock();
    private final MachineControl machine;

    /** A port that ends {@code machine}. */
    public DebugExitPort(MachineControl machine) {
        this.machine = machine;
    }

    /** The port, four bytes wide. */
    public Region.Io registers() {
        return new Region.Io(this, 4, AccessWidths.UP_TO_DWORD, lock);
    }

    @Override
    public long read(long offset, int size) {
        return 0;
    }

    @Override
    public void write(long offset, int size, long value) {
        machine.debugExit(value & (1L << 8 * size) - 1);
    }
}
