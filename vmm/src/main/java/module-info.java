// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** The virtual machine monitor: life cycle of a machine, choice of engine and backends. */
module dev.frond.vmm {
    requires static org.jspecify;
    requires transitive dev.frond.machine;
    requires transitive dev.frond.host;
    requires transitive dev.frond.cpu;
    requires transitive dev.frond.kvm;
    requires transitive dev.frond.devices;
    requires transitive dev.frond.virtio;
    requires transitive dev.frond.firmware;
    requires transitive dev.frond.block;
    requires transitive dev.frond.boards;

    exports dev.frond.vmm;
    exports dev.frond.vmm.guest;
}
