// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.Doorbells;
import dev.frond.machine.memory.Region;

import org.jspecify.annotations.Nullable;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * Virtio over MMIO, version 2 (virtio 1.2, section 4.2): 512 bytes of registers and one
 * level-triggered interrupt. The machine saves and restores it next to, not instead of, its {@link
 * VirtioDevice}.
 */
public final class VirtioMmio implements Device<VirtioMmio.State> {
    /** The bytes that the registers take. */
    public static final int SIZE = 0x200;

    /**
     * The registers.
     *
     * @param driverFeatures the features that the driver accepted so far
     * @param status the device status field (section 2.1)
     * @param interruptStatus bit 0 used buffer, bit 1 configuration change
     * @param queues by number
     */
    public record State(
            int deviceFeaturesSel,
            int driverFeaturesSel,
            long driverFeatures,
            int queueSel,
            int shmSel,
            int status,
            int interruptStatus,
            int configGeneration,
            List<VirtQueue.State> queues) {
        public State {
            queues = List.copyOf(queues);
            check("status", status, STATUS_BITS);
            check("interruptStatus", interruptStatus, INTERRUPT_BITS);
        }

        private static void check(String field, int value, int bits) {
            if ((value & ~bits) != 0) {
                throw new IllegalArgumentException(
                        "virtio-mmio: "
                                + field
                                + " is 0x"
                                + Integer.toHexString(value)
                                + ": accepted are bits of 0x"
                                + Integer.toHexString(bits));
            }
        }
    }

    private static final int MAGIC_VALUE = 0x000;
    private static final int VERSION = 0x004;
    private static final int DEVICE_ID = 0x008;
    private static final int VENDOR_ID = 0x00C;
    private static final int DEVICE_FEATURES = 0x010;
    private static final int DEVICE_FEATURES_SEL = 0x014;
    private static final int DRIVER_FEATURES = 0x020;
    private static final int DRIVER_FEATURES_SEL = 0x024;
    private static final int QUEUE_SEL = 0x030;
    private static final int QUEUE_NUM_MAX = 0x034;
    private static final int QUEUE_NUM = 0x038;
    private static final int QUEUE_READY = 0x044;
    private static final int QUEUE_NOTIFY = 0x050;
    private static final int INTERRUPT_STATUS = 0x060;
    private static final int INTERRUPT_ACK = 0x064;
    private static final int STATUS = 0x070;
    private static final int QUEUE_DESC_LOW = 0x080;
    private static final int QUEUE_DESC_HIGH = 0x084;
    private static final int QUEUE_DRIVER_LOW = 0x090;
    private static final int QUEUE_DRIVER_HIGH = 0x094;
    private static final int QUEUE_DEVICE_LOW = 0x0A0;
    private static final int QUEUE_DEVICE_HIGH = 0x0A4;
    private static final int SHM_SEL = 0x0AC;
    private static final int SHM_LEN_LOW = 0x0B0;
    private static final int SHM_LEN_HIGH = 0x0B4;
    private static final int SHM_BASE_LOW = 0x0B8;
    private static final int SHM_BASE_HIGH = 0x0BC;
    private static final int CONFIG_GENERATION = 0x0FC;
    private static final int CONFIG = 0x100;

    private static final int MAGIC = 0x7472_6976;

    /** "FRND", little-endian. */
    private static final int VENDOR = 0x444E_5246;

    static final int ACKNOWLEDGE = 1;
    static final int DRIVER = 2;
    static final int DRIVER_OK = 4;
    static final int FEATURES_OK = 8;
    static final int DEVICE_NEEDS_RESET = 64;
    static final int FAILED = 128;
    private static final int DRIVER_STATUS_BITS =
            ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;
    private static final int STATUS_BITS = DRIVER_STATUS_BITS | DEVICE_NEEDS_RESET;

    static final int USED_BUFFER = 1;
    static final int CONFIGURATION_CHANGE = 2;
    private static final int INTERRUPT_BITS = USED_BUFFER | CONFIGURATION_CHANGE;

    private static final Logger LOGGER = System.getLogger(VirtioMmio.class.getName());

    private final VirtioDevice<?> device;
    private final AddressSpace memory;
    private final IrqLine irq;
    private final List<Integer> queueSizes;
    private final long features;
    private final State reset;

    private int deviceFeaturesSel;
    private int driverFeaturesSel;
    private long driverFeatures;
    private int queueSel;
    private int shmSel;
    private int status;
    private int interruptStatus;
    private int configGeneration;
    private final List<VirtQueue.State> queues = new ArrayList<>();

    /** The queues that the device serves; only while started, and then null where not enabled. */
    private final @Nullable VirtQueue[] live;

