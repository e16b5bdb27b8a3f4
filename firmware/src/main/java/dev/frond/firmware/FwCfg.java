// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.device.Device;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The firmware configuration device with its DMA interface (QEMU docs/specs/fw_cfg.rst), as 12 I/O
 * ports: selector at 0, data at 1, DMA address at 4. All items are read-only.
 */
public final class FwCfg implements Device<FwCfg.State>, IoHandler {
    /**
     * The registers.
     *
     * @param selector the item's key, 16 bits
     * @param offset of the next byte, 0 to 2^32 - 1
     * @param dmaHigh the upper half of the DMA address register
     */
    public record State(int selector, long offset, int dmaHigh) {
        /** After power-on the signature is selected. */
        public static final State RESET = new State(FwCfgItems.FW_CFG_SIGNATURE, 0, 0);

        public State {
            if (selector < 0 || selector > 0xFFFF) {
                throw new IllegalArgumentException(
                        "fw_cfg state: selector " + selector + ": accepted are 16 bits");
            }
            if (offset < 0 || offset > FwCfgItem.MAX_SIZE) {
                throw new IllegalArgumentException(
                        "fw_cfg state: offset " + offset + ": accepted are 32 bits");
            }
        }
    }

    /** The number of ports. */
    public static final int SIZE = 12;

    private static final int SELECTOR = 0;
    private static final int DATA = 1;
    private static final int DMA_HIGH = 4;
    private static final int DMA_LOW = 8;

    /** Bit 14 asks to write the item, which items without writable bytes ignore. */
    private static final int WRITE_CHANNEL = 0x4000;

    // FWCfgDmaAccess: control, length and address, big-endian.
    private static final int ACCESS_SIZE = 16;
    private static final int DMA_ERROR = 1;
    private static final int DMA_READ = 1 << 1;
    private static final int DMA_SKIP = 1 << 2;
    private static final int DMA_SELECT = 1 << 3;
    private static final int DMA_WRITE = 1 << 4;

    private static final byte[] DMA_SIGNATURE = "QEMU CFG".getBytes(StandardCharsets.US_ASCII);

    /** The most that is copied at once. */
    private static final int CHUNK = 1 << 20;

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Integer, Contents> items = new HashMap<>();
    private final AddressSpace memory;
    private int selector = State.RESET.selector;
    private long offset = State.RESET.offset;
    private int dmaHigh = State.RESET.dmaHigh;

    /** The device with {@code items}; DMA goes to RAM in {@code memory}. */
    public FwCfg(FwCfgItems items, AddressSpace memory) {
        items.bySelector().forEach((key, item) -> this.items.put(key, Contents.of(item)));
        this.memory = memory;
    }

    /** The ports, to be mapped at 510h on a PC. */
    public Region.Io region() {
        return new Region.Io(this, SIZE, AccessWidths.UP_TO_DWORD, lock);
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(selector, offset, dmaHigh);
    }

    @Override
    public void load(State state) {
        selector = state.selector;
        offset = state.offset;
        dmaHigh = state.dmaHigh;
    }

    @Override
    public void settle() {}

    @Override
    public long read(long port, int size) {
        if (port == DATA) {
            return readData(size);
        }
        long value = 0;
        for (int i = 0; i < size; i++) {
            long at = port + i - DMA_HIGH;
            if (at >= 0 && at < DMA_SIGNATURE.length) {
                value |= (DMA_SIGNATURE[(int) at] & 0xFFL) << 8 * i;
            }
        }
        return value;
    }

    @Override
    public void write(long port, int size, long value) {
        if (port == SELECTOR && size == 2) {
            select((int) value);
        } else if (port == DMA_HIGH && size == 4) {
            dmaHigh = Integer.reverseBytes((int) value);
        } else if (port == DMA_LOW && size == 4) {
            long address = (long) dmaHigh << 32 | Integer.reverseBytes((int) value) & 0xFFFF_FFFFL;
            dmaHigh = 0;
            access(address);
        }
    }

    private void select(int key) {
        selector = key & 0xFFFF;
        offset = 0;
    }

    private Optional<Contents> item() {
        return Optional.ofNullable(items.get(selector & ~WRITE_CHANNEL));
    }

    /** The next {@code size} bytes in the order of the item; behind its end zeroes. */
    private long readData(int size) {
        long value = 0;
        Optional<Contents> item = item();
        for (int i = 0; i < size; i++) {
            if (item.isPresent() && offset < item.get().size()) {
                value |= (item.get().byteAt(offset) & 0xFFL) << 8 * i;
                offset++;
            }
        }
        return value;
    }

