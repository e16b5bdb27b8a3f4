// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.host.LocalDescriptors;
import dev.frond.host.LocalDescriptors.Descriptor;

/**
 * The same local descriptor table for the host's processor and a harness's, beside a global one
 * with the segments that Linux gives programs.
 */
final class LocalTable {
    /** A selector of flat data, in the global table of both. */
    static final int FLAT_DATA = 0x2B;

    private static final int PAGE = 4096;

    /** Where the harness has its tables. */
    private static final long GDT = 0x4000_0000_0000L;

    private static final long LDT = GDT + PAGE;

    private final CpuHarness harness;
    private final int first;
    private final long[] raw = new long[PAGE / 8];
    private int count;

    /** A table whose descriptors are those from {@code first} on. */
    LocalTable(CpuHarness harness, int first) {
        this.harness = harness;
        this.first = first;
        harness.map(GDT, 2 * PAGE);
        Cpu cpu = harness.cpu;
        cpu.gdtBase = GDT;
        cpu.gdtLimit = 0x7F;
        store(GDT + 0x20, SystemRig.descriptor(0, -1, 0xC0FB));
        store(GDT + 0x28, SystemRig.descriptor(0, -1, 0xC0F3));
        store(GDT + 0x30, SystemRig.descriptor(0, -1, 0xA0FB));
        cpu.selector[Seg.LDTR] = 0x40;
        cpu.segBase[Seg.LDTR] = LDT;
        cpu.segLimit[Seg.LDTR] = PAGE - 1;
        cpu.segAttributes[Seg.LDTR] = 0x82;
    }

    private void store(long linear, long value) {
        byte[] bytes = new byte[8];
        for (int i = 0; i < 8; i++) {
            bytes[i] = (byte) (value >>> 8 * i);
        }
        harness.write(linear, bytes);
    }

    /** Adds a segment of level 3 whose limit counts bytes; its selector. */
    int add(
            long base,
            int limit,
            LocalDescriptors.Type type,
            boolean big,
            boolean writable,
            boolean there) {
        boolean available = (count & 1) != 0;
        int selector =
                LocalDescriptors.set(
                        first + count++,
                        new Descriptor(base, limit, type, big, writable, false, there, available));
        int attributes =
                (type == LocalDescriptors.Type.CODE
                                ? Seg.CODE
                                : type == LocalDescriptors.Type.EXPAND_DOWN ? Seg.CONFORMING : 0)
                        | (writable ? Seg.WRITABLE : 0)
                        | Seg.ACCESSED
                        | Seg.CODE_OR_DATA
                        | 3 << Seg.DPL_SHIFT
                        | (there ? Seg.PRESENT : 0)
                        | (available ? 0x1000 : 0)
                        | (big ? Seg.BIG : 0);
        raw[selector >>> 3] = SystemRig.descriptor(base, limit, attributes);
        store(LDT + (selector & 0xFFF8), raw[selector >>> 3]);
        return selector;
    }

    /** The descriptor that {@code selector} names. */
    long raw(int selector) {
        return selector == FLAT_DATA ? SystemRig.descriptor(0, -1, 0xC0F3) : raw[selector >>> 3];
    }

    /** Loads the harness's segment register {@code seg}, without a check. */
    void load(int seg, int selector) {
        Cpu cpu = harness.cpu;
        if ((selector & 0xFFFC) == 0) {
            cpu.segments.setNull(seg, selector);
        } else {
            cpu.segments.set(seg, selector, raw(selector));
        }
        cpu.segments.followSegment(seg);
    }
}
