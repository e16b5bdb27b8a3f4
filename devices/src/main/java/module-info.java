// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/** Devices modelled on real chips. */
module dev.frond.devices {
    requires static org.jspecify;
    requires transitive dev.frond.machine;

    exports dev.frond.devices.acpi;
    exports dev.frond.devices.irq;
    exports dev.frond.devices.isa;
}
