// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.LocalInterrupts;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The time-stamp counter of one KVM CPU. It counts the host's time, the machine's clock stands
 * still while the machine is paused, and the two drift apart: after a pause the counter is set
 * back, and the local APIC, whose deadlines are in its ticks, is told anew how far it is from the
 * clock.
 *
 * <p>KVM takes a write of the counter that is within a second of what it expects for an attempt to
 * synchronize CPUs, and ignores it. Where the kernel has the attribute (Linux 5.16) the offset is
 * set instead.
 */
final class GuestTsc {
    /** What a CPU set its offset to last, so that the others that want nearly the same agree. */
    static final class Agreement {
        private long agreed;

        private synchronized long agree(long wanted, long tolerance) {
            if (Math.abs(wanted - agreed) > tolerance) {
                agreed = wanted;
            }
            return agreed;
        }
    }

    /** Less than this many nanoseconds is no pause, but the way from here to the guest. */
    private static final long PAUSE = 1_000_000;

    /** How long the local APIC may go without being told of the drift, in nanoseconds. */
    private static final long REFRESH = 100_000_000;

    private static final long GROUP = Structs.at(Structs.DEVICE_ATTR, "group");
    private static final long ATTR = Structs.at(Structs.DEVICE_ATTR, "attr");
    private static final long ADDR = Structs.at(Structs.DEVICE_ATTR, "addr");

    private final ControlFile vcpu;
    private final KvmMsrs msrs;
    private final Clock clock;
    private final LocalInterrupts interrupts;
    private final Agreement agreement;
    private final int khz;
    private final MemorySegment offset;
    private final MemorySegment attribute;
    private final boolean hasOffset;
    private long lastTsc;
    private long lastNow;
    private long refreshed;

    GuestTsc(
            ControlFile vcpu,
            KvmMsrs msrs,
            Clock clock,
            LocalInterrupts interrupts,
            int khz,
            Agreement agreement,
            Arena arena) {
        this.vcpu = vcpu;
        this.msrs = msrs;
        this.clock = clock;
        this.interrupts = interrupts;
        this.khz = khz;
        this.agreement = agreement;
        offset = arena.allocate(JAVA_LONG);
        attribute = arena.allocate(Structs.DEVICE_ATTR);
        attribute.set(JAVA_INT, GROUP, Kvm.VCPU_TSC_CTRL);
        attribute.set(JAVA_LONG, ATTR, Kvm.VCPU_TSC_OFFSET);
        attribute.set(JAVA_LONG, ADDR, offset.address());
        hasOffset = vcpu.tryCall(Kvm.HAS_DEVICE_ATTR, attribute.address()) == 0;
    }

    /** Sets the counter. */
    void load(long tsc) {
        msrs.write(KvmMsrs.IA32_TSC, tsc);
        lastTsc = tsc;
        lastNow = clock.now();
        refresh(tsc, lastNow);
    }

    /**
     * What it stood at when the CPU stopped, and what the clock went on since: the same moment for
     * all CPUs of a machine that stands still.
     */
    long value() {
        return lastTsc + ticks(clock.now() - lastNow);
    }

    /** The CPU stops; the clock may stand still from now on. */
    void suspend() {
        lastTsc = msrs.readOrZero(KvmMsrs.IA32_TSC);
        lastNow = clock.now();
    }

    /** The CPU goes on; the clock runs. Whether time stood still meanwhile. */
    boolean resume() {
        long now = clock.now();
        long tsc = msrs.readOrZero(KvmMsrs.IA32_TSC);
        long excess = tsc - (lastTsc + ticks(now - lastNow));
        boolean stood = Math.abs(excess) > ticks(PAUSE);
        if (stood) {
            shift(tsc, excess);
            tsc -= excess;
        }
        refresh(tsc, now);
        return stood;
    }

    private void shift(long tsc, long excess) {
        if (!hasOffset) {
            msrs.write(KvmMsrs.IA32_TSC, tsc - excess);
            return;
        }
        vcpu.call(Kvm.GET_DEVICE_ATTR, attribute);
        long old = offset.get(JAVA_LONG, 0);
        offset.set(JAVA_LONG, 0, agreement.agree(old - excess, ticks(PAUSE)));
        vcpu.call(Kvm.SET_DEVICE_ATTR, attribute);
    }

    /** The guest is about to set a deadline. */
    void beforeDeadline() {
        long now = clock.now();
        if (now - refreshed >= REFRESH) {
            refresh(msrs.readOrZero(KvmMsrs.IA32_TSC), now);
        }
    }

    private void refresh(long tsc, long now) {
        refreshed = now;
        if (khz * 1000L == Cpuid.TSC_HZ) {
            interrupts.tscOffset(tsc - now);
        }
    }

    private long ticks(long nanos) {
        return nanos / 1_000_000 * khz + nanos % 1_000_000 * khz / 1_000_000;
    }
}
