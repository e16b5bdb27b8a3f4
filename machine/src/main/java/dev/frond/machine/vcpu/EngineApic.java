// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import dev.frond.machine.device.Bytes;

import java.util.List;

/**
 * The local APIC of one CPU as an engine keeps it, in place of the machine's own: its registers,
 * its timer, and the messages between the APICs are the engine's then (SDM Vol. 3A, chapter 12).
 * The machine has the CPU stand still when it reads or writes the registers.
 */
public interface EngineApic {
    /**
     * The registers.
     *
     * @param apicBase IA32_APIC_BASE
     * @param page the 1024 bytes from the start of the xAPIC page, registers 16 bytes apart, in
     *     xAPIC's form also in x2APIC mode; at 390h the current count, from which the timer goes on
     * @param tscDeadline IA32_TSC_DEADLINE
     */
    record Registers(long apicBase, Bytes page, long tscDeadline) {
        /** The bytes of {@link #page}. */
        public static final int PAGE = 1024;

        public Registers {
            if (page.length() != PAGE) {
                throw new IllegalArgumentException(
                        "local APIC registers: " + page.length() + " bytes, not " + PAGE);
            }
        }
    }

    /** An interrupt message: a write of {@code data} to {@code address} (12.11). */
    record Message(long address, int data) {}

    /** The registers now. */
    Registers save();

    /** Takes on {@code registers}. */
    void load(Registers registers);

    /** Whether {@code other} is of another CPU of the same machine, and of the same engine. */
    boolean isBeside(EngineApic other);

    /** Sends a message to the APICs of all CPUs; whether one of them took it. */
    boolean send(Message message);

    /**
     * Tells which messages the inputs of the I/O APICs send: the end of a level-triggered interrupt
     * of such a message is to be told ({@link LocalInterrupts#endOfInterrupt}).
     */
    void route(List<Message> messages);
}
