// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.host.LocalDescriptors;

import java.util.List;
import java.util.SplittableRandom;

/**
 * Segments for random code: of 16- and 32-bit code, and of data in which a window of memory lies at
 * different offsets. None reaches further than {@link #REACH} from the window, but a flat one.
 */
final class WindowSegments {
    /** Bytes around the window that offsets below 64 KiB may lead to. */
    static final int REACH = 0x1_1000;

    /** Descriptors that belong to other tests end here. */
    private static final int FIRST = 128;

    private static final int HALF = RandomCode.WINDOW / 2;

    /**
     * A segment of data.
     *
     * @param middle the offset of the window's middle
     */
    record Data(int selector, long middle) {
        /** Whether 16-bit addresses reach the window. */
        boolean isNear() {
            return middle <= 0x1_0000 - HALF;
        }
    }

    /**
     * A segment of code.
     *
     * @param base where it begins in the region of code
     * @param code16 whether it is of 16-bit code
     */
    record Code(int selector, int base, boolean code16) {}

    private final LocalTable table;
    private final List<Data> datas;
    private final List<Data> stacks;
    private final List<Code> codes;

    /** Segments of {@code codeBytes} bytes of code, and a window whose middle is at an address. */
    WindowSegments(CpuHarness harness, long code, int codeBytes, long middle) {
        table = new LocalTable(harness, FIRST);
        Data exact = data(middle, HALF, 2 * HALF - 1, LocalDescriptors.Type.DATA, false);
        Data inside = data(middle, 0x1240, 0xFFFF, LocalDescriptors.Type.DATA, false);
        Data atEnd = data(middle, 0x1_0000 - HALF, 0xFFFF, LocalDescriptors.Type.DATA, true);
        Data half = data(middle, 0x8000, 0x8000 + HALF - 1, LocalDescriptors.Type.DATA, true);
        Data down =
                data(
                        middle,
                        0x1_0000 - HALF,
                        0xFFFF - 2 * HALF,
                        LocalDescriptors.Type.EXPAND_DOWN,
                        false);
        Data small = data(middle, 0x4560, 0x4560 + 200, LocalDescriptors.Type.DATA, false);
        Data flat = new Data(LocalTable.FLAT_DATA, middle);
        datas = List.of(exact, inside, atEnd, half, down, small, flat, flat);
        stacks = List.of(exact, inside, atEnd, half, down, flat, flat);
        codes =
                List.of(
                        code(code, 0, codeBytes - 1, true),
                        code(code, 0x2C3, 0x1B3C, true),
                        code(code, 0, codeBytes - 1, false),
                        code(code, 0x340, 0x18FF, false));
    }

    private Data data(long middle, int offset, int limit, LocalDescriptors.Type type, boolean big) {
        return new Data(table.add(middle - offset, limit, type, big, true, true), offset);
    }

    private Code code(long start, int base, int limit, boolean code16) {
        return new Code(
                table.add(start + base, limit, LocalDescriptors.Type.CODE, !code16, true, true),
                base,
                code16);
    }

    Data data(SplittableRandom random) {
        return datas.get(random.nextInt(datas.size()));
    }

    Data stack(SplittableRandom random) {
        return stacks.get(random.nextInt(stacks.size()));
    }

    Code code(SplittableRandom random) {
        return codes.get(random.nextInt(codes.size()));
    }

    /** Loads a segment register of the harness. */
    void load(int seg, int selector) {
        table.load(seg, selector);
    }
}