    private final Link link = new Link();
    private boolean started;
    private Optional<String> failure = Optional.empty();

    /**
     * A transport for {@code device}, whose DMA goes to {@code memory} and whose interrupt to
     * {@code irq}.
     */
    public VirtioMmio(VirtioDevice<?> device, AddressSpace memory, IrqLine irq) {
        this(device, memory, irq, false);
    }

    /** A transport that offers packed queues, too, if {@code packed}. */
    public VirtioMmio(VirtioDevice<?> device, AddressSpace memory, IrqLine irq, boolean packed) {
        this.device = device;
        this.memory = memory;
        this.irq = irq;
        queueSizes = List.copyOf(device.queueSizes());
        features =
                device.features()
                        | VirtioFeature.INDIRECT_DESC
                        | VirtioFeature.EVENT_IDX
                        | VirtioFeature.VERSION_1
                        | (packed ? VirtioFeature.RING_PACKED : 0);
        live = new VirtQueue[queueSizes.size()];
        List<VirtQueue.State> fresh =
                queueSizes.stream()
                        .map(size -> new VirtQueue.State(size, false, 0, 0, 0, 0, 0))
                        .toList();
        reset = new State(0, 0, 0, 0, 0, 0, 0, 0, fresh);
        take(reset);
    }

    /** The registers as a board maps them. */
    public Region.Io region() {
        return new Region.Io(new Registers(), SIZE, AccessWidths.UP_TO_DWORD, lock());
    }

    /** The device behind the registers. */
    public VirtioDevice<?> device() {
        return device;
    }

    /**
     * What the driver did that the device needs a reset for; for people, and not part of the state.
     */
    public Optional<String> failure() {
        lock().lock();
        try {
            return failure;
        } finally {
            lock().unlock();
        }
    }

    @Override
    public State resetState() {
        return reset;
    }

    @Override
    public State save() {
        return new State(
                deviceFeaturesSel,
                driverFeaturesSel,
                driverFeatures,
                queueSel,
                shmSel,
                status,
                interruptStatus,
                configGeneration,
                IntStream.range(0, live.length).mapToObj(this::saveQueue).toList());
    }

    private VirtQueue.State saveQueue(int index) {
        VirtQueue queue = live[index];
        return queue == null ? queues.get(index) : queue.save();
    }

    @Override
    public void load(State state) {
        if (state.queues().size() != queueSizes.size()) {
            throw new IllegalArgumentException(
                    "virtio-mmio: the state has "
                            + state.queues().size()
                            + " queues: accepted is "
                            + queueSizes.size()
                            + ", as the device has");
        }
        for (int i = 0; i < queueSizes.size(); i++) {
            if (state.queues().get(i).size() > queueSizes.get(i)) {
                throw new IllegalArgumentException(
                        "virtio-mmio: size of queue "
                                + i
                                + " is "
                                + state.queues().get(i).size()
                                + ": accepted is 0.."
                                + queueSizes.get(i));
            }
        }
        if ((state.status() & FEATURES_OK) != 0 && (state.driverFeatures() & ~features) != 0) {
            throw new IllegalArgumentException(
                    "virtio-mmio: driverFeatures is 0x"
                            + Long.toHexString(state.driverFeatures())
                            + ": accepted are bits of 0x"
                            + Long.toHexString(features)
                            + ", which the device offers");
        }
        halt();
        take(state);
    }

    private void take(State state) {
        deviceFeaturesSel = state.deviceFeaturesSel();
        driverFeaturesSel = state.driverFeaturesSel();
        driverFeatures = state.driverFeatures();
        queueSel = state.queueSel();
        shmSel = state.shmSel();
        status = state.status();
        interruptStatus = state.interruptStatus();
        configGeneration = state.configGeneration();
        failure = Optional.empty();
        queues.clear();
        queues.addAll(state.queues());
    }

    @Override
    public void settle() {
        updateIrq();
        if ((status & (DRIVER_OK | DEVICE_NEEDS_RESET)) == DRIVER_OK && !started) {
            start();
        }
    }

    @Override
    public void drain() {
        device.drain();
    }

    @Override
    public ReentrantLock lock() {
        return device.lock();
    }

    /** Opens the enabled queues and lets the device serve them. */
    private void start() {
        started = true;
        for (int i = 0; i < live.length; i++) {
            if (queues.get(i).ready()) {
                open(i);
            }
        }
        device.start(link);
    }

    private void open(int index) {
        live[index] =
                VirtQueue.open(
                        index,
                        queues.get(index),
                        queueSizes.get(index),
                        driverFeatures,
                        memory,
                        link);
    }

