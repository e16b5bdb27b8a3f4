// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.Segments;
import dev.frond.host.FixedMemory;
import dev.frond.host.LocalDescriptors;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuModel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * The host's processor and the interpreter's side by side in protected-mode segments of up to 64
 * KiB, 16- or 32-bit code, 16- or 32-bit stacks: the same local descriptor table, code and memory
 * at the same linear addresses, of which one page is not there. No value in any register leads out
 * of them.
 */
final class SegmentedRig implements AutoCloseable {
    /** Bytes of memory that all data segments lie in. */
    static final int BLOCK = 20 << 12;

    /** Where in the block nothing is mapped. */
    static final int HOLE = 9 << 12;

    private static final int PAGE = 4096;
    private static final int CODE_BYTES = 0x10000;
    private static final byte HLT = (byte) 0xF4;

    /** The first of our descriptors. */
    private static final int FIRST = 16;

    private static final int MOST_STEPS = 0x1_2000;

    /** Registers and what else a run starts with or leaves. */
    static final class Registers {
        final long[] gprs = new long[16];

        /** By number of the segment register, {@link Seg}. */
        final int[] selectors = new int[6];

        long flags;
        long ip;
        int fault = CpuHarness.NO_FAULT;
        long errorCode;
        long faultAddress;

        void selectors(int... all) {
            System.arraycopy(all, 0, selectors, 0, 6);
        }
    }

    final NativeCode host = NativeCode.create(CODE_BYTES);
    final CpuHarness harness = new CpuHarness(CpuHarness.ofHostsVendor(CpuModel.X86_64_V3), 3);
    final Registers start = new Registers();
    final Registers expected = new Registers();
    final Registers actual = new Registers();

    private final FixedMemory memory = FixedMemory.low(BLOCK);
    private final List<MemorySegment> hostPages = new ArrayList<>();
    private final List<MemorySegment> guestPages = new ArrayList<>();
    private final LocalTable table = new LocalTable(harness, FIRST);
    private byte[] code = {};
    private int codeOffset;

    /** Whether the host can. */
    static boolean isSupported() {
        if (!NativeCode.isSupported()) {
            return false;
        }
        try (NativeCode host = NativeCode.create(PAGE)) {
            return host.hasSegments();
        }
    }

    SegmentedRig() {
        harness.map(host.codeAddress(), CODE_BYTES);
        for (int at = 0; at < BLOCK; at += PAGE) {
            if (at == HOLE) {
                memory.protect(at, PAGE, FixedMemory.Access.NONE);
            } else {
                long page = memory.address() + at;
                harness.map(page, PAGE);
                hostPages.add(memory.segment().asSlice(at, PAGE));
                guestPages.add(harness.memory(page, PAGE));
            }
        }
        byte[] halts = new byte[CODE_BYTES];
        Arrays.fill(halts, HLT);
        host.write(0, halts);
        harness.write(host.codeAddress(), halts);
    }

    @Override
    public void close() {
        host.close();
        memory.close();
    }

    // --- segments -------------------------------------------------------------------------------

    /** A code segment over all of the code; its selector. */
    int code(int limit, boolean big, boolean readable) {
        return table.add(
                host.codeAddress(), limit, LocalDescriptors.Type.CODE, big, readable, true);
    }

    /** A segment of the block from {@code offset} on; its selector. */
    int data(int offset, int limit, LocalDescriptors.Type type, boolean big, boolean writable) {
        return table.add(memory.address() + offset, limit, type, big, writable, true);
    }

    /** A segment that is not present; its selector. */
    int absent(LocalDescriptors.Type type) {
        return table.add(memory.address(), 0xFFFF, type, false, true, false);
    }

    /** The limit of the segment that {@code selector} names. */
    int limit(int selector) {
        return Segments.limit(table.raw(selector));
    }

