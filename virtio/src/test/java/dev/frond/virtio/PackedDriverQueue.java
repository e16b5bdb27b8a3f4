// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Optional;

/**
 * The driver's side of a packed queue, written from virtio 1.2, section 2.8, not from the device's
 * code.
 */
final class PackedDriverQueue implements DriverQueue {
    private static final VarHandle SHORT =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    final long ring;
    final long driverEvents;
    final long deviceEvents;
    private final MemorySegment ram;
    private final int index;
    private final int size;
    private final boolean eventIdx;
    private final int[] lengths;
    private final ArrayDeque<Integer> ids = new ArrayDeque<>();
    private int next;
    private boolean wrap = true;
    private int seen;
    private boolean seenWrap = true;
    private int free;
    private int addedSinceKick;

    PackedDriverQueue(Guest guest, int index, int size, boolean eventIdx) {
        ram = guest.ram.segment();
        this.index = index;
        this.size = size;
        this.eventIdx = eventIdx;
        ring = guest.allocate(16L * size, 16);
        driverEvents = guest.allocate(4, 4);
        deviceEvents = guest.allocate(4, 4);
        lengths = new int[size];
        free = size;
        for (int i = 0; i < size; i++) {
            ids.add(i);
        }
    }

    @Override
    public int index() {
        return index;
    }

    @Override
    public int add(Element... elements) {
        if (elements.length > free) {
            throw new IllegalStateException("the ring is full");
        }
        int id = ids.remove();
        lengths[id] = elements.length;
        long first = ring + 16L * next;
        int firstFlags = 0;
        for (int i = 0; i < elements.length; i++) {
            boolean last = i == elements.length - 1;
            int flags = (elements[i].write() ? 2 : 0) | (last ? 0 : 1) | availableFlags();
            long at = ring + 16L * next;
            describe(at, elements[i].address(), elements[i].length(), id);
            if (i == 0) {
                firstFlags = flags;
            } else {
                SHORT.set(ram, at + 14, (short) flags);
            }
            step();
        }
        SHORT.setRelease(ram, first + 14, (short) firstFlags);
        return id;
    }

    @Override
    public int addIndirect(long table, Element... elements) {
        for (int i = 0; i < elements.length; i++) {
            describe(table + 16L * i, elements[i].address(), elements[i].length(), 0);
            ram.set(
                    ValueLayout.JAVA_SHORT_UNALIGNED,
                    table + 16L * i + 14,
                    (short) (elements[i].write() ? 2 : 0));
        }
        int id = ids.remove();
        lengths[id] = 1;
        long at = ring + 16L * next;
        describe(at, table, 16 * elements.length, id);
        int flags = 4 | availableFlags();
        step();
        SHORT.setRelease(ram, at + 14, (short) flags);
        return id;
    }

    private int availableFlags() {
        return wrap ? 1 << 7 : 1 << 15;
    }

    private void describe(long at, long address, int length, int id) {
        ram.set(ValueLayout.JAVA_LONG_UNALIGNED, at, address);
        ram.set(ValueLayout.JAVA_INT_UNALIGNED, at + 8, length);
        ram.set(ValueLayout.JAVA_SHORT_UNALIGNED, at + 12, (short) id);
    }

    private void step() {
        free--;
        addedSinceKick++;
        if (++next == size) {
            next = 0;
            wrap = !wrap;
        }
    }

    @Override
    public boolean needsKick() {
        VarHandle.fullFence();
        int added = addedSinceKick;
        addedSinceKick = 0;
        int flags = (short) SHORT.getAcquire(ram, deviceEvents + 2) & 3;
        if (added == 0 || flags == 1) {
            return false;
        }
        if (flags == 0) {
            return true;
        }
        int event = (short) SHORT.getAcquire(ram, deviceEvents) & 0xFFFF;
        int position = event & 0x7FFF;
        // The entries added are next - added .. next - 1, the negative ones in the lap before.
        if ((event >>> 15 != 0) != wrap) {
            position -= size;
        }
        return position >= next - added && position < next;
    }

    private boolean isUsed() {
        int flags = (short) SHORT.getAcquire(ram, ring + 16L * seen + 14);
        boolean available = (flags & 1 << 7) != 0;
        boolean used = (flags & 1 << 15) != 0;
        return available == used && used == seenWrap;
    }

    @Override
    public Optional<Used> poll() {
        if (!isUsed()) {
            return Optional.empty();
        }
        long at = ring + 16L * seen;
        int id = ram.get(ValueLayout.JAVA_SHORT_UNALIGNED, at + 12) & 0xFFFF;
        long written = ram.get(ValueLayout.JAVA_INT_UNALIGNED, at + 8) & 0xFFFF_FFFFL;
        seen += lengths[id];
        if (seen >= size) {
            seen -= size;
            seenWrap = !seenWrap;
        }
        free += lengths[id];
        ids.add(id);
        return Optional.of(new Used(id, written));
    }

    @Override
    public boolean enableInterrupt() {
        if (eventIdx) {
            SHORT.setRelease(ram, driverEvents, (short) (seen | (seenWrap ? 1 << 15 : 0)));
            SHORT.setRelease(ram, driverEvents + 2, (short) 2);
        } else {
            SHORT.setRelease(ram, driverEvents + 2, (short) 0);
        }
        VarHandle.fullFence();
        return !isUsed();
    }

    @Override
    public void disableInterrupt() {
        SHORT.setRelease(ram, driverEvents + 2, (short) 1);
    }

    @Override
    public int room() {
        return free;
    }
}
