// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.Seg;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.VcpuExit;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random 16- and 32-bit code in all the modes that have it, with segments that are flat and others,
 * executed by the interpreter and by the translator to the same end: registers, segments, memory.
 */
final class NarrowRun implements AutoCloseable {
    /** Where the code runs. */
    enum Mode {
        REAL,
        V8086,
        PROTECTED_16,
        PROTECTED_32_LIMITED,
        PROTECTED_32_FLAT,
        COMPATIBILITY
    }

    private static final int KICK_PORT = 0xEE;
    private static final int REAL_VECTORS = 0x4000;
    private static final int CODE_SEGMENT = FREE;
    private static final int DATA_SEGMENT = FREE + 8;
    private static final int OTHER_SEGMENT = FREE + 16;
    private static final int READ_ONLY = FREE + 24;
    private static final int DOWN_SEGMENT = FREE + 32;
    private static final int STACK_SEGMENT = FREE + 40;

    /** OUT KICK_PORT,AL; HLT. */
    private static final String END = "e6eef4";

    private static final int STATES = 6;
    private static final long SLOW_MILLIS = 20_000;

    private final SplittableRandom random;
    private final Translator translator;
    private final SystemRig nodes = new SystemRig(CpuHarness.EVERYTHING);
    private final SystemRig translated;
    private final long seed;
    private final Thread watchdog;
    private final List<String> differences = new ArrayList<>();
    private long compared;
    private long faults;
    private volatile long deadline = Long.MAX_VALUE;
    private volatile @Nullable SystemRig running;
    private boolean shutDown;
    private volatile boolean late;
    private volatile boolean closed;

    NarrowRun(long seed) {
        this(seed, Translator.Settings.DEFAULT);
    }

    /** With {@code settings} for how code is translated, but for when and how much. */
    NarrowRun(long seed, Translator.Settings settings) {
        this.seed = seed;
        translator = new Translator(settings.eagerly().withCodeSize(1 << 20));
        translated = new SystemRig(CpuHarness.EVERYTHING, translator::runner);
        random = new SplittableRandom(seed);
        for (SystemRig rig : List.of(nodes, translated)) {
            rig.kickAtPort(KICK_PORT);
            rig.forgetsPorts = true;
        }
        watchdog = Thread.ofPlatform().daemon().name("narrow watchdog").start(this::watch);
    }

    @Override
    public void close() {
        closed = true;
        watchdog.interrupt();
        translator.close();
    }

