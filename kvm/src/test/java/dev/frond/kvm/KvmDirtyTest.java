// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.host.HostException;
import dev.frond.kvm.KvmEngine.DirtyTracking;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/** What this host's KVM tells of the pages that a guest stores to, in each of its ways. */
class KvmDirtyTest {
    private static final String END = "\n out 0xF4, al\n jmp $";
    private static final long MORE = 16 << 20;
    private static final long PAGES = 2L * DirtyRings.ENTRIES + 100;

    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    private static KvmRig rig(DirtyTracking tracking) {
        try (KvmEngine engine = new KvmEngine(IrqChip.OFF, tracking)) {
            assertThat(engine.name()).isEqualTo("kvm");
        } catch (HostException e) {
            assumeThat(e.getMessage()).as("a kernel without").doesNotContain("KVM_CAP_DIRTY");
            throw e;
        }
        return new KvmRig(tracking);
    }

    private static List<Long> harvest(GuestMemory memory) {
        List<Long> pages = new ArrayList<>();
        memory.dirtyLog().harvest(pages::add);
        return pages;
    }

    @ParameterizedTest
    @EnumSource
    void pagesThatTheGuestStoresToAreTold(DirtyTracking tracking) throws Exception {
        try (KvmRig rig = rig(tracking)) {
            rig.ram.dirtyLog().start();
            rig.longMode("mov byte [0x40000], 1\n mov byte [0x7FFFF], 1" + END).run();
            assertThat(harvest(rig.ram)).contains(0x40L, 0x7FL).doesNotContain(0x50L);
            rig.longMode("mov byte [0x50000], 1" + END).run();
            assertThat(harvest(rig.ram)).contains(0x50L).doesNotContain(0x40L);
            rig.longMode("mov byte [0x40000], 1" + END).run();
            assertThat(harvest(rig.ram)).as("once more").contains(0x40L).doesNotContain(0x50L);
            rig.ram.dirtyLog().stop();
        }
    }

    @ParameterizedTest
    @EnumSource
    void morePagesThanARingHoldsAreTold(DirtyTracking tracking) throws Exception {
        // A KVM in software comes back too late, when the ring has run over.
        assumeThat(tracking == DirtyTracking.LOG || KvmSupport.whyLimited().isEmpty())
                .as("a KVM that stops before a ring is full")
                .isTrue();
        try (KvmRig rig = rig(tracking)) {
            GuestMemory more = more(rig);
            more.dirtyLog().start();
            storeToEach(rig, PAGES);
            assertThat(harvest(more))
                    .containsExactlyElementsOf(LongStream.range(0, PAGES).boxed().toList());
            assertThat(harvest(more)).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource
    void manyPagesAreToldAgainAndAgain(DirtyTracking tracking) throws Exception {
        try (KvmRig rig = rig(tracking)) {
            GuestMemory more = more(rig);
            more.dirtyLog().start();
            for (int i = 0; i < 5; i++) {
                storeToEach(rig, DirtyRings.ENTRIES * 3 / 4);
                assertThat(harvest(more)).hasSize(DirtyRings.ENTRIES * 3 / 4);
                assertThat(harvest(more)).isEmpty();
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void memoryThatGoesAwayIsToldBefore(DirtyTracking tracking) throws Exception {
        try (KvmRig rig = rig(tracking)) {
            GuestMemory more = new GuestMemory(Arena.ofAuto().allocate(64 << 10, 4096));
            AddressSpace.Mapping mapping = rig.memory.map(MORE, new Region.Ram(more, 0, 64 << 10));
            more.dirtyLog().start();
            storeToEach(rig, 3);
            rig.memory.unmap(mapping);
            assertThat(harvest(more)).containsExactly(0L, 1L, 2L);
        }
    }

    private static GuestMemory more(KvmRig rig) {
        long size = PAGES << 12;
        GuestMemory more = new GuestMemory(Arena.ofAuto().allocate(size, 4096));
        rig.memory.map(MORE, new Region.Ram(more, 0, size));
        return more;
    }

    private static void storeToEach(KvmRig rig, long pages) throws Exception {
        rig.longMode(
                        "mov edi, "
                                + MORE
                                + "\n mov ecx, "
                                + pages
                                + "\n next: mov byte [rdi], 1\n add edi, 4096\n dec ecx\n jnz next"
                                + END)
                .run();
    }
}
