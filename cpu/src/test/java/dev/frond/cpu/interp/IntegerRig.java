// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.host.FixedMemory;
import dev.frond.host.HostCpu;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The host's processor and the interpreter's side by side, with the same code and the same two
 * pages of memory at the same addresses and nothing around them: general registers, flags, memory
 * and faults of both.
 */
final class IntegerRig implements AutoCloseable {
    /** Bytes of memory that are set and compared. */
    static final int WINDOW = 512;

    /** Where in the code region code stands. */
    static final int CODE = 2048;

    static final long FLAGS = Cpu.STATUS | Cpu.DF;

    private static final int PAGE = 4096;
    private static final int CODE_BYTES = 2 * PAGE;
    private static final int GUARD = 4 * PAGE;
    private static final byte HLT = (byte) 0xF4;

    /** Which part of the two pages is the window. */
    enum Place {
        /** Around the boundary between them. */
        MIDDLE,
        /** At the start: nothing is mapped below. */
        START,
        /** At the end: nothing is mapped above. */
        END
    }

    /** What an instruction finds or leaves. */
    static final class Registers {
        final long[] gprs = new long[16];
        final byte[] memory = new byte[WINDOW];
        long flags;
        long rip;
        int fault = CpuHarness.NO_FAULT;
        long errorCode;
        long faultAddress;
    }

    final NativeCode host = NativeCode.create(CODE_BYTES);
    final CpuHarness harness = new CpuHarness(CpuHarness.ofHostsVendor(CpuModel.X86_64_V3), 3);
    final boolean compatibility = host.hasCompatibilityMode();
    final Registers start = new Registers();
    final Registers expected = new Registers();
    final Registers actual = new Registers();
    final long codeAddress = host.codeAddress() + CODE;

    private final FixedMemory memory = FixedMemory.low(2 * GUARD + 2 * PAGE);
    private long window;
    private boolean code64 = true;
    private byte[] code = {};
    private Runner runner = Runner.NODES;
    private boolean translates;

    IntegerRig() {
        memory.protect(0, GUARD, FixedMemory.Access.NONE);
        memory.protect(GUARD + 2 * PAGE, GUARD, FixedMemory.Access.NONE);
        harness.map(host.codeAddress(), CODE_BYTES);
        harness.map(memory.address() + GUARD, 2 * PAGE);
        place(Place.MIDDLE);
    }

    @Override
    public void close() {
        host.close();
        memory.close();
    }

    /** Has what follows executed by {@code engine} instead of node by node. */
    void runner(Runner engine) {
        runner = engine;
        translates = true;
        engine.setOwner(Thread.currentThread());
    }

    /** The features that both have. */
    Set<CpuFeature> features() {
        Set<CpuFeature> offered = hostFeatures();
        offered.removeIf(feature -> !harness.cpu.cpuid.has(feature));
        return offered;
    }

    /** The features that the host's processor has. */
    static Set<CpuFeature> hostFeatures() {
        Set<CpuFeature> offered = EnumSet.noneOf(CpuFeature.class);
        for (CpuFeature feature : CpuFeature.values()) {
            HostCpu.Cpuid leaf = HostCpu.cpuid(feature.leaf(), feature.subleaf());
            int register =
                    switch (feature.register()) {
                        case EAX -> leaf.eax();
                        case EBX -> leaf.ebx();
                        case ECX -> leaf.ecx();
                        case EDX -> leaf.edx();
                    };
            if ((register >>> feature.bit() & 1) != 0) {
                offered.add(feature);
            }
        }
        return offered;
    }

    void place(Place place) {
        long pages = memory.address() + GUARD;
        window =
                switch (place) {
                    case MIDDLE -> pages + PAGE - WINDOW / 2;
                    case START -> pages;
                    case END -> pages + 2 * PAGE - WINDOW;
                };
    }

    /** The address of the first byte of the window. */
    long window() {
        return window;
    }

    void mode(boolean code64) {
        this.code64 = code64;
        int[] selectors = {code64 ? 0 : 0x2B, code64 ? 0x33 : 0x23, 0x2B, code64 ? 0 : 0x2B, 0, 0};
        if (code64) {
            harness.longMode();
        } else {
            harness.compatibilityMode();
        }
        for (int seg : new int[] {Seg.ES, Seg.SS, Seg.DS, Seg.FS, Seg.GS}) {
            harness.cpu.selector[seg] = selectors[seg];
        }
        harness.cpu.mmu.flush();
    }

    /** Puts code at {@link #codeAddress} of both. */
    void load(byte[] bytes) {
        code = bytes;
        host.load(code64 ? NativeCode.Mode.LONG : NativeCode.Mode.COMPATIBILITY, CODE, bytes);
        harness.write(codeAddress, bytes);
        // #GP in user mode: where an engine that runs whole blocks stops.
        harness.write(codeAddress + bytes.length, new byte[] {HLT});
    }

    /**
     * Runs the code from {@link #start} on both: one instruction if {@code single}, else until its
     * end or a fault.
     */
    void run(boolean single) {
        onHost(single);
        onInterpreter(single);
    }

    private MemorySegment windowMemory() {
        return memory.segment().asSlice(window - memory.address(), WINDOW);
    }

