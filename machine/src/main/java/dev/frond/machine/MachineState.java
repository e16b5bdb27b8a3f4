// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;

import java.util.List;

/**
 * Everything of a paused machine except its memory.
 *
 * @param board the board's name, for example microvm
 * @param cpuModel the name of the CPU model, with its switches
 * @param cpuFeatures what the CPUs offer; empty if it is not known
 * @param memory bytes of RAM
 * @param clock virtual nanoseconds since power-on
 * @param wallClock the guest's time of day at virtual time 0, in nanoseconds since 1970
 * @param cpus by number
 * @param devices in the machine's order
 */
public record MachineState(
        String board,
        String cpuModel,
        List<CpuFeature> cpuFeatures,
        long memory,
        long clock,
        long wallClock,
        List<CpuState> cpus,
        List<DeviceState> devices) {

    /** The state of the device that the board calls {@code id}. */
    public record DeviceState(String id, Record state) {}

    public MachineState {
        cpuFeatures = List.copyOf(cpuFeatures);
        cpus = List.copyOf(cpus);
        devices = List.copyOf(devices);
    }
}
