// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** Stores into guest RAM that a {@link MemoryMap} promised. */
final class GuestRam {
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[4096]).asReadOnly();

    private GuestRam() {}

    /** How many bytes from {@code address} on are in one run of memory, at most {@code most}. */
    static long run(AddressSpace memory, long address, long most) {
        long run = memory.view().find(address).remaining(address);
        return run > 0 && run < most ? run : most;
    }

    /** The RAM behind {@code length} bytes at {@code address}. */
    static MemorySegment slice(AddressSpace memory, long address, long length) {
        return memory.ram(address, length)
                .orElseThrow(() ->
                        new IllegalStateException(
                                memory.name()
                                        + ": no RAM for "
                                        + length
                                        + " bytes at 0x"
                                        + Long.toHexString(address)
                                        + ", though the memory map says so"));
    }

    /** Makes {@code length} bytes at {@code address} zero, as {@link #clear} does. */
    static void zero(AddressSpace memory, long address, long length) {
        long end = address + length;
        for (long at = address; at < end; ) {
            long chunk = Math.min(end - at, 4096 - (at & 4095));
            if (clear(slice(memory, at, chunk))) {
                memory.wrote(at, chunk);
            }
            at += chunk;
        }
    }

    /**
     * Makes {@code target} zero; true if it was not. What already reads as zeroes is left alone, so
     * that memory which the host did not yet back stays so.
     */
    static boolean clear(MemorySegment target) {
        boolean changed = false;
        for (long at = 0; at < target.byteSize(); at += ZEROS.byteSize()) {
            MemorySegment piece =
                    target.asSlice(at, Math.min(ZEROS.byteSize(), target.byteSize() - at));
            if (piece.mismatch(ZEROS.asSlice(0, piece.byteSize())) >= 0) {
                piece.fill((byte) 0);
                changed = true;
            }
        }
        return changed;
    }

    /** Whether all of {@code length} bytes at {@code address} is RAM. */
    static boolean isRam(AddressSpace memory, long address, long length) {
        long at = address;
        long rest = length;
        while (rest > 0) {
            FlatView.Range range = memory.view().find(at);
            long run = range.remaining(at);
            if (memory.ram(at, Math.min(rest, run)).isEmpty()) {
                return false;
            }
            at += run;
            rest -= run;
        }
        return true;
    }

    /** {@code text} in UTF-8 with a terminating zero byte. */
    static byte[] zeroTerminated(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        return java.util.Arrays.copyOf(utf8, utf8.length + 1);
    }
}
