// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.FxImage;
import dev.frond.cpu.Seg;
import dev.frond.cpu.interp.RandomCode.Flavour;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.FixedMemory;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Random sequences of instructions, each executed from several states by the host's processor, by
 * the interpreter, with some of their blocks fused, and by the translator: registers, flags,
 * memory, vectors, x87 and faults must be the same.
 */
final class RandomRun implements AutoCloseable {
    /** States that each sequence is run from. */
    private static final int STATES = 24;

    /** Blocks of one in so many sequences are fused. */
    private static final int FUSED_OF = 16;

    private static final int PAGE = 4096;
    private static final int CODE_BYTES = 4 * PAGE;
    private static final int GUARD = 4 * PAGE;
    private static final int WINDOW = RandomCode.WINDOW;
    private static final byte[] HLT = {(byte) 0xF4};

    /** Everything else belongs to all sequences. */
    private static final int X87_HEAD = 5;

    private final long seed;
    private final SplittableRandom random;
    private final RandomCode wide;
    private final RandomCode narrow;
    private final NativeCode host = NativeCode.create(CODE_BYTES);
    private final FixedMemory memory = FixedMemory.low(2 * GUARD + 2 * PAGE);
    private final CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
    private final Cpu cpu = harness.cpu;
    private final boolean compatibility = host.hasCompatibilityMode();
    private final @Nullable Translator translator =
            Translator.isSupported() ? new Translator(Translator.Settings.DEFAULT.eagerly()) : null;
    private final Nodes nodes = new Nodes(cpu);
    private final @Nullable Runner translating;

    private final long window;
    private final MemorySegment hostWindow;
    private final MemorySegment low;
    private final MemorySegment high;

    private final UserState start = new UserState(WINDOW);
    private final UserState expected = new UserState(WINDOW);
    private final UserState actual = new UserState(WINDOW);
    private long expectedRip;
    private long end;

    private Flavour flavour = Flavour.INTEGER;
    private boolean code64 = true;
    private long compared;
    private long sequences;
    private final List<String> differences = new ArrayList<>();

    RandomRun(long seed) {
        this.seed = seed;
        random = new SplittableRandom(seed);
        Set<CpuFeature> features = EnumSet.noneOf(CpuFeature.class);
        features.addAll(IntegerRig.hostFeatures());
        features.retainAll(cpu.cpuid.model().features());
        wide = new RandomCode(random, true, features);
        narrow = new RandomCode(random, false, features);
        memory.protect(0, GUARD, FixedMemory.Access.NONE);
        memory.protect(GUARD + 2 * PAGE, GUARD, FixedMemory.Access.NONE);
        harness.map(host.codeAddress(), CODE_BYTES);
        long pages = memory.address() + GUARD;
        harness.map(pages, 2 * PAGE);
        window = pages + PAGE - WINDOW / 2;
        hostWindow = memory.segment().asSlice(window - memory.address(), WINDOW);
        low = harness.memory(window, WINDOW / 2);
        high = harness.memory(window + WINDOW / 2, WINDOW / 2);
        translating = translator == null ? null : translator.runner(cpu);
        if (translating != null) {
            translating.setOwner(Thread.currentThread());
        }
    }

    @Override
    public void close() {
        if (translator != null) {
            translator.close();
        }
        host.close();
        memory.close();
    }

    /** Instructions that all engines have executed, as the interpreter counts them. */
    long compared() {
        return compared;
    }

    long sequences() {
        return sequences;
    }

    /** What was found, in words. */
    List<String> differences() {
        return List.copyOf(differences);
    }

