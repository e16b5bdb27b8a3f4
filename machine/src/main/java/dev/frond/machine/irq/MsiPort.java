// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.irq;

/** Where message-signalled interrupts go: a memory write of {@code data} to {@code address}. */
@FunctionalInterface
public interface MsiPort {
    /** Sends the message; on x86 {@code address} is 0xFEExxxxx (SDM Vol. 3A, 12.11). */
    void send(long address, int data);
}
