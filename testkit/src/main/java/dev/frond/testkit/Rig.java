// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.device.Device;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.Region;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * One device on a test bench: its clock, what is wired to it, its registers on a bus, and what the
 * outside world may do to it.
 */
public final class Rig<S extends Record> {
    /** Regions are mapped this far apart. */
    private static final long STRIDE = 1 << 20;

    private final Device<S> device;
    private final ManualClock clock;
    private final List<Recorder> recorders;
    private final List<Integer> seen = new ArrayList<>();
    private final AddressSpace bus = new AddressSpace("rig");
    private final List<Region.Io> regions = new ArrayList<>();
    private final List<Consumer<Random>> stimuli = new ArrayList<>();
    private int[] favourites = {0};

    /**
     * A bench for {@code device}, whose collaborators all are {@code clock} and {@code recorders}.
     */
    public Rig(Device<S> device, ManualClock clock, Recorder... recorders) {
        this.device = device;
        this.clock = clock;
        this.recorders = List.of(recorders);
        this.recorders.forEach(_ -> seen.add(0));
    }

    /** Adds registers of the device; returns this bench. */
    public Rig<S> region(Region.Io region) {
        bus.map(regions.size() * STRIDE, region);
        regions.add(region);
        return this;
    }

    /** Adds something that the world may do to the device, the same for equal random numbers. */
    public Rig<S> stimulus(Consumer<Random> stimulus) {
        stimuli.add(stimulus);
        return this;
    }

    /** Names values that random writes shall use often, such as commands; returns this bench. */
    public Rig<S> favourites(int... values) {
        favourites = values.clone();
        return this;
    }

    /** The device. */
    public Device<S> device() {
        return device;
    }

    /** Its clock. */
    public ManualClock clock() {
        return clock;
    }

    /**
     * Its registers: each region starts a MiB after the one before, in the order in which they were
     * added.
     */
    public AddressSpace bus() {
        return bus;
    }

    /** Saves as a machine does. */
    public S save() {
        return locked(device::save);
    }

    /** Loads as a machine does. */
    public void load(S state) {
        locked(() -> {
            device.load(state);
            return state;
        });
    }

    /** Settles as a machine does. */
    public void settle() {
        locked(() -> {
            device.settle();
            return true;
        });
    }

    private <T> T locked(Supplier<T> action) {
        device.lock().lock();
        try {
            return action.get();
        } finally {
            device.lock().unlock();
        }
    }

    /** What the device did to its collaborators since the last call. */
    List<String> news() {
        List<String> news = new ArrayList<>();
        for (int i = 0; i < recorders.size(); i++) {
            List<String> events = recorders.get(i).events();
            for (String event : events.subList(seen.get(i), events.size())) {
                news.add(i + ": " + event);
            }
            seen.set(i, events.size());
        }
        return news;
    }

    /** The levels that the device drives now. */
    List<String> standing() {
        return recorders.stream().map(Recorder::standing).toList();
    }

    /** Something that can happen to a device, and what its guest sees of it. */
    record Step(String words, LongSupplier action) {
        /** Lets it happen; gives what the guest reads, 0 if it reads nothing. */
        long take() {
            return action.getAsLong();
        }
    }

    /** The next random thing to happen; the same on two benches for equal random numbers. */
    Step step(Random random) {
        int kind = random.nextInt(20);
        if (kind < 5 || regions.isEmpty()) {
            long nanos = nanos(random);
            return new Step(
                    nanos + " ns pass",
                    () -> {
                        clock.advance(nanos);
                        return 0;
                    });
        }
        if (kind < 8 && !stimuli.isEmpty()) {
            int which = random.nextInt(stimuli.size());
            long seed = random.nextLong();
            return new Step(
                    "stimulus " + which,
                    () -> {
                        stimuli.get(which).accept(new Random(seed));
                        return 0;
                    });
        }
        int region = random.nextInt(regions.size());
        long offset = random.nextLong(Math.min(regions.get(region).size(), STRIDE));
        int size =
                random.nextInt(4) == 0
                        ? 1 << random.nextInt(4)
                        : Math.max(1, regions.get(region).widths().min());
        long address = region * STRIDE + offset;
        if (random.nextBoolean()) {
            return new Step(
                    "region %d, read %d at %x".formatted(region, size, offset),
                    () -> bus.read(address, size));
        }
        long value =
                random.nextBoolean()
                        ? favourites[random.nextInt(favourites.length)]
                        : random.nextLong() >>> random.nextInt(64);
        return new Step(
                "region %d, write %d at %x: %x".formatted(region, size, offset, value),
                () -> {
                    bus.write(address, size, value);
                    return 0;
                });
    }

    /** Mostly moments, sometimes long enough for the slowest part of a PC. */
    private static long nanos(Random random) {
        return switch (random.nextInt(64)) {
            case 0 -> random.nextLong(2_000_000_000L);
            case 1, 2, 3, 4 -> 0;
            case 5, 6, 7, 8, 9, 10, 11, 12 -> random.nextLong(2_000_000L);
            default -> random.nextLong(5_000L);
        };
    }
}