    /** Goes on until {@code instructions} are compared or {@code most} differences are found. */
    void run(long instructions, int most) {
        Flavour[] flavours = Flavour.values();
        while (compared < instructions && differences.size() < most) {
            boolean is64 = !compatibility || random.nextInt(4) > 0;
            RandomCode code = is64 ? wide : narrow;
            mode(is64);
            int kind = random.nextInt(8);
            flavour = flavours[kind < 3 ? 0 : kind < 7 ? 1 : 2];
            int offset = random.nextInt(CODE_BYTES - 3 * PAGE);
            long at = host.codeAddress() + offset;
            int length = random.nextInt(10, 120);
            boolean loop = random.nextInt(3) > 0;
            byte[] bytes = code.sequence(length, flavour, at, window, loop);
            load(offset, bytes);
            boolean fused = random.nextInt(FUSED_OF) == 0;
            for (int state = 0; state < STATES && differences.size() < most; state++) {
                code.prepare(start, window, flavour);
                int interpretFirst = random.nextInt(16) == 0 ? random.nextInt(60) : 0;
                nodes.fuse(fused && state < 2);
                check(code, offset, bytes, interpretFirst);
            }
            sequences++;
        }
    }

    private void mode(boolean is64) {
        if (is64 == code64 && sequences > 0) {
            return;
        }
        code64 = is64;
        if (is64) {
            harness.longMode();
        } else {
            harness.compatibilityMode();
        }
        int data = is64 ? 0 : 0x2B;
        int[] selectors = {data, 0, 0x2B, data, 0, 0};
        for (int seg : new int[] {Seg.ES, Seg.SS, Seg.DS, Seg.FS, Seg.GS}) {
            cpu.selector[seg] = selectors[seg];
        }
        cpu.mmu.flush();
    }

    private void load(int offset, byte[] bytes) {
        host.load(code64 ? NativeCode.Mode.LONG : NativeCode.Mode.COMPATIBILITY, offset, bytes);
        long at = host.codeAddress() + offset;
        harness.write(at, bytes);
        end = at + bytes.length;
        // #GP in user mode: where both engines stop.
        harness.write(end, HLT);
    }

    private void check(RandomCode code, int offset, byte[] bytes, int interpretFirst) {
        long before = cpu.instructions;
        String found = differs(offset, interpretFirst);
        compared += cpu.instructions - before;
        if (found != null) {
            String where = locate(code.steps(), offset, bytes);
            differences.add(
                    String.format(
                            "seed %d sequence %d (%s, %s bit%s) at 0x%x: %s%n    %s",
                            seed,
                            sequences,
                            flavour,
                            code64 ? "64" : "32",
                            interpretFirst > 0 ? ", first interpreted " + interpretFirst : "",
                            host.codeAddress() + offset,
                            where.isEmpty() ? HexFormat.of().formatHex(bytes) + " " + found : where,
                            describe()));
            load(offset, bytes);
        }
    }

    /** Runs what is loaded from {@link #start} and tells the first difference, or null. */
    private @Nullable String differs(int offset, int interpretFirst) {
        onHost();
        long at = host.codeAddress() + offset;
        long before = cpu.instructions;
        begin(at);
        String found = compare(nodes.run(), false);
        long counted = cpu.instructions;
        if (found != null || translating == null) {
            return found;
        }
        begin(at);
        int fault = CpuHarness.NO_FAULT;
        for (int i = 0; i < interpretFirst && fault == CpuHarness.NO_FAULT; i++) {
            fault = harness.step();
        }
        if (fault == CpuHarness.NO_FAULT) {
            fault = harness.run(translating);
        }
        cpu.instructions = Math.max(before, counted);
        return compare(fault, true);
    }

    /** The first step after which the engines differ from the host, in words; empty if unclear. */
    private String locate(List<Integer> steps, int offset, byte[] bytes) {
        UserState round = new UserState(WINDOW);
        UserState kept = new UserState(WINDOW);
        kept.copy(start);
        try {
            for (int i = 0; i < RandomCode.ROUNDS; i++) {
                round.copy(start);
                int from = 0;
                for (int to : steps) {
                    load(offset, Arrays.copyOf(bytes, to));
                    start.copy(round);
                    String found = differs(offset, 0);
                    if (found != null) {
                        String step = HexFormat.of().formatHex(bytes, from, to);
                        load(offset, Arrays.copyOf(bytes, from));
                        onHost();
                        start.copy(expected);
                        return "step " + step + " at byte " + from + ": " + found;
                    }
                    from = to;
                }
                start.copy(expected);
            }
            start.copy(kept);
            return "";
        } finally {
            round.copy(start);
        }
    }

