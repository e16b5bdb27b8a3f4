// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static dev.frond.cpu.interp.SystemRig.*;

import dev.frond.cpu.ControlRegisters;
import dev.frond.cpu.Cpu;
import dev.frond.cpu.Seg;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.IntegerEncoder.Addressing;
import dev.frond.cpu.translate.Translator;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.VcpuExit;

import org.jspecify.annotations.Nullable;

import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Random bytes executed as code in each mode of the processor, with whatever they do to its state:
 * no exception of the host's language may come out, and every case must end when the CPU is kicked.
 */
final class RandomBytesRun implements AutoCloseable {
    /** Which mode a case starts in. */
    enum Mode {
        REAL,
        V8086,
        PROTECTED_16_KERNEL,
        PROTECTED_16_USER,
        PROTECTED_32_KERNEL,
        PROTECTED_32_USER,
        COMPATIBILITY_KERNEL,
        COMPATIBILITY_USER,
        LONG_KERNEL,
        LONG_USER;

        private boolean is64() {
            return ordinal() >= LONG_KERNEL.ordinal();
        }
    }

    private static final int KICK_PORT = 0xEE;
    private static final int CODE_16 = FREE;
    private static final int DATA_16 = FREE + 8;
    private static final int REAL_VECTORS = 0x4000;

    /** Bytes at {@link SystemRig#CODE} that are random. */
    private static final int RANDOM_BYTES = 1024;

    private static final long CODE_SIZE = 512 << 10;

    /**
     * A case that takes so much of a processor in spite of kicks hangs; and one that waits so long.
     */
    private static final long HANG_NANOS = 10_000_000_000L;

    private static final long WAIT_NANOS = 600_000_000_000L;

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    /** What a case starts with. */
    private static final class Start {
        final CpuState state;
        final byte[] memory;

        Start(CpuState state, byte[] memory) {
            this.state = state;
            this.memory = memory;
        }
    }

    private final long seed;

    private final Translator translator;
    private final boolean lockstep;
    private final Mode[] modes;

    private final SystemRig nodes;
    private final @Nullable SystemRig translated;
    private final Map<Mode, Start> starts = new EnumMap<>(Mode.class);
    private final List<Form> forms = Table.forms();
    private final Thread watchdog;

    private volatile long current = -1;
    private volatile String what = "";
    private volatile @Nullable SystemRig running;
    private volatile boolean closed;
    private volatile @Nullable String hang;
    private volatile long worker = Thread.currentThread().threadId();

    private long cases;
    private long instructions;
    private final List<String> failures = new ArrayList<>();

    /** Cases from {@code first} on. */
    RandomBytesRun(long seed, long first) {
        this(seed, first, false);
    }

    /** The same, or those of the translator alone with the interpreter in lockstep. */
    RandomBytesRun(long seed, long first, boolean lockstep) {
        cases = first;
        this.seed = seed;
        // Little room for code: it is full often.
        Translator.Settings settings =
                Translator.Settings.DEFAULT.withCodeSize(CODE_SIZE).withCount(true);
        translator = new Translator(lockstep ? settings.inLockstep() : settings);
        modes = Mode.values();
        nodes = new SystemRig(CpuHarness.EVERYTHING);
        translated =
                Translator.isSupported()
                        ? new SystemRig(CpuHarness.EVERYTHING, translator::runner)
                        : null;
        this.lockstep = lockstep;
        for (Mode mode : modes) {
            starts.put(mode, start(mode));
        }
        prepare(nodes);
        if (translated != null) {
            prepare(translated);
        }
        watchdog = Thread.ofPlatform().daemon().name("random-bytes watchdog").start(this::watch);
    }

    @Override
    public void close() {
        closed = true;
        watchdog.interrupt();
        translator.close();
    }

    long cases() {
        return cases;
    }

    /** Instructions executed, as far as the engines count them. */
    long instructions() {
        return instructions;
    }

    /** What went wrong, in words. */
    List<String> failures() {
        return List.copyOf(failures);
    }

    /** The case that hangs, in words; null if none does. Asked by other threads. */
    @Nullable String hang() {
        return hang;
    }

    // --- where cases start ----------------------------------------------------------------------

    private static void prepare(SystemRig rig) {
        rig.forgetsPorts = true;
        rig.kickAtPort(KICK_PORT);
    }

    /** Whether a case is executed by the translator: each mode's next one is the other engine's. */
    private boolean isTranslated(long number) {
        return lockstep || (number / modes.length & 1) != 0;
    }

