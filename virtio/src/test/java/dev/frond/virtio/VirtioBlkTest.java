// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;
import static dev.frond.virtio.DriverQueue.Element.out;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.backend.BlockBackend;
import dev.frond.machine.device.Device;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.ReentrantLock;

/** The block device, as Linux's virtio_blk uses it and as it never would. */
@Timeout(30)
class VirtioBlkTest extends DeviceContract<VirtioBlkTest.Disk> {
    /** The disk and its transport, as a machine saves one after the other. */
    record Disk(VirtioBlk.State device, VirtioMmio.State transport) {}

    /** Both as one device on a rig. */
    private record Both(VirtioBlk blk, VirtioMmio mmio) implements Device<Disk> {
        @Override
        public Disk resetState() {
            return new Disk(blk.resetState(), mmio.resetState());
        }

        @Override
        public Disk save() {
            return new Disk(blk.save(), mmio.save());
        }

        @Override
        public void load(Disk state) {
            blk.load(state.device());
            mmio.load(state.transport());
        }

        @Override
        public void settle() {
            blk.settle();
            mmio.settle();
        }

        @Override
        public void drain() {
            blk.drain();
        }

        @Override
        public ReentrantLock lock() {
            return blk.lock();
        }
    }

    private final ContractDriver driver = new ContractDriver();

    @Override
    protected Rig<Disk> newRig() {
        RecordingLine irq = new RecordingLine();
        VirtioBlk device =
                new VirtioBlk(new VirtioBlk.Spec("contract", 1), new TestDisk(8192, false));
        VirtioMmio mmio = new VirtioMmio(device, driver.memory, irq);
        Rig<Disk> rig =
                new Rig<>(new Both(device, mmio), new ManualClock(), irq).region(mmio.region());
        return driver.drive(
                rig,
                mmio,
                List.of(
                        List.of(16, -1),
                        List.of(16, 512, -1),
                        List.of(16, -512, -1),
                        List.of(16, -20, -1),
                        List.of(16, 16, -1),
                        List.of(15, -1)));
    }

    @Override
    protected Disk randomState(Disk reset, Random random) {
        return new Disk(
                new VirtioBlk.State(random.nextBoolean()),
                ContractDriver.state(reset.transport(), guest.offered(), random));
    }

    private static final int SECTORS = 1024;
    private static final int OK = 0;
    private static final int IOERR = 1;
    private static final int UNSUPP = 2;
    private static final int NEEDS_RESET = 64;
    private static final long HEADER = 0x8000;
    private static final long STATUS = 0x8100;
    private static final long DATA = 0x10_0000;

    private final TestDisk disk = new TestDisk(SECTORS * 512L, false);
    private final VirtioBlk blk = new VirtioBlk(new VirtioBlk.Spec("FROND-0001", 1), disk);
    private final Guest guest = new Guest(blk);

    private static DriverQueue start(Guest guest) {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(0, 256);
        guest.driverOk();
        return queue;
    }

    /** Runs one request and gives its status byte. */
    private static int request(
            Guest guest, DriverQueue queue, int type, long sector, DriverQueue.Element... data)
            throws InterruptedException {
        submit(guest, queue, type, sector, data);
        guest.await(queue);
        return guest.byteAt(STATUS);
    }

    private static int submit(
            Guest guest, DriverQueue queue, int type, long sector, DriverQueue.Element... data) {
        guest.putInt(HEADER, type);
        guest.putInt(HEADER + 4, 0);
        guest.putLong(HEADER + 8, sector);
        guest.put(STATUS, (byte) 0xEE);
        List<DriverQueue.Element> all = new ArrayList<>();
        all.add(out(HEADER, 16));
        all.addAll(List.of(data));
        all.add(in(STATUS, 1));
        int id = queue.add(all.toArray(DriverQueue.Element[]::new));
        guest.kick(queue);
        return id;
    }