    private void advance(long count) {
        offset = Math.min(offset + count, FwCfgItem.MAX_SIZE);
    }

    /**
     * Does what the FWCfgDmaAccess at {@code address} says; one that is not in RAM does nothing.
     */
    private void access(long address) {
        if (!GuestRam.isRam(memory, address, ACCESS_SIZE)) {
            return;
        }
        ByteBuffer access = ByteBuffer.wrap(memory.readBytes(address, ACCESS_SIZE));
        int control = access.getInt(0);
        long length = access.getInt(4) & 0xFFFF_FFFFL;
        long target = access.getLong(8);
        if ((control & DMA_SELECT) != 0) {
            select(control >>> 16);
        }
        boolean done = true;
        if ((control & DMA_READ) != 0) {
            done = copy(target, length);
        } else if ((control & DMA_WRITE) != 0) {
            done = false;
        } else if ((control & DMA_SKIP) != 0) {
            advance(length);
        }
        memory.write(address, 4, Integer.reverseBytes(done ? 0 : DMA_ERROR) & 0xFFFF_FFFFL);
    }

    /**
     * Copies {@code length} bytes to {@code address}; false if that is not RAM or the host fails.
     */
    private boolean copy(long address, long length) {
        // Checked before the first byte goes, so that a wild length costs nothing.
        if (!GuestRam.isRam(memory, address, length)) {
            return false;
        }
        Optional<Contents> item = item();
        long left = item.map(i -> Math.max(0, i.size() - offset)).orElse(0L);
        long done = 0;
        while (done < length) {
            FlatView.Range range = memory.view().find(address + done);
            long chunk = Math.min(Math.min(CHUNK, length - done), range.remaining(address + done));
            Optional<MemorySegment> target = memory.ram(address + done, chunk);
            if (target.isEmpty()) {
                return false;
            }
            long bytes = Math.clamp(left - done, 0, chunk);
            if (bytes > 0 && !item.orElseThrow().fill(offset, target.get().asSlice(0, bytes))) {
                return false;
            }
            GuestRam.clear(target.get().asSlice(bytes));
            memory.wrote(address + done, chunk);
            advance(bytes);
            done += chunk;
        }
        return true;
    }

    /** An item with what reading it takes; holds no state of the device. */
    private sealed interface Contents {
        long size();

        /** The byte at {@code offset}, which is below the size. */
        byte byteAt(long offset);

        /** Fills {@code target} from {@code offset} on; false if the host cannot read its file. */
        boolean fill(long offset, MemorySegment target);

        static Contents of(FwCfgItem item) {
            return switch (item) {
                case FwCfgItem.Data data ->
                        new InMemory(MemorySegment.ofArray(data.bytes().toArray()));
                case FwCfgItem.Part part -> new InFile(part);
            };
        }
    }

    private record InMemory(MemorySegment bytes) implements Contents {
        @Override
        public long size() {
            return bytes.byteSize();
        }

        @Override
        public byte byteAt(long offset) {
            return bytes.get(ValueLayout.JAVA_BYTE, offset);
        }

        @Override
        public boolean fill(long offset, MemorySegment target) {
            MemorySegment.copy(bytes, offset, target, 0, target.byteSize());
            return true;
        }
    }

    /** Keeps what was last read of the file for guests that read byte by byte. */
    private static final class InFile implements Contents {
        private static final int WINDOW = 1 << 16;

        private final FwCfgItem.Part part;
        private long start;
        private byte[] window = new byte[0];

        InFile(FwCfgItem.Part part) {
            this.part = part;
        }

        @Override
        public long size() {
            return part.size();
        }

        @Override
        public byte byteAt(long offset) {
            if (offset < start || offset >= start + window.length) {
                start = offset;
                int length = (int) Math.min(WINDOW, part.size() - offset);
                try {
                    window = part.file().read(part.offset() + offset, length).array();
                } catch (BootException e) {
                    // The data port has no way to tell; what is not there reads as zeroes, too.
                    window = new byte[length];
                }
            }
            return window[(int) (offset - start)];
        }

        @Override
        public boolean fill(long offset, MemorySegment target) {
            try {
                part.file().read(part.offset() + offset, target.asByteBuffer());
                return true;
            } catch (BootException e) {
                return false;
            }
        }
    }
}
