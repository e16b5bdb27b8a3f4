// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.host.HostException;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Tells KVM where memory is: one slot for each run of whole pages of RAM or ROM in a {@link
 * FlatView}. What is no whole page, and stores to ROM, come to the bus as device accesses.
 */
final class MemorySlots {
    private static final long PAGE = 1L << GuestMemory.PAGE_SHIFT;

    private static final long SLOT = Structs.at(Structs.USERSPACE_MEMORY_REGION, "slot");
    private static final long FLAGS = Structs.at(Structs.USERSPACE_MEMORY_REGION, "flags");
    private static final long GUEST_PHYS_ADDR =
            Structs.at(Structs.USERSPACE_MEMORY_REGION, "guest_phys_addr");
    private static final long MEMORY_SIZE =
            Structs.at(Structs.USERSPACE_MEMORY_REGION, "memory_size");
    private static final long USERSPACE_ADDR =
            Structs.at(Structs.USERSPACE_MEMORY_REGION, "userspace_addr");
    private static final long LOG_SLOT = Structs.at(Structs.DIRTY_LOG, "slot");
    private static final long LOG_BITMAP = Structs.at(Structs.DIRTY_LOG, "dirty_bitmap");

    /** A run of whole pages. */
    private record Slot(
            long address, long size, GuestMemory memory, long offset, boolean readOnly) {}

    /** Under which number KVM has it, and with which flags. */
    private record Entry(int number, int flags) {
        boolean isLogged() {
            return (flags & Kvm.MEM_LOG_DIRTY_PAGES) != 0;
        }
    }

    private final ControlFile vm;
    private final Gate gate;
    private final int most;
    private final Optional<DirtyRings> rings;
    private final Map<Slot, Entry> slots = new LinkedHashMap<>();
    private final Map<Integer, Slot> numbered = new HashMap<>();
    private final BitSet taken = new BitSet();
    private final Set<GuestMemory> known = new HashSet<>();
    private final Runnable harvester = this::harvest;
    private FlatView view;
    private boolean closed;

    /**
     * No memory yet; {@code most} slots are there.
     *
     * @param rings where KVM tells what was stored to; else it has a log for each slot
     */
    MemorySlots(ControlFile vm, Gate gate, int most, Optional<DirtyRings> rings, FlatView empty) {
        this.rings = rings;
        this.vm = vm;
        this.gate = gate;
        this.most = most;
        view = empty;
    }

    /**
     * Makes the slots those of {@code next}.
     *
     * @throws HostException if there are not enough slots, or KVM refuses one
     */
    synchronized void follow(FlatView next) {
        if (!closed) {
            view = next;
            update();
        }
    }

    /** Forgets the machine's memory. */
    synchronized void close() {
        closed = true;
        known.forEach(each -> each.dirtyLog().offHarvest(harvester));
    }

    private void update() {
        List<Slot> wanted = wanted();
        if (wanted.size() > most) {
            throw new HostException(
                    "KVM_SET_USER_MEMORY_REGION",
                    "memory map",
                    wanted.size()
                            + " runs of memory, and this kernel has "
                            + most
                            + " slots; a machine with fewer devices, or another engine"
                            + " ('--engine translator'), can do");
        }
        if (wanted.containsAll(slots.keySet())) {
            change(wanted);
        } else {
            gate.whileOutside(() -> change(wanted));
        }
    }

    private void change(List<Slot> wanted) {
        // What is there no more goes first: slots must not overlap.
        boolean _ = collect();
        for (Slot slot : List.copyOf(slots.keySet())) {
            if (!wanted.contains(slot)) {
                if (rings.isEmpty()) {
                    harvest(slot);
                }
                Entry entry = slots.remove(slot);
                if (entry != null) {
                    set(entry.number, slot, 0, 0);
                    taken.clear(entry.number);
                    numbered.remove(entry.number);
                }
            }
        }
        for (Slot slot : wanted) {
            int flags =
                    (slot.readOnly ? Kvm.MEM_READONLY : 0)
                            | (slot.memory.dirtyLog().isLogging() ? Kvm.MEM_LOG_DIRTY_PAGES : 0);
            Entry entry = slots.get(slot);
            if (entry == null || entry.flags != flags) {
                int number = entry == null ? taken.nextClearBit(0) : entry.number;
                set(number, slot, slot.size, flags);
                taken.set(number);
                slots.put(slot, new Entry(number, flags));
                numbered.put(number, slot);
            }
            if (known.add(slot.memory)) {
                slot.memory.dirtyLog().onHarvest(harvester);
            }
        }
    }

