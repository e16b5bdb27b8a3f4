// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

class AddressSpaceTest {
    private final AddressSpace space = new AddressSpace("memory");

    /** Registers that note each access and read as the low bytes of their own offsets. */
    private static final class Registers implements IoHandler {
        final List<String> accesses = new ArrayList<>();
        final ReentrantLock lock = new ReentrantLock();

        @Override
        public long read(long offset, int size) {
            assertThat(lock.isHeldByCurrentThread()).isTrue();
            accesses.add("r" + size + "@" + offset);
            long value = 0;
            for (int i = 0; i < size; i++) {
                value |= (offset + i & 0xFF) << (8 * i);
            }
            return value;
        }

        @Override
        public void write(long offset, int size, long value) {
            assertThat(lock.isHeldByCurrentThread()).isTrue();
            accesses.add("w" + size + "@" + offset + "=" + Long.toHexString(value));
        }

        Region.Io region(long size, AccessWidths widths) {
            return new Region.Io(this, size, widths, lock);
        }
    }

    private static GuestMemory memory(int pages) {
        return new GuestMemory(Arena.ofAuto().allocate(pages * 4096L, 4096));
    }

    // Nothing, RAM, ROM

    @Test
    void anUnmappedAddressReadsAllOnesAndTakesWrites() {
        assertThat(space.read(0x1234, 1)).isEqualTo(0xFF);
        assertThat(space.read(0x1234, 4)).isEqualTo(0xFFFF_FFFFL);
        assertThat(space.read(-4, 8)).isEqualTo(-1);
        space.write(0, 8, 1);
        space.write(-1, 8, 1);
    }

    @Test
    void ramIsReadAndWritten() {
        GuestMemory ram = memory(4);
        space.map(0x10_0000, new Region.Ram(ram, 4096, 2 * 4096));
        space.write(0x10_0002, 4, 0x1234_5678);
        assertThat(space.read(0x10_0002, 4)).isEqualTo(0x1234_5678);
        assertThat(ram.load(4096 + 2, 4)).isEqualTo(0x1234_5678);
        assertThat(space.read(0x10_2000, 1)).isEqualTo(0xFF);
    }

    @Test
    void romDropsWrites() {
        GuestMemory rom = memory(1);
        rom.store(8, 4, 0xCAFE);
        space.map(0xFFFF_F000L, new Region.Rom(rom, 0, 4096));
        space.write(0xFFFF_F008L, 4, 1);
        assertThat(space.read(0xFFFF_F008L, 4)).isEqualTo(0xCAFE);
    }

    @Test
    void romIoReadsMemoryAndWritesToItsHandler() {
        GuestMemory rom = memory(2);
        rom.store(4096 + 16, 2, 0xBEEF);
        Registers flash = new Registers();
        space.map(0x1000, new Region.RomIo(rom, 4096, 4096, flash.region(4096, AccessWidths.ANY)));
        assertThat(space.read(0x1010, 2)).isEqualTo(0xBEEF);
        space.write(0x1010, 2, 0xAA);
        assertThat(flash.accesses).containsExactly("w2@16=aa");
    }

    @Test
    void anAccessAcrossAnyEdgeIsSplit() {
        GuestMemory ram = memory(1);
        Registers registers = new Registers();
        space.map(0, new Region.Ram(ram, 0, 4096));
        space.map(4096, registers.region(16, AccessWidths.ANY));
        ram.store(4094, 2, 0xBBAA);
        assertThat(space.read(4094, 4)).isEqualTo(0x0100_BBAAL);
        assertThat(registers.accesses).containsExactly("r1@0", "r1@1");
        assertThat(space.read(4096 + 14, 4)).isEqualTo(0xFFFF_0F0EL);
        space.write(4095, 2, 0x2211);
        assertThat(ram.load(4095, 1)).isEqualTo(0x11);
        assertThat(registers.accesses).last().isEqualTo("w1@0=22");
    }

