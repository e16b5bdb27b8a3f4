// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * The pages that the CPUs of one machine stored to, each CPU's in a ring that the kernel fills
 * (KVM_CAP_DIRTY_LOG_RING): what they cost is by the page that was stored to, not by the page that
 * there is. A page is told once, until the rings are reset.
 */
final class DirtyRings {
    /** The entries of a ring: 64 KiB, and an exit for each 16 MiB that are stored to. */
    static final int ENTRIES = 4096;

    private static final long ENTRY = Structs.DIRTY_GFN.byteSize();
    private static final long FLAGS = Structs.at(Structs.DIRTY_GFN, "flags");
    private static final long SLOT = Structs.at(Structs.DIRTY_GFN, "slot");
    private static final long OFFSET = Structs.at(Structs.DIRTY_GFN, "offset");
    private static final long PAGE = 4096;
    private static final VarHandle INT = JAVA_INT.varHandle();

    /** Hears of the pages: number {@code offset} of slot number {@code slot}. */
    @FunctionalInterface
    interface Consumer {
        void dirty(int slot, long offset);
    }

    private static final class Ring {
        final MemorySegment entries;
        int next;

        Ring(MemorySegment entries) {
            this.entries = entries;
        }
    }

    private final ControlFile vm;
    private final List<Ring> rings = new ArrayList<>();

    DirtyRings(ControlFile vm) {
        this.vm = vm;
    }

    /** How many bytes the rings of a machine have each. */
    static long size() {
        return ENTRIES * ENTRY;
    }

    /** The ring of a new CPU. */
    synchronized void add(ControlFile vcpu) {
        rings.add(new Ring(vcpu.map(Kvm.DIRTY_LOG_PAGE_OFFSET * PAGE, size())));
    }

    /**
     * Empties all rings into {@code consumer}; the next store to each of these pages is told.
     *
     * @return whether there was anything
     */
    synchronized boolean collect(Consumer consumer) {
        boolean any = false;
        for (Ring ring : rings) {
            long at = ring.next * ENTRY;
            while (((int) INT.getAcquire(ring.entries, at + FLAGS) & Kvm.DIRTY_GFN_F_DIRTY) != 0) {
                consumer.dirty(
                        ring.entries.get(JAVA_INT, at + SLOT),
                        ring.entries.get(JAVA_LONG, at + OFFSET));
                INT.setRelease(ring.entries, at + FLAGS, Kvm.DIRTY_GFN_F_RESET);
                ring.next = (ring.next + 1) % ENTRIES;
                at = ring.next * ENTRY;
                any = true;
            }
        }
        if (any) {
            vm.call(Kvm.RESET_DIRTY_RINGS, 0);
        }
        return any;
    }
}
