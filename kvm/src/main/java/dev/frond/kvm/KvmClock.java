// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.machine.clock.Clock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The paravirtual clock of one machine (KVM_SET_CLOCK): virtual time, as under every engine. KVM
 * counts it on while the machine stands; the first CPU that goes on sets it back. How far the
 * host's two ways to count a nanosecond drift apart meanwhile stays in it, as it must not jump.
 */
final class KvmClock implements AutoCloseable {
    /** Less than this many nanoseconds is no pause, but the way from here to the guest. */
    private static final long PAUSE = 1_000_000;

    private static final long CLOCK = Structs.at(Structs.CLOCK_DATA, "clock");

    private final ControlFile vm;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment data = arena.allocate(Structs.CLOCK_DATA);
    private long lastValue;
    private long lastNow;

    KvmClock(ControlFile vm) {
        this.vm = vm;
    }

    /** A CPU takes on a state: time is {@code clock}'s. */
    synchronized void load(Clock clock) {
        set(clock.now());
        lastValue = clock.now();
        lastNow = lastValue;
    }

    private void set(long value) {
        data.fill((byte) 0);
        data.set(JAVA_LONG, CLOCK, value);
        vm.call(Kvm.SET_CLOCK, data);
    }

    private long get() {
        vm.call(Kvm.GET_CLOCK, data);
        return data.get(JAVA_LONG, CLOCK);
    }

    /** A CPU stops; {@code clock} may stand still from now on. */
    synchronized void suspend(Clock clock) {
        lastValue = get();
        lastNow = clock.now();
    }

    /** A CPU goes on; {@code clock} runs. */
    synchronized void resume(Clock clock) {
        long expected = lastValue + clock.now() - lastNow;
        if (Math.abs(get() - expected) > PAUSE) {
            set(expected);
        }
    }

    /** What it shows, in nanoseconds. */
    synchronized long value() {
        return get();
    }

    @Override
    public void close() {
        arena.close();
    }
}
