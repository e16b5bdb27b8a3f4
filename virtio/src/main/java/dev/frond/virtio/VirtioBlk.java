// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.backend.BlockBackend;
import dev.frond.machine.device.Bytes;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A block device (virtio 1.2, section 5.2). Each request runs on a virtual thread of its own
 * against the backend, straight from and to guest RAM; it completes, in any order, under the
 * device's lock.
 */
public final class VirtioBlk implements VirtioDevice<VirtioBlk.State> {
    /** The most queues a device can have. */
    public static final int MAX_QUEUES = 64;

    /**
     * What a user chooses.
     *
     * @param serial what VIRTIO_BLK_T_GET_ID answers: up to 20 printable ASCII characters
     * @param queues request queues, 1..64; as many as CPUs is best
     */
    public record Spec(String serial, int queues) {
        public Spec {
            if (serial.length() > ID_BYTES
                    || !serial.chars().allMatch(c -> c >= 0x20 && c < 0x7F)) {
                throw new IllegalArgumentException(
                        "virtio-blk: serial is \""
                                + serial
                                + "\": accepted are up to 20 printable ASCII characters");
            }
            if (queues < 1 || queues > MAX_QUEUES) {
                throw new IllegalArgumentException(
                        "virtio-blk: queues is " + queues + ": accepted is 1.." + MAX_QUEUES);
            }
        }
    }

    /**
     * What the driver can set.
     *
     * @param writeback the configuration field of that name: false makes each write durable before
     *     it completes
     */
    public record State(boolean writeback) {
        static final State RESET = new State(true);
    }

    static final long SIZE_MAX = 1L << 1;
    static final long SEG_MAX = 1L << 2;
    static final long RO = 1L << 5;
    static final long BLK_SIZE = 1L << 6;
    static final long FLUSH = 1L << 9;
    static final long TOPOLOGY = 1L << 10;
    static final long CONFIG_WCE = 1L << 11;
    static final long MQ = 1L << 12;
    static final long DISCARD = 1L << 13;
    static final long WRITE_ZEROES = 1L << 14;

    static final int T_IN = 0;
    static final int T_OUT = 1;
    static final int T_FLUSH = 4;
    static final int T_GET_ID = 8;
    static final int T_DISCARD = 11;
    static final int T_WRITE_ZEROES = 13;

    static final int S_OK = 0;
    static final int S_IOERR = 1;
    static final int S_UNSUPP = 2;

    static final int SECTOR = 512;
    static final int ID_BYTES = 20;
    static final int WRITEBACK_OFFSET = 32;
    static final int MAX_DISCARD_SEGMENTS = 16;
    static final int MAX_WRITE_ZEROES_SEGMENTS = 1;
    static final int MAX_DISCARD_SECTORS = 1 << 21;
    static final int MAX_WRITE_ZEROES_SECTORS = 1 << 15;

    private static final int TYPE = 2;
    private static final int QUEUE_SIZE = 256;

    /** A chain has two descriptors for header and status besides the data. */
    private static final int MAX_DATA_SEGMENTS = QUEUE_SIZE - 2;

    private static final int MAX_SEGMENT_BYTES = 1 << 20;

    /**
     * The most data of one request; a queue full of larger ones could hold up a pause for hours.
     */
    static final long MAX_REQUEST_BYTES = (long) MAX_DATA_SEGMENTS * MAX_SEGMENT_BYTES;

    private static final int HEADER_BYTES = 16;
    private static final int SEGMENT_BYTES = 16;
    private static final int CONFIG_BYTES = 60;
    private static final int FLAG_UNMAP = 1;

    private static final Logger LOGGER = System.getLogger(VirtioBlk.class.getName());

    private final ReentrantLock lock = new ReentrantLock();
    private final InFlight inFlight = new InFlight();
    private final Spec spec;
    private final BlockBackend backend;
    private final long capacity;
    private boolean writeback = State.RESET.writeback();
    private @Nullable VirtioTransport transport;
    private volatile String lastFailure = "";

    /**
     * A disk that shows {@code backend}, whose size is rounded down to whole sectors of 512 bytes.
     */
    public VirtioBlk(Spec spec, BlockBackend backend) {
        this.spec = spec;
        this.backend = backend;
        capacity = backend.size() / SECTOR;
    }

    @Override
    public int type() {
        return TYPE;
    }

