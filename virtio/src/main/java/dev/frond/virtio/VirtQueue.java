// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Lock;

/**
 * The device's side of one virtqueue (virtio 1.2, section 2.6). Every method is called with the
 * device's lock held. Whatever a hostile driver writes into the rings, at most {@code maxSize}
 * descriptors are followed per chain and at most as many chains are out as the ring has entries;
 * what the specification forbids makes the device need a reset, and from then on the queue stands
 * still.
 */
public abstract sealed class VirtQueue permits SplitQueue, PackedQueue {
    /** The most entries of a queue (sections 2.7 and 2.8). */
    public static final int MAX_SIZE = 32768;

    /**
     * Everything that must survive a queue's save and restore.
     *
     * @param size entries that the driver set, 0..32768
     * @param ready whether the driver enabled the queue
     * @param descriptorArea guest-physical address of the descriptor table or packed ring
     * @param driverArea guest-physical address of the available ring or driver event suppression
     * @param deviceArea guest-physical address of the used ring or device event suppression
     * @param nextAvail where the next chain will be taken: a split ring's free-running 16-bit
     *     index, a packed ring's position in bits 14:0 and wrap counter in bit 15
     * @param nextUsed where the next chain will be given back, in the same form
     */
    public record State(
            int size,
            boolean ready,
            long descriptorArea,
            long driverArea,
            long deviceArea,
            int nextAvail,
            int nextUsed) {
        /** A queue that no driver set up yet; its size is the device's choice. */
        public static final State RESET = new State(0, false, 0, 0, 0, 0, 0);

        public State {
            check("size", size, MAX_SIZE);
            check("nextAvail", nextAvail, 0xFFFF);
            check("nextUsed", nextUsed, 0xFFFF);
        }

        private static void check(String field, int value, int max) {
            if (value < 0 || value > max) {
                throw new IllegalArgumentException(
                        "virtio queue: " + field + " is " + value + ": accepted is 0.." + max);
            }
        }
    }

    /** What a queue tells the transport. */
    interface Owner {
        /** The driver wants an interrupt for a chain given back. */
        void used();

        /** The driver broke the rules; the device needs a reset. */
        void needsReset(String reason);
    }

    static final int VIRTQ_DESC_F_NEXT = 1;
    static final int VIRTQ_DESC_F_WRITE = 2;
    static final int VIRTQ_DESC_F_INDIRECT = 4;
    static final int DESCRIPTOR_SIZE = 16;

    static final ValueLayout.OfLong LE64 =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt LE32 =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfShort LE16 =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** The ring fields that order all others; naturally aligned, as acquire and release demand. */
    private static final VarHandle ORDERED16 =
            ValueLayout.JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private static final long MAX_CHAIN_BYTES = 1L << 32;

    final int index;
    final int size;
    final int maxSize;
    final boolean indirect;
    final boolean eventIdx;
    int nextAvail;
    int nextUsed;
    MemorySegment descriptors = MemorySegment.NULL;
    MemorySegment driver = MemorySegment.NULL;
    MemorySegment device = MemorySegment.NULL;

    private final State opened;
    private final AddressSpace memory;
    private final Owner owner;
    private Optional<FlatView> resolved = Optional.empty();
    private int slotsOut;
    private boolean stopped;

    VirtQueue(
            int index, State state, int maxSize, long features, AddressSpace memory, Owner owner) {
        this.index = index;
        this.maxSize = maxSize;
        this.memory = memory;
        this.owner = owner;
        opened = state;
        size = state.size();
        indirect = (features & VirtioFeature.INDIRECT_DESC) != 0;
        eventIdx = (features & VirtioFeature.EVENT_IDX) != 0;
        nextAvail = state.nextAvail();
        nextUsed = state.nextUsed();
    }

    /**
     * Opens queue number {@code index} in the format that {@code features} name, where {@code
     * state} left it.
     */
    static VirtQueue open(
            int index, State state, int maxSize, long features, AddressSpace memory, Owner owner) {
        return (features & VirtioFeature.RING_PACKED) != 0
                ? new PackedQueue(index, state, maxSize, features, memory, owner)
                : new SplitQueue(index, state, maxSize, features, memory, owner);
    }

