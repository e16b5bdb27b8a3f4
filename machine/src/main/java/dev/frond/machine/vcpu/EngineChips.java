// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import dev.frond.machine.device.Longs;

import java.util.List;

/**
 * The interrupt controllers and the timer of a PC board as an engine keeps them, in place of the
 * board's own: two 8259A, one I/O APIC of 24 pins, one 8254 with system control port B. The
 * machine's chips remain those that are saved; they hand their registers over and take them back
 * ({@link EngineKept}). The machine has the CPUs stand still when it reads or writes registers.
 */
public interface EngineChips {
    /**
     * One 8259A (Intel, 231468).
     *
     * @param lines the levels at IR0 to IR7, but of the first chip's IR2
     * @param irr the requests, of level-triggered inputs too
     * @param elcr the inputs that are level-triggered
     * @param base T7 to T3 of ICW2
     * @param lowest the input that has the lowest priority, 0..7
     * @param awaits the initialization word that comes next, 2 to 4; 0 if none
     * @param ic4 IC4 of ICW1
     */
    record Pic(
            int lines,
            int irr,
            int isr,
            int imr,
            int elcr,
            int base,
            int lowest,
            int awaits,
            boolean ic4,
            boolean autoEoi,
            boolean rotateOnAutoEoi,
            boolean specialFullyNested,
            boolean specialMask,
            boolean poll,
            boolean readIsr) {}

    /** Both 8259A. */
    record Pics(Pic master, Pic slave) {}

    /**
     * The I/O APIC (Intel, 290566).
     *
     * @param id the ID, 0..15
     * @param select IOREGSEL
     * @param redirection the redirection table: 24 entries of 64 bits
     * @param active the pins, bits 23:0, whose wires are driven active; not told by {@link #ioApic}
     */
    record IoApic(int id, int select, Longs redirection, int active) {}

    /**
     * One counter of the 8254 (Intel, 231164).
     *
     * @param control RW, M and BCD as the last control word had them
     * @param count the count that it goes on from, 1..65536
     * @param idle whether it has not been programmed at all
     * @param age how many nanoseconds ago it was loaded with {@code count}
     * @param writeLatch the low byte written while the high one is awaited
     * @param writeHigh whether the next write is the high byte
     * @param readHigh whether the next read is the high byte
     * @param latchedCount what OL holds if {@code countLatched}
     * @param latchedStatus what the status latch holds if {@code statusLatched}
     */
    record Counter(
            int control,
            int count,
            boolean idle,
            long age,
            int writeLatch,
            boolean writeHigh,
            boolean readHigh,
            boolean countLatched,
            int latchedCount,
            boolean statusLatched,
            int latchedStatus) {}

    /**
     * The 8254 and port 61h.
     *
     * @param counters counter 0, 1 and 2
     * @param portB bits 1:0 of port 61h: the gate of counter 2, and the speaker
     */
    record Pit(List<Counter> counters, int portB) {}

    /** The registers of the 8259 pair now. */
    Pics pics();

    /** Takes on registers of the 8259 pair. */
    void load(Pics pics);

    /** The registers of the I/O APIC now. */
    IoApic ioApic();

    /** Takes on registers of the I/O APIC; level-triggered pins that are active interrupt. */
    void load(IoApic ioApic);

    /** The timer now. */
    Pit pit();

    /** Takes on a timer. */
    void load(Pit pit);

    /** Drives the wire of ISA interrupt {@code irq}, 0..15 but not 2, at the 8259 pair. */
    void picInput(int irq, boolean level);

    /** Drives the wire at pin {@code pin}, 0..23, of the I/O APIC. */
    void ioApicPin(int pin, boolean active);
}
