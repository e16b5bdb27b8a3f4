// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.util.List;

/**
 * Registers of which some writes only tell that there is work: an engine may let the guest go on at
 * once and pass such a write to the handler later, from a thread of its own, several of the same as
 * one.
 */
public interface Doorbells extends IoHandler {
    /**
     * One such write: of {@code value}, {@code size} bytes (1, 2, 4, 8) wide, at {@code offset}.
     */
    record Doorbell(long offset, int size, long value) {}

    /** All such writes; the same for as long as the region is mapped. */
    List<Doorbell> doorbells();
}
