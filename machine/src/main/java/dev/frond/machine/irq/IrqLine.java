// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.irq;

/**
 * One interrupt wire, as the device that drives it sees it. It carries no number: the board knows
 * where it ends. May be driven from any thread; setting the level it already has does nothing.
 */
@FunctionalInterface
public interface IrqLine {
    /** A wire that ends nowhere. */
    IrqLine UNCONNECTED = _ -> {};

    /** Drives the wire active ({@code true}) or inactive. */
    void set(boolean active);

    /** An edge: active, then inactive. */
    default void pulse() {
        set(true);
        set(false);
    }
}
