// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;

/**
 * A bus: regions mapped at 64-bit addresses, the one of higher priority (then the later one) on
 * top. Where nothing is mapped reads give all ones and writes go nowhere. Mapping may change while
 * CPUs and devices access: every change publishes a new {@link FlatView}.
 */
public final class AddressSpace {
    /** A region at its place; the handle that {@link #unmap} takes. */
    public static final class Mapping {
        private final long base;
        private final Region region;
        private final int priority;

        private Mapping(long base, Region region, int priority) {
            this.base = base;
            this.region = region;
            this.priority = priority;
        }

        /** The address of the region's first byte. */
        public long base() {
            return base;
        }

        /** What is mapped. */
        public Region region() {
            return region;
        }

        /** The higher one hides the lower one. */
        public int priority() {
            return priority;
        }
    }

    /**
     * Taken by every change of any space: an alias makes one space follow another, in either
     * direction.
     */
    private static final ReentrantLock CHANGES = new ReentrantLock();

    private final String name;
    private final List<Mapping> mappings = new ArrayList<>();
    private final List<AddressSpace> aliasedBy = new ArrayList<>();
    private final List<Consumer<FlatView>> followers = new CopyOnWriteArrayList<>();
    private final ReentrantReadWriteLock users = new ReentrantReadWriteLock(true);
    private volatile FlatView view = new FlatView(List.of());

    /** An empty space; {@code name} is used in error texts. */
    public AddressSpace(String name) {
        this.name = name;
    }

    /**
     * What a device's own thread holds while it looks at or changes memory; a thread that holds
     * this takes no other such lock. Nobody waits here but for {@link #withoutDevices}.
     */
    public Lock byDevice() {
        return users.readLock();
    }

    /**
     * What keeps devices from memory while it is held; whoever holds it enters no device. For
     * engines that execute something twice.
     */
    public Lock withoutDevices() {
        return users.writeLock();
    }

    /** The name given at construction. */
    public String name() {
        return name;
    }

    /** Maps {@code region} at {@code base} with priority 0. */
    public Mapping map(long base, Region region) {
        return map(base, region, 0);
    }

    /**
     * Maps {@code region} so that its first byte is at {@code base}; higher priorities hide lower
     * ones.
     */
    public Mapping map(long base, Region region, int priority) {
        if (base != 0 && Long.compareUnsigned(region.size() - 1, -1 - base) > 0) {
            throw new IllegalArgumentException(
                    name
                            + ": a region of "
                            + region.size()
                            + " bytes at 0x"
                            + Long.toHexString(base)
                            + " passes the end of the address space");
        }
        Mapping mapping = new Mapping(base, region, priority);
        CHANGES.lock();
        try {
            if (region instanceof Region.Alias alias) {
                if (alias.target().shows(this)) {
                    throw new IllegalArgumentException(
                            name
                                    + ": an alias of "
                                    + alias.target().name
                                    + " would show "
                                    + name
                                    + " within itself");
                }
                alias.target().aliasedBy.add(this);
            }
            mappings.add(mapping);
            publish();
        } finally {
            CHANGES.unlock();
        }
        return mapping;
    }

    /** Removes a mapping; does nothing if it is not mapped any more. */
    public void unmap(Mapping mapping) {
        CHANGES.lock();
        try {
            if (mappings.remove(mapping)) {
                if (mapping.region() instanceof Region.Alias alias) {
                    alias.target().aliasedBy.remove(this);
                }
                publish();
            }
        } finally {
            CHANGES.unlock();
        }
    }

    /** Whether a look-up here may end in {@code other}. */
    private boolean shows(AddressSpace other) {
        return this == other
                || mappings.stream()
                        .anyMatch(m ->
                                m.region() instanceof Region.Alias alias
                                        && alias.target().shows(other));
    }

    /** The view at this moment. */
    public FlatView view() {
        return view;
    }

    /** Gives the view to {@code follower} now and after each change. */
    public void follow(Consumer<FlatView> follower) {
        CHANGES.lock();
        try {
            followers.add(follower);
            follower.accept(view);
        } finally {
            CHANGES.unlock();
        }
    }

    /** Ends {@link #follow}. */
    public void unfollow(Consumer<FlatView> follower) {
        CHANGES.lock();
        try {
            followers.remove(follower);
        } finally {
            CHANGES.unlock();
        }
    }