    private List<Slot> wanted() {
        List<Slot> wanted = new ArrayList<>();
        for (FlatView.Range range : view.ranges()) {
            switch (range.region()) {
                case Region.Ram ram -> add(wanted, range, ram.memory(), false);
                case Region.Rom rom -> add(wanted, range, rom.memory(), true);
                case Region.RomIo rom -> add(wanted, range, rom.memory(), true);
                case Region.Io _ -> {}
                case Region.Alias _ -> throw new AssertionError("a flat view holds no alias");
            }
        }
        return wanted;
    }

    private static void add(
            List<Slot> wanted, FlatView.Range range, GuestMemory memory, boolean readOnly) {
        long first = range.start() + PAGE - 1 & -PAGE;
        long end = range.last() + 1 & -PAGE;
        long offset = range.offsetOf(first);
        if (Long.compareUnsigned(first, end) < 0 && offset % PAGE == 0) {
            wanted.add(new Slot(first, end - first, memory, offset, readOnly));
        }
    }

    private void set(int number, Slot slot, long size, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment region = arena.allocate(Structs.USERSPACE_MEMORY_REGION);
            region.set(JAVA_INT, SLOT, number);
            region.set(JAVA_INT, FLAGS, flags);
            region.set(JAVA_LONG, GUEST_PHYS_ADDR, slot.address);
            region.set(JAVA_LONG, MEMORY_SIZE, size);
            region.set(JAVA_LONG, USERSPACE_ADDR, slot.memory.segment().address() + slot.offset);
            int result = vm.tryCall(Kvm.SET_USER_MEMORY_REGION, region.address());
            if (result < 0) {
                throw new HostException(
                        Kvm.SET_USER_MEMORY_REGION.name(),
                        size + " bytes at 0x" + Long.toHexString(slot.address),
                        -result);
            }
        }
    }

    /** Hands what KVM logged to the logs of the memories; begins to log where that was started. */
    private synchronized void harvest() {
        if (!closed) {
            if (rings.isEmpty()) {
                slots.keySet().forEach(this::harvest);
            } else if (isLogging()) {
                // What the processor has not told KVM of yet comes when the CPUs leave the guest.
                gate.whileOutside(() -> {
                    boolean _ = collect();
                });
            }
            update();
        }
    }

    private boolean isLogging() {
        return slots.values().stream().anyMatch(Entry::isLogged);
    }

    /**
     * Hands what is in the rings to the logs of the memories.
     *
     * @return whether there was anything
     */
    synchronized boolean collect() {
        return rings.isPresent() && rings.get().collect(this::mark);
    }

    private void mark(int number, long page) {
        Slot slot = numbered.get(number);
        if (slot != null) {
            slot.memory.dirtyLog().mark(slot.offset / PAGE + page);
        }
    }

    private void harvest(Slot slot) {
        Entry entry = slots.get(slot);
        if (entry == null || !entry.isLogged() || !slot.memory.dirtyLog().isLogging()) {
            return;
        }
        long pages = slot.size / PAGE;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bitmap = arena.allocate((pages + 63) / 64 * 8, 8);
            MemorySegment log = arena.allocate(Structs.DIRTY_LOG);
            log.set(JAVA_INT, LOG_SLOT, entry.number);
            log.set(JAVA_LONG, LOG_BITMAP, bitmap.address());
            vm.call(Kvm.GET_DIRTY_LOG, log);
            long firstPage = slot.offset / PAGE;
            for (long at = 0; at < bitmap.byteSize(); at += 8) {
                long word = bitmap.get(JAVA_LONG, at);
                while (word != 0) {
                    long page = at * 8 + Long.numberOfTrailingZeros(word);
                    slot.memory.dirtyLog().mark(firstPage + page);
                    word &= word - 1;
                }
            }
        }
    }
}