    /**
     * {@code state} as it is when a driver enables the queue: both positions at the ring's start.
     */
    static State enabled(State state, long features) {
        int start = (features & VirtioFeature.RING_PACKED) != 0 ? PackedQueue.WRAP : 0;
        return new State(
                state.size(),
                true,
                state.descriptorArea(),
                state.driverArea(),
                state.deviceArea(),
                start,
                start);
    }

    /**
     * Takes the next chain that the driver made available. When there is none, the driver has been
     * asked to notify for the next one: a device that stops calling before that may wait for ever.
     */
    public final Optional<Chain> next() {
        return isUsable() ? take() : Optional.empty();
    }

    /**
     * Gives {@code chain} back, with its first {@code written} writable bytes set by the device,
     * and interrupts the driver if it wants that. Does nothing after the queue was disabled or
     * reset.
     */
    public final void complete(Chain chain, long written) {
        if (chain.queue() != this || !chain.markCompleted()) {
            throw new IllegalStateException("a chain goes back to its own queue, once");
        }
        if (written < 0 || written > chain.writable().size()) {
            throw new IllegalArgumentException(
                    written + " bytes written: accepted is 0.." + chain.writable().size());
        }
        // Also when nobody asks for the chain any more: its memory did change.
        long[] runs = chain.written();
        for (int i = 0; i < runs.length; i += 2) {
            memory.wrote(runs[i], runs[i + 1]);
        }
        slotsOut -= chain.slots();
        if (isUsable() && give(chain.id(), chain.slots(), (int) Math.min(written, 0xFFFF_FFFFL))) {
            owner.used();
        }
    }

    /** What a thread that nobody waits for holds while it touches the memory of chains. */
    final Lock byDevice() {
        return memory.byDevice();
    }

    /** The state now. */
    final State save() {
        return new State(
                opened.size(),
                opened.ready(),
                opened.descriptorArea(),
                opened.driverArea(),
                opened.deviceArea(),
                nextAvail,
                nextUsed);
    }

    /** From now on the queue touches no guest memory any more. */
    final void stop() {
        stopped = true;
    }

    /** Takes the next chain, or asks the driver to notify. */
    abstract Optional<Chain> take();

    /** Puts a used element in the ring; true if the driver wants an interrupt for it. */
    abstract boolean give(int id, int slots, int written);

    /** Why the size cannot work in this format. */
    abstract Optional<String> badSize();

    /** The bytes of driver and device area. */
    abstract long driverAreaSize();

    abstract long deviceAreaSize();

    /** The alignment of driver and device area. */
    abstract int driverAreaAlignment();

    static final int DEVICE_AREA_ALIGNMENT = 4;

    /** Breaks the device. */
    final Optional<Chain> broken(String reason) {
        stopped = true;
        owner.needsReset("queue " + index + ": " + reason);
        return Optional.empty();
    }

    /**
     * Finds the ring in guest RAM, again if the memory map changed since; false if the queue stands
     * still.
     */
    private boolean isUsable() {
        if (stopped) {
            return false;
        }
        FlatView view = memory.view();
        if (resolved.isPresent() && resolved.get().equals(view)) {
            return true;
        }
        Optional<String> bad = badSize();
        if (bad.isPresent()) {
            broken(bad.get());
            return false;
        }
        Optional<MemorySegment> first =
                area(
                        "descriptor",
                        opened.descriptorArea(),
                        (long) size * DESCRIPTOR_SIZE,
                        DESCRIPTOR_SIZE);
        Optional<MemorySegment> second =
                area("driver", opened.driverArea(), driverAreaSize(), driverAreaAlignment());
        Optional<MemorySegment> third =
                area("device", opened.deviceArea(), deviceAreaSize(), DEVICE_AREA_ALIGNMENT);
        if (first.isEmpty() || second.isEmpty() || third.isEmpty()) {
            return false;
        }
        descriptors = first.get();
        driver = second.get();
        device = third.get();
        resolved = Optional.of(view);
        return true;
    }

