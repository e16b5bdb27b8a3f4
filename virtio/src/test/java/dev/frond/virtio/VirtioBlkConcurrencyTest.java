// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;
import static dev.frond.virtio.DriverQueue.Element.out;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.device.Bytes;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Several CPUs keep a queue each busy, with an interrupt handler on one more thread, and every byte
 * read is compared with what that CPU wrote last. A lost wake-up ends the test after ten seconds.
 */
@Timeout(120)
class VirtioBlkConcurrencyTest {
    private static final int CPUS = 4;
    private static final int REQUESTS = 5_000;
    private static final int SLOTS = 24;
    private static final int AREA = 64 * 1024;

    private final ReentrantLock handled = new ReentrantLock();
    private final Condition interrupt = handled.newCondition();
    private long interrupts;

    @ParameterizedTest
    @CsvSource({"false, true", "false, false", "true, true", "true, false"})
    void busyQueuesReadWhatTheyWrote(boolean packed, boolean eventIdx) throws Exception {
        TestDisk disk = new TestDisk((long) CPUS * AREA, false);
        Guest guest = new Guest(new VirtioBlk(new VirtioBlk.Spec("busy", CPUS), disk), packed);
        guest.negotiate(guest.offered() & (eventIdx ? -1 : ~VirtioFeature.EVENT_IDX));
        List<DriverQueue> queues = new ArrayList<>();
        List<Long> buffers = new ArrayList<>();
        for (int i = 0; i < CPUS; i++) {
            queues.add(guest.queue(i, 64));
            buffers.add(guest.allocate((long) SLOTS * 8192, 4096));
        }
        guest.driverOk();

        Thread handler = Thread.ofPlatform().daemon().start(() -> handleInterrupts(guest));
        List<MemorySegment> models = new ArrayList<>();
        try (ExecutorService cpus = Executors.newFixedThreadPool(CPUS)) {
            List<Future<MemorySegment>> running = new ArrayList<>();
            for (int i = 0; i < CPUS; i++) {
                Callable<MemorySegment> cpu = new Cpu(guest, queues.get(i), i, buffers.get(i));
                running.add(cpus.submit(cpu));
            }
            for (Future<MemorySegment> cpu : running) {
                models.add(cpu.get());
            }
        } finally {
            handler.interrupt();
            handler.join();
        }
        for (int i = 0; i < CPUS; i++) {
            assertThat(disk.image.asSlice((long) i * AREA, AREA).mismatch(models.get(i)))
                    .isEqualTo(-1);
        }
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15);
    }

    private void handleInterrupts(Guest guest) {
        try {
            while (true) {
                if (guest.irq.awaitActive()) {
                    guest.write(Guest.INTERRUPT_ACK, guest.read(Guest.INTERRUPT_STATUS));
                    handled.lock();
                    try {
                        interrupts++;
                        interrupt.signalAll();
                    } finally {
                        handled.unlock();
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What one CPU has under way. {@code expected} is what a read must bring. */
    private record Pending(int slot, int offset, Bytes expected) {}

    /** One CPU with one queue: slots of 8 KiB, header at 0, status at 16, data from 4096 on. */
    private final class Cpu implements Callable<MemorySegment> {
        private final Guest guest;
        private final DriverQueue queue;
        private final int number;
        private final long buffer;
        private final Random random;
        private final byte[] model = new byte[AREA];
        private final boolean[] busy = new boolean[AREA / 512];
        private final ArrayDeque<Integer> slots = new ArrayDeque<>();
        private final Map<Integer, Pending> pending = new HashMap<>();

        Cpu(Guest guest, DriverQueue queue, int number, long buffer) {
            this.guest = guest;
            this.queue = queue;
            this.number = number;
            this.buffer = buffer;
            random = new Random(number);
            for (int i = 0; i < SLOTS; i++) {
                slots.add(i);
            }
        }

        @Override
        public MemorySegment call() throws InterruptedException {
            int done = 0;
            int started = 0;
            while (done < REQUESTS) {
                queue.disableInterrupt();
                for (int burst = random.nextInt(1, 16); burst > 0 && started < REQUESTS; burst--) {
                    if (!slots.isEmpty() && queue.room() >= 4 && submit()) {
                        started++;
                    }
                }
                guest.kick(queue);
                int before = done;
                done += collect();
                if (done == before && !pending.isEmpty()) {
                    sleepUntilInterrupt();
                }
            }
            return MemorySegment.ofArray(model);
        }

        private boolean submit() {
            int sectors = random.nextInt(1, 9);
            int first = random.nextInt(AREA / 512 - sectors);
            for (int i = first; i < first + sectors; i++) {
                if (busy[i]) {
                    return false;
                }
            }
            for (int i = first; i < first + sectors; i++) {
                busy[i] = true;
            }
            int slot = slots.remove();
            long at = buffer + slot * 8192L;
            int length = sectors * 512;
            int offset = first * 512;
            boolean write = random.nextBoolean();
            guest.putInt(at, write ? 1 : 0);
            guest.putLong(at + 8, ((long) number * AREA + offset) / 512);
            guest.put(at + 16, (byte) 0xEE);
            byte[] bytes = new byte[length];
            if (write) {
                random.nextBytes(bytes);
                System.arraycopy(bytes, 0, model, offset, length);
            } else {
                System.arraycopy(model, offset, bytes, 0, length);
            }
            guest.put(at + 4096, write ? bytes : new byte[length]);
            int half = length / 2;
            DriverQueue.Element header = out(at, 16);
            DriverQueue.Element status = in(at + 16, 1);
            DriverQueue.Element low = new DriverQueue.Element(at + 4096, half, !write);
            DriverQueue.Element high =
                    new DriverQueue.Element(at + 4096 + half, length - half, !write);
            int id =
                    random.nextBoolean()
                            ? queue.add(header, low, high, status)
                            : queue.addIndirect(at + 64, header, low, high, status);
            pending.put(id, new Pending(slot, offset, Bytes.of(bytes)));
            return true;
        }

        private int collect() {
            int count = 0;
            for (Optional<DriverQueue.Used> used = queue.poll();
                    used.isPresent();
                    used = queue.poll()) {
                Pending request =
                        Optional.ofNullable(pending.remove(used.get().id())).orElseThrow();
                long at = buffer + request.slot() * 8192L;
                assertThat(guest.byteAt(at + 16)).isZero();
                assertThat(guest.bytes(at + 4096, request.expected().length()))
                        .isEqualTo(request.expected().toArray());
                for (int i = 0; i < request.expected().length() / 512; i++) {
                    busy[request.offset() / 512 + i] = false;
                }
                slots.add(request.slot());
                count++;
            }
            return count;
        }

        /**
         * As a kernel does: enable, look again, sleep. The line is shared, so others' interrupts
         * wake, too.
         */
        private void sleepUntilInterrupt() throws InterruptedException {
            handled.lock();
            try {
                long before = interrupts;
                if (!queue.enableInterrupt()) {
                    return;
                }
                long left = TimeUnit.SECONDS.toNanos(10);
                while (interrupts == before && left > 0) {
                    left = interrupt.awaitNanos(left);
                }
                assertThat(interrupts).as("an interrupt within ten seconds").isNotEqualTo(before);
            } finally {
                handled.unlock();
            }
        }
    }
}