    /** Reads {@code size} (1, 2, 4, 8) bytes at {@code address}, little-endian, zero-extended. */
    public long read(long address, int size) {
        FlatView current = view;
        FlatView.Range range = current.find(address);
        if (isSplit(current, range, address, size)) {
            long value = 0;
            for (int i = 0; i < size; i++) {
                value |= read(address + i, 1) << (8 * i);
            }
            return value;
        }
        long offset = range.offsetOf(address);
        return switch (range.region()) {
            case Region.Ram ram -> ram.memory().load(offset, size);
            case Region.Rom rom -> rom.memory().load(offset, size);
            case Region.RomIo rom -> rom.memory().load(offset, size);
            case Region.Io io -> readIo(io, offset, size);
            case Region.Alias _ -> throw new AssertionError("a flat view holds no alias");
        };
    }

    /** Writes the low {@code size} (1, 2, 4, 8) bytes of {@code value} at {@code address}. */
    public void write(long address, int size, long value) {
        FlatView current = view;
        FlatView.Range range = current.find(address);
        if (isSplit(current, range, address, size)) {
            for (int i = 0; i < size; i++) {
                write(address + i, 1, value >>> (8 * i));
            }
            return;
        }
        long offset = range.offsetOf(address);
        switch (range.region()) {
            case Region.Ram ram -> ram.memory().store(offset, size, value);
            case Region.Rom _ -> {}
            case Region.RomIo rom -> writeIo(rom.writes(), offset - rom.offset(), size, value);
            case Region.Io io -> writeIo(io, offset, size, value);
            case Region.Alias _ -> throw new AssertionError("a flat view holds no alias");
        }
    }

    /**
     * Whether {@code size} bytes at {@code address} are not all of one range, so that the bus
     * splits them.
     */
    private static boolean isSplit(FlatView view, FlatView.Range range, long address, int size) {
        return size > 1
                && (FlatView.isNothing(range)
                        ? !FlatView.isNothing(view.find(address + size - 1))
                        : Long.compareUnsigned(range.last() - address, size - 1) < 0);
    }

    /**
     * The RAM behind {@code length} bytes at {@code address} if all of it is one run of RAM; after
     * storing through it call {@link #wrote}.
     */
    public Optional<MemorySegment> ram(long address, long length) {
        FlatView.Range range = view.find(address);
        if (length > 0
                && range.region() instanceof Region.Ram ram
                && Long.compareUnsigned(length, range.remaining(address)) <= 0) {
            return Optional.of(ram.memory().slice(range.offsetOf(address), length));
        }
        return Optional.empty();
    }

    /**
     * Tells the memory behind {@link #ram} that {@code length} bytes at {@code address} were
     * stored.
     */
    public void wrote(long address, long length) {
        FlatView.Range range = view.find(address);
        if (range.region() instanceof Region.Ram ram) {
            ram.memory().wrote(range.offsetOf(address), length);
        }
    }

    /** Copies guest bytes at {@code address} into all of {@code target}. */
    public void readBytes(long address, MemorySegment target) {
        long done = 0;
        while (done < target.byteSize()) {
            long at = address + done;
            long chunk = Math.min(target.byteSize() - done, pageRest(at));
            Optional<MemorySegment> source = ram(at, chunk);
            if (source.isPresent()) {
                MemorySegment.copy(source.get(), 0, target, done, chunk);
            } else {
                for (long i = 0; i < chunk; i++) {
                    target.set(ValueLayout.JAVA_BYTE, done + i, (byte) read(at + i, 1));
                }
            }
            done += chunk;
        }
    }

    /** Copies all of {@code source} to the guest at {@code address}. */
    public void writeBytes(long address, MemorySegment source) {
        long done = 0;
        while (done < source.byteSize()) {
            long at = address + done;
            long chunk = Math.min(source.byteSize() - done, pageRest(at));
            Optional<MemorySegment> target = ram(at, chunk);
            if (target.isPresent()) {
                MemorySegment.copy(source, done, target.get(), 0, chunk);
                wrote(at, chunk);
            } else {
                for (long i = 0; i < chunk; i++) {
                    write(at + i, 1, source.get(ValueLayout.JAVA_BYTE, done + i));
                }
            }
            done += chunk;
        }
    }

    /** {@link #readBytes(long, MemorySegment)} into a new array of {@code length} bytes. */
    public byte[] readBytes(long address, int length) {
        byte[] bytes = new byte[length];
        readBytes(address, MemorySegment.ofArray(bytes));
        return bytes;
    }

    /** {@link #writeBytes(long, MemorySegment)} of an array. */
    public void writeBytes(long address, byte[] bytes) {
        writeBytes(address, MemorySegment.ofArray(bytes));
    }

    private static long pageRest(long address) {
        return 4096 - (address & 4095);
    }

