// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.memory.AddressSpace;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/**
 * A packed virtqueue: one descriptor ring, two event suppression structures (virtio 1.2, section
 * 2.8).
 */
final class PackedQueue extends VirtQueue {
    /** The wrap counter in a ring position as {@link VirtQueue.State} holds it. */
    static final int WRAP = 1 << 15;

    private static final int VIRTQ_DESC_F_AVAIL = 1 << 7;
    private static final int VIRTQ_DESC_F_USED = 1 << 15;
    private static final int RING_EVENT_FLAGS_ENABLE = 0;
    private static final int RING_EVENT_FLAGS_DISABLE = 1;
    private static final int RING_EVENT_FLAGS_DESC = 2;
    private static final int EVENT_DESC = 0;
    private static final int EVENT_FLAGS = 2;
    private static final int EVENT_SIZE = 4;

    PackedQueue(
            int index, State state, int maxSize, long features, AddressSpace memory, Owner owner) {
        super(index, state, maxSize, features, memory, owner);
    }

    @Override
    Optional<Chain> take() {
        if (!isAvailable()) {
            // As in a split queue: ask first, then look again.
            if (eventIdx) {
                release16(device, EVENT_DESC, nextAvail);
                release16(device, EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
            } else {
                release16(device, EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
            }
            wroteDeviceArea(0, EVENT_SIZE);
            VarHandle.fullFence();
            if (!isAvailable()) {
                return Optional.empty();
            }
        }
        return read();
    }

    /** Whether the driver has filled the entry at {@link #nextAvail}. */
    private boolean isAvailable() {
        int flags = acquire16(descriptors, offset(nextAvail) + 14);
        boolean wrap = (nextAvail & WRAP) != 0;
        return (flags & VIRTQ_DESC_F_AVAIL) != 0 == wrap
                && (flags & VIRTQ_DESC_F_USED) != 0 != wrap;
    }

    private Optional<Chain> read() {
        Gatherer gatherer = new Gatherer();
        int position = nextAvail;
        int slots = 0;
        while (true) {
            if (++slots > size) {
                return broken("chain of more than " + size + " descriptors");
            }
            long at = offset(position);
            long address = descriptors.get(LE64, at);
            long length = descriptors.get(LE32, at + 8) & 0xFFFF_FFFFL;
            int id = descriptors.get(LE16, at + 12) & 0xFFFF;
            int flags = descriptors.get(LE16, at + 14);
            boolean last = (flags & VIRTQ_DESC_F_NEXT) == 0;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                if (slots > 1 || !last) {
                    return broken("indirect descriptor within a chain");
                }
                if (!readTable(gatherer, address, length)) {
                    return Optional.empty();
                }
            } else if (!gatherer.add(address, length, (flags & VIRTQ_DESC_F_WRITE) != 0)) {
                return Optional.empty();
            }
            position = advance(position, 1);
            if (last) {
                if (!lend(slots)) {
                    return Optional.empty();
                }
                nextAvail = position;
                return Optional.of(gatherer.chain(id, slots));
            }
        }
    }

    /**
     * Takes all descriptors of an indirect table, of whose flags only WRITE counts (section 2.8.7).
     */
    private boolean readTable(Gatherer gatherer, long address, long length) {
        Optional<MemorySegment> table = indirectTable(address, length);
        if (table.isEmpty()) {
            return false;
        }
        for (long at = 0; at < length; at += DESCRIPTOR_SIZE) {
            int flags = table.get().get(LE16, at + 14);
            if (!gatherer.add(
                    table.get().get(LE64, at),
                    table.get().get(LE32, at + 8) & 0xFFFF_FFFFL,
                    (flags & VIRTQ_DESC_F_WRITE) != 0)) {
                return false;
            }
        }
        return true;
    }

    @Override
    boolean give(int id, int slots, int written) {
        long at = offset(nextUsed);
        int flags = (nextUsed & WRAP) != 0 ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;
        descriptors.set(LE16, at + 12, (short) id);
        descriptors.set(LE32, at + 8, written);
        release16(descriptors, at + 14, flags | (written != 0 ? VIRTQ_DESC_F_WRITE : 0));
        wroteDescriptorArea(at + 8, 8);
        nextUsed = advance(nextUsed, slots);
        VarHandle.fullFence();
        return switch (acquire16(driver, EVENT_FLAGS) & 3) {
            case RING_EVENT_FLAGS_DISABLE -> false;
            case RING_EVENT_FLAGS_DESC -> !eventIdx || passed(slots);
            default -> true;
        };
    }

    /**
     * Whether giving back the last {@code slots} entries used the one that the driver waits for.
     */
    private boolean passed(int slots) {
        int event = acquire16(driver, EVENT_DESC);
        int position = event & (WRAP - 1);
        if ((event & WRAP) != (nextUsed & WRAP)) {
            position -= size;
        }
        int now = nextUsed & (WRAP - 1);
        return position >= now - slots && position < now;
    }

    /**
     * {@code position} moved on by at most {@link #size} entries; past the end the wrap counter
     * turns.
     */
    private int advance(int position, int by) {
        int slot = (position & (WRAP - 1)) + by;
        return slot < size ? (position & WRAP) | slot : (~position & WRAP) | (slot - size);
    }

    private static long offset(int position) {
        return (long) (position & (WRAP - 1)) * DESCRIPTOR_SIZE;
    }

    @Override
    Optional<String> badSize() {
        if (size == 0) {
            return Optional.of("size 0");
        }
        return (nextAvail & (WRAP - 1)) < size && (nextUsed & (WRAP - 1)) < size
                ? Optional.empty()
                : Optional.of("a position beyond its size " + size);
    }

    @Override
    long driverAreaSize() {
        return EVENT_SIZE;
    }

    @Override
    long deviceAreaSize() {
        return EVENT_SIZE;
    }

    @Override
    int driverAreaAlignment() {
        return 4;
    }
}