    @Test
    void anAccessFromAHoleIntoRamFindsTheRam() {
        GuestMemory ram = memory(1);
        ram.store(0, 2, 0x2211);
        space.map(0x1000, new Region.Ram(ram, 0, 4096));
        assertThat(space.read(0xFFE, 4)).isEqualTo(0x2211_FFFFL);
        space.write(0xFFF, 2, 0x99EE);
        assertThat(ram.load(0, 1)).isEqualTo(0x99);
    }

    @Test
    void anAccessAcrossTheEndOfTheAddressSpaceWraps() {
        GuestMemory high = memory(1);
        GuestMemory low = memory(1);
        space.map(-4096, new Region.Ram(high, 0, 4096));
        high.store(4092, 4, 0x4433_2211);
        assertThat(space.read(-4, 8)).isEqualTo(0xFFFF_FFFF_4433_2211L);
        space.map(0, new Region.Ram(low, 0, 4096));
        space.write(-2, 4, 0xDDCC_BBAAL);
        assertThat(high.load(4094, 2)).isEqualTo(0xBBAA);
        assertThat(low.load(0, 2)).isEqualTo(0xDDCC);
    }

    @Test
    void aRegionBeyondTheEndOfTheAddressSpaceIsRefused() {
        Region.Io io = new Registers().region(4097, AccessWidths.ANY);
        assertThatThrownBy(() -> space.map(-4096, io))
                .hasMessage(
                        "memory: a region of 4097 bytes at 0xfffffffffffff000 passes the end of the"
                                + " address space");
    }

