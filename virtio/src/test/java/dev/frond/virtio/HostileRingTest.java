// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;
import static dev.frond.virtio.DriverQueue.Element.out;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;

/** Rings that no correct driver builds. */
@Timeout(60)
class HostileRingTest {
    private static final int NEEDS_RESET = 64;

    private final TestDevice device = new TestDevice(16, 256);

    private void splitBreaks(String why, BiConsumer<Guest, SplitDriverQueue> attack) {
        splitBreaks(why, -1, attack);
    }

    private void splitBreaks(
            String why, long features, BiConsumer<Guest, SplitDriverQueue> attack) {
        Guest guest = new Guest(device);
        guest.negotiate(guest.offered() & features);
        SplitDriverQueue queue = (SplitDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        attack.accept(guest, queue);
        guest.write(Guest.QUEUE_NOTIFY, 0);
        assertThat(guest.read(Guest.STATUS) & NEEDS_RESET).as("DEVICE_NEEDS_RESET").isNotZero();
        assertThat(guest.mmio.failure().orElseThrow()).startsWith("queue 0: ").contains(why);
        int before = queue.usedIdx();
        while (!device.taken.isEmpty()) {
            device.complete(0);
        }
        assertThat(queue.usedIdx()).as("the ring stands still").isEqualTo(before);
    }

    @Test
    void aHeadBeyondTheTableBreaksTheDevice() {
        splitBreaks("of 16", (_, queue) -> queue.publish(16));
        splitBreaks("of 16", (_, queue) -> queue.publish(0xFFFF));
    }

    @Test
    void aSuccessorBeyondTheTableBreaksTheDevice() {
        splitBreaks(
                "descriptor 16 of 16",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0x8000, 1, 1, 16);
                    queue.publish(0);
                });
    }

    @Test
    void aChainThatLoopsBreaksTheDevice() {
        splitBreaks(
                "chain of more than 16 descriptors",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0x8000, 1, 1, 1);
                    queue.describe(queue.descriptors + 16, 0x8000, 1, 1, 0);
                    queue.publish(0);
                });
        splitBreaks(
                "chain of more than 16 descriptors",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0x8000, 0, 1, 0);
                    queue.publish(0);
                });
    }

    @Test
    void moreThanFourGigabytesBreakTheDevice() {
        splitBreaks(
                "chain of more than 2^32 bytes",
                (guest, queue) -> {
                    long base = 1L << 40;
                    for (int i = 0; i < 260; i++) {
                        guest.memory.map(
                                base + i * Guest.RAM_SIZE,
                                new Region.Ram(guest.ram, 0, Guest.RAM_SIZE));
                    }
                    // 2^32 bytes are the most there can be ...
                    queue.describe(queue.descriptors, base, -1, 1, 1);
                    queue.describe(queue.descriptors + 16, base, 1, 0, 0);
                    queue.publish(0);
                    guest.write(Guest.QUEUE_NOTIFY, 0);
                    assertThat(device.taken.getFirst().readable().size()).isEqualTo(1L << 32);
                    // ... and a loop has more.
                    queue.describe(queue.descriptors + 32, base, -1, 1, 2);
                    queue.publish(2);
                });
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                Guest.RAM_SIZE - 1,
                Guest.RAM_SIZE,
                Guest.MMIO,
                Guest.MMIO - 1,
                Guest.HIGH - 1,
                Guest.HIGH + 0xFFFF,
                1L << 52,
                Long.MAX_VALUE,
                Long.MIN_VALUE,
                -1,
                -2,
                -16
            })
    void aBufferOutsideRamBreaksTheDevice(long address) {
        splitBreaks(
                "RAM",
                (_, queue) -> {
                    queue.describe(queue.descriptors, address, 2, 2, 0);
                    queue.publish(0);
                });
        splitBreaks(
                "RAM",
                (_, queue) -> {
                    queue.describe(queue.descriptors, address, 32, 4, 0);
                    queue.publish(0);
                });
    }

    @Test
    void aReadableElementAfterAWritableOneBreaksTheDevice() {
        splitBreaks(
                "device-readable after device-writable",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0x8000, 1, 1 | 2, 1);
                    queue.describe(queue.descriptors + 16, 0x8000, 1, 0, 0);
                    queue.publish(0);
                });
    }

    @Test
    void anIndirectTableInsideAnotherBreaksTheDevice() {
        splitBreaks(
                "indirect descriptor inside",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0xC000, 16, 4, 0);
                    queue.describe(0xC000, 0xD000, 16, 4, 0);
                    queue.describe(0xD000, 0x8000, 1, 0, 0);
                    queue.publish(0);
                });
    }

    @Test
    void anIndirectTableThatRefersToItselfBreaksTheDevice() {
        splitBreaks(
                "indirect descriptor inside",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0xC000, 16, 4, 0);
                    queue.describe(0xC000, 0xC000, 16, 4, 0);
                    queue.publish(0);
                });
    }

    @Test
    void anIndirectDescriptorWithASuccessorBreaksTheDevice() {
        splitBreaks(
                "with a successor",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0xC000, 16, 4 | 1, 1);
                    queue.describe(0xC000, 0x8000, 1, 0, 0);
                    queue.publish(0);
                });
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 15, 17, 40, -1})
    void anIndirectTableOfBrokenLengthBreaksTheDevice(int length) {
        splitBreaks(
                "indirect table of ",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0xC000, length, 4, 0);
                    queue.publish(0);
                });
    }

    @Test
    void anIndirectTableThatWasNotNegotiatedBreaksTheDevice() {
        splitBreaks(
                "without VIRTIO_F_INDIRECT_DESC",
                ~VirtioFeature.INDIRECT_DESC,
                (_, queue) -> queue.addIndirect(0xC000, in(0x8000, 1)));
    }

    @Test
    void aLoopInsideAnIndirectTableBreaksTheDevice() {
        splitBreaks(
                "chain of more than 16 descriptors",
                (_, queue) -> {
                    queue.describe(queue.descriptors, 0xC000, 32, 4, 0);
                    queue.describe(0xC000, 0x8000, 0, 1, 1);
                    queue.describe(0xC010, 0x8000, 0, 1, 0);
                    queue.publish(0);
                });
    }

    @Test
    void aChainLongerThanTheQueueBreaksTheDevice() {
        splitBreaks(
                "chain of more than 16 descriptors",
                (guest, queue) -> {
                    var elements = new DriverQueue.Element[17];
                    Arrays.fill(elements, out(0x8000, 1));
                    queue.addIndirect(guest.allocate(16 * 17, 16), elements);
                });
    }

    @Test
    void anAvailableIndexThatRunsAwayBreaksTheDevice() {
        splitBreaks("ahead of the device", (_, queue) -> queue.setAvailIdx(17));
        splitBreaks("ahead of the device", (_, queue) -> queue.setAvailIdx(0xFFFF));
    }

    @Test
    void moreChainsThanDescriptorsBreakTheDevice() {
        splitBreaks(
                "before the device gave any back",
                (guest, queue) -> {
                    queue.describe(queue.descriptors, 0x8000, 1, 0, 0);
                    for (int i = 0; i < 16; i++) {
                        queue.publish(0);
                    }
                    guest.write(Guest.QUEUE_NOTIFY, 0);
                    assertThat(device.taken).hasSize(16);
                    assertThat(guest.read(Guest.STATUS)).isEqualTo(15);
                    queue.publish(0);
                });
    }

    @Test
    void ringsThatAreNotInRamOrNotAlignedBreakTheDevice() {
        long[][] areas = {
            {Guest.MMIO, 0x2000, 0x3000},
            {0x1000, Guest.MMIO, 0x3000},
            {0x1000, 0x2000, Guest.MMIO},
            {Guest.RAM_SIZE - 16, 0x2000, 0x3000},
            {0x1000, Guest.RAM_SIZE - 2, 0x3000},
            {0x1000, 0x2000, Guest.RAM_SIZE},
            {-16, 0x2000, 0x3000},
            {0x1000, -2, 0x3000},
            {0x1000, 0x2000, -4},
            {0x1008, 0x2000, 0x3000},
            {0x1000, 0x2001, 0x3000},
            {0x1000, 0x2000, 0x3002},
        };
        for (long[] area : areas) {
            for (boolean packed : new boolean[] {false, true}) {
                Guest guest = new Guest(device, packed);
                guest.negotiateAll();
                guest.enable(0, 16, area[0], area[1], area[2]);
                guest.driverOk();
                assertThat(guest.read(Guest.STATUS))
                        .as("%x %x %x", area[0], area[1], area[2])
                        .isEqualTo(15 | NEEDS_RESET);
            }
        }
    }

    @Test
    void aSizeThatASplitQueueCannotHaveBreaksTheDevice() {
        for (int size : new int[] {0, 3, 15}) {
            Guest guest = new Guest(device);
            guest.negotiateAll();
            guest.enable(0, size, 0x1000, 0x2000, 0x3000);
            guest.driverOk();
            assertThat(guest.read(Guest.STATUS)).as("size %d", size).isEqualTo(15 | NEEDS_RESET);
        }
    }

    @Test
    void aPackedRingFullOfOneEndlessChainBreaksTheDevice() {
        Guest guest = new Guest(device, true);
        guest.negotiateAll();
        PackedDriverQueue queue = (PackedDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        for (int i = 0; i < 16; i++) {
            guest.ram
                    .segment()
                    .set(
                            ValueLayout.JAVA_SHORT_UNALIGNED,
                            queue.ring + 16L * i + 14,
                            (short) (1 << 7 | 1));
        }
        guest.write(Guest.QUEUE_NOTIFY, 0);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
    }

    @Test
    void aPackedEntryThatIsAvailableAgainBeforeItCameBackBreaksTheDevice() {
        Guest guest = new Guest(device, true);
        guest.negotiateAll();
        PackedDriverQueue queue = (PackedDriverQueue) guest.queue(0, 16);
        guest.driverOk();
        for (int i = 0; i < 16; i++) {
            queue.add(in(0x8000, 1));
        }
        guest.kick(queue);
        assertThat(device.taken).hasSize(16);
        guest.ram
                .segment()
                .set(ValueLayout.JAVA_SHORT_UNALIGNED, queue.ring + 14, (short) (1 << 15));
        guest.write(Guest.QUEUE_NOTIFY, 0);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
    }

    /**
     * A hundred thousand rings of chance: fields are small, large, or close to what is right, so
     * that many chains go deep before they break. Nothing is thrown, and no more chains are out
     * than the ring has entries.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void ringsOfChanceNeverHarmTheDevice(boolean packed) {
        Random random = new Random(packed ? 2 : 1);
        Guest guest = new Guest(device, packed);
        var ram = guest.ram.segment();
        int broken = 0;
        int chains = 0;
        for (int round = 0; round < 50_000; round++) {
            guest.negotiate(guest.offered() & (random.nextInt(4) == 0 ? ~(3L << 28) : -1));
            int size = packed ? random.nextInt(1, 17) : 1 << random.nextInt(5);
            guest.enable(0, size, 0x1000, 0x2000, 0x3000);
            ram.asSlice(0x1000, 0x3000).fill((byte) 0);
            for (int i = 0; i < 16; i++) {
                descriptor(ram, 0x1000 + 16L * i, random, packed);
                descriptor(ram, 0x1800 + 16L * i, random, packed);
            }
            for (int i = 0; i < 20; i++) {
                ram.set(
                        ValueLayout.JAVA_SHORT,
                        0x2004 + 2 * i,
                        (short) random.nextInt(size + (random.nextInt(20) == 0 ? 1 : 0)));
            }
            ram.set(
                    ValueLayout.JAVA_SHORT,
                    0x2002,
                    (short) random.nextInt(random.nextInt(10) == 0 ? 0x1_0000 : size + 1));
            guest.driverOk();
            for (int step = 0; step < 4; step++) {
                assertThat(device.taken.size()).isLessThanOrEqualTo(size);
                for (Chain chain : List.copyOf(device.taken)) {
                    chains++;
                    chain.readable()
                            .copyTo(
                                    MemorySegment.ofArray(
                                            new byte[(int) Math.min(64, chain.readable().size())]));
                    chain.writable()
                            .copyFrom(
                                    MemorySegment.ofArray(
                                            new byte[(int) Math.min(64, chain.writable().size())]));
                    if (random.nextBoolean()) {
                        device.complete(chain, chain.writable().size());
                    }
                }
                int idx = ram.get(ValueLayout.JAVA_SHORT, 0x2002);
                ram.set(ValueLayout.JAVA_SHORT, 0x2002, (short) (idx + random.nextInt(3)));
                guest.write(Guest.QUEUE_NOTIFY, 0);
            }
            if ((guest.read(Guest.STATUS) & NEEDS_RESET) != 0) {
                broken++;
            }
            device.taken.clear();
            device.calls.clear();
        }
        // The rings must be neither all nonsense nor all fine, or they show nothing.
        assertThat(broken).isBetween(5_000, 49_000);
        assertThat(chains).isGreaterThan(20_000);
    }

    private static void descriptor(MemorySegment ram, long at, Random random, boolean packed) {
        long address =
                switch (random.nextInt(12)) {
                    case 0 -> random.nextLong();
                    case 1 -> Guest.MMIO + random.nextInt(0x300) - 0x80;
                    case 2 -> Guest.RAM_SIZE - random.nextInt(64);
                    case 3, 4 -> 0x1800;
                    default -> 0x1_0000 + random.nextInt(0x1_0000);
                };
        int length =
                switch (random.nextInt(8)) {
                    case 0 -> random.nextInt();
                    case 1 -> 0;
                    case 2, 3 -> 16 * random.nextInt(1, 8);
                    default -> random.nextInt(5000);
                };
        int flags = random.nextInt(4) | (random.nextInt(6) == 0 ? 4 : 0);
        if (random.nextInt(16) == 0) {
            flags = random.nextInt();
        }
        int next = random.nextInt(random.nextInt(30) == 0 ? 0x1_0000 : 16);
        ram.set(ValueLayout.JAVA_LONG_UNALIGNED, at, address);
        ram.set(ValueLayout.JAVA_INT_UNALIGNED, at + 8, length);
        if (packed) {
            ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 12, (short) next);
            ram.set(
                    ValueLayout.JAVA_SHORT_UNALIGNED,
                    at + 14,
                    (short) (flags | 1 << (random.nextInt(6) == 0 ? 15 : 7)));
        } else {
            ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 12, (short) flags);
            ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 14, (short) next);
        }
    }
}