    private static long readIo(Region.Io io, long offset, int size) {
        int min = io.widths().min();
        int max = io.widths().max();
        io.lock().lock();
        try {
            if (size < min) {
                int lane = (int) (offset & (min - 1));
                int here = Math.min(size, min - lane);
                long value = io.handler().read(offset - lane, min) >>> (8 * lane) & mask(here);
                if (here < size) {
                    value |=
                            (io.handler().read(offset - lane + min, min) & mask(size - here))
                                    << (8 * here);
                }
                return value;
            }
            if (size <= max) {
                return io.handler().read(offset, size) & mask(size);
            }
            long value = 0;
            for (int i = 0; i < size; i += max) {
                value |= (io.handler().read(offset + i, max) & mask(max)) << (8 * i);
            }
            return value;
        } finally {
            io.lock().unlock();
        }
    }

    private static void writeIo(Region.Io io, long offset, int size, long value) {
        int min = io.widths().min();
        int max = io.widths().max();
        io.lock().lock();
        try {
            if (size < min) {
                int lane = (int) (offset & (min - 1));
                int here = Math.min(size, min - lane);
                io.handler().write(offset - lane, min, (value & mask(here)) << (8 * lane));
                if (here < size) {
                    io.handler()
                            .write(
                                    offset - lane + min,
                                    min,
                                    value >>> (8 * here) & mask(size - here));
                }
            } else if (size <= max) {
                io.handler().write(offset, size, value & mask(size));
            } else {
                for (int i = 0; i < size; i += max) {
                    io.handler().write(offset + i, max, value >>> (8 * i) & mask(max));
                }
            }
        } finally {
            io.lock().unlock();
        }
    }

    private static long mask(int size) {
        return size == 8 ? -1L : (1L << (8 * size)) - 1;
    }

    private void publish() {
        List<FlatView.Range> flat = flatten();
        FlatView next = new FlatView(flat);
        view = next;
        followers.forEach(f -> f.accept(next));
        aliasedBy.forEach(AddressSpace::publish);
    }

    /** Lays the mappings over each other, top one first, each filling only the gaps left. */
    private List<FlatView.Range> flatten() {
        List<Mapping> topFirst = new ArrayList<>(mappings.reversed());
        topFirst.sort(Comparator.comparingInt(Mapping::priority).reversed());
        List<FlatView.Range> flat = new ArrayList<>();
        for (Mapping mapping : topFirst) {
            long last = mapping.base() + mapping.region().size() - 1;
            for (FlatView.Range piece : pieces(mapping, last)) {
                fillGaps(flat, piece);
            }
        }
        return flat;
    }

    /**
     * What one mapping shows: itself, or for an alias the part of the target's view in its window.
     */
    private static List<FlatView.Range> pieces(Mapping mapping, long last) {
        if (!(mapping.region() instanceof Region.Alias alias)) {
            long offset =
                    switch (mapping.region()) {
                        case Region.Ram ram -> ram.offset();
                        case Region.Rom rom -> rom.offset();
                        case Region.RomIo rom -> rom.offset();
                        default -> 0;
                    };
            return List.of(new FlatView.Range(mapping.base(), last, mapping.region(), offset));
        }
        List<FlatView.Range> pieces = new ArrayList<>();
        long windowLast = alias.offset() + alias.size() - 1;
        for (FlatView.Range range : alias.target().view().ranges()) {
            long from = unsignedMax(range.start(), alias.offset());
            long to = unsignedMin(range.last(), windowLast);
            if (Long.compareUnsigned(from, to) <= 0) {
                long shift = mapping.base() - alias.offset();
                pieces.add(
                        new FlatView.Range(
                                from + shift, to + shift, range.region(), range.offsetOf(from)));
            }
        }
        return pieces;
    }

    private static void fillGaps(List<FlatView.Range> flat, FlatView.Range piece) {
        long from = piece.start();
        int index = 0;
        while (true) {
            while (index < flat.size() && Long.compareUnsigned(flat.get(index).last(), from) < 0) {
                index++;
            }
            if (index == flat.size()
                    || Long.compareUnsigned(flat.get(index).start(), piece.last()) > 0) {
                flat.add(index, part(piece, from, piece.last()));
                return;
            }
            FlatView.Range above = flat.get(index);
            if (Long.compareUnsigned(from, above.start()) < 0) {
                flat.add(index++, part(piece, from, above.start() - 1));
            }
            if (Long.compareUnsigned(above.last(), piece.last()) >= 0) {
                return;
            }
            from = above.last() + 1;
            index++;
        }
    }

    private static FlatView.Range part(FlatView.Range piece, long from, long last) {
        return new FlatView.Range(from, last, piece.region(), piece.offsetOf(from));
    }

    private static long unsignedMax(long a, long b) {
        return Long.compareUnsigned(a, b) >= 0 ? a : b;
    }

    private static long unsignedMin(long a, long b) {
        return Long.compareUnsigned(a, b) <= 0 ? a : b;
    }
}
