// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

/**
 * What an interrupt message asks of its target; the constants stand in the order of their 3-bit
 * encoding in ICR, LVT, redirection table and MSI data (SDM Vol. 3A, 12.5.1 and 12.6.1).
 */
enum DeliveryMode {
    FIXED,
    LOWEST_PRIORITY,
    SMI,
    RESERVED,
    NMI,
    INIT,
    START_UP,
    EXT_INT;

    private static final DeliveryMode[] BY_CODE = values();

    /** The mode in bits 10:8 of {@code register}, where all these registers hold it. */
    static DeliveryMode in(int register) {
        return BY_CODE[register >>> 8 & 7];
    }
}