    @Test
    void aRegionOutsideItsMemoryIsRefused() {
        GuestMemory ram = memory(1);
        assertThatThrownBy(() -> new Region.Ram(ram, 1, 4096))
                .hasMessage("region of 4096 bytes at offset 1 leaves a memory of 4096 bytes");
        assertThatThrownBy(() -> new Region.Rom(ram, -1, 2))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Region.Ram(ram, 0, 0))
                .hasMessage("region of 0 bytes: accepted is 1 and more");
    }

    // Access widths

    @Test
    void aWideAccessToByteRegistersBecomesSeveral() {
        Registers registers = new Registers();
        space.map(0x3F8, registers.region(8, AccessWidths.BYTE));
        assertThat(space.read(0x3F9, 4)).isEqualTo(0x0403_0201);
        space.write(0x3FA, 2, 0x7766);
        assertThat(registers.accesses)
                .containsExactly("r1@1", "r1@2", "r1@3", "r1@4", "w1@2=66", "w1@3=77");
    }

    @Test
    void aNarrowAccessToWideRegistersTakesItsPart() {
        Registers registers = new Registers();
        space.map(0, registers.region(64, AccessWidths.DWORD));
        assertThat(space.read(0x11, 1)).isEqualTo(0x11);
        assertThat(space.read(0x12, 2)).isEqualTo(0x1312);
        assertThat(space.read(0x13, 2)).as("across two registers").isEqualTo(0x1413);
        space.write(0x10, 1, 0xAB);
        space.write(0x12, 2, 0xABCD);
        space.write(0x13, 2, 0xABCD);
        assertThat(registers.accesses)
                .containsExactly(
                        "r4@16",
                        "r4@16",
                        "r4@16",
                        "r4@20",
                        "w4@16=ab",
                        "w4@16=abcd0000",
                        "w4@16=cd000000",
                        "w4@20=ab");
    }

    @Test
    void aWideAccessToDwordRegistersBecomesTwo() {
        Registers registers = new Registers();
        space.map(0, registers.region(64, AccessWidths.DWORD));
        assertThat(space.read(8, 8)).isEqualTo(0x0F0E_0D0C_0B0A_0908L);
        space.write(8, 8, 0x1122_3344_5566_7788L);
        assertThat(registers.accesses)
                .containsExactly("r4@8", "r4@12", "w4@8=55667788", "w4@12=11223344");
    }

    @Test
    void bitsAboveAnAccessNeverReachEitherSide() {
        IoHandler sloppy =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return -1;
                    }

                    @Override
                    public void write(long offset, int size, long value) {
                        assertThat(value).isEqualTo(0xFE);
                    }
                };
        space.map(0, new Region.Io(sloppy, 8, AccessWidths.ANY, new ReentrantLock()));
        assertThat(space.read(0, 2)).isEqualTo(0xFFFF);
        space.write(0, 1, 0xFFFF_FFFE);
    }

    @Test
    void widthsAreOrderedPowersOfTwo() {
        assertThatThrownBy(() -> new AccessWidths(3, 4))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new AccessWidths(4, 2))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new AccessWidths(1, 16))
                .isInstanceOf(IllegalArgumentException.class);
    }

    // Overlaps

    @Test
    void theHigherPriorityHidesAndUnmappingUncovers() {
        GuestMemory ram = memory(4);
        Registers registers = new Registers();
        space.map(0, new Region.Ram(ram, 0, 4 * 4096));
        AddressSpace.Mapping io = space.map(4096, registers.region(4096, AccessWidths.ANY), 1);
        space.map(4096, new Region.Rom(ram, 0, 4096), -1);
        assertThat(space.read(4096, 1)).isZero();
        assertThat(registers.accesses).hasSize(1);
        assertThat(space.view().ranges())
                .extracting(FlatView.Range::start)
                .containsExactly(0L, 4096L, 8192L);
        assertThat(space.view().find(8192).offsetOf(8200)).isEqualTo(8200);
        space.unmap(io);
        assertThat(space.read(4096, 1)).isZero();
        assertThat(registers.accesses).hasSize(1);
        space.unmap(io);
        assertThat(space.view().ranges()).hasSize(1);
    }

    @Test
    void theLaterOfEqualPriorityIsOnTop() {
        Registers first = new Registers();
        Registers second = new Registers();
        space.map(0, first.region(8, AccessWidths.ANY));
        space.map(4, second.region(8, AccessWidths.ANY));
        space.read(4, 1);
        space.read(3, 1);
        assertThat(first.accesses).containsExactly("r1@3");
        assertThat(second.accesses).containsExactly("r1@0");
    }

    @Test
    void theFlatViewOfRandomMappingsShowsTheTopmostEverywhere() {
        Random random = new Random(1);
        for (int round = 0; round < 300; round++) {
            AddressSpace random64 = new AddressSpace("random");
            List<AddressSpace.Mapping> mapped = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                long base = random.nextLong(random.nextInt(8) == 0 ? -64 : 0, 64);
                long size = 1 + random.nextLong(base < 0 ? -base : 20);
                mapped.add(
                        random64.map(
                                base,
                                new Registers().region(size, AccessWidths.ANY),
                                random.nextInt(3)));
                if (random.nextInt(4) == 0) {
                    random64.unmap(mapped.remove(random.nextInt(mapped.size())));
                }
            }
            for (long address = -70; address < 90; address++) {
                FlatView.Range found = random64.view().find(address);
                Optional<AddressSpace.Mapping> top = topmost(mapped, address);
                assertThat(FlatView.isNothing(found)).isEqualTo(top.isEmpty());
                if (top.isPresent()) {
                    assertThat(found.region()).isSameAs(top.get().region());
                    assertThat(found.offsetOf(address)).isEqualTo(address - top.get().base());
                }
            }
        }
    }

    private static Optional<AddressSpace.Mapping> topmost(
            List<AddressSpace.Mapping> mapped, long address) {
        return mapped.stream()
                .filter(m -> Long.compareUnsigned(address - m.base(), m.region().size()) < 0)
                .reduce((top, next) -> next.priority() >= top.priority() ? next : top);
    }

    // Aliases

    @Test
    void anAliasShowsAWindowOfAnotherSpace() {
        AddressSpace ports = new AddressSpace("ports");
        Registers registers = new Registers();
        ports.map(0x3F8, registers.region(8, AccessWidths.BYTE));
        space.map(0xE000_0000L, new Region.Alias(ports, 0x3F9, 4));
        assertThat(space.read(0xE000_0000L, 1)).isEqualTo(1);
        assertThat(space.read(0xE000_0003L, 2)).isEqualTo(0xFF04);
    }

    @Test
    void anAliasFollowsChangesOfItsTarget() {
        AddressSpace ports = new AddressSpace("ports");
        AddressSpace.Mapping window = space.map(0x1000, new Region.Alias(ports, 0, 0x100));
        List<FlatView> views = new ArrayList<>();
        space.follow(views::add);
        AddressSpace.Mapping late = ports.map(0x10, new Registers().region(4, AccessWidths.BYTE));
        assertThat(space.read(0x1012, 1)).isEqualTo(2);
        assertThat(views).hasSize(2);
        ports.unmap(late);
        assertThat(space.read(0x1012, 1)).isEqualTo(0xFF);
        space.unmap(window);
        int seen = views.size();
        ports.map(0x20, new Registers().region(4, AccessWidths.BYTE));
        assertThat(views).hasSize(seen);
    }

    @Test
    void anAliasOfItselfIsRefused() {
        AddressSpace ports = new AddressSpace("ports");
        ports.map(0, new Region.Alias(space, 0, 16));
        assertThatThrownBy(() -> space.map(0, new Region.Alias(ports, 0, 16)))
                .hasMessage("memory: an alias of ports would show memory within itself");
        assertThatThrownBy(() -> space.map(0, new Region.Alias(space, 0, 16)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    // Bulk access

    @Test
    void bytesAreCopiedAcrossRegions() {
        GuestMemory ram = memory(2);
        Registers registers = new Registers();
        space.map(0, new Region.Ram(ram, 0, 8192));
        space.map(8192, registers.region(16, AccessWidths.BYTE));
        byte[] pattern = new byte[5000];
        new Random(1).nextBytes(pattern);
        space.writeBytes(3000, pattern);
        assertThat(space.readBytes(3000, 5000)).isEqualTo(pattern);
        space.writeBytes(8190, new byte[] {1, 2, 3, 4});
        assertThat(registers.accesses).containsExactly("w1@0=3", "w1@1=4");
        assertThat(space.readBytes(8190, 4)).containsExactly(1, 2, 0, 1);
        assertThat(space.readBytes(-2, 4)).containsExactly(0xFF, 0xFF, 0, 0);
    }

    @Test
    void bulkWritesReachTheDirtyLog() {
        GuestMemory ram = memory(3);
        space.map(0x10_0000, new Region.Ram(ram, 0, 3 * 4096));
        ram.dirtyLog().start();
        space.writeBytes(0x10_0000 + 4000, new byte[200]);
        List<Long> pages = new ArrayList<>();
        ram.dirtyLog().harvest(pages::add);
        assertThat(pages).containsExactly(0L, 1L);
    }

    @Test
    void devicesAreKeptFromMemoryByTheOneThatGoesWithoutThem() throws InterruptedException {
        AtomicBoolean touched = new AtomicBoolean();
        Thread device = Thread.ofPlatform().unstarted(() -> touch(touched));
        Lock alone = space.withoutDevices();
        alone.lock();
        try {
            device.start();
            device.join(50);
            assertThat(touched).isFalse();
        } finally {
            alone.unlock();
        }
        device.join();
        assertThat(touched).isTrue();
    }

    private void touch(AtomicBoolean touched) {
        Lock lock = space.byDevice();
        lock.lock();
        try {
            touched.set(true);
        } finally {
            lock.unlock();
        }
    }

    @Test
    void ramBehindARangeIsGivenOnlyWhenAllOfItIsOneRun() {
        GuestMemory ram = memory(2);
        space.map(0x1000, new Region.Ram(ram, 0, 8192));
        assertThat(space.ram(0x1000, 8192)).map(MemorySegment::byteSize).contains(8192L);
        assertThat(space.ram(0x1001, 8192)).isEmpty();
        assertThat(space.ram(0x1000, 0)).isEmpty();
        assertThat(space.ram(0x1000, -1)).isEmpty();
        assertThat(space.ram(0, 1)).isEmpty();
    }
}
