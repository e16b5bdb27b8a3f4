// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
/** The vocabulary that every room of Frond meets in: memory, buses, wires, time, devices, CPUs. */
module dev.frond.machine {
    requires static org.jspecify;

    exports dev.frond.machine;
    exports dev.frond.machine.backend;
    exports dev.frond.machine.clock;
    exports dev.frond.machine.device;
    exports dev.frond.machine.irq;
    exports dev.frond.machine.memory;
    exports dev.frond.machine.vcpu;
}
