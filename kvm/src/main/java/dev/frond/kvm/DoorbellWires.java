// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.host.Epoll;
import dev.frond.host.EventFd;
import dev.frond.machine.memory.Doorbells;
import dev.frond.machine.memory.Doorbells.Doorbell;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.Region;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The {@link Doorbells} of a machine's memory as KVM's ioeventfds: the kernel counts such a write
 * and lets the guest go on, and one thread passes it to its device. CPUs that stop pass on what is
 * left ({@link #flush}), so that nothing is under way in a machine that stands still.
 */
final class DoorbellWires implements AutoCloseable {
    private record Place(long address, Doorbell doorbell, Region.Io region) {}

    private record Wire(EventFd event, Place place) {}

    /** The key of the event that wakes the thread for what is to be done beside doorbells. */
    private static final long WAKE = 0;

    private static final int AT_ONCE = 16;

    private final ControlFile vm;
    private final Map<Long, Wire> wires = new ConcurrentHashMap<>();
    private final Map<Place, Long> keys = new HashMap<>();

    /** Held from taking a count until the device has it; nobody takes it who holds a device. */
    private final ReentrantLock delivering = new ReentrantLock();

    /** Wires that are no more, and whose counters are to be closed. */
    private final Queue<Wire> retired = new ConcurrentLinkedQueue<>();

    private @Nullable Waiter waiter;
    private long nextKey = WAKE + 1;
    private boolean closed;
    private volatile @Nullable RuntimeException failure;
    private Runnable onFailure = () -> {};

    DoorbellWires(ControlFile vm) {
        this.vm = vm;
    }

    /** Makes the doorbells those of {@code view}. */
    synchronized void follow(FlatView view) {
        if (closed) {
            return;
        }
        Set<Place> wanted = new HashSet<>();
        for (FlatView.Range range : view.ranges()) {
            if (range.region() instanceof Region.Io io && io.handler() instanceof Doorbells bells) {
                for (Doorbell bell : bells.doorbells()) {
                    long at = bell.offset() - range.offset();
                    if (at >= 0 && at + bell.size() - 1 <= range.last() - range.start()) {
                        wanted.add(new Place(range.start() + at, bell, io));
                    }
                }
            }
        }
        for (Place place : Set.copyOf(keys.keySet())) {
            if (!wanted.contains(place)) {
                remove(place);
            }
        }
        wanted.removeAll(keys.keySet());
        wanted.forEach(this::add);
    }

    private void add(Place place) {
        EventFd event = new EventFd();
        int result = assign(event, place, 0);
        if (result < 0) {
            // The bus has no room for more: such writes come to the CPU's thread, as all others do.
            event.close();
            return;
        }
        long key = nextKey++;
        wires.put(key, new Wire(event, place));
        keys.put(place, key);
        Waiter waiting = waiter;
        if (waiting == null) {
            waiting = new Waiter();
            waiter = waiting;
            waiting.thread.start();
        }
        waiting.epoll.add(event, key);
    }

    private void remove(Place place) {
        Long key = keys.remove(place);
        Wire wire = key == null ? null : wires.remove(key);
        if (wire != null) {
            int _ = assign(wire.event, place, Kvm.IOEVENTFD_FLAG_DEASSIGN);
            // Somebody may be delivering it, and wait for the device that this thread is in.
            retired.add(wire);
            if (waiter != null) {
                waiter.epoll.remove(wire.event);
                waiter.wake.signal();
            }
        }
    }

    private int assign(EventFd event, Place place, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wanted = arena.allocate(Structs.IOEVENTFD);
            wanted.set(
                    JAVA_LONG, Structs.at(Structs.IOEVENTFD, "datamatch"), place.doorbell.value());
            wanted.set(JAVA_LONG, Structs.at(Structs.IOEVENTFD, "addr"), place.address);
            wanted.set(JAVA_INT, Structs.at(Structs.IOEVENTFD, "len"), place.doorbell.size());
            wanted.set(JAVA_INT, Structs.at(Structs.IOEVENTFD, "fd"), event.descriptor());
            wanted.set(
                    JAVA_INT,
                    Structs.at(Structs.IOEVENTFD, "flags"),
                    Kvm.IOEVENTFD_FLAG_DATAMATCH | flags);
            return vm.tryCall(Kvm.IOEVENTFD, wanted.address());
        }
    }

    /** What is told when a device fails; {@link #failure} says how. */
    void onFailure(Runnable action) {
        onFailure = action;
    }

    /** How a device failed that was passed a write: a fault of Frond's. */
    Optional<RuntimeException> failure() {
        return Optional.ofNullable(failure);
    }

    /** Passes on all that the kernel has counted; for a CPU that is outside of the guest. */
    void flush() {
        wires.keySet().forEach(this::deliver);
    }

    private void deliver(long key) {
        delivering.lock();
        try {
            Wire wire = wires.get(key);
            if (wire == null || wire.event.take() == 0) {
                return;
            }
            Region.Io io = wire.place.region;
            Doorbell bell = wire.place.doorbell;
            io.lock().lock();
            try {
                io.handler().write(bell.offset(), bell.size(), bell.value());
            } finally {
                io.lock().unlock();
            }
        } catch (RuntimeException e) {
            failure = e;
            onFailure.run();
        } finally {
            delivering.unlock();
        }
    }

    private void closeRetired() {
        delivering.lock();
        try {
            for (Wire wire = retired.poll(); wire != null; wire = retired.poll()) {
                wire.event.close();
            }
        } finally {
            delivering.unlock();
        }
    }

    /** Ends it; no CPU may be running. */
    @Override
    public void close() {
        Waiter waiting;
        synchronized (this) {
            closed = true;
            waiting = waiter;
            waiter = null;
            retired.addAll(wires.values());
            wires.clear();
            keys.clear();
        }
        if (waiting != null) {
            waiting.end();
        }
        closeRetired();
    }

    /** The thread and what it waits for. */
    private final class Waiter {
        final Epoll epoll = new Epoll();
        final EventFd wake = new EventFd();
        final Thread thread =
                Thread.ofPlatform().daemon().name("frond-kvm-doorbells").unstarted(this::run);
        private volatile boolean ended;

        Waiter() {
            epoll.add(wake, WAKE);
        }

        private void run() {
            long[] ready = new long[AT_ONCE];
            while (!ended) {
                int count = epoll.await(ready);
                for (int i = 0; i < count; i++) {
                    if (ready[i] == WAKE) {
                        wake.take();
                        closeRetired();
                    } else {
                        deliver(ready[i]);
                    }
                }
            }
            epoll.close();
            wake.close();
        }

        void end() {
            ended = true;
            wake.signal();
            boolean interrupted = false;
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