    @Override
    public long features() {
        return SIZE_MAX
                | SEG_MAX
                | BLK_SIZE
                | FLUSH
                | TOPOLOGY
                | CONFIG_WCE
                | (spec.queues() > 1 ? MQ : 0)
                | (backend.isReadOnly() ? RO : DISCARD | WRITE_ZEROES);
    }

    @Override
    public List<Integer> queueSizes() {
        return Collections.nCopies(spec.queues(), QUEUE_SIZE);
    }

    /** Section 5.2.4, struct virtio_blk_config up to write_zeroes_may_unmap and its padding. */
    @Override
    public Bytes config() {
        ByteBuffer config = ByteBuffer.allocate(CONFIG_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        config.putLong(capacity);
        config.putInt(MAX_SEGMENT_BYTES).putInt(MAX_DATA_SEGMENTS);
        // geometry is not offered
        config.putInt(0);
        config.putInt(SECTOR);
        // Physical blocks of 2^3 sectors, as host file systems have them, and at least one block at
        // a time.
        config.put((byte) 3).put((byte) 0).putShort((short) 8).putInt(0);
        config.put((byte) (writeback ? 1 : 0)).put((byte) 0).putShort((short) spec.queues());
        config.putInt(MAX_DISCARD_SECTORS).putInt(MAX_DISCARD_SEGMENTS).putInt(8);
        config.putInt(MAX_WRITE_ZEROES_SECTORS).putInt(MAX_WRITE_ZEROES_SEGMENTS);
        return Bytes.of(config.array());
    }

    @Override
    public void writeConfig(int offset, int size, long value) {
        if (offset == WRITEBACK_OFFSET
                && size == 1
                && transport != null
                && (transport.features() & CONFIG_WCE) != 0) {
            writeback = (value & 1) != 0;
        }
    }

    @Override
    public boolean accept(long features) {
        if ((features & (CONFIG_WCE | FLUSH)) == CONFIG_WCE) {
            writeback = false;
        }
        return true;
    }

    @Override
    public void start(VirtioTransport transport) {
        this.transport = transport;
    }

    @Override
    public void notified(int queue) {
        if (transport != null) {
            VirtioTransport link = transport;
            link.queue(queue).ifPresent(q -> serve(link, q));
        }
    }

    private void serve(VirtioTransport link, VirtQueue queue) {
        for (Optional<Chain> next = queue.next(); next.isPresent(); next = queue.next()) {
            Chain chain = next.get();
            if (chain.readable().size() < HEADER_BYTES || chain.writable().size() < 1) {
                link.needsReset("a block request without header or status byte");
                return;
            }
            submit(link.features(), queue, chain);
        }
    }

    private void submit(long features, VirtQueue queue, Chain chain) {
        // Copied at once: the guest must not change the header between check and use.
        MemorySegment header = MemorySegment.ofArray(new byte[HEADER_BYTES]);
        chain.readable().copyTo(header);
        Buffers out = chain.readable().slice(HEADER_BYTES, chain.readable().size() - HEADER_BYTES);
        Buffers in = chain.writable().slice(0, chain.writable().size() - 1);
        Buffers status = chain.writable().slice(chain.writable().size() - 1, 1);
        int type = header.get(VirtQueue.LE32, 0);
        long sector = header.get(VirtQueue.LE64, 8);
        boolean durable = (features & CONFIG_WCE) != 0 ? !writeback : (features & FLUSH) == 0;
        inFlight.begin();
        Thread.ofVirtual()
                .name("frond-virtio-blk")
                .start(() -> {
                    Lock memory = queue.byDevice();
                    memory.lock();
                    try {
                        int result = S_IOERR;
                        try {
                            result = execute(type, sector, out, in, durable);
                        } finally {
                            finish(queue, chain, status, in.size(), result);
                        }
                    } finally {
                        memory.unlock();
                    }
                });
    }

    private void finish(VirtQueue queue, Chain chain, Buffers status, long data, int result) {
        status.runs().getFirst().set(ValueLayout.JAVA_BYTE, 0, (byte) result);
        inFlight.quiet();
        // The count covers a prefix: without the data the status byte behind it does not count.
        long written = result == S_OK || data == 0 ? data + 1 : 0;
        lock.lock();
        try {
            queue.complete(chain, written);
        } finally {
            lock.unlock();
            inFlight.end();
        }
    }

    private int execute(int type, long sector, Buffers out, Buffers in, boolean durable) {
        try {
            return switch (type) {
                case T_IN -> read(sector, in);
                case T_OUT -> write(sector, out, durable);
                case T_FLUSH -> {
                    backend.flush();
                    yield S_OK;
                }
                case T_GET_ID -> identify(in);
                case T_DISCARD, T_WRITE_ZEROES ->
                        backend.isReadOnly() ? S_UNSUPP : segments(type, out, durable);
                default -> S_UNSUPP;
            };
        } catch (IOException e) {
            report(e);
            return S_IOERR;
        }
    }

    /** Whether {@code bytes} from {@code sector} on are whole sectors of this disk. */
    private boolean isInside(long sector, long bytes) {
        return bytes % SECTOR == 0
                && sector >= 0
                && bytes / SECTOR <= capacity
                && sector <= capacity - bytes / SECTOR;
    }

    private int read(long sector, Buffers in) throws IOException {
        if (in.size() > MAX_REQUEST_BYTES || !isInside(sector, in.size())) {
            return S_IOERR;
        }
        long offset = sector * SECTOR;
        for (MemorySegment run : in.runs()) {
            backend.read(offset, run);
            offset += run.byteSize();
        }
        return S_OK;
    }

    private int write(long sector, Buffers out, boolean durable) throws IOException {
        if (backend.isReadOnly()
                || out.size() > MAX_REQUEST_BYTES
                || !isInside(sector, out.size())) {
            return S_IOERR;
        }
        long offset = sector * SECTOR;
        for (MemorySegment run : out.runs()) {
            backend.write(offset, run);
            offset += run.byteSize();
        }
        if (durable) {
            backend.flush();
        }
        return S_OK;
    }

    private int identify(Buffers in) {
        if (in.size() != ID_BYTES) {
            return S_IOERR;
        }
        byte[] serial = spec.serial().getBytes(StandardCharsets.US_ASCII);
        in.copyFrom(MemorySegment.ofArray(Arrays.copyOf(serial, ID_BYTES)));
        return S_OK;
    }

    private record Segment(long sector, long sectors) {}

    private int segments(int type, Buffers out, boolean durable) throws IOException {
        boolean zero = type == T_WRITE_ZEROES;
        int most = zero ? MAX_WRITE_ZEROES_SEGMENTS : MAX_DISCARD_SEGMENTS;
        if (out.size() == 0
                || out.size() % SEGMENT_BYTES != 0
                || out.size() / SEGMENT_BYTES > most) {
            return S_IOERR;
        }
        MemorySegment table = MemorySegment.ofArray(new byte[(int) out.size()]);
        out.copyTo(table);
        int knownFlags = zero ? FLAG_UNMAP : 0;
        int max = zero ? MAX_WRITE_ZEROES_SECTORS : MAX_DISCARD_SECTORS;
        List<Segment> segments = new ArrayList<>();
        for (long at = 0; at < table.byteSize(); at += SEGMENT_BYTES) {
            if ((table.get(VirtQueue.LE32, at + 12) & ~knownFlags) != 0) {
                return S_UNSUPP;
            }
            Segment segment =
                    new Segment(
                            table.get(VirtQueue.LE64, at),
                            table.get(VirtQueue.LE32, at + 8) & 0xFFFF_FFFFL);
            if (segment.sectors() > max
                    || !isInside(segment.sector(), segment.sectors() * SECTOR)) {
                return S_IOERR;
            }
            segments.add(segment);
        }
        for (Segment segment : segments) {
            if (zero) {
                backend.writeZeroes(segment.sector() * SECTOR, segment.sectors() * SECTOR);
            } else {
                backend.discard(segment.sector() * SECTOR, segment.sectors() * SECTOR);
            }
        }
        if (durable) {
            backend.flush();
        }
        return S_OK;
    }

    /** Logs a host's failure, but not again while it stays the same: a guest may retry for ever. */
    private void report(IOException e) {
        String failure = String.valueOf(e.getMessage());
        if (!failure.equals(lastFailure)) {
            lastFailure = failure;
            LOGGER.log(
                    Level.WARNING,
                    "disk \"{0}\": the guest sees an I/O error: {1}",
                    spec.serial(),
                    failure);
        }
    }

    @Override
    public void stop() {
        inFlight.awaitQuiet();
        transport = null;
    }

    @Override
    public void drain() {
        inFlight.awaitEnd();
    }

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(writeback);
    }

    @Override
    public void load(State state) {
        writeback = state.writeback();
    }

    @Override
    public void settle() {}

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
