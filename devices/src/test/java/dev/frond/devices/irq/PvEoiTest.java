// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRegisters.*;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.memory.GuestMemory;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;

/** The end of an interrupt by a byte of guest memory. */
class PvEoiTest {
    private static final long BYTE = 0x104;
    private static final int IN_SERVICE = 0x110;

    private final ApicRig rig = new ApicRig(1).enabled();
    private final LocalApic apic = rig.apic(0);
    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(4096, 4096));

    @BeforeEach
    void place() {
        apic.pvEoi(ram, BYTE);
    }

    private void arrives(int vector) {
        apic.lock().lock();
        try {
            assertThat(apic.deliver(DeliveryMode.FIXED, vector, false)).isTrue();
        } finally {
            apic.lock().unlock();
        }
    }

    private int offered() {
        return (int) ram.load(BYTE, 1);
    }

    private boolean isInService(int vector) {
        return (rig.read(0, 0x100 + (vector >> 5 << 4)) >>> (vector & 31) & 1) != 0;
    }

    @Test
    void aGuestThatClearsTheByteHasEndedTheInterrupt() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        assertThat(offered()).isEqualTo(1);
        ram.store(BYTE, 1, 0);
        arrives(0x31);
        assertThat(rig.take(0)).isEqualTo(0x31);
        assertThat(isInService(0x41)).isFalse();
    }

    @Test
    void whatComesMeanwhileWaitsForTheRegister() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        arrives(0x31);
        // The CPU looks, and the byte is taken away: the guest has to write the register.
        assertThat(rig.take(0)).isEqualTo(-1);
        assertThat(apic.pending()).isFalse();
        assertThat(offered()).isZero();
        rig.write(0, 0xB0, 0);
        assertThat(rig.take(0)).isEqualTo(0x31);
    }

    @Test
    void aHigherInterruptNests() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        arrives(0x51);
        assertThat(rig.take(0)).isEqualTo(0x51);
        assertThat(isInService(0x41)).isTrue();
        assertThat(isInService(0x51)).isTrue();
    }

    @Test
    void anInterruptBehindWhichAnotherWaitsIsEndedByTheRegister() {
        arrives(0x41);
        arrives(0x31);
        assertThat(rig.take(0)).isEqualTo(0x41);
        assertThat(offered()).isZero();
    }

    @Test
    void aLevelTriggeredInterruptIsEndedByTheRegister() {
        apic.lock().lock();
        try {
            assertThat(apic.deliver(DeliveryMode.FIXED, 0x41, true)).isTrue();
        } finally {
            apic.lock().unlock();
        }
        assertThat(rig.take(0)).isEqualTo(0x41);
        assertThat(offered()).isZero();
    }

    @Test
    void theRegisterMayBeWrittenAllTheSame() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        rig.write(0, 0xB0, 0);
        assertThat(offered()).isZero();
        assertThat(rig.read(0, IN_SERVICE)).isZero();
        assertThat(isInService(0x41)).isFalse();
    }

    @Test
    void stateTellsWhetherTheInterruptWasEnded() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        LocalApicState before = apic.save();
        assertThat(before.isr().at(1)).isEqualTo(2);
        assertThat(offered()).as("the register is to be written").isZero();
        rig.write(0, 0xB0, 0);
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        ram.store(BYTE, 1, 0);
        assertThat(apic.save().isr().at(1)).isZero();
        apic.load(before);
        assertThat(apic.save()).isEqualTo(before);
    }

    @Test
    void withoutAByteAllIsAsEver() {
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        apic.noPvEoi();
        assertThat(offered()).isZero();
        assertThat(isInService(0x41)).isTrue();
        rig.write(0, 0xB0, 0);
        arrives(0x41);
        assertThat(rig.take(0)).isEqualTo(0x41);
        assertThat(offered()).isZero();
    }
}