    /** The state and the memory of a machine in {@code mode} whose handlers kick. */
    private static Start start(Mode mode) {
        SystemRig rig = new SystemRig(CpuHarness.EVERYTHING);
        for (int vector = 0; vector < 256; vector++) {
            // OUT KICK_PORT,AL; HLT
            rig.write(HANDLERS + 16L * vector, "e6eef4");
            rig.store(REAL_VECTORS + 4L * vector, 2, 16L * vector);
            rig.store(REAL_VECTORS + 4L * vector + 2, 2, HANDLERS >>> 4);
        }
        Cpu cpu = rig.cpu;
        cpu.cr0 |= ControlRegisters.MP;
        cpu.cr4 |= ControlRegisters.OSFXSR | ControlRegisters.OSXMMEXCPT | ControlRegisters.OSXSAVE;
        cpu.xcr0 = 7;
        boolean user = mode.name().endsWith("USER");
        int cpl = user ? 3 : 0;
        switch (mode) {
            case REAL -> {
                cpu.cr0 &= ~ControlRegisters.PE;
                for (int seg = 0; seg < 6; seg++) {
                    cpu.segments.setReal(seg, seg == Seg.CS ? (int) CODE >>> 4 : 0x900);
                    cpu.segments.followSegment(seg);
                }
                cpu.idtBase = REAL_VECTORS;
                cpu.idtLimit = 0x3FF;
                cpu.r[Cpu.RSP] = 0x1000;
            }
            case V8086 -> virtual8086(rig);
            case PROTECTED_16_KERNEL, PROTECTED_16_USER -> {
                rig.enter(cpl);
                rig.gdt(CODE_16, descriptor(CODE, 0xFFFF, 0x9B | cpl << 5));
                rig.gdt(DATA_16, descriptor(0, 0xFFFF, 0x93 | cpl << 5));
                rig.segment(Seg.CS, CODE_16 | cpl);
                rig.segment(Seg.SS, DATA_16 | cpl);
                rig.segment(Seg.DS, DATA_16 | cpl);
            }
            case PROTECTED_32_KERNEL, PROTECTED_32_USER -> rig.enter(cpl);
            case COMPATIBILITY_KERNEL, COMPATIBILITY_USER -> {
                rig.longMode(cpl);
                rig.gdt(CODE_16, descriptor(0, -1, 0xC09B | cpl << 5));
                rig.segment(Seg.CS, CODE_16 | cpl);
            }
            default -> rig.longMode(cpl);
        }
        cpu.rip = CODE - cpu.segBase[Seg.CS];
        cpu.segments.modeChanged();
        return new Start(rig.vcpu.save(), rig.memory());
    }

    private static void virtual8086(SystemRig rig) {
        long frame = KERNEL_STACK - 36;
        long[] values = {
            0, CODE >>> 4, Cpu.VM | Cpu.IOPL | 2, 0x1000, 0x900, 0x900, 0x900, 0x900, 0x900
        };
        for (int i = 0; i < values.length; i++) {
            rig.store(frame + 4L * i, 4, values[i]);
        }
        rig.cpu.r[Cpu.RSP] = frame;
        rig.execute("cf");
        if (!rig.cpu.v8086()) {
            throw new IllegalStateException("virtual-8086 mode was not entered");
        }
    }

    // --- cases ----------------------------------------------------------------------------------

    /** Executes the next {@code count} cases, or fewer when {@code most} failures are there. */
    void run(long count, int most) {
        long end = cases + count;
        while (cases < end && failures.size() < most) {
            one(cases++);
        }
    }

    private void one(long number) {
        SplittableRandom random = new SplittableRandom(seed * 0x9E37_79B9_7F4A_7C15L + number);
        Mode mode = modes[(int) (number % modes.length)];
        Start start = starts.get(mode);
        boolean translates = isTranslated(number);
        SystemRig rig = translates ? translated : nodes;
        if (start == null || rig == null) {
            return;
        }
        Cpu cpu = rig.cpu;
        byte[] code = code(random, mode);
        String described = "seed " + seed + " case " + number + " " + mode;
        described += (translates ? " translated code " : " code ") + hex(code);
        try {
            rig.restore(start.memory);
            rig.vcpu.load(start.state);
            rig.put(CODE, code);
            registers(random, cpu, mode);
            long before = cpu.instructions;
            what = described;
            worker = Thread.currentThread().threadId();
            running = rig;
            current = number;
            if (rig.vcpu.run() instanceof VcpuExit.Fault(String report)) {
                failures.add(described + ": " + report);
            }
            instructions += cpu.instructions - before;
        } catch (RuntimeException | Error e) {
            failures.add(described + ": " + trace(e));
        } finally {
            running = null;
        }
    }

    private static String hex(byte[] code) {
        return HexFormat.of().formatHex(code, 0, 160);
    }

