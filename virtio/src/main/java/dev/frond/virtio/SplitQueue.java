// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.memory.AddressSpace;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/** A split virtqueue: descriptor table, available ring, used ring (virtio 1.2, section 2.7). */
final class SplitQueue extends VirtQueue {
    private static final int VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
    private static final int FLAGS = 0;
    private static final int IDX = 2;
    private static final int RING = 4;
    private static final int USED_ELEMENT_SIZE = 8;

    SplitQueue(
            int index, State state, int maxSize, long features, AddressSpace memory, Owner owner) {
        super(index, state, maxSize, features, memory, owner);
    }

    @Override
    Optional<Chain> take() {
        int available = acquire16(driver, IDX);
        if (available == nextAvail) {
            if (!eventIdx) {
                return Optional.empty();
            }
            // Ask for a notification, then look again: the driver may have added a chain before it
            // could
            // see the new avail_event. Each side stores before it loads, so one of them sees the
            // other.
            long availEvent = RING + (long) size * USED_ELEMENT_SIZE;
            release16(device, availEvent, nextAvail);
            wroteDeviceArea(availEvent, 2);
            VarHandle.fullFence();
            available = acquire16(driver, IDX);
            if (available == nextAvail) {
                return Optional.empty();
            }
        }
        int pending = (available - nextAvail) & 0xFFFF;
        if (pending > size) {
            return broken(
                    "available index " + available + " is " + pending + " ahead of the device");
        }
        int head = driver.get(LE16, RING + 2L * (nextAvail & (size - 1))) & 0xFFFF;
        Optional<Chain> chain = read(head);
        if (chain.isPresent()) {
            nextAvail = (nextAvail + 1) & 0xFFFF;
        }
        return chain;
    }

    /** Follows the chain that starts at descriptor {@code head}. */
    private Optional<Chain> read(int head) {
        Gatherer gatherer = new Gatherer();
        MemorySegment table = descriptors;
        boolean inTable = false;
        int descriptor = head;
        while (true) {
            if (descriptor >= table.byteSize() / DESCRIPTOR_SIZE) {
                return broken(
                        "descriptor " + descriptor + " of " + table.byteSize() / DESCRIPTOR_SIZE);
            }
            long at = (long) descriptor * DESCRIPTOR_SIZE;
            long address = table.get(LE64, at);
            long length = table.get(LE32, at + 8) & 0xFFFF_FFFFL;
            int flags = table.get(LE16, at + 12);
            int next = table.get(LE16, at + 14) & 0xFFFF;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                if (inTable || (flags & VIRTQ_DESC_F_NEXT) != 0) {
                    return broken(
                            "indirect descriptor inside an indirect table or with a successor");
                }
                Optional<MemorySegment> indirectTable = indirectTable(address, length);
                if (indirectTable.isEmpty()) {
                    return Optional.empty();
                }
                table = indirectTable.get();
                inTable = true;
                descriptor = 0;
                continue;
            }
            if (!gatherer.add(address, length, (flags & VIRTQ_DESC_F_WRITE) != 0)) {
                return Optional.empty();
            }
            if ((flags & VIRTQ_DESC_F_NEXT) == 0) {
                return lend(1) ? Optional.of(gatherer.chain(head, 1)) : Optional.empty();
            }
            descriptor = next;
        }
    }

    @Override
    boolean give(int id, int slots, int written) {
        long element = RING + (long) (nextUsed & (size - 1)) * USED_ELEMENT_SIZE;
        device.set(LE32, element, id);
        device.set(LE32, element + 4, written);
        int used = nextUsed;
        nextUsed = (nextUsed + 1) & 0xFFFF;
        release16(device, IDX, nextUsed);
        wroteDeviceArea(element, USED_ELEMENT_SIZE);
        wroteDeviceArea(IDX, 2);
        // The driver sets used_event or flags and then looks at idx; the other order here.
        VarHandle.fullFence();
        return eventIdx
                ? acquire16(driver, RING + 2L * size) == used
                : (acquire16(driver, FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
    }

    @Override
    Optional<String> badSize() {
        return Integer.bitCount(size) == 1
                ? Optional.empty()
                : Optional.of("size " + size + " is not a power of 2");
    }

    @Override
    long driverAreaSize() {
        return RING + 2L * size + (eventIdx ? 2 : 0);
    }

    @Override
    long deviceAreaSize() {
        return RING + (long) USED_ELEMENT_SIZE * size + (eventIdx ? 2 : 0);
    }

    @Override
    int driverAreaAlignment() {
        return 2;
    }
}
