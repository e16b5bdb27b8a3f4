// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Boot paths and what firmware leaves in memory: kernel loading, memory map, ACPI tables, fw_cfg
 * contents.
 */
module dev.frond.firmware {
    requires static org.jspecify;
    requires transitive dev.frond.machine;

    exports dev.frond.firmware;
    exports dev.frond.firmware.acpi;
    exports dev.frond.firmware.smbios;
}
