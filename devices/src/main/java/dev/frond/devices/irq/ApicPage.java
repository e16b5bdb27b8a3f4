// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRegisters.*;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.EngineApic.Registers;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The state of a local APIC as its registers stand in the xAPIC page, which is the form that an
 * engine takes and gives them in (SDM Vol. 3A, table 12-1).
 */
final class ApicPage {
    private final ByteBuffer page =
            ByteBuffer.allocate(Registers.PAGE).order(ByteOrder.LITTLE_ENDIAN);

    private ApicPage() {}

    /** The registers of {@code state}, whose timer's counter stands at {@code currentCount}. */
    static Registers of(LocalApicState state, int currentCount) {
        ApicPage p = new ApicPage();
        p.set(ID, state.id());
        p.set(VERSION, VERSION_VALUE);
        p.set(TPR, state.tpr());
        p.set(LDR, state.ldr());
        p.set(DFR, state.dfr());
        p.set(SVR, state.svr());
        p.set(ESR, state.esr());
        p.set(ICR_LOW, (int) state.icr());
        p.set(ICR_HIGH, (int) (state.icr() >>> 32));
        p.vectors(ISR, state.isr());
        p.vectors(TMR, state.tmr());
        p.vectors(IRR, state.irr());
        for (int i = 0; i < LVT_ENTRIES; i++) {
            p.set(LVT_TIMER + i, state.lvt().get(i));
        }
        p.set(INITIAL_COUNT, state.timer().initialCount());
        p.set(CURRENT_COUNT, currentCount);
        p.set(DIVIDE_CONFIGURATION, state.timer().divideConfiguration());
        return new Registers(state.apicBase(), Bytes.of(p.page.array()), state.timer().deadline());
    }

    /**
     * The state that {@code registers} show at virtual time {@code now}.
     *
     * @param pins has what is no register: the pins, the interrupt that waits for its INTA cycle,
     *     and the offset of the time-stamp counter
     */
    static LocalApicState state(Registers registers, long now, LocalApicState pins) {
        ApicPage p = new ApicPage();
        p.page.put(registers.page().toArray());
        List<Integer> lvt = new ArrayList<>();
        for (int i = 0; i < LVT_ENTRIES; i++) {
            int register = LVT_TIMER + i;
            int remoteIrr = register == LVT_LINT0 ? LVT_REMOTE_IRR : 0;
            lvt.add(p.get(register) & (lvtBits(register) | remoteIrr));
        }
        ApicTimerState timer =
                new ApicTimerState(
                        p.get(INITIAL_COUNT),
                        p.get(DIVIDE_CONFIGURATION) & ApicTimer.DIVIDE_BITS,
                        p.get(CURRENT_COUNT),
                        now,
                        registers.tscDeadline(),
                        pins.timer().tscOffset());
        return new LocalApicState(
                registers.apicBase() & ~BASE_RESERVED,
                p.get(ID) & 0xFF00_0000,
                p.get(TPR) & 0xFF,
                p.get(LDR) & 0xFF00_0000,
                p.get(DFR) | 0x0FFF_FFFF,
                p.get(SVR) & SVR_BITS,
                p.vectors(ISR),
                p.vectors(TMR),
                p.vectors(IRR),
                ((long) p.get(ICR_HIGH) << 32 | p.get(ICR_LOW) & 0xFFFF_FFFFL) & ICR_BITS,
                p.get(ESR) & ESR_BITS,
                0,
                lvt,
                timer,
                pins.lint0(),
                pins.lint1(),
                pins.extInt());
    }

    private int get(int register) {
        return page.getInt(register << 4);
    }

    private void set(int register, int value) {
        page.putInt(register << 4, value);
    }

    private Longs vectors(int first) {
        long[] words = new long[4];
        for (int i = 0; i < 8; i++) {
            words[i / 2] |= (get(first + i) & 0xFFFF_FFFFL) << 32 * (i & 1);
        }
        words[0] &= ~0xFFFFL;
        return Longs.of(words);
    }

    private void vectors(int first, Longs bits) {
        for (int i = 0; i < 8; i++) {
            set(first + i, (int) (bits.at(i / 2) >>> 32 * (i & 1)));
        }
    }
}
