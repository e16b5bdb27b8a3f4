// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu;

import dev.frond.host.RunDelay;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;

import org.jspecify.annotations.Nullable;

import java.time.Instant;
import java.util.function.BiConsumer;

/**
 * The paravirtual devices of one CPU as KVM has them: clock, steal time, end of interrupt, control
 * of polling. A guest enables each by an MSR that holds the address of a record in its memory
 * (Linux, Documentation/virt/kvm/x86/msr.rst and arch/x86/include/asm/pvclock-abi.h for what the
 * records are).
 */
public final class Paravirtual {
    private static final int MSR_KVM_WALL_CLOCK = 0x11;
    private static final int MSR_KVM_SYSTEM_TIME = 0x12;
    private static final int MSR_KVM_WALL_CLOCK_NEW = 0x4B56_4D00;
    private static final int MSR_KVM_SYSTEM_TIME_NEW = 0x4B56_4D01;
    private static final int MSR_KVM_STEAL_TIME = 0x4B56_4D03;
    private static final int MSR_KVM_PV_EOI_EN = 0x4B56_4D04;
    private static final int MSR_KVM_POLL_CONTROL = 0x4B56_4D05;

    /** Bit 0 of an MSR that holds an address: the device is in use. */
    private static final long ENABLED = 1;

    private static final int TIME_SIZE = 32;
    private static final int TIME_TSC = 8;
    private static final int TIME_SYSTEM = 16;
    private static final int TIME_MULTIPLIER = 24;
    private static final int TIME_SHIFT = 28;
    private static final int TIME_FLAGS = 29;
    private static final int TSC_STABLE = 1;

    /**
     * The counter runs at one tick a nanosecond: a difference is shifted left by one, multiplied by
     * this and divided by 2 to the 32nd, which leaves it as it is.
     */
    private static final long ONE_HALF = 0x8000_0000L;

    private static final int WALL_SIZE = 12;

    private static final int STEAL_SIZE = 64;
    private static final int STEAL_VERSION = 8;

    /** Bits of MSR_KVM_STEAL_TIME that must be 0. */
    private static final long STEAL_RESERVED = 0x3E;

    /**
     * Virtual time between two looks at what the host says of the thread: that is a system call.
     */
    private static final long STEAL_PERIOD = 4_000_000;

    private final Cpu cpu;
    private long wallClock;
    private long systemTime;
    private long stealTime;
    private long pvEoi;
    private long pollControl = 1;

    private @Nullable RunDelay runDelay;
    private @Nullable Thread runDelayOf;
    private long delaySeen;
    private long stealDue;

    Paravirtual(Cpu cpu) {
        this.cpu = cpu;
    }

    // --- MSRs
    // -------------------------------------------------------------------------------------

    /** Whether there is such an MSR here. */
    boolean has(int index) {
        return switch (index) {
            case MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME ->
                    cpu.cpuid.has(CpuFeature.KVM_CLOCKSOURCE);
            case MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW ->
                    cpu.cpuid.has(CpuFeature.KVM_CLOCKSOURCE2);
            case MSR_KVM_STEAL_TIME -> cpu.cpuid.has(CpuFeature.KVM_STEAL_TIME);
            case MSR_KVM_PV_EOI_EN -> cpu.cpuid.has(CpuFeature.KVM_PV_EOI);
            case MSR_KVM_POLL_CONTROL -> cpu.cpuid.has(CpuFeature.KVM_POLL_CONTROL);
            default -> false;
        };
    }

    /** The value of an MSR that {@link #has} tells of. */
    long read(int index) {
        return switch (index) {
            case MSR_KVM_WALL_CLOCK, MSR_KVM_WALL_CLOCK_NEW -> wallClock;
            case MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME_NEW -> systemTime;
            case MSR_KVM_STEAL_TIME -> stealTime;
            case MSR_KVM_PV_EOI_EN -> pvEoi;
            default -> pollControl;
        };
    }

    /** Writes an MSR that {@link #has} tells of; false if it cannot hold {@code value}. */
    boolean write(int index, long value) {
        if (!accepts(index, value)) {
            return false;
        }
        set(index, value);
        switch (index) {
            case MSR_KVM_WALL_CLOCK, MSR_KVM_WALL_CLOCK_NEW -> writeWallClock();
            case MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME_NEW -> updateTime();
            case MSR_KVM_STEAL_TIME -> {
                delaySeen = runDelay();
                stealDue = 0;
                updateSteal();
            }
            default -> {}
        }
        return true;
    }

    private static boolean accepts(int index, long value) {
        return switch (index) {
            case MSR_KVM_STEAL_TIME -> (value & STEAL_RESERVED) == 0;
            case MSR_KVM_PV_EOI_EN -> (value & 2) == 0;
            case MSR_KVM_POLL_CONTROL -> (value & ~1L) == 0;
            default -> true;
        };
    }

    private void set(int index, long value) {
        switch (index) {
            case MSR_KVM_WALL_CLOCK, MSR_KVM_WALL_CLOCK_NEW -> wallClock = value;
            case MSR_KVM_SYSTEM_TIME, MSR_KVM_SYSTEM_TIME_NEW -> systemTime = value;
            case MSR_KVM_STEAL_TIME -> stealTime = value;
            case MSR_KVM_PV_EOI_EN -> {
                pvEoi = value;
                long offset = (value & ENABLED) != 0 ? offset(value & ~3L, 4) : -1;
                if (offset >= 0) {
                    cpu.interrupts.pvEoi(cpu.ram, offset);
                } else {
                    cpu.interrupts.noPvEoi();
                }
            }
            default -> pollControl = value;
        }
    }