    private Optional<MemorySegment> area(String name, long address, long length, int alignment) {
        if (stopped) {
            return Optional.empty();
        }
        Optional<MemorySegment> found =
                address % alignment == 0 ? memory.ram(address, length) : Optional.empty();
        if (found.isEmpty()) {
            broken(
                    name
                            + " area of "
                            + length
                            + " bytes at "
                            + hex(address)
                            + " is not RAM, or not aligned to "
                            + alignment);
        }
        return found;
    }

    /**
     * Whether {@code slots} more entries can be out; if not the driver reuses some that it lent
     * already.
     */
    final boolean lend(int slots) {
        if (slots > size - slotsOut) {
            broken("more than " + size + " entries made available before the device gave any back");
            return false;
        }
        slotsOut += slots;
        return true;
    }

    /** Finds an indirect table of {@code length} bytes; empty if the driver broke the rules. */
    final Optional<MemorySegment> indirectTable(long address, long length) {
        if (!indirect) {
            broken("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
            return Optional.empty();
        }
        if (length == 0 || length % DESCRIPTOR_SIZE != 0) {
            broken("indirect table of " + length + " bytes");
            return Optional.empty();
        }
        Optional<MemorySegment> table = memory.ram(address, length);
        if (table.isEmpty()) {
            broken("indirect table of " + length + " bytes at " + hex(address) + " is not RAM");
        }
        return table;
    }

    /** Tells the memory that the device area was stored to. */
    final void wroteDeviceArea(long offset, int length) {
        memory.wrote(opened.deviceArea() + offset, length);
    }

    /** Tells the memory that the descriptor area was stored to. */
    final void wroteDescriptorArea(long offset, int length) {
        memory.wrote(opened.descriptorArea() + offset, length);
    }

    static int acquire16(MemorySegment segment, long offset) {
        return (short) ORDERED16.getAcquire(segment, offset) & 0xFFFF;
    }

    static void release16(MemorySegment segment, long offset, int value) {
        ORDERED16.setRelease(segment, offset, (short) value);
    }

    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }

    /** Gathers the elements of one chain, checking each. */
    final class Gatherer {
        private final List<MemorySegment> readable = new ArrayList<>();
        private final List<MemorySegment> writable = new ArrayList<>();
        private long[] written = new long[4];
        private int writtenLength;
        private long bytes;
        private int elements;

        /**
         * Takes one element, whole: RAM that lies in several regions gives several runs. False if
         * the driver broke the rules.
         */
        boolean add(long address, long length, boolean write) {
            if (++elements > maxSize) {
                broken("chain of more than " + maxSize + " descriptors");
                return false;
            }
            bytes += length;
            if (bytes > MAX_CHAIN_BYTES) {
                broken("chain of more than 2^32 bytes");
                return false;
            }
            if (!write && !writable.isEmpty()) {
                broken("device-readable after device-writable descriptor");
                return false;
            }
            long at = address;
            long left = length;
            while (left > 0) {
                long taken = Math.min(left, remaining(at));
                Optional<MemorySegment> run = memory.ram(at, taken);
                if (run.isEmpty()) {
                    broken("descriptor of " + length + " bytes at " + hex(address) + " leaves RAM");
                    return false;
                }
                if (write) {
                    writable.add(run.get());
                    remember(at, taken);
                } else {
                    readable.add(run.get());
                }
                at += taken;
                left -= taken;
            }
            return true;
        }

        Chain chain(int id, int slots) {
            return new Chain(
                    VirtQueue.this,
                    id,
                    slots,
                    readable.isEmpty() ? Buffers.EMPTY : new Buffers(readable),
                    writable.isEmpty() ? Buffers.EMPTY : new Buffers(writable),
                    Arrays.copyOf(written, writtenLength));
        }

        private long remaining(long address) {
            long rest = memory.view().find(address).remaining(address);
            // Also 0 for the last byte of a range that covers the whole space, and what counts as
            // negative.
            return rest <= 0 ? Long.MAX_VALUE : rest;
        }

        private void remember(long address, long length) {
            if (writtenLength == written.length) {
                written = Arrays.copyOf(written, written.length * 2);
            }
            written[writtenLength++] = address;
            written[writtenLength++] = length;
        }
    }
}