    private void watch() {
        try {
            while (!closed) {
                Thread.sleep(20);
                SystemRig rig = running;
                if (rig != null && System.currentTimeMillis() > deadline) {
                    late = true;
                    rig.vcpu.kick();
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs that came to the same end. */
    long compared() {
        return compared;
    }

    /** Runs that ended in a fault. */
    long faults() {
        return faults;
    }

    /** What was found, in words. */
    List<String> differences() {
        return List.copyOf(differences);
    }

    /** Blocks that were translated. */
    long blocks() {
        return translated.vcpu.stats().exits().getOrDefault("blocks translated", 0L);
    }

    // --- where the code runs --------------------------------------------------------------------

    private SystemRig start(Mode mode, int codeAt) {
        SystemRig rig = new SystemRig(CpuHarness.EVERYTHING);
        for (int vector = 0; vector < 256; vector++) {
            rig.write(HANDLERS + 16L * vector, END);
            rig.store(REAL_VECTORS + 4L * vector, 2, 16L * vector);
            rig.store(REAL_VECTORS + 4L * vector + 2, 2, HANDLERS >>> 4);
        }
        fill(rig);
        Cpu cpu = rig.cpu;
        int limit = 0x8FF + random.nextInt(0x1000);
        switch (mode) {
            case REAL -> {
                cpu.cr0 &= ~ControlRegisters.PE;
                for (int seg = 0; seg < 6; seg++) {
                    cpu.segments.setReal(seg, seg == Seg.CS ? codeAt >>> 4 : 0x6000 + 0x123 * seg);
                    cpu.segLimit[seg] = 0xFFFF;
                    cpu.segments.followSegment(seg);
                }
                cpu.segAttributes[Seg.CS] &= ~Seg.BIG;
                cpu.segAttributes[Seg.SS] &= ~Seg.BIG;
                cpu.idtBase = REAL_VECTORS;
                cpu.idtLimit = 0x3FF;
                cpu.r[Cpu.RSP] = 0x1000;
            }
            case V8086 -> {
                long frame = KERNEL_STACK - 36;
                long[] values = {
                    0,
                    codeAt >>> 4,
                    Cpu.VM | Cpu.IOPL | 2,
                    0x1000,
                    0x6700,
                    0x6000,
                    0x6111,
                    0x6222,
                    0x6333
                };
                for (int i = 0; i < values.length; i++) {
                    rig.store(frame + 4L * i, 4, values[i]);
                }
                rig.store(TSS_BASE + 0x66, 2, 0x68);
                rig.store(CODE, 1, 0xCF);
                cpu.r[Cpu.RSP] = frame;
                cpu.rip = CODE;
                rig.step();
                if (!cpu.v8086()) {
                    throw new IllegalStateException("virtual-8086 mode was not entered");
                }
            }
            default -> protectedMode(rig, mode, codeAt, limit);
        }
        cpu.rip = codeAt - cpu.segBase[Seg.CS];
        cpu.segments.modeChanged();
        return rig;
    }

    /** INT3 wherever a jump may go astray, and random data between. */
    private void fill(SystemRig rig) {
        byte[] memory = rig.memory();
        for (int at = 0; at < memory.length; at++) {
            boolean tables =
                    at >= IDT && at < 0x5000
                            || at >= HANDLERS && at < HANDLERS + 4096
                            || at >= 0x4_0000 && at < 0x4_2000;
            if (!tables) {
                boolean data = at >= 0x6_0000 && at < 0x8_0000 && random.nextInt(4) == 0;
                memory[at] = (byte) (data ? random.nextInt() : 0xCC);
            }
        }
        rig.restore(memory);
    }

    private void protectedMode(SystemRig rig, Mode mode, int codeAt, int limit) {
        Cpu cpu = rig.cpu;
        int big = mode == Mode.PROTECTED_16 ? 0 : Seg.BIG;
        if (mode == Mode.COMPATIBILITY) {
            rig.longMode(0);
        }
        boolean flat = mode == Mode.PROTECTED_32_FLAT || mode == Mode.COMPATIBILITY;
        rig.gdt(
                CODE_SEGMENT,
                flat ? descriptor(0, -1, 0xC09B) : descriptor(codeAt & ~0xFFF, 0xFFFF, 0x9B | big));
        rig.gdt(DATA_SEGMENT, flat ? descriptor(0, -1, 0xC093) : descriptor(0x6_0000, limit, 0x93));
        rig.gdt(OTHER_SEGMENT, descriptor(0x6_0800, 0xFFFF, 0x93 | big));
        rig.gdt(READ_ONLY, descriptor(0x6_1000, 0xFFFF, 0x91));
        rig.gdt(DOWN_SEGMENT, descriptor(0x6_2000, 0x7FF, 0x97));
        rig.gdt(
                STACK_SEGMENT,
                flat ? descriptor(0, -1, 0xC093) : descriptor(0x6_3000, 0x1FFF, 0x93 | stackBig()));
        rig.segment(Seg.CS, CODE_SEGMENT);
        rig.segment(Seg.DS, DATA_SEGMENT);
        rig.segment(Seg.ES, flat ? DATA_SEGMENT : OTHER_SEGMENT);
        rig.segment(Seg.FS, OTHER_SEGMENT);
        rig.segment(Seg.GS, READ_ONLY);
        rig.segment(Seg.SS, STACK_SEGMENT);
        cpu.r[Cpu.RSP] = flat ? 0x6_5000 : 0x1000;
    }

    private int stackBig() {
        return random.nextBoolean() ? Seg.BIG : 0;
    }

    // --- runs -----------------------------------------------------------------------------------

    /** Executes {@code count} sequences in each mode, or fewer when {@code most} differ. */
    void run(int count, int most) {
        for (int i = 0; i < count; i++) {
            for (Mode mode : Mode.values()) {
                if (differences.size() >= most) {
                    return;
                }
                sequence(mode);
            }
        }
    }

    private void sequence(Mode mode) {
        boolean wide = mode.ordinal() >= Mode.PROTECTED_32_LIMITED.ordinal();
        boolean real = mode.ordinal() <= Mode.V8086.ordinal();
        // At the end of a page, at times, and not at its start.
        int codeAt = (int) CODE + 16 * random.nextInt(0x100);
        SystemRig start = start(mode, codeAt);
        int[] selectors =
                real
                        ? new int[] {0x6000, 0x6100, 0x6345, 0x7000, 0x6801}
                        : new int[] {DATA_SEGMENT, OTHER_SEGMENT, READ_ONLY, DOWN_SEGMENT, 0};
        boolean flat = mode.ordinal() >= Mode.PROTECTED_32_FLAT.ordinal();
        RandomNarrow code = new RandomNarrow(random, wide, flat ? 0x6_8000 : 0x1800, selectors);
        byte[] bytes = code.sequence(5 + random.nextInt(60));
        start.put(codeAt, bytes);
        start.write(codeAt + bytes.length, END);
        CpuState state = start.vcpu.save();
        byte[] memory = start.memory();
        for (int i = 0; i < STATES; i++) {
            long[] r = registers(start.cpu, real || !wide);
            run(nodes, state, memory, r);
            // Beyond the memory the engines meet a bus, and code at the end of 4 GiB.
            boolean skip = late || stackTop(nodes.cpu) >= 1 << 20;
            run(translated, state, memory, r);
            if (skip) {
                continue;
            }
            String found = compare(mode);
            if (!found.isEmpty()) {
                differences.add(
                        "seed %d %s at 0x%x, registers %s, code %s: %s%n  %s"
                                .formatted(
                                        seed,
                                        mode,
                                        codeAt,
                                        hex(r),
                                        HexFormat.of().formatHex(bytes),
                                        found,
                                        locate(mode, start, codeAt, bytes, code.steps(), r)));
                return;
            }
            compared++;
        }
    }

    /** The instruction with which the difference begins, in words. */
    private String locate(
            Mode mode, SystemRig start, int codeAt, byte[] bytes, List<Integer> steps, long[] r) {
        CpuState state = start.vcpu.save();
        int from = 0;
        for (int to : steps) {
            start.put(codeAt, bytes);
            start.write(codeAt + to, END);
            byte[] memory = start.memory();
            run(nodes, state, memory, r);
            run(translated, state, memory, r);
            String found = compare(mode);
            if (!found.isEmpty()) {
                return "step %s at %d: %s"
                        .formatted(HexFormat.of().formatHex(bytes, from, to), from, found);
            }
            from = to;
        }
        return "no single instruction";
    }

    private static String hex(long[] values) {
        StringBuilder out = new StringBuilder();
        for (long value : values) {
            out.append(Long.toHexString(value)).append(' ');
        }
        return out.toString();
    }

    private long[] registers(Cpu cpu, boolean narrow) {
        long[] r = new long[8];
        for (int i = 0; i < 8; i++) {
            int low = random.nextInt(narrow ? 0x2000 : 0x1000) + (narrow ? 0 : 0x6_0000);
            r[i] =
                    switch (random.nextInt(8)) {
                        case 0 -> random.nextInt() & 0xFFFF_FFFFL;
                        case 1 -> 0xFFF0 + random.nextInt(32);
                        case 2 -> narrow ? low | random.nextInt(3) << 16 : low;
                        default -> low;
                    };
        }
        r[Cpu.RSP] = cpu.r[Cpu.RSP] + (random.nextInt(4) == 0 ? random.nextInt(64) - 32 : 0);
        return r;
    }

    private void run(SystemRig rig, CpuState state, byte[] memory, long[] r) {
        rig.restore(memory);
        rig.vcpu.load(state);
        System.arraycopy(r, 0, rig.cpu.r, 0, 8);
        rig.cpu.setStatusFlags(0);
        late = false;
        deadline = System.currentTimeMillis() + SLOW_MILLIS;
        running = rig;
        VcpuExit exit = rig.vcpu.run();
        if (rig.cpu.rip == state.rip()) {
            // A kick that came late for the last one.
            exit = rig.vcpu.run();
        }
        running = null;
        shutDown = exit instanceof VcpuExit.Shutdown;
        deadline = Long.MAX_VALUE;
        if (exit instanceof VcpuExit.Fault(String report)) {
            throw new IllegalStateException(report);
        }
    }

    // --- comparison -----------------------------------------------------------------------------

    private String compare(Mode mode) {
        Cpu one = nodes.cpu;
        Cpu other = translated.cpu;
        List<String> found = new ArrayList<>();
        if (late) {
            found.add("the translator came to no end");
        }
        boolean faulted = shutDown || linear(one) >= HANDLERS && linear(one) < HANDLERS + 4096;
        faults += faulted ? 1 : 0;
        compare(found, "linear rip", linear(other), linear(one));
        for (int i = 0; i < 16; i++) {
            compare(found, "r" + i, other.r[i], one.r[i]);
        }
        // Handlers begin with the flags of the fault (ADR 6).
        long mask = faulted ? ~(long) Cpu.STATUS : ~(long) Cpu.AF;
        compare(found, "flags", other.rflags() & mask, one.rflags() & mask);
        for (int i = 0; i < 6; i++) {
            compare(found, "selector " + i, other.selector[i], one.selector[i]);
            compare(found, "base " + i, other.segBase[i], one.segBase[i]);
            compare(found, "limit " + i, other.segLimit[i], one.segLimit[i]);
            compare(found, "attributes " + i, other.segAttributes[i], one.segAttributes[i]);
        }
        compare(found, "CR2", other.cr2, one.cr2);
        byte[] memory = nodes.memory();
        byte[] translatedMemory = translated.memory();
        for (int i = 0; faulted && i < 2; i++) {
            int flags = (int) flagsAt(mode, one, i);
            translatedMemory[flags] = memory[flags];
        }
        int at = Arrays.mismatch(memory, translatedMemory);
        int image = faulted ? Cpu.STATUS & 0xFF : 0;
        if (shutDown || faulted && vector(one) == CpuFault.DF) {
            // OF in a frame that the stack had no room for.
            image |= Cpu.OF >>> 8;
        }
        while (at >= 0 && ((memory[at] ^ translatedMemory[at]) & 0xFF & ~image) == 0) {
            // The image of flags in the frame of an earlier fault.
            translatedMemory[at] = memory[at];
            at = Arrays.mismatch(memory, translatedMemory);
        }
        if (at >= 0) {
            compare(found, "memory 0x" + Integer.toHexString(at), translatedMemory[at], memory[at]);
        }
        return String.join(", ", found);
    }

    /**
     * Where a byte of the flags is in the frame of a fault whose handler has not changed the stack;
     * a frame on a stack that uses SP may wrap.
     */
    private static long flagsAt(Mode mode, Cpu cpu, int number) {
        int vector = vector(cpu);
        boolean code = vector >= CpuFault.TS && vector <= CpuFault.PF;
        long offset =
                switch (mode) {
                    case REAL -> 4;
                    case COMPATIBILITY -> code ? 24 : 16;
                    default -> code ? 12 : 8;
                };
        long pointer = cpu.r[Cpu.RSP] + offset + number & cpu.stackMask;
        return Math.min(cpu.segBase[Seg.SS] + pointer & 0xFFFF_FFFFL, (1 << 20) - 1);
    }

    /** The vector in whose handler the CPU is. */
    private static int vector(Cpu cpu) {
        return (int) (linear(cpu) - HANDLERS >>> 4) & 0xFF;
    }

    private static long stackTop(Cpu cpu) {
        return cpu.segBase[Seg.SS] + (cpu.r[Cpu.RSP] & cpu.stackMask) & 0xFFFF_FFFFL;
    }

    private static long linear(Cpu cpu) {
        return cpu.segBase[Seg.CS] + cpu.rip & 0xFFFF_FFFFL;
    }

    private static void compare(List<String> found, String what, long translated, long nodes) {
        if (translated != nodes) {
            found.add("%s is 0x%x, not 0x%x".formatted(what, translated, nodes));
        }
    }
}
