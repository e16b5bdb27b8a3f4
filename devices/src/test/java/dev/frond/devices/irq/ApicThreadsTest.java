// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.clock.HostClock;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuSignals;
import dev.frond.machine.vcpu.Cpuid;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;

/** CPU threads, a device thread, an 8259-like chip with its own lock, and a clock, all at once. */
@Timeout(value = 120, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ApicThreadsTest {
    private static final int CPUS = 4;
    private static final int ROUNDS = 3_000;
    private static final int TOKEN = 0x40;
    private static final int DEVICE = 0x50;
    private static final int TIMER = 0x60;
    private static final int PIC = 0x20;

    /** A CPU that sleeps until its APIC wakes it. */
    private static final class Cpu implements CpuSignals {
        final Semaphore wake = new Semaphore(0);

        @Override
        public void interruptChanged() {
            wake.release();
        }

        @Override
        public void nmi() {}

        @Override
        public void smi() {}

        @Override
        public void init() {}

        @Override
        public void startup(int vector) {}
    }

    /** Drives INTR under its lock and takes the lock in the INTA cycle, as the 8259 pair does. */
    private static final class Pic {
        final ReentrantLock lock = new ReentrantLock();
        IrqLine intr = IrqLine.UNCONNECTED;
        boolean requested;

        void request() {
            lock.lock();
            try {
                requested = true;
                intr.set(true);
            } finally {
                lock.unlock();
            }
        }

        void drive() {
            lock.lock();
            try {
                intr.set(requested);
            } finally {
                lock.unlock();
            }
        }

        int acknowledge() {
            lock.lock();
            try {
                intr.set(false);
                int vector = requested ? PIC : PIC + 7;
                requested = false;
                return vector;
            } finally {
                lock.unlock();
            }
        }
    }

    private final ApicBus bus = new ApicBus();
    private final Pic pic = new Pic();
    private final List<LocalApic> apics = new ArrayList<>();
    private final List<Cpu> cpus = new ArrayList<>();
    private final Semaphore deviceServed = new Semaphore(0);
    private final Semaphore picServed = new Semaphore(0);
    private final AtomicInteger timerTicks = new AtomicInteger();
    private final AtomicInteger passes = new AtomicInteger();
    private volatile boolean done;

    @Test
    void noInterruptIsLostAndNobodyWaitsForEver() throws InterruptedException {
        try (HostClock clock = new HostClock(0, Instant.EPOCH)) {
            IoApic ioApic = new IoApic(bus, 0);
            pic.intr = bus.lint0();
            for (int i = 0; i < CPUS; i++) {
                Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2, i, CPUS);
                LocalApic apic = new LocalApic(bus, cpuid, clock, pic::acknowledge);
                Cpu cpu = new Cpu();
                apic.connect(cpu);
                write(apic, ApicRig.SVR, 0x1FF);
                apics.add(apic);
                cpus.add(cpu);
            }
            apics.getFirst().programVirtualWire();
            // The device's level pin goes to CPU 1, the timer interrupts CPU 2 every 100 us.
            ioApic.write(0, 4, 0x10 + 2 * 9 + 1);
            ioApic.write(0x10, 4, 1 << 24);
            ioApic.write(0, 4, 0x10 + 2 * 9);
            ioApic.write(0x10, 4, 1 << 15 | DEVICE);
            write(apics.get(2), ApicRig.LVT_TIMER, 1 << 17 | TIMER);
            write(apics.get(2), ApicRig.DIVIDE, 0xB);
            write(apics.get(2), ApicRig.INITIAL_COUNT, 100_000);
            clock.resume();

            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < CPUS; i++) {
                int number = i;
                threads.add(Thread.ofPlatform().start(() -> runCpu(number, ioApic)));
            }
            threads.add(Thread.ofPlatform().start(() -> runDevice(ioApic)));
            threads.add(Thread.ofPlatform().start(this::runPic));
            pass(0);
            for (Thread thread : threads.subList(CPUS, threads.size())) {
                thread.join();
            }
            while (passes.get() < ROUNDS * CPUS || timerTicks.get() < 3) {
                Thread.sleep(1);
            }
            done = true;
            cpus.forEach(Cpu::interruptChanged);
            for (Thread thread : threads) {
                thread.join();
            }
        }
        assertThat(passes).hasValue(ROUNDS * CPUS);
        assertThat(deviceServed.availablePermits()).isZero();
        assertThat(picServed.availablePermits()).isZero();
        write(apics.get(2), ApicRig.LVT_TIMER, ApicRig.MASKED | TIMER);
        if (apics.get(2).pending()) {
            assertThat(apics.get(2).acknowledge()).isEqualTo(TIMER);
        }
        assertThat(apics).noneMatch(LocalApic::pending);
    }

    private static void write(LocalApic apic, int offset, int value) {
        apic.registers().write(offset, 4, value);
    }

    private void runCpu(int number, IoApic ioApic) {
        LocalApic apic = apics.get(number);
        while (!done) {
            cpus.get(number).wake.acquireUninterruptibly();
            while (apic.pending()) {
                int vector = apic.acknowledge();
                switch (vector) {
                    case TOKEN -> {
                        write(apic, ApicRig.EOI, 0);
                        if (passes.incrementAndGet() < ROUNDS * CPUS) {
                            pass(number);
                        }
                    }
                    case DEVICE -> {
                        ioApic.pin(9).set(false);
                        deviceServed.release();
                        write(apic, ApicRig.EOI, 0);
                    }
                    case TIMER -> {
                        timerTicks.incrementAndGet();
                        write(apic, ApicRig.EOI, 0);
                    }
                    case PIC -> picServed.release();
                    default -> {}
                }
            }
        }
    }

    /** Sends the token to the next CPU. */
    private void pass(int from) {
        LocalApic apic = apics.get(from);
        write(apic, ApicRig.ICR_HIGH, (from + 1) % CPUS << 24);
        write(apic, ApicRig.ICR_LOW, TOKEN);
    }

    private void runDevice(IoApic ioApic) {
        for (int i = 0; i < ROUNDS; i++) {
            ioApic.pin(9).set(true);
            deviceServed.acquireUninterruptibly();
        }
    }

    private void runPic() {
        for (int i = 0; i < ROUNDS; i++) {
            pic.request();
            // The guest's other CPUs may program the chip while one runs its INTA cycle.
            while (!picServed.tryAcquire()) {
                pic.drive();
            }
        }
    }
}