    /** As after power-on and INIT. */
    public void reset() {
        wallClock = 0;
        systemTime = 0;
        stealTime = 0;
        pvEoi = 0;
        pollControl = 1;
        cpu.interrupts.noPvEoi();
    }

    /**
     * Takes on a saved MSR: the guest's memory holds already what writing it had put there.
     *
     * @return whether there is such an MSR here
     */
    boolean load(int index, long value) {
        if (!has(index)) {
            return false;
        }
        if (!accepts(index, value)) {
            throw cpu.gp();
        }
        set(index, value);
        return true;
    }

    void forEach(BiConsumer<Integer, Long> action) {
        for (int index :
                new int[] {
                    MSR_KVM_WALL_CLOCK_NEW,
                    MSR_KVM_SYSTEM_TIME_NEW,
                    MSR_KVM_STEAL_TIME,
                    MSR_KVM_PV_EOI_EN,
                    MSR_KVM_POLL_CONTROL
                }) {
            if (has(index)) {
                action.accept(index, read(index));
            }
        }
        if (!has(MSR_KVM_SYSTEM_TIME_NEW) && has(MSR_KVM_SYSTEM_TIME)) {
            action.accept(MSR_KVM_WALL_CLOCK, wallClock);
            action.accept(MSR_KVM_SYSTEM_TIME, systemTime);
        }
    }

    /** The offset in RAM of a record at a physical address; -1 if it does not lie there whole. */
    private long offset(long physical, int size) {
        if ((physical & 3) != 0
                || physical >>> Cpuid.PHYSICAL_BITS != 0
                || (physical & 4095) + size > 4096
                || !cpu.mmu.isRam(physical)) {
            return -1;
        }
        return cpu.mmu.ramOffset(physical);
    }

    // --- time
    // -------------------------------------------------------------------------------------

    /** Begins a change of a record whose version is odd meanwhile; returns the odd one. */
    private int open(long version) {
        int odd = (int) cpu.ram.load(version, 4) | 1;
        cpu.ram.store(version, 4, odd);
        java.lang.invoke.VarHandle.fullFence();
        return odd;
    }

    private void close(long version, int odd) {
        java.lang.invoke.VarHandle.fullFence();
        cpu.ram.store(version, 4, odd + 1);
    }

    /** The time of day at virtual time 0, to which the guest adds the system time. */
    private void writeWallClock() {
        long at = offset(wallClock, WALL_SIZE);
        if (at < 0) {
            return;
        }
        Instant start = cpu.clock.wallTime().minusNanos(cpu.clock.now());
        int version = open(at);
        cpu.ram.store(at + 4, 4, start.getEpochSecond());
        cpu.ram.store(at + 8, 4, start.getNano());
        close(at, version);
    }

    /**
     * Writes the clock's record, if it is in use: system time is virtual time, so that the records
     * of all CPUs agree whatever their counters are; the guest may use that of one for all only
     * while these read the same.
     */
    public void updateTime() {
        long at = (systemTime & ENABLED) != 0 ? offset(systemTime & ~ENABLED, TIME_SIZE) : -1;
        if (at < 0) {
            return;
        }
        boolean stable = cpu.cpuid.has(CpuFeature.KVM_CLOCKSOURCE_STABLE) && cpu.group.hasSameTsc();
        GuestMemory ram = cpu.ram;
        int version = open(at);
        long now = cpu.clock.now();
        ram.store(at + TIME_TSC, 8, now + cpu.tscOffset);
        ram.store(at + TIME_SYSTEM, 8, now);
        ram.store(at + TIME_MULTIPLIER, 4, ONE_HALF);
        ram.store(at + TIME_SHIFT, 1, 1);
        ram.store(at + TIME_FLAGS, 1, stable ? TSC_STABLE : 0);
        close(at, version);
    }

    // --- steal time
    // -------------------------------------------------------------------------------

    /** Adds what the thread has waited for the host to the guest's record, now and then. */
    public void updateSteal() {
        if ((stealTime & ENABLED) == 0 || cpu.clock.now() < stealDue) {
            return;
        }
        stealDue = cpu.clock.now() + STEAL_PERIOD;
        long at = offset(stealTime & ~ENABLED, STEAL_SIZE);
        long delay = runDelay();
        if (at < 0 || delay == delaySeen) {
            return;
        }
        int version = open(at + STEAL_VERSION);
        cpu.ram.store(at, 8, cpu.ram.load(at, 8) + delay - delaySeen);
        close(at + STEAL_VERSION, version);
        delaySeen = delay;
    }

    /** What the host says of this thread; a thread that is new here has stolen nothing yet. */
    @SuppressWarnings("ReferenceEquality") // A thread is its identity.
    private long runDelay() {
        Thread thread = Thread.currentThread();
        RunDelay known = runDelay;
        if (runDelayOf != thread) {
            if (known != null) {
                known.close();
            }
            runDelayOf = thread;
            known = RunDelay.ofThisThread().orElse(null);
            runDelay = known;
            delaySeen = known == null ? 0 : known.nanoseconds().orElse(0L);
        }
        return known == null ? delaySeen : known.nanoseconds().orElse(delaySeen);
    }
}
