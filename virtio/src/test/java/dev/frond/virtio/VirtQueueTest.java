// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;
import static dev.frond.virtio.DriverQueue.Element.out;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** Queues between a correct driver and a device, in both formats. */
class VirtQueueTest {
    private static final long NO_EVENT_IDX = ~VirtioFeature.EVENT_IDX;

    private final TestDevice device = new TestDevice(16, 256);

    private Guest started(boolean packed, long featureMask) {
        Guest guest = new Guest(device, packed);
        guest.negotiate(guest.offered() & featureMask);
        return guest;
    }

    private static String text(Buffers buffers) {
        byte[] bytes = new byte[(int) buffers.size()];
        buffers.copyTo(MemorySegment.ofArray(bytes));
        return new String(bytes, java.nio.charset.StandardCharsets.US_ASCII);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aChainIsSeenInOrderAndItsAnswerComesBack(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        guest.put(0x8000, ascii("hello "));
        guest.put(0x9000, ascii("world"));
        int id = queue.add(out(0x8000, 6), out(0x9000, 5), in(0xA000, 3), in(0xB000, 4));
        guest.kick(queue);

        assertThat(device.taken).hasSize(1);
        Chain chain = device.taken.getFirst();
        assertThat(text(chain.readable())).isEqualTo("hello world");
        assertThat(chain.writable().size()).isEqualTo(7);
        chain.writable().copyFrom(MemorySegment.ofArray(ascii("answer")));
        device.complete(6);

        assertThat(queue.poll()).contains(new DriverQueue.Used(id, 6));
        assertThat(queue.poll()).isEmpty();
        assertThat(guest.bytes(0xA000, 3)).isEqualTo(ascii("ans"));
        assertThat(guest.bytes(0xB000, 3)).isEqualTo(ascii("wer"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anIndirectTableIsOneDescriptorOfTheRing(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 2);
        guest.driverOk();
        guest.put(0x8000, ascii("abcdef"));
        int first = queue.addIndirect(0xC000, out(0x8000, 2), out(0x8002, 2), in(0xA000, 8));
        int second = queue.addIndirect(0xC100, out(0x8004, 2), in(0xA008, 8));
        guest.kick(queue);

        assertThat(device.taken).hasSize(2);
        assertThat(text(device.taken.get(0).readable())).isEqualTo("abcd");
        assertThat(text(device.taken.get(1).readable())).isEqualTo("ef");
        device.complete(device.taken.get(1), 8);
        device.complete(device.taken.get(0), 1);
        assertThat(queue.poll()).contains(new DriverQueue.Used(second, 8));
        assertThat(queue.poll()).contains(new DriverQueue.Used(first, 1));
    }

    @Test
    void aSplitChainMayEndInAnIndirectTable() {
        Guest guest = started(false, -1);
        SplitDriverQueue queue = (SplitDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        guest.put(0x8000, ascii("direct indirect"));
        queue.describe(queue.descriptors, 0x8000, 7, 1, 5);
        // Section 2.7.5.3.2: the write flag of the descriptor that refers to the table means
        // nothing.
        queue.describe(queue.descriptors + 16 * 5, 0xC000, 32, 4 | 2, 0);
        queue.describe(0xC000, 0x8007, 8, 1, 1);
        queue.describe(0xC010, 0xA000, 1, 2, 0);
        queue.publish(0);
        guest.kick(queue);
        assertThat(device.taken).hasSize(1);
        assertThat(text(device.taken.getFirst().readable())).isEqualTo("direct indirect");
        assertThat(device.taken.getFirst().writable().size()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aBufferAcrossTwoRegionsOfRamIsTwoRuns(boolean packed) {
        Guest guest = started(packed, -1);
        var more = new dev.frond.machine.memory.GuestMemory(Arena.ofAuto().allocate(4096, 4096));
        guest.memory.map(Guest.RAM_SIZE, new Region.Ram(more, 0, 4096));
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.add(in(Guest.RAM_SIZE - 3, 8));
        guest.kick(queue);
        Buffers writable = device.taken.getFirst().writable();
        assertThat(writable.runs()).extracting(MemorySegment::byteSize).containsExactly(3L, 5L);
        writable.copyFrom(MemorySegment.ofArray(ascii("12345678")));
        assertThat(guest.bytes(Guest.RAM_SIZE - 3, 8)).isEqualTo(ascii("12345678"));
    }

    @Test
    void aBufferAboveFourGigabytesIsReached() {
        Guest guest = started(false, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.add(in(Guest.HIGH + 0x10, 8));
        guest.kick(queue);
        device.taken.getFirst().writable().copyFrom(MemorySegment.ofArray(ascii("above 4G")));
        assertThat(guest.bytes(Guest.HIGH + 0x10, 8)).isEqualTo(ascii("above 4G"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void withoutEventIndexTheDriverCanTurnInterruptsOff(boolean packed) {
        Guest guest = started(packed, NO_EVENT_IDX);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.disableInterrupt();
        queue.add(in(0x8000, 1));
        guest.kick(queue);
        device.complete(1);
        assertThat(guest.irq.isActive()).isFalse();
        assertThat(queue.poll()).isPresent();

        assertThat(queue.enableInterrupt()).isTrue();
        queue.add(in(0x8000, 1));
        guest.kick(queue);
        device.complete(1);
        assertThat(guest.irq.isActive()).isTrue();
        assertThat(guest.read(Guest.INTERRUPT_STATUS)).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void withEventIndexTheInterruptComesWhenTheRingPassesIt(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        for (int lap = 0; lap < 50; lap++) {
            queue.enableInterrupt();
            queue.add(in(0x8000, 1));
            queue.add(in(0x8000, 1));
            queue.add(in(0x8000, 1));
            guest.kick(queue);
            device.complete(1);
            assertThat(guest.irq.isActive()).as("first of lap %d", lap).isTrue();
            guest.write(Guest.INTERRUPT_ACK, 1);
            device.complete(1);
            device.complete(1);
            assertThat(guest.irq.isActive()).as("others of lap %d", lap).isFalse();
            assertThat(queue.poll()).isPresent();
            assertThat(queue.poll()).isPresent();
            assertThat(queue.poll()).isPresent();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void withEventIndexTheDeviceAsksForAKickOnlyWhenItFoundTheRingEmpty(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        for (int lap = 0; lap < 50; lap++) {
            queue.add(in(0x8000, 1));
            assertThat(queue.needsKick()).isTrue();
            // The device has not looked yet: the next chain needs no second kick.
            queue.add(in(0x8000, 1));
            assertThat(queue.needsKick()).isFalse();
            guest.write(Guest.QUEUE_NOTIFY, 0);
            assertThat(device.taken).hasSize(2);
            device.complete(1);
            device.complete(1);
            queue.poll();
            queue.poll();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void manyChainsOfManyLengthsComeBackInAnyOrderPastEveryWrap(boolean packed) {
        Guest guest = started(packed, -1);
        // A packed ring need not be a power of 2.
        int size = packed ? 250 : 256;
        DriverQueue queue = guest.queue(1, size);
        guest.driverOk();
        Random random = new Random(7);
        Map<Integer, Long> expected = new HashMap<>();
        ArrayDeque<Integer> tables = new ArrayDeque<>();
        for (int i = 0; i < size; i++) {
            tables.add((int) guest.allocate(64, 16));
        }
        Map<Integer, Integer> tableOf = new HashMap<>();
        int completed = 0;
        while (completed < 70_000) {
            for (int burst = random.nextInt(1, 40); burst > 0; burst--) {
                int length = random.nextInt(1, 5);
                var elements = new DriverQueue.Element[length];
                for (int i = 0; i < length; i++) {
                    elements[i] = i < length / 2 ? out(0x8000, 10) : in(0x9000, 100);
                }
                int id;
                if (random.nextBoolean() && queue.room() >= 1) {
                    int table = tables.remove();
                    id = queue.addIndirect(table, elements);
                    tableOf.put(id, table);
                } else if (queue.room() >= length) {
                    id = queue.add(elements);
                } else {
                    continue;
                }
                assertThat(expected.put(id, -1L)).as("id %d in use", id).isNull();
            }
            guest.kick(queue);
            List<Chain> back = new ArrayList<>(device.taken);
            java.util.Collections.shuffle(back, random);
            for (Chain chain : back.subList(0, random.nextInt(back.size() + 1))) {
                long written = random.nextLong(chain.writable().size() + 1);
                expected.put(chain.id(), written);
                device.complete(chain, written);
            }
            for (Optional<DriverQueue.Used> used = queue.poll();
                    used.isPresent();
                    used = queue.poll()) {
                assertThat(expected.remove(used.get().id())).isEqualTo(used.get().written());
                Integer table = tableOf.remove(used.get().id());
                if (table != null) {
                    tables.add(table);
                }
                completed++;
            }
        }
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSavedQueueGoesOnWhereItStoodInAnotherTransport(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        for (int i = 0; i < 21; i++) {
            queue.add(in(0x8000, 4));
            guest.kick(queue);
            device.complete(4);
            assertThat(queue.poll()).isPresent();
        }
        TestDevice second = new TestDevice(16, 256);
        Guest restored = new Guest(second, guest);
        restored.mmio.load(guest.mmio.save());
        restored.mmio.settle();
        int id = queue.add(out(0x9000, 2), in(0x8000, 4));
        restored.kick(queue);
        assertThat(second.taken).hasSize(1);
        second.complete(3);
        assertThat(queue.poll()).contains(new DriverQueue.Used(id, 3));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aChainThatComesBackAfterTheResetLeavesTheRingAlone(boolean packed) {
        Guest guest = started(packed, -1);
        DriverQueue queue = guest.queue(0, 16);
        guest.driverOk();
        queue.add(in(0x8000, 4));
        guest.kick(queue);
        Chain chain = device.taken.getFirst();
        guest.write(Guest.STATUS, 0);
        device.complete(chain, 4);
        assertThat(queue.poll()).isEmpty();
        assertThat(guest.irq.edges()).isZero();
    }

    @Test
    void whatTheDeviceWritesIsInTheDirtyLog() {
        Guest guest = started(false, -1);
        SplitDriverQueue queue = (SplitDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        queue.add(out(0x20_0000, 4096), in(0x30_0000, 8192));
        guest.kick(queue);
        guest.ram.dirtyLog().start();
        device.complete(1);
        List<Long> pages = new ArrayList<>();
        guest.ram.dirtyLog().harvest(pages::add);
        assertThat(pages).containsExactlyInAnyOrder(queue.used >>> 12, 0x300L, 0x301L);
    }
}