    /** Ends {@link #start}: afterwards nothing touches guest memory. */
    private void halt() {
        if (started) {
            device.stop();
            started = false;
            for (int i = 0; i < live.length; i++) {
                close(i);
            }
        }
    }

    private void close(int index) {
        VirtQueue queue = live[index];
        if (queue != null) {
            queue.stop();
            queues.set(index, queue.save());
            live[index] = null;
        }
    }

    private void updateIrq() {
        irq.set(interruptStatus != 0);
    }

    private boolean isServing() {
        return started && (status & DEVICE_NEEDS_RESET) == 0;
    }

    private long read(int offset) {
        return switch (offset) {
            case MAGIC_VALUE -> MAGIC;
            case VERSION -> 2;
            case DEVICE_ID -> device.type();
            case VENDOR_ID -> VENDOR;
            case DEVICE_FEATURES ->
                    switch (deviceFeaturesSel) {
                        case 0 -> features;
                        case 1 -> features >>> 32;
                        default -> 0;
                    };
            case QUEUE_NUM_MAX -> isQueueSelected() ? queueSizes.get(queueSel) : 0;
            case QUEUE_READY -> isQueueSelected() && queues.get(queueSel).ready() ? 1 : 0;
            case INTERRUPT_STATUS -> interruptStatus;
            case STATUS -> status;
            // No shared memory region exists: length and base are -1.
            case SHM_LEN_LOW, SHM_LEN_HIGH, SHM_BASE_LOW, SHM_BASE_HIGH -> -1;
            case CONFIG_GENERATION -> configGeneration;
            default -> 0;
        };
    }

    private void write(int offset, int value) {
        switch (offset) {
            case DEVICE_FEATURES_SEL -> deviceFeaturesSel = value;
            case DRIVER_FEATURES -> writeDriverFeatures(value);
            case DRIVER_FEATURES_SEL -> driverFeaturesSel = value;
            case QUEUE_SEL -> queueSel = value;
            case QUEUE_READY -> writeQueueReady((value & 1) != 0);
            case QUEUE_NOTIFY -> {
                if (isServing()
                        && Integer.compareUnsigned(value, live.length) < 0
                        && live[value] != null) {
                    device.notified(value);
                }
            }
            case INTERRUPT_ACK -> {
                interruptStatus &= ~value;
                updateIrq();
            }
            case STATUS -> writeStatus(value & 0xFF);
            case SHM_SEL -> shmSel = value;
            case QUEUE_NUM,
                    QUEUE_DESC_LOW,
                    QUEUE_DESC_HIGH,
                    QUEUE_DRIVER_LOW,
                    QUEUE_DRIVER_HIGH,
                    QUEUE_DEVICE_LOW,
                    QUEUE_DEVICE_HIGH ->
                    writeQueue(offset, value);
            default -> {}
        }
    }

    private boolean isQueueSelected() {
        return Integer.compareUnsigned(queueSel, queueSizes.size()) < 0;
    }

    private void writeDriverFeatures(int value) {
        if ((status & FEATURES_OK) != 0) {
            return;
        }
        long word = value & 0xFFFF_FFFFL;
        switch (driverFeaturesSel) {
            case 0 -> driverFeatures = (driverFeatures & ~0xFFFF_FFFFL) | word;
            case 1 -> driverFeatures = (driverFeatures & 0xFFFF_FFFFL) | word << 32;
            default -> {}
        }
    }

    /** What a driver must not touch while the queue is enabled stays as it is. */
    private void writeQueue(int offset, int value) {
        if (!isQueueSelected() || queues.get(queueSel).ready()) {
            return;
        }
        VirtQueue.State old = queues.get(queueSel);
        int size = old.size();
        long descriptorArea = old.descriptorArea();
        long driverArea = old.driverArea();
        long deviceArea = old.deviceArea();
        switch (offset) {
            case QUEUE_NUM -> {
                if (Integer.compareUnsigned(value, queueSizes.get(queueSel)) <= 0) {
                    size = value;
                }
            }
            case QUEUE_DESC_LOW -> descriptorArea = low(descriptorArea, value);
            case QUEUE_DESC_HIGH -> descriptorArea = high(descriptorArea, value);
            case QUEUE_DRIVER_LOW -> driverArea = low(driverArea, value);
            case QUEUE_DRIVER_HIGH -> driverArea = high(driverArea, value);
            case QUEUE_DEVICE_LOW -> deviceArea = low(deviceArea, value);
            default -> deviceArea = high(deviceArea, value);
        }
        queues.set(
                queueSel,
                new VirtQueue.State(size, false, descriptorArea, driverArea, deviceArea, 0, 0));
    }