    private static byte[] chance(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private byte[] onDisk(long offset, int length) {
        return disk.image.asSlice(offset, length).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    @Test
    void theConfigurationDescribesTheDisk() {
        assertThat(guest.read(8)).isEqualTo(2);
        assertThat(guest.config(0, 4) | guest.config(4, 4) << 32).isEqualTo(SECTORS);
        assertThat(guest.config(8, 4)).as("size_max").isEqualTo(1 << 20);
        assertThat(guest.config(12, 4)).as("seg_max").isEqualTo(254);
        assertThat(guest.config(20, 4)).as("blk_size").isEqualTo(512);
        assertThat(guest.config(24, 1)).as("physical_block_exp").isEqualTo(3);
        assertThat(guest.config(32, 1)).as("writeback").isEqualTo(1);
        assertThat(guest.config(34, 2)).as("num_queues").isEqualTo(1);
        assertThat(guest.config(36, 4)).as("max_discard_sectors").isEqualTo(1 << 21);
        assertThat(guest.config(40, 4)).as("max_discard_seg").isEqualTo(16);
        assertThat(guest.config(44, 4)).as("discard_sector_alignment").isEqualTo(8);
        assertThat(guest.config(48, 4)).as("max_write_zeroes_sectors").isEqualTo(1 << 15);
        assertThat(guest.config(52, 4)).as("max_write_zeroes_seg").isEqualTo(1);
        assertThat(guest.config(56, 4)).as("write_zeroes_may_unmap").isZero();
    }

    @Test
    void theFeaturesFollowTheDisk() {
        long always = 1L << 1 | 1L << 2 | 1L << 6 | 1L << 9 | 1L << 10 | 1L << 11;
        assertThat(guest.offered() & 0xFF_FFFF).isEqualTo(always | 1L << 13 | 1L << 14);
        Guest readOnly =
                new Guest(new VirtioBlk(new VirtioBlk.Spec("", 1), new TestDisk(512, true)));
        assertThat(readOnly.offered() & 0xFF_FFFF).isEqualTo(always | 1L << 5);
        Guest several = new Guest(new VirtioBlk(new VirtioBlk.Spec("", 4), disk));
        assertThat(several.offered() & 0xFF_FFFF)
                .isEqualTo(always | 1L << 12 | 1L << 13 | 1L << 14);
        assertThat(several.config(34, 2)).isEqualTo(4);
        several.write(Guest.QUEUE_SEL, 3);
        assertThat(several.read(Guest.QUEUE_NUM_MAX)).isEqualTo(256);
    }

    @Test
    void whatWasWrittenIsReadBack() throws InterruptedException {
        DriverQueue queue = start(guest);
        byte[] bytes = chance(1, 8192);
        guest.put(DATA, bytes);
        assertThat(request(guest, queue, 1, 7, out(DATA, 8192))).isEqualTo(OK);
        assertThat(onDisk(7 * 512, 8192)).isEqualTo(bytes);
        assertThat(request(guest, queue, 0, 7, in(DATA + 0x10000, 8192))).isEqualTo(OK);
        assertThat(guest.bytes(DATA + 0x10000, 8192)).isEqualTo(bytes);
    }

    @Test
    void aReadTellsHowMuchItWrote() throws InterruptedException {
        DriverQueue queue = start(guest);
        int id = submit(guest, queue, 0, 0, in(DATA, 1024));
        assertThat(guest.await(queue)).isEqualTo(new DriverQueue.Used(id, 1025));
        id = submit(guest, queue, 1, 0, out(DATA, 1024));
        assertThat(guest.await(queue)).isEqualTo(new DriverQueue.Used(id, 1));
        id = submit(guest, queue, 0, SECTORS, in(DATA, 512));
        assertThat(guest.await(queue))
                .as("nothing of the data")
                .isEqualTo(new DriverQueue.Used(id, 0));
    }

    @Test
    void oneRunOfMemoryIsOneAccessWithoutCopy() throws InterruptedException {
        DriverQueue queue = start(guest);
        request(guest, queue, 0, 0, in(DATA, 256 * 512));
        request(guest, queue, 1, 8, out(DATA, 128 * 512), out(DATA + 0x80000, 64 * 512));
        assertThat(disk.log)
                .containsExactly("read 0 131072", "write 4096 65536", "write 69632 32768");
    }

    @Test
    void theFramingOfARequestDoesNotMatter() throws InterruptedException {
        DriverQueue queue = start(guest);
        byte[] bytes = chance(2, 1024);
        guest.putInt(0x8000, 1);
        guest.putInt(0x8004, 0);
        guest.putLong(0x8008, 3);
        guest.put(0x8010, bytes);
        // Header and data in pieces of odd lengths; header split, its end glued to the data.
        queue.add(
                out(0x8000, 5),
                out(0x8005, 11 + 100),
                out(0x8010 + 100, 1),
                out(0x8010 + 101, 923),
                in(STATUS, 1));
        guest.kick(queue);
        guest.await(queue);
        assertThat(guest.byteAt(STATUS)).isEqualTo(OK);
        assertThat(onDisk(3 * 512, 1024)).isEqualTo(bytes);

        // The status byte glued to the data.
        guest.putInt(0x8000, 0);
        queue.add(out(0x8000, 16), in(DATA, 1000), in(DATA + 1000, 25));
        guest.kick(queue);
        guest.await(queue);
        assertThat(guest.bytes(DATA, 1024)).isEqualTo(bytes);
        assertThat(guest.byteAt(DATA + 1024)).isEqualTo(OK);
    }

    @ParameterizedTest
    @CsvSource({
        "1024, 512",
        "1023, 1024",
        "0, 524800",
        "36028797018963968, 512",
        "-1, 512",
        "-1, 1024",
        "9223372036854775807, 512"
    })
    void aRequestBeyondTheEndFails(long sector, int length) throws InterruptedException {
        DriverQueue queue = start(guest);
        assertThat(request(guest, queue, 0, sector, in(DATA, length))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 1, sector, out(DATA, length))).isEqualTo(IOERR);
        assertThat(disk.log).isEmpty();
    }

    @Test
    void theLastSectorIsThere() throws InterruptedException {
        DriverQueue queue = start(guest);
        assertThat(request(guest, queue, 0, SECTORS - 1, in(DATA, 512))).isEqualTo(OK);
        assertThat(request(guest, queue, 0, 0, in(DATA, SECTORS * 512))).isEqualTo(OK);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 511, 513, 1023})
    void dataThatIsNotWholeSectorsFails(int length) throws InterruptedException {
        DriverQueue queue = start(guest);
        assertThat(request(guest, queue, 0, 0, in(DATA, length))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 1, 0, out(DATA, length))).isEqualTo(IOERR);
        assertThat(disk.log).isEmpty();
    }

    @Test
    void anUnknownRequestIsUnsupported() throws InterruptedException {
        DriverQueue queue = start(guest);
        for (int type : new int[] {2, 3, 5, 10, 12, 14, 15, 16, 255, -1, Integer.MIN_VALUE}) {
            assertThat(request(guest, queue, type, 0)).as("type %d", type).isEqualTo(UNSUPP);
        }
    }

    @Test
    void aRequestWithoutHeaderOrStatusBreaksTheDevice() {
        DriverQueue queue = start(guest);
        queue.add(out(HEADER, 15), in(STATUS, 1));
        guest.kick(queue);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
        queue = start(guest);
        queue.add(out(HEADER, 16));
        guest.kick(queue);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
        queue = start(guest);
        queue.add(in(STATUS, 1));
        guest.kick(queue);
        assertThat(guest.read(Guest.STATUS)).isEqualTo(15 | NEEDS_RESET);
    }

    @Test
    void theSerialNumberIsTwentyBytesPaddedWithZeroes() throws InterruptedException {
        DriverQueue queue = start(guest);
        guest.put(DATA, chance(3, 20));
        assertThat(request(guest, queue, 8, 0, in(DATA, 20))).isEqualTo(OK);
        assertThat(new String(guest.bytes(DATA, 20), StandardCharsets.US_ASCII))
                .isEqualTo("FROND-0001" + "\0".repeat(10));
        assertThat(request(guest, queue, 8, 0, in(DATA, 19))).isEqualTo(IOERR);
    }

    @Test
    void flushReachesTheDisk() throws InterruptedException {
        DriverQueue queue = start(guest);
        assertThat(request(guest, queue, 4, 0)).isEqualTo(OK);
        assertThat(disk.log).containsExactly("flush");
    }

    @Test
    void inWritethroughModeEveryWriteIsDurableBeforeItCompletes() throws InterruptedException {
        DriverQueue queue = start(guest);
        request(guest, queue, 1, 0, out(DATA, 512));
        assertThat(disk.log).containsExactly("write 0 512");
        guest.writeConfig(32, 1, 0);
        assertThat(guest.config(32, 1)).isZero();
        disk.log.clear();
        request(guest, queue, 1, 0, out(DATA, 512));
        assertThat(disk.log).containsExactly("write 0 512", "flush");
        guest.writeConfig(32, 1, 1);
        disk.log.clear();
        request(guest, queue, 1, 0, out(DATA, 512));
        assertThat(disk.log).containsExactly("write 0 512");
    }

    @Test
    void aDriverThatCannotFlushGetsDurableWrites() throws InterruptedException {
        guest.negotiate(VirtioFeature.VERSION_1);
        DriverQueue queue = guest.queue(0, 64);
        guest.driverOk();
        request(guest, queue, 1, 0, out(DATA, 512));
        assertThat(disk.log).containsExactly("write 0 512", "flush");
        guest.writeConfig(32, 1, 0);
        assertThat(guest.config(32, 1)).as("not negotiated, not writable").isEqualTo(1);
    }

    @Test
    void aDriverThatOnlyFlushesGetsAWritebackCache() throws InterruptedException {
        guest.negotiate(VirtioFeature.VERSION_1 | 1L << 9);
        DriverQueue queue = guest.queue(0, 64);
        guest.driverOk();
        request(guest, queue, 1, 0, out(DATA, 512));
        assertThat(disk.log).containsExactly("write 0 512");
    }

    @Test
    void cacheControlWithoutFlushStartsAsWritethroughUntilTheReset() {
        guest.negotiate(VirtioFeature.VERSION_1 | 1L << 11);
        assertThat(guest.config(32, 1)).isZero();
        guest.write(Guest.STATUS, 0);
        assertThat(guest.config(32, 1)).isEqualTo(1);
    }

    @Test
    void aReadOnlyDiskRefusesEveryChange() throws InterruptedException {
        TestDisk frozen = new TestDisk(SECTORS * 512L, true);
        Guest reader = new Guest(new VirtioBlk(new VirtioBlk.Spec("", 1), frozen));
        DriverQueue queue = start(reader);
        assertThat(request(reader, queue, 1, 0, out(DATA, 512))).isEqualTo(IOERR);
        reader.putInt(DATA + 8, 1);
        assertThat(request(reader, queue, 11, 0, out(DATA, 16))).isEqualTo(UNSUPP);
        assertThat(request(reader, queue, 13, 0, out(DATA, 16))).isEqualTo(UNSUPP);
        assertThat(frozen.log).isEmpty();
        assertThat(request(reader, queue, 0, 0, in(DATA, 512))).isEqualTo(OK);
        assertThat(request(reader, queue, 4, 0)).isEqualTo(OK);
    }

    private void segment(int index, long sector, int sectors, int flags) {
        guest.putLong(DATA + 16L * index, sector);
        guest.putInt(DATA + 16L * index + 8, sectors);
        guest.putInt(DATA + 16L * index + 12, flags);
    }

    @Test
    void severalRangesAreDiscardedByOneRequest() throws InterruptedException {
        DriverQueue queue = start(guest);
        segment(0, 8, 16, 0);
        segment(1, 1016, 8, 0);
        assertThat(request(guest, queue, 11, 0, out(DATA, 32))).isEqualTo(OK);
        assertThat(disk.log).containsExactly("discard 4096 8192", "discard 520192 4096");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void zeroesAreWrittenWithAndWithoutUnmap(int flags) throws InterruptedException {
        DriverQueue queue = start(guest);
        disk.image.fill((byte) 1);
        segment(0, 8, 16, flags);
        assertThat(request(guest, queue, 13, 0, out(DATA, 16))).isEqualTo(OK);
        assertThat(onDisk(4096, 8192)).containsOnly(0);
        assertThat(onDisk(0, 4096)).containsOnly(1);
        assertThat(onDisk(12288, 4096)).containsOnly(1);
    }

    @Test
    void zeroesAreDurableInWritethroughMode() throws InterruptedException {
        DriverQueue queue = start(guest);
        guest.writeConfig(32, 1, 0);
        segment(0, 8, 16, 0);
        assertThat(request(guest, queue, 13, 0, out(DATA, 16))).isEqualTo(OK);
        assertThat(disk.log).containsExactly("zero 4096 8192", "flush");
    }

    @Test
    void flagsThatAreNotKnownAreUnsupported() throws InterruptedException {
        DriverQueue queue = start(guest);
        segment(0, 0, 8, 1);
        assertThat(request(guest, queue, 11, 0, out(DATA, 16)))
                .as("discard knows no unmap")
                .isEqualTo(UNSUPP);
        segment(0, 0, 8, 2);
        assertThat(request(guest, queue, 11, 0, out(DATA, 16))).isEqualTo(UNSUPP);
        assertThat(request(guest, queue, 13, 0, out(DATA, 16))).isEqualTo(UNSUPP);
        segment(0, 0, 8, 0);
        segment(1, 0, 8, 0x8000_0000);
        assertThat(request(guest, queue, 11, 0, out(DATA, 32))).isEqualTo(UNSUPP);
        assertThat(disk.log).as("nothing was done").isEmpty();
    }

    @Test
    void rangesBeyondEndOrLimitFailAsAWhole() throws InterruptedException {
        DriverQueue queue = start(guest);
        segment(0, 0, 8, 0);
        segment(1, 1020, 8, 0);
        assertThat(request(guest, queue, 11, 0, out(DATA, 32))).isEqualTo(IOERR);
        segment(1, -1, 2, 0);
        assertThat(request(guest, queue, 11, 0, out(DATA, 32))).isEqualTo(IOERR);
        segment(1, 0, -1, 0);
        assertThat(request(guest, queue, 11, 0, out(DATA, 32))).isEqualTo(IOERR);
        segment(1, 8, 8, 0);
        assertThat(request(guest, queue, 13, 0, out(DATA, 32))).as("two").isEqualTo(IOERR);
        for (long[] range : new long[][] {{1020, 8}, {-1, 2}, {0, -1}, {0, 1 << 16}}) {
            segment(0, range[0], (int) range[1], 0);
            assertThat(request(guest, queue, 13, 0, out(DATA, 16))).isEqualTo(IOERR);
        }
        assertThat(request(guest, queue, 11, 0, out(DATA, 17))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 11, 0)).isEqualTo(IOERR);
        assertThat(request(guest, queue, 11, 0, out(DATA + 0x1000, 17 * 16))).isEqualTo(IOERR);
        assertThat(disk.log).as("nothing was done").isEmpty();
    }

    @Test
    void aRequestBeyondTheLargestSizeFails() throws InterruptedException {
        BlankDisk blank = new BlankDisk();
        Guest large = new Guest(new VirtioBlk(new VirtioBlk.Spec("", 1), blank));
        DriverQueue queue = start(large);
        var data = new DriverQueue.Element[254];
        Arrays.fill(data, in(DATA, 1 << 20));
        assertThat(request(large, queue, 0, 0, data)).isEqualTo(OK);
        assertThat(blank.bytes).isEqualTo(254L << 20);
        data[0] = in(DATA, (1 << 20) + 512);
        assertThat(request(large, queue, 0, 0, data)).isEqualTo(IOERR);
        assertThat(blank.bytes).isEqualTo(254L << 20);
    }

    /** A terabyte that only counts what is read. */
    private static final class BlankDisk implements BlockBackend {
        private volatile long bytes;

        @Override
        public long size() {
            return 1L << 40;
        }

        @Override
        public boolean isReadOnly() {
            return true;
        }

        @Override
        public void read(long offset, MemorySegment target) {
            bytes = offset + target.byteSize();
        }

        @Override
        public void write(long offset, MemorySegment source) throws IOException {
            throw new IOException("read-only");
        }

        @Override
        public void flush() {}

        @Override
        public void discard(long offset, long length) throws IOException {
            throw new IOException("read-only");
        }

        @Override
        public void writeZeroes(long offset, long length) throws IOException {
            throw new IOException("read-only");
        }

        @Override
        public void close() {}
    }

    @Test
    void aFailureOfTheHostIsAnIoError() throws InterruptedException {
        DriverQueue queue = start(guest);
        disk.failure = Optional.of("No space left on device");
        assertThat(request(guest, queue, 0, 0, in(DATA, 512))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 1, 0, out(DATA, 512))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 4, 0)).isEqualTo(IOERR);
        segment(0, 0, 8, 0);
        assertThat(request(guest, queue, 11, 0, out(DATA, 16))).isEqualTo(IOERR);
        assertThat(request(guest, queue, 13, 0, out(DATA, 16))).isEqualTo(IOERR);
        disk.failure = Optional.empty();
        assertThat(request(guest, queue, 0, 0, in(DATA, 512)))
                .as("the disk is well again")
                .isEqualTo(OK);
    }

    @Test
    void aSlowRequestHoldsUpNeitherTheCpuNorOtherRequests() throws InterruptedException {
        DriverQueue queue = start(guest);
        CountDownLatch gate = new CountDownLatch(1);
        disk.gate = Optional.of(gate);
        int slow = submit(guest, queue, 0, 0, in(DATA, 512));
        assertThat(guest.read(Guest.STATUS)).as("registers answer").isEqualTo(15);
        // An identification needs no disk and overtakes.
        guest.putInt(0xA000, 8);
        int fast = queue.add(out(0xA000, 16), in(0xA100, 20), in(0xA200, 1));
        guest.kick(queue);
        assertThat(guest.await(queue).id()).isEqualTo(fast);
        gate.countDown();
        assertThat(guest.await(queue).id()).isEqualTo(slow);
    }

    @Test
    void drainWaitsForRequestsThatAreUnderWay() throws InterruptedException {
        DriverQueue queue = start(guest);
        CountDownLatch gate = new CountDownLatch(1);
        disk.gate = Optional.of(gate);
        for (int i = 0; i < 10; i++) {
            submit(guest, queue, 0, i, in(DATA + 512L * i, 512));
        }
        Thread drainer = Thread.ofPlatform().start(guest.mmio::drain);
        drainer.join(50);
        assertThat(drainer.isAlive()).isTrue();
        gate.countDown();
        drainer.join();
        for (int i = 0; i < 10; i++) {
            assertThat(queue.poll()).isPresent();
        }
        assertThat(guest.mmio.save().queues().getFirst().nextUsed()).isEqualTo(10);
    }

    @Test
    void aResetReturnsOnlyWhenNoRequestTouchesMemoryAnyMore() throws InterruptedException {
        DriverQueue queue = start(guest);
        disk.image.fill((byte) 7);
        CountDownLatch gate = new CountDownLatch(1);
        disk.gate = Optional.of(gate);
        submit(guest, queue, 0, 0, in(DATA, 512));
        Thread cpu = Thread.ofPlatform().start(() -> guest.write(Guest.STATUS, 0));
        cpu.join(50);
        assertThat(cpu.isAlive()).isTrue();
        gate.countDown();
        cpu.join();
        assertThat(guest.byteAt(DATA)).as("done before the reset was").isEqualTo(7);
        blk.drain();
        assertThat(queue.poll()).as("and the ring is not touched after it").isEmpty();
        assertThat(guest.irq.isActive()).isFalse();
        assertThat(request(guest, start(guest), 0, 0, in(DATA, 512))).isEqualTo(OK);
    }

    @Test
    void aDiskMovesToAnotherMachineBetweenRequests() throws InterruptedException {
        DriverQueue queue = start(guest);
        guest.writeConfig(32, 1, 0);
        byte[] bytes = chance(4, 512);
        guest.put(DATA, bytes);
        request(guest, queue, 1, 5, out(DATA, 512));
        blk.drain();

        VirtioBlk second = new VirtioBlk(new VirtioBlk.Spec("FROND-0001", 1), disk);
        Guest restored = new Guest(second, guest);
        second.load(blk.save());
        restored.mmio.load(guest.mmio.save());
        second.settle();
        restored.mmio.settle();
        assertThat(restored.config(32, 1)).isZero();
        restored.put(DATA, new byte[512]);
        assertThat(request(restored, queue, 0, 5, in(DATA, 512))).isEqualTo(OK);
        assertThat(restored.bytes(DATA, 512)).isEqualTo(bytes);
    }

    @Test
    void aSpecThatCannotBeIsRefusedByName() {
        assertThatThrownBy(() -> new VirtioBlk.Spec("123456789012345678901", 1))
                .hasMessage(
                        "virtio-blk: serial is \"123456789012345678901\": accepted are up to 20"
                                + " printable ASCII characters");
        assertThatThrownBy(() -> new VirtioBlk.Spec("\n", 1))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new VirtioBlk.Spec("", 0))
                .hasMessage("virtio-blk: queues is 0: accepted is 1..64");
        assertThatThrownBy(() -> new VirtioBlk.Spec("", 65))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
