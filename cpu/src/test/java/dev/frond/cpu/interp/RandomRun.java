// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.FxImage;
import dev.frond.cpu.Seg;
import dev.frond.cpu.interp.RandomCode.Flavour;
import dev.frond.cpu.interp.RandomCode.Kind;
import dev.frond.cpu.interp.WindowSegments.Code;
import dev.frond.cpu.translate.Translator;
import dev.frond.host.FixedMemory;
import dev.frond.host.NativeCode;
import dev.frond.machine.vcpu.CpuFeature;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
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
    private static final int GUARD = WindowSegments.REACH;
    private static final int WINDOW = RandomCode.WINDOW;
    private static final int[] DATA_SEGMENTS = {Seg.ES, Seg.SS, Seg.DS, Seg.FS, Seg.GS};

    /** How often there is code of each kind. */
    private static final Kind[] KINDS = {
        Kind.LONG,
        Kind.LONG,
        Kind.LONG,
        Kind.LONG,
        Kind.FLAT_32,
        Kind.SEGMENTED_32,
        Kind.SEGMENTED_16,
        Kind.SEGMENTED_16
    };

    private static final byte[] HLT = {(byte) 0xF4};

    /** Everything else belongs to all sequences. */
    private static final int X87_HEAD = 5;

    private final long seed;
    private final SplittableRandom random;
    private final Map<Kind, RandomCode> codes = new EnumMap<>(Kind.class);
    private final NativeCode host = NativeCode.create(CODE_BYTES);
    private final FixedMemory memory = FixedMemory.low(2 * GUARD + 2 * PAGE);
    private final CpuHarness harness = new CpuHarness(CpuHarness.EVERYTHING, 3);
    private final Cpu cpu = harness.cpu;
    private final boolean compatibility = host.hasCompatibilityMode();
    private final @Nullable Translator translator;
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
    private Kind kind = Kind.LONG;

    /** Empty where a host has no segments for programs. */
    private final Optional<WindowSegments> windows;

    /** Where the code segment begins, 0 if it is flat. */
    private long codeBase;

    private int codeSelector;
    private long compared;
    private long sequences;
    private final Map<Kind, Long> sequencesOf = new EnumMap<>(Kind.class);
    private final List<String> differences = new ArrayList<>();

    RandomRun(long seed) {
        this(seed, Translator.Settings.DEFAULT);
    }

    /** With {@code settings} for how code is translated, but for when. */
    RandomRun(long seed, Translator.Settings settings) {
        this.seed = seed;
        translator = Translator.isSupported() ? new Translator(settings.eagerly()) : null;
        random = new SplittableRandom(seed);
        Set<CpuFeature> features = EnumSet.noneOf(CpuFeature.class);
        features.addAll(IntegerRig.hostFeatures());
        features.retainAll(cpu.cpuid.model().features());
        memory.protect(0, GUARD, FixedMemory.Access.NONE);
        memory.protect(GUARD + 2 * PAGE, GUARD, FixedMemory.Access.NONE);
        harness.map(host.codeAddress(), CODE_BYTES);
        long pages = memory.address() + GUARD;
        harness.map(pages, 2 * PAGE);
        window = pages + PAGE - WINDOW / 2;
        windows =
                host.hasSegments()
                        ? Optional.of(
                                new WindowSegments(
                                        harness, host.codeAddress(), CODE_BYTES, pages + PAGE))
                        : Optional.empty();
        for (Kind each : Kind.values()) {
            boolean segmented = isSegmented(each);
            boolean runs = segmented ? windows.isPresent() : each == Kind.LONG || compatibility;
            if (runs) {
                Optional<WindowSegments> given = segmented ? windows : Optional.empty();
                codes.put(each, new RandomCode(random, each, features, given));
            }
        }
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

    /** Whether this host runs code of a kind. */
    boolean runs(Kind of) {
        return codes.containsKey(of);
    }

    /** Sequences of code of one kind. */
    long sequences(Kind of) {
        return sequencesOf.getOrDefault(of, 0L);
    }

    /** What was found, in words. */
    List<String> differences() {
        return List.copyOf(differences);
    }

    /** Goes on until {@code instructions} are compared or {@code most} differences are found. */
    void run(long instructions, int most) {
        Flavour[] flavours = Flavour.values();
        while (compared < instructions && differences.size() < most) {
            kind = KINDS[random.nextInt(KINDS.length)];
            if (!runs(kind)) {
                kind = Kind.LONG;
            }
            RandomCode code = code();
            mode();
            code.codeSelector(codeSelector);
            int of = random.nextInt(8);
            flavour = flavours[of < 3 ? 0 : of < 7 ? 1 : 2];
            int offset = random.nextInt(isSegmented(kind) ? 0x400 : 0, CODE_BYTES - 3 * PAGE);
            long at = host.codeAddress() + offset - codeBase;
            int length = random.nextInt(10, 120);
            boolean loop = random.nextInt(3) > 0;
            byte[] bytes = code.sequence(length, flavour, at, window, loop);
            load(offset, bytes);
            sequencesOf.merge(kind, 1L, Long::sum);
            boolean fused = random.nextInt(FUSED_OF) == 0;
            for (int state = 0; state < STATES && differences.size() < most; state++) {
                code.prepare(start, flavour);
                int interpretFirst = random.nextInt(16) == 0 ? random.nextInt(60) : 0;
                nodes.fuse(fused && state < 2);
                check(code, offset, bytes, interpretFirst);
            }
            sequences++;
        }
    }

    private RandomCode code() {
        return Objects.requireNonNull(codes.get(kind));
    }

    private static boolean isSegmented(Kind kind) {
        return kind == Kind.SEGMENTED_16 || kind == Kind.SEGMENTED_32;
    }

    /** Goes to the mode of {@link #kind}, and chooses a code segment. */
    private void mode() {
        codeBase = 0;
        codeSelector = 0;
        if (isSegmented(kind)) {
            boolean code16 = kind == Kind.SEGMENTED_16;
            Code segment;
            do {
                segment = windows.orElseThrow().code(random);
            } while (segment.code16() != code16);
            codeBase = host.codeAddress() + segment.base();
            codeSelector = segment.selector();
            cpu.mmu.flush();
            return;
        }
        boolean is64 = kind == Kind.LONG;
        harness.flatData();
        if (is64) {
            harness.longMode();
        } else {
            harness.compatibilityMode();
        }
        int data = is64 ? 0 : 0x2B;
        int[] selectors = {data, 0, 0x2B, data, 0, 0};
        for (int seg : DATA_SEGMENTS) {
            cpu.selector[seg] = selectors[seg];
        }
        cpu.mmu.flush();
    }

    private void load(int offset, byte[] bytes) {
        long linear = host.codeAddress() + offset;
        if (isSegmented(kind)) {
            host.write(offset, bytes);
            host.write(offset + bytes.length, HLT);
            RandomCode code = code();
            host.enterAt(
                    new NativeCode.Segments(
                            codeSelector,
                            code.selector(Seg.SS),
                            code.selector(Seg.DS),
                            code.selector(Seg.ES),
                            code.selector(Seg.FS),
                            code.selector(Seg.GS)),
                    (int) (linear - codeBase));
        } else {
            host.load(
                    kind == Kind.LONG ? NativeCode.Mode.LONG : NativeCode.Mode.COMPATIBILITY,
                    offset,
                    bytes);
        }
        harness.write(linear, bytes);
        end = linear - codeBase + bytes.length;
        // #GP in user mode: where both engines stop.
        harness.write(linear + bytes.length, HLT);
    }

    private void check(RandomCode code, int offset, byte[] bytes, int interpretFirst) {
        long before = cpu.instructions;
        String found = differs(offset, interpretFirst);
        compared += cpu.instructions - before;
        if (found != null) {
            String where = locate(code.steps(), offset, bytes);
            differences.add(
                    String.format(
                            "seed %d sequence %d (%s, %s%s) at 0x%x: %s%n    %s",
                            seed,
                            sequences,
                            flavour,
                            kind,
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
        long at = host.codeAddress() + offset - codeBase;
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
            if (isSegmented(kind) && expectedRip == end && faulted.trapNumber() == CpuFault.GP) {
                expected.fault = CpuHarness.NO_FAULT;
            }
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
        if (isSegmented(kind)) {
            RandomCode code = code();
            WindowSegments all = windows.orElseThrow();
            for (int seg : DATA_SEGMENTS) {
                all.load(seg, code.selector(seg));
            }
            all.load(Seg.CS, codeSelector);
        }
    }

    // --- comparison -----------------------------------------------------------------------------

    /** Whether the segment registers have what the host's have, if code may load them. */
    private boolean sameSegments() {
        int[] mine = cpu.selector;
        return !isSegmented(kind)
                || host.segments()
                        .equals(
                                new NativeCode.Segments(
                                        mine[Seg.CS],
                                        mine[Seg.SS],
                                        mine[Seg.DS],
                                        mine[Seg.ES],
                                        mine[Seg.FS],
                                        mine[Seg.GS]));
    }

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
                        && sameSegments()
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
        if (!sameSegments()) {
            found.add(
                    "selectors are " + Arrays.toString(cpu.selector) + ", not " + host.segments());
        }
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
