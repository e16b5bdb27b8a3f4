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
import java.util.concurrent.atomic.AtomicInteger;

class GuestMemoryTest {
    private final GuestMemory memory = new GuestMemory(Arena.ofAuto().allocate(70 * 4096, 4096));

    @Test
    void loadsAreLittleEndianZeroExtendedAndMayBeMisaligned() {
        memory.store(3, 8, 0x8877_6655_4433_2211L);
        assertThat(memory.load(3, 8)).isEqualTo(0x8877_6655_4433_2211L);
        assertThat(memory.load(4, 4)).isEqualTo(0x5544_3322L);
        assertThat(memory.load(9, 2)).isEqualTo(0x8877);
        assertThat(memory.load(10, 1)).isEqualTo(0x88);
        memory.store(7, 4, 0xFFFF_FFFF_FFFF_FFFFL);
        assertThat(memory.load(7, 4)).isEqualTo(0xFFFF_FFFFL);
        assertThat(memory.load(3, 4)).isEqualTo(0x4433_2211L);
    }

    @Test
    void aSizeThatNoCpuHasIsRefused() {
        assertThatThrownBy(() -> memory.load(0, 3))
                .hasMessage("access of 3 bytes: accepted are 1, 2, 4, 8");
        assertThatThrownBy(() -> memory.store(0, 0, 1))
                .hasMessage("access of 0 bytes: accepted are 1, 2, 4, 8");
    }

    @Test
    void memoryComesInWholePages() {
        assertThatThrownBy(() -> new GuestMemory(Arena.ofAuto().allocate(4097, 4096)))
                .hasMessage("guest memory of 4097 bytes: accepted are multiples of 4096");
        assertThatThrownBy(() -> new GuestMemory(MemorySegment.NULL))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void compareAndExchangeReplacesOnlyWhatIsExpected() {
        for (int size : new int[] {1, 2, 4, 8}) {
            long mask = size == 8 ? -1 : (1L << (8 * size)) - 1;
            for (long offset = 0; offset < 16; offset += size) {
                memory.store(0, 8, 0x8182_8384_8586_8788L);
                memory.store(8, 8, 0x9192_9394_9596_9798L);
                long old = memory.load(offset, size);
                assertThat(memory.compareAndExchange(offset, size, old ^ 1, 0)).isEqualTo(old);
                assertThat(memory.load(offset, size)).isEqualTo(old);
                assertThat(memory.compareAndExchange(offset, size, old, ~old)).isEqualTo(old);
                assertThat(memory.load(offset, size)).isEqualTo(~old & mask);
                memory.store(offset, size, old);
                assertThat(memory.load(0, 8)).isEqualTo(0x8182_8384_8586_8788L);
                assertThat(memory.load(8, 8)).isEqualTo(0x9192_9394_9596_9798L);
            }
        }
    }

    @Test
    void neighbouringBytesAreExchangedAtomically() throws InterruptedException {
        AtomicInteger lost = new AtomicInteger();
        List<Thread> threads = new ArrayList<>();
        for (int lane = 0; lane < 4; lane++) {
            long offset = lane;
            threads.add(
                    Thread.ofPlatform()
                            .start(() -> {
                                for (int i = 0; i < 100_000; i++) {
                                    long old = memory.load(offset, 1);
                                    if (memory.compareAndExchange(offset, 1, old, old + 1) != old) {
                                        lost.incrementAndGet();
                                    }
                                }
                            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(lost).as("each lane has one writer").hasValue(0);
        int count = 100_000 & 0xFF;
        assertThat(memory.load(0, 4)).isEqualTo(count * 0x0101_0101L);
    }

    @Test
    void theDirtyLogNamesEveryPageStoredToOnce() {
        memory.store(0, 8, 1);
        assertThat(harvest()).as("before the log starts").isEmpty();
        memory.dirtyLog().start();
        memory.store(4096 - 4, 8, 1);
        memory.store(4096, 1, 1);
        memory.compareAndExchange(5 * 4096, 4, 0, 1);
        memory.wrote(66 * 4096 - 1, 4098);
        assertThat(harvest()).containsExactly(0L, 1L, 5L, 65L, 66L, 67L);
        assertThat(harvest()).isEmpty();
        memory.store(69 * 4096, 2, 1);
        memory.dirtyLog().stop();
        assertThat(memory.dirtyLog().isLogging()).isFalse();
        assertThat(harvest()).isEmpty();
    }

    @Test
    void listenersOfTheDirtyLogHearBeforePagesAreCleanAgain() {
        List<Long> storedWhileHarvested = new ArrayList<>();
        memory.dirtyLog().start();
        memory.dirtyLog().onHarvest(() -> memory.store(3 * 4096, 1, 1));
        memory.dirtyLog().harvest(storedWhileHarvested::add);
        assertThat(storedWhileHarvested).containsExactly(3L);
    }

    /** A CPU that notes what it is told, and holds code until a store to it. */
    private static class Cpu implements GuestMemory.Watcher {
        final List<String> told = new ArrayList<>();
        boolean holds = true;
        boolean keeps;

        @Override
        public boolean stored(long offset, int length) {
            told.add("stored %d at %d".formatted(length, offset));
            holds &= keeps;
            return holds;
        }

        @Override
        public boolean holds(long page) {
            return holds;
        }

        @Override
        public void marked(long page) {
            told.add("marked " + page);
        }
    }

    @Test
    void storesToCodePagesAreToldPageByPage() {
        Cpu cpu = new Cpu();
        cpu.keeps = true;
        memory.watch(cpu);
        assertThat(memory.markCode(1)).isTrue();
        assertThat(memory.markCode(1)).isFalse();
        assertThat(memory.markCode(65)).isTrue();
        memory.store(0, 8, 1);
        memory.store(4096 - 4, 8, 1);
        memory.wrote(64 * 4096, 3 * 4096);
        memory.unwatch(cpu);
        memory.store(4096, 8, 1);
        assertThat(cpu.told)
                .containsExactly(
                        "marked 1", "marked 65", "stored 4 at 4096", "stored 4096 at 266240");
    }

    @Test
    void aPageIsNoCodePageAnyMoreWhenNoCpuHoldsItsCode() {
        Cpu one = new Cpu();
        Cpu two = new Cpu();
        two.keeps = true;
        memory.watch(one);
        memory.watch(two);
        memory.markCode(2);
        memory.store(2 * 4096, 1, 1);
        assertThat(memory.isCode(2)).as("one CPU still holds code").isTrue();
        two.keeps = false;
        memory.store(2 * 4096, 1, 1);
        assertThat(memory.isCode(2)).isFalse();
        memory.store(2 * 4096, 1, 1);
        assertThat(one.told).containsExactly("marked 2", "stored 1 at 8192", "stored 1 at 8192");
    }

    @Test
    void aCpuThatTakesUpCodeWhileThePageIsUnmarkedMarksItAgain() {
        Cpu late =
                new Cpu() {
                    @Override
                    public boolean stored(long offset, int length) {
                        super.stored(offset, length);
                        holds = true;
                        return false;
                    }
                };
        memory.watch(late);
        memory.markCode(2);
        memory.store(2 * 4096, 1, 1);
        assertThat(memory.isCode(2)).isTrue();
    }

    private List<Long> harvest() {
        List<Long> pages = new ArrayList<>();
        memory.dirtyLog().harvest(pages::add);
        return pages;
    }
}
