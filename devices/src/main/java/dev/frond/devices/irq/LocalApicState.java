// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRegisters.*;

import dev.frond.machine.device.Longs;

import java.util.List;

/**
 * The registers of a {@link LocalApic}; ISR, TMR and IRR have 4 values of 64 bits.
 *
 * @param apicBase IA32_APIC_BASE
 * @param id the ID register as xAPIC shows it, in bits 31:24; x2APIC does not use it
 * @param svr the spurious-interrupt vector register
 * @param icr both halves, as x2APIC shows them
 * @param esr the error status register as last latched
 * @param errors the errors since then
 * @param lvt the six LVT entries in the order of their registers, the timer's first
 * @param lint0 the level of the pin LINT0
 * @param lint1 the level of the pin LINT1
 * @param extInt whether an ExtINT message waits for its INTA cycle
 */
public record LocalApicState(
        long apicBase,
        int id,
        int tpr,
        int ldr,
        int dfr,
        int svr,
        Longs isr,
        Longs tmr,
        Longs irr,
        long icr,
        int esr,
        int errors,
        List<Integer> lvt,
        ApicTimerState timer,
        boolean lint0,
        boolean lint1,
        boolean extInt) {
    public LocalApicState {
        check("IA32_APIC_BASE", (apicBase & BASE_RESERVED) == 0 && validMode(apicBase));
        check("ID", (id & 0x00FF_FFFF) == 0);
        check("TPR", (tpr & ~0xFF) == 0);
        check("LDR", (ldr & 0x00FF_FFFF) == 0);
        check("DFR", (dfr | 0xF000_0000) == -1);
        check("SVR", (svr & ~SVR_BITS) == 0);
        check("ISR", vectors(isr));
        check("TMR", vectors(tmr));
        check("IRR", vectors(irr));
        check("ICR", (icr & ~ICR_BITS) == 0);
        check("ESR", ((esr | errors) & ~ESR_BITS) == 0);
        check("LVT", lvt.size() == LVT_ENTRIES);
        for (int i = 0; i < LVT_ENTRIES; i++) {
            int register = LVT_TIMER + i;
            int remoteIrr = register == LVT_LINT0 ? LVT_REMOTE_IRR : 0;
            check("LVT entry " + i, (lvt.get(i) & ~(lvtBits(register) | remoteIrr)) == 0);
        }
        lvt = List.copyOf(lvt);
    }

    private static boolean vectors(Longs bits) {
        return bits.length() == 4 && (bits.at(0) & 0xFFFF) == 0;
    }

    private static void check(String register, boolean valid) {
        if (!valid) {
            throw new IllegalArgumentException(
                    "local APIC state: " + register + " holds what the chip cannot hold");
        }
    }
}
