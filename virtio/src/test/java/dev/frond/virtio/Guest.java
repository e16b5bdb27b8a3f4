// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A guest with a driver: 16 MiB of RAM at 0, 64 KiB more at 4 GiB, and one virtio-mmio device whose
 * registers it reaches over its bus only.
 */
final class Guest {
    static final long RAM_SIZE = 16 << 20;
    static final long HIGH = 1L << 32;
    static final long MMIO = 0xFEB0_0000L;

    static final int QUEUE_SEL = 0x30;
    static final int QUEUE_NUM_MAX = 0x34;
    static final int QUEUE_NUM = 0x38;
    static final int QUEUE_READY = 0x44;
    static final int QUEUE_NOTIFY = 0x50;
    static final int INTERRUPT_STATUS = 0x60;
    static final int INTERRUPT_ACK = 0x64;
    static final int STATUS = 0x70;

    final AddressSpace memory = new AddressSpace("memory");
    final GuestMemory ram;
    final TestIrq irq = new TestIrq();
    final VirtioMmio mmio;
    private final boolean packed;
    private long accepted;
    private long allocated;

    Guest(VirtioDevice<?> device) {
        this(device, false);
    }

    Guest(VirtioDevice<?> device, boolean packed) {
        this(device, packed, new GuestMemory(Arena.ofAuto().allocate(RAM_SIZE, 4096)), 0x1000);
    }

    /** A guest that goes on in the memory of another. */
    Guest(VirtioDevice<?> device, Guest other) {
        this(device, other.packed, other.ram, other.allocated);
        accepted = other.accepted;
    }

    private Guest(VirtioDevice<?> device, boolean packed, GuestMemory ram, long allocated) {
        this.packed = packed;
        this.ram = ram;
        this.allocated = allocated;
        memory.map(0, new Region.Ram(ram, 0, RAM_SIZE));
        memory.map(
                HIGH,
                new Region.Ram(
                        new GuestMemory(Arena.ofAuto().allocate(0x1_0000, 4096)), 0, 0x1_0000));
        mmio = new VirtioMmio(device, memory, irq, packed);
        memory.map(MMIO, mmio.region());
    }

    /** {@code size} zero bytes of low RAM. */
    long allocate(long size, long alignment) {
        allocated = (allocated + alignment - 1) & -alignment;
        long address = allocated;
        allocated += size;
        if (allocated > RAM_SIZE) {
            throw new IllegalStateException("out of guest memory");
        }
        return address;
    }

    int read(int register) {
        return (int) memory.read(MMIO + register, 4);
    }

    void write(int register, int value) {
        memory.write(MMIO + register, 4, value & 0xFFFF_FFFFL);
    }

    long config(int offset, int size) {
        return memory.read(MMIO + 0x100 + offset, size);
    }

    void writeConfig(int offset, int size, long value) {
        memory.write(MMIO + 0x100 + offset, size, value);
    }

    long offered() {
        write(0x14, 0);
        long low = read(0x10) & 0xFFFF_FFFFL;
        write(0x14, 1);
        return low | (long) read(0x10) << 32;
    }

    /** Steps 1 to 6 of section 3.1.1; the status afterwards. */
    int negotiate(long features) {
        write(STATUS, 0);
        write(STATUS, 1);
        write(STATUS, 3);
        write(0x24, 0);
        write(0x20, (int) features);
        write(0x24, 1);
        write(0x20, (int) (features >>> 32));
        write(STATUS, 11);
        accepted = features;
        return read(STATUS);
    }

    /** Negotiates all that is on offer. */
    void negotiateAll() {
        assertThat(negotiate(offered())).isEqualTo(11);
    }

    /** Sets up and enables queue number {@code index} in the format that was negotiated. */
    DriverQueue queue(int index, int size) {
        boolean eventIdx = (accepted & VirtioFeature.EVENT_IDX) != 0;
        if ((accepted & VirtioFeature.RING_PACKED) != 0) {
            PackedDriverQueue queue = new PackedDriverQueue(this, index, size, eventIdx);
            enable(index, size, queue.ring, queue.driverEvents, queue.deviceEvents);
            return queue;
        }
        SplitDriverQueue queue = new SplitDriverQueue(this, index, size, eventIdx);
        enable(index, size, queue.descriptors, queue.avail, queue.used);
        return queue;
    }

    void enable(int index, int size, long descriptors, long driver, long device) {
        write(QUEUE_SEL, index);
        assertThat(read(QUEUE_READY)).isZero();
        write(QUEUE_NUM, size);
        write(0x80, (int) descriptors);
        write(0x84, (int) (descriptors >>> 32));
        write(0x90, (int) driver);
        write(0x94, (int) (driver >>> 32));
        write(0xA0, (int) device);
        write(0xA4, (int) (device >>> 32));
        write(QUEUE_READY, 1);
    }

    void driverOk() {
        write(STATUS, 15);
    }

    void kick(DriverQueue queue) {
        if (queue.needsKick()) {
            write(QUEUE_NOTIFY, queue.index());
        }
    }

    /** Waits for an interrupt and acknowledges it; what its status was. */
    int handleInterrupt() throws InterruptedException {
        assertThat(irq.awaitActive()).as("an interrupt within ten seconds").isTrue();
        int status = read(INTERRUPT_STATUS);
        write(INTERRUPT_ACK, status);
        return status;
    }

    /** Waits for the next request to come back. */
    DriverQueue.Used await(DriverQueue queue) throws InterruptedException {
        while (true) {
            var used = queue.poll();
            if (used.isPresent()) {
                return used.get();
            }
            if (queue.enableInterrupt()) {
                int status = handleInterrupt();
                assertThat(status).as("interrupt status").isEqualTo(1);
            }
        }
    }

    byte[] bytes(long address, int length) {
        return memory.readBytes(address, length);
    }

    void put(long address, byte... bytes) {
        memory.writeBytes(address, bytes);
    }

    void putInt(long address, int value) {
        memory.write(address, 4, value & 0xFFFF_FFFFL);
    }

    void putLong(long address, long value) {
        memory.write(address, 8, value);
    }

    int byteAt(long address) {
        return ram.segment().get(ValueLayout.JAVA_BYTE, address) & 0xFF;
    }

    MemorySegment slice(long address, long length) {
        return ram.slice(address, length);
    }
}