    private void onHost(boolean single) {
        for (int i = 0; i < 16; i++) {
            host.setGpr(i, start.gprs[i]);
        }
        host.setFlags(start.flags);
        MemorySegment.copy(start.memory, 0, windowMemory(), JAVA_BYTE, 0, WINDOW);
        host.enterAt(code64 ? NativeCode.Mode.LONG : NativeCode.Mode.COMPATIBILITY, codeAddress);
        expected.fault = CpuHarness.NO_FAULT;
        expected.errorCode = 0;
        expected.faultAddress = 0;
        switch (single ? host.step() : host.run()) {
            case NativeCode.Outcome.Faulted fault -> {
                expected.fault = fault.trapNumber();
                expected.errorCode = fault.errorCode();
                expected.faultAddress = fault.trapNumber() == CpuFault.PF ? fault.address() : 0;
                expected.rip = fault.rip();
            }
            case NativeCode.Outcome.Stepped stepped -> expected.rip = stepped.rip();
            case NativeCode.Outcome.Completed _ -> expected.rip = codeAddress + code.length;
        }
        for (int i = 0; i < 16; i++) {
            expected.gprs[i] = host.gpr(i);
        }
        expected.flags = host.flags();
        MemorySegment.copy(windowMemory(), JAVA_BYTE, 0, expected.memory, 0, WINDOW);
    }

    private void onInterpreter(boolean single) {
        Cpu cpu = harness.cpu;
        System.arraycopy(start.gprs, 0, cpu.r, 0, 16);
        cpu.setRflags(start.flags & NativeCode.SETTABLE_FLAGS | Cpu.IF);
        harness.write(window, start.memory);
        cpu.rip = codeAddress;
        do {
            actual.fault = translates ? harness.run(runner) : harness.step();
        } while (!single
                && actual.fault == CpuHarness.NO_FAULT
                && cpu.rip != codeAddress + code.length);
        if (translates && cpu.rip == codeAddress + code.length) {
            actual.fault = CpuHarness.NO_FAULT;
        }
        boolean faulted = actual.fault != CpuHarness.NO_FAULT;
        actual.errorCode = faulted ? harness.errorCode() : 0;
        actual.faultAddress = actual.fault == CpuFault.PF ? cpu.cr2 : 0;
        actual.rip = cpu.rip;
        System.arraycopy(cpu.r, 0, actual.gprs, 0, 16);
        actual.flags = cpu.rflags();
        harness.read(window, actual.memory);
    }

    // --- comparison -----------------------------------------------------------------------------

    /** What the interpreter left differently, in words; bits of {@code undefined} do not count. */
    List<String> differences(long undefined) {
        long mask = FLAGS & ~undefined;
        if (actual.fault == expected.fault
                && actual.errorCode == expected.errorCode
                && actual.faultAddress == expected.faultAddress
                && actual.rip == expected.rip
                && ((actual.flags ^ expected.flags) & mask) == 0
                && Arrays.equals(actual.gprs, expected.gprs)
                && Arrays.equals(actual.memory, expected.memory)) {
            return List.of();
        }
        List<String> found = new ArrayList<>();
        compare(found, "fault", actual.fault, expected.fault);
        compare(found, "error code", actual.errorCode, expected.errorCode);
        compare(found, "fault address", actual.faultAddress, expected.faultAddress);
        compare(found, "rip", actual.rip, expected.rip);
        compare(found, "flags", actual.flags & mask, expected.flags & mask);
        for (int i = 0; i < 16; i++) {
            compare(found, "gpr " + i, actual.gprs[i], expected.gprs[i]);
        }
        for (int i = 0; i < WINDOW; i++) {
            compare(
                    found,
                    "memory 0x" + Long.toHexString(window + i),
                    actual.memory[i] & 0xFF,
                    expected.memory[i] & 0xFF);
        }
        return found;
    }

    private static void compare(List<String> found, String what, long actual, long expected) {
        if (actual != expected) {
            found.add(
                    what
                            + " is 0x"
                            + Long.toHexString(actual)
                            + ", not 0x"
                            + Long.toHexString(expected));
        }
    }

    /** The registers that both started with, for a failure's text. */
    String describe() {
        StringBuilder out = new StringBuilder("\n    from flags ");
        out.append(Long.toHexString(start.flags)).append(" gprs");
        for (long gpr : start.gprs) {
            out.append(' ').append(Long.toHexString(gpr));
        }
        return out.append("\n    window ").append(Long.toHexString(window)).toString();
    }

    // --- values ---------------------------------------------------------------------------------

    /** A value of which every operand size sees corner cases often. */
    static long value(SplittableRandom random) {
        return switch (random.nextInt(8)) {
            case 0 -> random.nextInt(-3, 4);
            case 1 -> 1L << random.nextInt(64);
            case 2 -> (1L << random.nextInt(64)) - 1;
            case 3 -> -(1L << random.nextInt(64));
            case 4 -> random.nextInt(256) * 0x0101_0101_0101_0101L;
            case 5 -> random.nextLong() >> random.nextInt(64);
            case 6 -> corner(random, 8) << 32 | corner(random, 4) & 0xFFFF_FFFFL;
            default -> random.nextLong();
        };
    }

    private static long corner(SplittableRandom random, int bytes) {
        long half = 1L << 8 * (1 << random.nextInt(bytes == 8 ? 3 : 2)) - 1;
        return half + random.nextInt(-1, 2);
    }
}
