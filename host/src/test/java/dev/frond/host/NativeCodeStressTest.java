// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static dev.frond.host.NativeCode.Mode.LONG;
import static dev.frond.host.NativeCode.RAX;
import static dev.frond.host.NativeCode.RSP;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.host.NativeCode.Outcome.Completed;
import dev.frond.host.NativeCode.Outcome.Faulted;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.ref.WeakReference;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The runner beside a virtual machine that is busy with everything that uses signals and stops
 * threads.
 */
final class NativeCodeStressTest {
    private static final int RUNS = 1_000_000;
    private static final int FAULTS = 40_000;

    private @Nullable Object nothing;

    @BeforeEach
    void supported() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    @Test
    void aMillionRunsAndManyFaultsBesideGarbageCollections() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        AtomicInteger collections = new AtomicInteger();
        Thread collector =
                Thread.ofPlatform()
                        .start(() -> {
                            var witness = new WeakReference<>(new byte[1]);
                            while (!done.get()) {
                                System.gc();
                                if (witness.refersTo(null)) {
                                    collections.incrementAndGet();
                                    witness = new WeakReference<>(new byte[1]);
                                }
                            }
                        });
        Thread runner = Thread.ofPlatform().start(() -> attempt(this::runAndFault, failure));
        Thread faulter = Thread.ofPlatform().start(() -> attempt(this::nullChecks, failure));
        runner.join();
        faulter.join();
        done.set(true);
        collector.join();
        assertThat(failure.get()).isNull();
        assertThat(collections.get()).isGreaterThan(10);
    }

    private void runAndFault() {
        try (NativeCode cpu = NativeCode.create(4096)) {
            cpu.setGpr(RAX, 0);
            cpu.setGpr(RSP, 0x1234_5678_9ABC_DEF0L); // no stack at all
            cpu.load(LONG, 0, new byte[] {0x48, (byte) 0xFF, (byte) 0xC0}); // inc rax
            for (int i = 0; i < RUNS; i++) {
                if (!(cpu.run() instanceof Completed)) {
                    throw new AssertionError("run " + i);
                }
            }
            assertThat(cpu.gpr(RAX)).isEqualTo(RUNS);

            // inc rax; ud2
            cpu.load(LONG, 0, new byte[] {0x48, (byte) 0xFF, (byte) 0xC0, 0x0F, 0x0B});
            for (int i = 0; i < FAULTS; i++) {
                if (!(cpu.run() instanceof Faulted fault) || fault.trapNumber() != 6) {
                    throw new AssertionError("fault " + i);
                }
            }
            assertThat(cpu.gpr(RAX)).isEqualTo(RUNS + FAULTS);
            assertThat(cpu.gpr(RSP)).isEqualTo(0x1234_5678_9ABC_DEF0L);
        }
    }

    /**
     * Compiled code finds null by a fault on page 0, which HotSpot's handler turns into the
     * exception.
     */
    private void nullChecks() {
        int caught = 0;
        for (int i = 0; i < 200_000; i++) {
            try {
                caught += hash(i % 100 == 99 ? nothing : this);
            } catch (NullPointerException e) {
                caught++;
            }
        }
        assertThat(caught).isEqualTo(2000);
    }

    @SuppressWarnings("NullAway") // The exception is what the test wants.
    private static int hash(@Nullable Object object) {
        return object.getClass() == String.class ? 1 : 0;
    }

    @Test
    void aThreadThatRanCodeStillOverflowsItsStackCleanly() throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread =
                Thread.ofPlatform()
                        .start(() -> {
                            try (NativeCode cpu = NativeCode.create(4096)) {
                                cpu.load(LONG, 0, new byte[] {0x0F, 0x0B});
                                cpu.run();
                                descend(0);
                            } catch (StackOverflowError expected) {
                                failure.set(expected);
                            }
                        });
        thread.join();
        assertThat(failure.get()).isInstanceOf(StackOverflowError.class);
    }

    @Test
    void threadsRunTheirOwnCodeAtTheSameTime() throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread[] threads = new Thread[4];
        for (int t = 0; t < threads.length; t++) {
            int id = t;
            threads[t] = Thread.ofPlatform().start(() -> attempt(() -> countAndFault(id), failure));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(failure.get()).isNull();
    }

    private static void countAndFault(int id) {
        try (NativeCode cpu = NativeCode.create(4096)) {
            cpu.setGpr(RAX, (long) id << 32);
            // inc rax; ud2
            cpu.load(LONG, 0, new byte[] {0x48, (byte) 0xFF, (byte) 0xC0, 0x0F, 0x0B});
            for (int i = 1; i <= 5000; i++) {
                cpu.run();
                assertThat(cpu.gpr(RAX)).isEqualTo(((long) id << 32) + i);
            }
        }
    }

    @Test
    void aRunnerMayMoveBetweenThreads() throws Exception {
        try (NativeCode cpu = NativeCode.create(4096)) {
            cpu.load(LONG, 0, new byte[] {0x48, (byte) 0xFF, (byte) 0xC0, 0x0F, 0x0B});
            for (int i = 0; i < 50; i++) {
                Thread thread = Thread.ofVirtual().start(cpu::run);
                thread.join();
            }
            assertThat(cpu.gpr(RAX)).isEqualTo(50);
        }
    }

    private static int descend(int depth) {
        return depth < 0 ? 0 : descend(depth + 1) + 1;
    }

    private static void attempt(Runnable action, AtomicReference<Throwable> failure) {
        try {
            action.run();
        } catch (RuntimeException | AssertionError e) {
            failure.compareAndSet(null, e);
        }
    }
}