    private static long low(long address, int value) {
        return (address & ~0xFFFF_FFFFL) | (value & 0xFFFF_FFFFL);
    }

    private static long high(long address, int value) {
        return (address & 0xFFFF_FFFFL) | (long) value << 32;
    }

    private void writeQueueReady(boolean ready) {
        if (!isQueueSelected() || queues.get(queueSel).ready() == ready) {
            return;
        }
        int index = queueSel;
        if (ready) {
            queues.set(index, VirtQueue.enabled(queues.get(index), driverFeatures));
            if (isServing()) {
                open(index);
                device.notified(index);
            }
        } else {
            if (live[index] != null) {
                // No buffer of this queue may be touched any more; the others go on.
                device.stop();
                close(index);
                device.start(link);
            }
            VirtQueue.State old = queues.get(index);
            queues.set(
                    index,
                    new VirtQueue.State(
                            old.size(),
                            false,
                            old.descriptorArea(),
                            old.driverArea(),
                            old.deviceArea(),
                            0,
                            0));
        }
    }

    /** Bits only ever go up, except by the reset that 0 asks for (section 2.1). */
    private void writeStatus(int value) {
        if (value == 0) {
            halt();
            resetDevice(device);
            take(reset);
            updateIrq();
            return;
        }
        int raised = value & DRIVER_STATUS_BITS & ~status;
        if ((raised & FEATURES_OK) != 0 && acceptsFeatures()) {
            status |= FEATURES_OK;
        }
        status |= raised & (ACKNOWLEDGE | DRIVER | FAILED);
        if ((raised & DRIVER_OK) != 0 && (status & FEATURES_OK) != 0) {
            status |= DRIVER_OK;
            start();
            for (int i = 0; i < live.length && isServing(); i++) {
                if (live[i] != null) {
                    device.notified(i);
                }
            }
        }
    }

    private boolean acceptsFeatures() {
        return (driverFeatures & ~features) == 0
                && (driverFeatures & VirtioFeature.VERSION_1) != 0
                && device.accept(driverFeatures);
    }

    private static <S extends Record> void resetDevice(VirtioDevice<S> device) {
        device.load(device.resetState());
    }

    private final class Registers implements Doorbells {
        @Override
        public List<Doorbell> doorbells() {
            return IntStream.range(0, live.length)
                    .mapToObj(queue -> new Doorbell(QUEUE_NOTIFY, 4, queue))
                    .toList();
        }

        @Override
        public long read(long offset, int size) {
            if (offset >= CONFIG) {
                Bytes config = device.config();
                long value = 0;
                for (int i = 0; i < size; i++) {
                    long at = offset - CONFIG + i;
                    if (at < config.length()) {
                        value |= (config.at((int) at) & 0xFFL) << (8 * i);
                    }
                }
                return value;
            }
            // Control registers know aligned 32-bit accesses only.
            return size == 4 ? VirtioMmio.this.read((int) offset) & 0xFFFF_FFFFL : 0;
        }

        @Override
        public void write(long offset, int size, long value) {
            if (offset >= CONFIG) {
                if (offset - CONFIG <= device.config().length() - size) {
                    device.writeConfig((int) offset - CONFIG, size, value);
                }
            } else if (size == 4) {
                VirtioMmio.this.write((int) offset, (int) value);
            }
        }
    }

    /** This transport as its queues and its device see it. */
    private final class Link implements VirtioTransport, VirtQueue.Owner {
        @Override
        public long features() {
            return driverFeatures;
        }

        @Override
        public Optional<VirtQueue> queue(int index) {
            return Optional.ofNullable(live[index]);
        }

        @Override
        public void used() {
            interruptStatus |= USED_BUFFER;
            updateIrq();
        }

        @Override
        public void configChanged() {
            configGeneration++;
            if ((status & DRIVER_OK) != 0) {
                interruptStatus |= CONFIGURATION_CHANGE;
                updateIrq();
            }
        }

        @Override
        public void needsReset(String reason) {
            if ((status & DEVICE_NEEDS_RESET) != 0) {
                return;
            }
            LOGGER.log(Level.DEBUG, "virtio device {0} needs a reset: {1}", device.type(), reason);
            status |= DEVICE_NEEDS_RESET;
            failure = Optional.of(reason);
            for (VirtQueue queue : live) {
                if (queue != null) {
                    queue.stop();
                }
            }
            if ((status & DRIVER_OK) != 0) {
                interruptStatus |= CONFIGURATION_CHANGE;
                updateIrq();
            }
        }
    }
}