    /** Where the segment that {@code selector} names begins in the block. */
    int offset(int selector) {
        return (int) (Segments.base(table.raw(selector)) - memory.address());
    }

    /** Whether the segment that {@code selector} names is for 32-bit code or stacks. */
    boolean isBig(int selector) {
        return (Segments.attributes(table.raw(selector)) & Seg.BIG) != 0;
    }

    // --- memory ---------------------------------------------------------------------------------

    /** Fills both memories with what {@code value} gives, 8 bytes at a time. */
    void fill(LongSupplier value) {
        for (int page = 0; page < hostPages.size(); page++) {
            for (int at = 0; at < PAGE; at += 8) {
                long next = value.getAsLong();
                for (int i = 0; i < 8; i++) {
                    put(page, at + i, (byte) (next >>> 8 * i));
                }
            }
        }
    }

    private void put(int page, int at, byte value) {
        hostPages.get(page).set(JAVA_BYTE, at, value);
        guestPages.get(page).set(JAVA_BYTE, at, value);
    }

    /** Writes into both memories; what is outside of the block or in its hole is not written. */
    void put(int offset, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            int at = offset + i;
            boolean hole = (at & -PAGE) == HOLE;
            if (at >= 0 && at < BLOCK && !hole) {
                put((at > HOLE ? at - PAGE : at) >>> 12, at & PAGE - 1, (byte) (value >>> 8 * i));
            }
        }
    }

    /** The same at {@code offset} of the segment that {@code selector} names, which wraps. */
    void put(int selector, long offset, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            put(offset(selector) + (int) (offset + i & 0xFFFF), value >>> 8 * i, 1);
        }
    }

    /** Makes the interpreter's memory that of the host. */
    void adoptMemory() {
        for (int page = 0; page < hostPages.size(); page++) {
            guestPages.get(page).copyFrom(hostPages.get(page));
        }
    }

    // --- runs -----------------------------------------------------------------------------------

    /** Puts code at {@code offset}, and what stood there before back to HLT. */
    void load(int offset, byte[] bytes) {
        byte[] halts = new byte[code.length];
        Arrays.fill(halts, HLT);
        host.write(codeOffset, halts);
        harness.write(host.codeAddress() + codeOffset, halts);
        code = bytes;
        codeOffset = offset;
        host.write(offset, bytes);
        harness.write(host.codeAddress() + offset, bytes);
    }

    /** Runs the loaded instruction from {@link #start} on both, until HLT or another fault. */
    void run() {
        onHost();
        onInterpreter();
    }

    private void onHost() {
        for (int i = 0; i < 16; i++) {
            host.setGpr(i, start.gprs[i]);
        }
        host.setFlags(start.flags);
        int[] s = start.selectors;
        host.enterAt(
                new NativeCode.Segments(
                        s[Seg.CS], s[Seg.SS], s[Seg.DS], s[Seg.ES], s[Seg.FS], s[Seg.GS]),
                codeOffset);
        if (!(host.run() instanceof NativeCode.Outcome.Faulted fault)) {
            throw new AssertionError("code got out of its segment");
        }
        for (int i = 0; i < 16; i++) {
            expected.gprs[i] = host.gpr(i);
        }
        expected.flags = host.flags();
        NativeCode.Segments left = host.segments();
        expected.selectors(left.es(), left.cs(), left.ss(), left.ds(), left.fs(), left.gs());
        expected.ip = fault.rip();
        boolean halted =
                fault.trapNumber() == CpuFault.GP
                        && fault.errorCode() == 0
                        && (fault.rip() != codeOffset || left.cs() != s[Seg.CS]);
        expected.fault = halted ? CpuHarness.NO_FAULT : fault.trapNumber();
        expected.errorCode = halted ? 0 : fault.errorCode();
        expected.faultAddress = expected.fault == CpuFault.PF ? fault.address() : 0;
    }

    private void onInterpreter() {
        Cpu cpu = harness.cpu;
        System.arraycopy(start.gprs, 0, cpu.r, 0, 16);
        cpu.setRflags(start.flags & NativeCode.SETTABLE_FLAGS | Cpu.IF);
        for (int seg : new int[] {Seg.ES, Seg.DS, Seg.FS, Seg.GS, Seg.SS, Seg.CS}) {
            table.load(seg, start.selectors[seg]);
        }
        cpu.rip = codeOffset;
        int steps = 0;
        do {
            actual.fault = harness.step();
        } while (actual.fault == CpuHarness.NO_FAULT
                && cpu.rip == codeOffset
                && cpu.selector[Seg.CS] == start.selectors[Seg.CS]
                && ++steps < MOST_STEPS);
        boolean faulted = actual.fault != CpuHarness.NO_FAULT;
        actual.errorCode = faulted ? harness.errorCode() : 0;
        actual.faultAddress = actual.fault == CpuFault.PF ? cpu.cr2 : 0;
        actual.ip = cpu.rip;
        System.arraycopy(cpu.r, 0, actual.gprs, 0, 16);
        System.arraycopy(cpu.selector, 0, actual.selectors, 0, 6);
        actual.flags = cpu.rflags();
    }

    // --- comparison -----------------------------------------------------------------------------

    /** What the interpreter left differently, in words; bits of {@code undefined} do not count. */
    List<String> differences(long undefined) {
        long mask = IntegerRig.FLAGS & ~undefined;
        List<String> found = new ArrayList<>();
        compare(found, "fault", actual.fault, expected.fault);
        compare(found, "error code", actual.errorCode, expected.errorCode);
        compare(found, "fault address", actual.faultAddress, expected.faultAddress);
        compare(found, "ip", actual.ip, expected.ip);
        compare(found, "flags", actual.flags & mask, expected.flags & mask);
        for (int i = 0; i < 16; i++) {
            compare(found, "gpr " + i, actual.gprs[i], expected.gprs[i]);
        }
        for (int i = 0; i < 6; i++) {
            // The way out of the host's kernel makes null selectors 0.
            int mine = actual.selectors[i];
            int left = (mine & 0xFFFC) == 0 ? 0 : mine;
            compare(found, "segment " + i, left, expected.selectors[i]);
        }
        for (int page = 0; page < hostPages.size(); page++) {
            MemorySegment mine = guestPages.get(page);
            MemorySegment theirs = hostPages.get(page);
            if (mine.mismatch(theirs) >= 0) {
                for (int at = 0; at < PAGE; at++) {
                    int offset = (page << 12) + (page < HOLE >>> 12 ? 0 : PAGE) + at;
                    String what = "block " + Integer.toHexString(offset);
                    byte left = theirs.get(JAVA_BYTE, at);
                    compare(found, what, mine.get(JAVA_BYTE, at) & 0xFF, left & 0xFF);
                    mine.set(JAVA_BYTE, at, left);
                }
            }
        }
        return found;
    }

    private static void compare(List<String> found, String what, long actual, long expected) {
        if (actual != expected) {
            found.add(String.format("%s is 0x%x, not 0x%x", what, actual, expected));
        }
    }

    /** The registers that both started with, for a failure's text. */
    String describe() {
        StringBuilder out = new StringBuilder("\n    at ");
        out.append(Integer.toHexString(codeOffset));
        out.append(" flags ").append(Long.toHexString(start.flags)).append(" gprs");
        for (int i = 0; i < 8; i++) {
            out.append(' ').append(Long.toHexString(start.gprs[i]));
        }
        for (int seg : new int[] {Seg.CS, Seg.SS, Seg.DS, Seg.ES, Seg.FS, Seg.GS}) {
            int selector = start.selectors[seg];
            out.append("\n    ").append(seg).append(' ').append(Integer.toHexString(selector));
            out.append(' ').append(Long.toHexString(table.raw(selector)));
        }
        return out.toString();
    }
}
