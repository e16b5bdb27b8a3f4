// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.vcpu;

import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;

/** A local interrupt controller as its own CPU sees it (SDM Vol. 3A, chapter 12). */
public interface LocalInterrupts {
    /** Whether an interrupt would be delivered now to a CPU with RFLAGS.IF set. */
    boolean pending();

    /** Takes the interrupt to deliver: its vector 0..255, or -1 if there is none any more. */
    int acknowledge();

    /** The task-priority class, CR8: 0..15. */
    long taskPriority();

    /** Sets CR8 to {@code priorityClass}, 0..15. */
    void setTaskPriority(long priorityClass);

    /**
     * Where {@link #registers} appear in this CPU's physical memory: a 4 KiB page, or -1 for
     * nowhere.
     */
    long registerPage();

    /** The 4 KiB register page (xAPIC). */
    IoHandler registers();

    /** Whether RDMSR of {@code index} is this controller's to answer and does not fault now. */
    boolean readable(int index);

    /** The value of a {@link #readable} MSR. */
    long readMsr(int index);

    /** Writes an MSR; false if that faults with #GP(0). */
    boolean writeMsr(int index, long value);

    /**
     * The CPU's time-stamp counter now differs by {@code offset} from virtual time: it reads {@code
     * clock.now() + offset}, one tick a nanosecond (1 GHz). IA32_TSC_DEADLINE is compared with it.
     */
    void tscOffset(long offset);

    /**
     * Gives the registers to {@code engine}, which keeps them from here on: {@link #pending} and
     * {@link #acknowledge} are then about interrupts of the 8259 pair only. Called while the
     * machine stands still, as {@link #withdraw} is.
     */
    default void entrust(EngineApic engine) {
        throw new UnsupportedOperationException("this controller stays in the machine");
    }

    /** Takes the registers back from {@code engine}, if it keeps them. */
    default void withdraw(EngineApic engine) {}

    /** The CPU ended a level-triggered interrupt that the engine was told of. */
    default void endOfInterrupt(int vector) {}

    /**
     * From now on a byte of guest memory tells the guest that an interrupt needs no write to the
     * EOI register: the controller sets it to 1, and a guest that clears it has ended the
     * interrupt. The guest does so without a bus lock, so that the byte is looked at only on the
     * CPU's own thread (Linux, Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN).
     */
    default void pvEoi(GuestMemory ram, long offset) {}

    /** Ends {@link #pvEoi}. */
    default void noPvEoi() {}

    /**
     * Whether {@code index} is an MSR of this controller: IA32_APIC_BASE, IA32_TSC_DEADLINE,
     * x2APIC.
     */
    static boolean owns(int index) {
        return index == 0x1B || index == 0x6E0 || (index >= 0x800 && index <= 0x8FF);
    }
}