    private static String trace(Throwable e) {
        StringBuilder out = new StringBuilder(e.toString());
        StackTraceElement[] frames = e.getStackTrace();
        for (int i = 0; i < Math.min(8, frames.length); i++) {
            out.append("\n        at ").append(frames[i]);
        }
        return out.toString();
    }

    private static void registers(SplittableRandom random, Cpu cpu, Mode mode) {
        for (int i = 0; i < (mode.is64() ? 16 : 8); i++) {
            long value =
                    switch (random.nextInt(4)) {
                        case 0 -> IntegerRig.value(random);
                        case 1 -> random.nextInt(256);
                        default -> 0x6_0000 + random.nextInt(0x1_0000);
                    };
            if (i != Cpu.RSP || random.nextInt(8) == 0) {
                cpu.r[i] = mode.is64() ? value : value & 0xFFFF_FFFFL;
            }
        }
        for (int i = 0; i < 64; i++) {
            cpu.v[i] = random.nextLong();
        }
    }

    private byte[] code(SplittableRandom random, Mode mode) {
        byte[] code = new byte[RANDOM_BYTES];
        random.nextBytes(code);
        switch (random.nextInt(3)) {
            case 0 -> {
                // As it is.
            }
            case 1 -> {
                int[] likely = {
                    0x0F, 0x0F, 0x0F, 0x66, 0xF2, 0xF3, 0xF0, 0x48, 0xC4, 0xC5, 0x67, 0x38, 0x3A
                };
                for (int i = 0; i < code.length; i += 1 + random.nextInt(6)) {
                    code[i] = (byte) likely[random.nextInt(likely.length)];
                }
            }
            default -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                while (out.size() < code.length - 16) {
                    out.writeBytes(instruction(random, mode));
                }
                System.arraycopy(out.toByteArray(), 0, code, 0, out.size());
            }
        }
        return code;
    }

    /** Any instruction of the table with any operands. */
    private byte[] instruction(SplittableRandom random, Mode mode) {
        Form form = forms.get(random.nextInt(forms.size()));
        if (form.isVector()) {
            FormEncoder e = new FormEncoder();
            e.memory = !form.is(Form.REGISTER_ONLY) && random.nextBoolean();
            e.wide = mode.is64() && random.nextBoolean();
            e.reg = random.nextInt(mode.is64() ? 16 : 8);
            e.rm = random.nextInt(mode.is64() ? 16 : 8);
            e.base = random.nextInt(mode.is64() ? 16 : 8);
            e.vvvv = random.nextInt(mode.is64() ? 16 : 8);
            e.index = random.nextInt(8);
            e.wideVector = random.nextBoolean();
            e.displacement = random.nextInt(64);
            e.immediate = random.nextInt(256);
            e.immediate2 = random.nextInt(256);
            return e.encode(form);
        }
        IntegerEncoder e = new IntegerEncoder();
        e.code64 = mode.is64();
        e.memory = !form.is(Form.REGISTER_ONLY) && random.nextBoolean();
        e.wide = mode.is64() && random.nextInt(3) == 0;
        e.word = random.nextInt(4) == 0;
        e.reg = random.nextInt(mode.is64() ? 16 : 8);
        e.rm = random.nextInt(mode.is64() ? 16 : 8);
        e.vvvv = random.nextInt(8);
        e.base = random.nextInt(8);
        e.index = random.nextInt(4);
        e.lock = form.is(Form.LOCK) && e.memory && random.nextInt(4) == 0;
        e.repeat = IntegerForms.isString(form) && random.nextBoolean() ? 0xF3 : 0;
        Addressing[] all = Addressing.values();
        e.addressing = all[random.nextInt(all.length - 1)];
        e.displacement = random.nextInt(-64, 64);
        e.address = 0x6_0000L + random.nextInt(0x1_0000);
        e.immediate = IntegerRig.value(random);
        e.immediate2 = random.nextInt(256);
        return e.encode(form, CODE);
    }

    // --- the watchdog ---------------------------------------------------------------------------

    /** Kicks every millisecond: loops and halts end. */
    private void watch() {
        long seen = -1;
        long since = System.nanoTime();
        long used = 0;
        try {
            while (!closed) {
                Thread.sleep(1);
                SystemRig rig = running;
                if (rig != null) {
                    rig.vcpu.kick();
                }
                if (current != seen || rig == null) {
                    seen = current;
                    since = System.nanoTime();
                    used = THREADS.getThreadCpuTime(worker);
                } else if (THREADS.getThreadCpuTime(worker) - used > HANG_NANOS
                        || System.nanoTime() - since > WAIT_NANOS) {
                    hang = what;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
