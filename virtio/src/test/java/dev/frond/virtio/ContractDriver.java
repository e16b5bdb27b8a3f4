// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.Rig;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;

/**
 * What a driver does to a device on a rig, one sane step at a time among the random ones. All rigs
 * of a test share this driver's memory, as a restored machine has the memory of the original: a
 * step depends on nothing but the device's own registers, so that taken twice it leaves the same.
 */
final class ContractDriver {
    private static final int SIZE = 8;
    private static final long DESCRIPTORS = 0x1000;
    private static final long AVAIL = 0x2000;
    private static final long USED = 0x3000;
    private static final long BUFFERS = 0x4000;

    /** Status values and feature words that drivers write. */
    static final int[] FAVOURITES = {0, 1, 3, 11, 15, 128, 0x1000, 0x2000, 0x3000, SIZE};

    final AddressSpace memory = new AddressSpace("memory");

    ContractDriver() {
        memory.map(
                0,
                new Region.Ram(
                        new GuestMemory(Arena.ofAuto().allocate(0x1_0000, 4096)), 0, 0x1_0000));
    }

    /** Lets {@code rig}, whose first region are the registers of {@code mmio}, have this driver. */
    <S extends Record> Rig<S> drive(Rig<S> rig, VirtioMmio mmio, List<List<Integer>> requests) {
        AddressSpace bus = rig.bus();
        rig.favourites(FAVOURITES);
        rig.stimulus(random -> initialize(bus, random));
        rig.stimulus(random ->
                request(bus, mmio, requests.get(random.nextInt(requests.size())), random));
        rig.stimulus(_ -> write(bus, 0x64, read(bus, 0x60)));
        return rig;
    }

    private static int read(AddressSpace bus, int register) {
        return (int) bus.read(register, 4);
    }

    private static void write(AddressSpace bus, int register, int value) {
        bus.write(register, 4, value & 0xFFFF_FFFFL);
    }

    private void initialize(AddressSpace bus, Random random) {
        write(bus, 0x70, 0);
        write(bus, 0x70, 3);
        for (int word = 0; word < 2; word++) {
            write(bus, 0x14, word);
            write(bus, 0x24, word);
            write(bus, 0x20, read(bus, 0x10) & (word == 1 ? -1 : random.nextInt()));
        }
        write(bus, 0x70, 11);
        memory.writeBytes(DESCRIPTORS, new byte[0x3000]);
        write(bus, 0x30, 0);
        write(bus, 0x38, SIZE);
        write(bus, 0x80, (int) DESCRIPTORS);
        write(bus, 0x90, (int) AVAIL);
        write(bus, 0xA0, (int) USED);
        write(bus, 0x44, 1);
        write(bus, 0x70, 15);
    }

    /**
     * Makes one chain of readable (positive) and writable (negative) lengths the next to be taken.
     */
    private void request(AddressSpace bus, VirtioMmio mmio, List<Integer> lengths, Random random) {
        int next = mmio.save().queues().getFirst().nextAvail();
        for (int i = 0; i < lengths.size(); i++) {
            long at = DESCRIPTORS + 16L * i;
            int length = lengths.get(i);
            memory.write(at, 8, BUFFERS + 0x800L * i);
            memory.write(at + 8, 4, Math.abs(length));
            memory.write(at + 12, 2, (length < 0 ? 2 : 0) | (i < lengths.size() - 1 ? 1 : 0));
            memory.write(at + 14, 2, i + 1);
        }
        memory.write(BUFFERS, 8, random.nextInt(15));
        memory.write(BUFFERS + 8, 8, random.nextInt(20));
        memory.write(AVAIL + 4 + 2L * (next & (SIZE - 1)), 2, 0);
        // Interrupts: sometimes off, sometimes at the next used buffer.
        memory.write(AVAIL, 2, random.nextInt(2));
        memory.write(AVAIL + 4 + 2L * SIZE, 2, (next - random.nextInt(2)) & 0xFFFF);
        memory.write(AVAIL + 2, 2, (next + 1) & 0xFFFF);
        write(bus, 0x50, 0);
        mmio.drain();
    }

    /**
     * An arbitrary state of a transport that resets to {@code reset} and offers {@code offered}.
     */
    static VirtioMmio.State state(VirtioMmio.State reset, long offered, Random random) {
        int status = random.nextInt() & 0xCF;
        long features = random.nextLong();
        List<VirtQueue.State> queues =
                reset.queues().stream()
                        .map(queue ->
                                new VirtQueue.State(
                                        random.nextInt(queue.size() + 1),
                                        random.nextBoolean(),
                                        area(DESCRIPTORS, random),
                                        area(AVAIL, random),
                                        area(USED, random),
                                        random.nextInt(0x1_0000),
                                        random.nextInt(0x1_0000)))
                        .toList();
        return new VirtioMmio.State(
                random.nextInt(3),
                random.nextInt(),
                (status & 8) != 0 ? features & offered : features,
                random.nextInt(3),
                random.nextInt(),
                status,
                random.nextInt(4),
                random.nextInt(),
                queues);
    }

    private static long area(long place, Random random) {
        return random.nextBoolean() ? place : random.nextLong() >>> random.nextInt(64);
    }
}
