// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * The driver's side of a split queue, written from virtio 1.2, section 2.7, not from the device's
 * code.
 */
final class SplitDriverQueue implements DriverQueue {
    private static final VarHandle SHORT =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    final long descriptors;
    final long avail;
    final long used;
    private final MemorySegment ram;
    private final int index;
    private final int size;
    private final boolean eventIdx;
    private final int[] links;
    private int free;
    private int freeCount;
    private int added;
    private int kicked;
    private int seen;

    SplitDriverQueue(Guest guest, int index, int size, boolean eventIdx) {
        ram = guest.ram.segment();
        this.index = index;
        this.size = size;
        this.eventIdx = eventIdx;
        descriptors = guest.allocate(16L * size, 16);
        avail = guest.allocate(6 + 2L * size, 2);
        used = guest.allocate(6 + 8L * size, 4);
        links = new int[size];
        for (int i = 0; i < size; i++) {
            links[i] = i + 1;
        }
        freeCount = size;
    }

    @Override
    public int index() {
        return index;
    }

    @Override
    public int add(Element... elements) {
        int head = free;
        int at = head;
        for (int i = 0; i < elements.length; i++) {
            if (freeCount == 0) {
                throw new IllegalStateException("the ring is full");
            }
            freeCount--;
            at = free;
            free = links[at];
            boolean last = i == elements.length - 1;
            int flags = (elements[i].write() ? 2 : 0) | (last ? 0 : 1);
            describe(
                    descriptors + 16L * at,
                    elements[i].address(),
                    elements[i].length(),
                    flags,
                    last ? 0 : free);
        }
        links[at] = -1;
        publish(head);
        return head;
    }

    @Override
    public int addIndirect(long table, Element... elements) {
        for (int i = 0; i < elements.length; i++) {
            boolean last = i == elements.length - 1;
            int flags = (elements[i].write() ? 2 : 0) | (last ? 0 : 1);
            describe(
                    table + 16L * i,
                    elements[i].address(),
                    elements[i].length(),
                    flags,
                    last ? 0 : i + 1);
        }
        int head = free;
        freeCount--;
        free = links[head];
        describe(descriptors + 16L * head, table, 16 * elements.length, 4, 0);
        links[head] = -1;
        publish(head);
        return head;
    }

    void describe(long at, long address, int length, int flags, int next) {
        ram.set(ValueLayout.JAVA_LONG_UNALIGNED, at, address);
        ram.set(ValueLayout.JAVA_INT_UNALIGNED, at + 8, length);
        ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 12, (short) flags);
        ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 14, (short) next);
    }

    /** Puts a head into the available ring as it is. */
    void publish(int head) {
        SHORT.set(ram, avail + 4 + 2L * (added & (size - 1)), (short) head);
        added = (added + 1) & 0xFFFF;
        SHORT.setRelease(ram, avail + 2, (short) added);
    }

    /** Stores the available index as it is. */
    void setAvailIdx(int idx) {
        SHORT.setRelease(ram, avail + 2, (short) idx);
    }

    @Override
    public boolean needsKick() {
        VarHandle.fullFence();
        int from = kicked;
        kicked = added;
        if (eventIdx) {
            int event = (short) SHORT.getAcquire(ram, used + 4 + 8L * size) & 0xFFFF;
            return ((added - event - 1) & 0xFFFF) < ((added - from) & 0xFFFF);
        }
        return added != from && ((short) SHORT.getAcquire(ram, used) & 1) == 0;
    }

    @Override
    public Optional<Used> poll() {
        if (usedIdx() == seen) {
            return Optional.empty();
        }
        long element = used + 4 + 8L * (seen & (size - 1));
        int id = ram.get(ValueLayout.JAVA_INT_UNALIGNED, element);
        long written = ram.get(ValueLayout.JAVA_INT_UNALIGNED, element + 4) & 0xFFFF_FFFFL;
        seen = (seen + 1) & 0xFFFF;
        int last = id;
        int count = 1;
        while ((ram.get(ValueLayout.JAVA_SHORT_UNALIGNED, descriptors + 16L * last + 12) & 1)
                != 0) {
            last =
                    ram.get(ValueLayout.JAVA_SHORT_UNALIGNED, descriptors + 16L * last + 14)
                            & 0xFFFF;
            count++;
        }
        links[last] = free;
        free = id;
        freeCount += count;
        relink(id, last);
        return Optional.of(new Used(id, written));
    }

    private void relink(int id, int last) {
        int at = id;
        while (at != last) {
            int next =
                    ram.get(ValueLayout.JAVA_SHORT_UNALIGNED, descriptors + 16L * at + 14) & 0xFFFF;
            links[at] = next;
            at = next;
        }
    }

    int usedIdx() {
        return (short) SHORT.getAcquire(ram, used + 2) & 0xFFFF;
    }

    @Override
    public boolean enableInterrupt() {
        if (eventIdx) {
            SHORT.setRelease(ram, avail + 4 + 2L * size, (short) seen);
        } else {
            SHORT.setRelease(ram, avail, (short) 0);
        }
        VarHandle.fullFence();
        return usedIdx() == seen;
    }

    @Override
    public void disableInterrupt() {
        if (eventIdx) {
            SHORT.setRelease(ram, avail + 4 + 2L * size, (short) (seen - 1));
        } else {
            SHORT.setRelease(ram, avail, (short) 1);
        }
    }

    @Override
    public int room() {
        return freeCount;
    }
}