    // --- the host -------------------------------------------------------------------------------

    private boolean x87() {
        return flavour == Flavour.X87;
    }

    private void onHost() {
        start.into(host, hostWindow);
        NativeCode.Outcome outcome = host.run();
        expected.take(host, hostWindow);
        if (outcome instanceof NativeCode.Outcome.Faulted faulted) {
            expected.fault = faulted.trapNumber();
            expectedRip = faulted.rip();
        } else {
            expected.fault = CpuHarness.NO_FAULT;
            expectedRip = end;
        }
    }

    // --- the engines ----------------------------------------------------------------------------

    private void begin(long rip) {
        System.arraycopy(start.gprs, 0, cpu.r, 0, 16);
        System.arraycopy(start.vectors, 0, cpu.v, 0, 64);
        cpu.setRflags(start.flags & NativeCode.SETTABLE_FLAGS | Cpu.IF);
        cpu.sse.mxcsr(start.mxcsr);
        if (x87()) {
            FxImage.loadX87(cpu, true, start.x87);
        }
        MemorySegment.copy(start.memory, 0, low, ValueLayout.JAVA_BYTE, 0, WINDOW / 2);
        MemorySegment.copy(start.memory, WINDOW / 2, high, ValueLayout.JAVA_BYTE, 0, WINDOW / 2);
        cpu.rip = rip;
    }

    // --- comparison -----------------------------------------------------------------------------

    /** What differs, in words, or null. */
    private @Nullable String compare(int stopped, boolean translated) {
        int fault = stopped == CpuFault.GP && cpu.rip == end ? CpuHarness.NO_FAULT : stopped;
        long flags = Cpu.STATUS | Cpu.DF;
        if (translated && (fault == CpuFault.PF || fault == CpuFault.GP || fault == CpuFault.SS)) {
            // Flags that the instruction would have overwritten are not kept for its frame.
            flags = Cpu.DF;
        }
        boolean same =
                fault == expected.fault
                        && cpu.rip == expectedRip
                        && ((cpu.rflags() ^ expected.flags) & flags) == 0
                        && cpu.sse.mxcsr() == expected.mxcsr
                        && Arrays.equals(cpu.r, 0, 16, expected.gprs, 0, 16)
                        && Arrays.equals(cpu.v, 0, 64, expected.vectors, 0, 64)
                        && hostWindow.asSlice(0, WINDOW / 2).mismatch(low) < 0
                        && hostWindow.asSlice(WINDOW / 2).mismatch(high) < 0;
        if (same && x87()) {
            FxImage.saveX87(cpu, true, actual.x87);
            same = Arrays.equals(actual.x87, 0, X87_HEAD, expected.x87, 0, X87_HEAD);
            for (int at = FxImage.ST; at < FxImage.XMM && same; at += 16) {
                same = Arrays.equals(actual.x87, at, at + 10, expected.x87, at, at + 10);
            }
        }
        if (same) {
            return null;
        }
        actual.take(harness, window);
        actual.fault = fault;
        if (!x87()) {
            System.arraycopy(expected.x87, 0, actual.x87, 0, actual.x87.length);
        }
        List<String> found = actual.differences(expected, (int) (Cpu.STATUS & ~flags));
        if (cpu.rip != expectedRip) {
            found.add(String.format("rip is 0x%x, not 0x%x", cpu.rip, expectedRip));
        }
        return (translated ? "translated: " : "interpreted: ") + found;
    }

    private String describe() {
        StringBuilder out = new StringBuilder("\n    from flags ");
        out.append(Long.toHexString(start.flags));
        out.append(" mxcsr ").append(Integer.toHexString(start.mxcsr)).append(" gprs");
        for (long gpr : start.gprs) {
            out.append(' ').append(Long.toHexString(gpr));
        }
        return out.toString();
    }
}
