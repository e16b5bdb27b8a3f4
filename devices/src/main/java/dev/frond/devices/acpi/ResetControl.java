// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import dev.frond.machine.MachineControl;
import dev.frond.machine.device.Device;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.util.concurrent.locks.ReentrantLock;

/**
 * The reset control register at port CF9h (Intel ICH9 datasheet, 13.7.3), which ACPI's RESET_REG
 * names: RST_CPU going from 0 to 1 resets. A soft reset (SYS_RST 0), which on hardware is an INIT
 * of the CPUs, resets the whole machine as well.
 */
public final class ResetControl implements Device<ResetControl.State>, IoHandler {
    /** The register; RST_CPU reads as it was written. */
    public record State(int resetControl) {
        static final State RESET = new State(0);

        public State {
            if ((resetControl & ~BITS) != 0) {
                throw new IllegalArgumentException(
                        "reset control state: 0x%x has reserved bits".formatted(resetControl));
            }
        }
    }

    /** What to write for a reset: SYS_RST and RST_CPU. */
    public static final int RESET_VALUE = 0x06;

    private static final int SYS_RST = 1 << 1;
    private static final int RST_CPU = 1 << 2;
    private static final int FULL_RST = 1 << 3;
    private static final int BITS = FULL_RST | RST_CPU | SYS_RST;

    private final ReentrantLock lock = new ReentrantLock();
    private final MachineControl machine;
    private int resetControl;

    /** The register in its power-on state. */
    public ResetControl(MachineControl machine) {
        this.machine = machine;
    }

    /** The one port. */
    public Region.Io registers() {
        return new Region.Io(this, 1, AccessWidths.BYTE, lock);
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(resetControl);
    }

    @Override
    public void load(State state) {
        resetControl = state.resetControl;
    }

    @Override
    public void settle() {}

    @Override
    public long read(long offset, int size) {
        return resetControl;
    }

    @Override
    public void write(long offset, int size, long value) {
        int before = resetControl;
        resetControl = (int) value & BITS;
        if ((resetControl & ~before & RST_CPU) != 0) {
            machine.reset();
        }
    }
}
