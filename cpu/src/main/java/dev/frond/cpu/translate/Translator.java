// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.interp.Interpreter;
import dev.frond.cpu.interp.Runner;
import dev.frond.host.ExecutableMemory;
import dev.frond.host.HostCpu;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * The translating engine, for x86-64 Linux hosts that permit executable memory. What it does not
 * take is interpreted.
 */
public final class Translator implements Accelerator {
    private final Interpreter interpreter = new Interpreter();
    private final List<TranslatingRunner> runners = new ArrayList<>();

    private static final long CODE_SIZE = 32 << 20;

    /**
     * How code is emitted.
     *
     * @param codeSize bytes of emitted code for each CPU, a multiple of 4096 from 256 KiB to 1 GiB;
     *     the host gives memory as it is used
     * @param counted whether emitted code counts instructions, by which it is a fifth slower
     * @param eager whether code that changes all the time is translated each time, too
     * @param compared whether the interpreter executes again what emitted code has executed; the
     *     first difference ends the CPU with a report. For a machine with one CPU.
     */
    public record Settings(long codeSize, boolean counted, boolean eager, boolean compared) {
        /** What a machine has that nobody looks into. */
        public static final Settings DEFAULT = new Settings(CODE_SIZE, false, false, false);

        public Settings {
            if (codeSize < 256 << 10 || codeSize > 1 << 30 || codeSize % 4096 != 0) {
                throw new IllegalArgumentException(
                        "code size "
                                + codeSize
                                + ": accepted are multiples of 4096 from 262144 to 1073741824");
            }
        }

        /** With room for so many bytes of emitted code. */
        public Settings withCodeSize(long codeSize) {
            return new Settings(codeSize, counted, eager, compared);
        }

        /** With instructions counted, or not. */
        public Settings withCount(boolean counted) {
            return new Settings(codeSize, counted, eager, compared);
        }

        /** With everything translated at once. */
        public Settings eagerly() {
            return new Settings(codeSize, counted, true, compared);
        }

        /** In lockstep with the interpreter, which needs the count. */
        public Settings inLockstep() {
            return new Settings(codeSize, true, eager, true);
        }
    }

    private final Settings settings;

    /** The engine; {@link #isSupported} tells whether this host can. */
    public Translator() {
        this(Settings.DEFAULT);
    }

    /** The engine that emits code in this way. */
    public Translator(Settings settings) {
        this.settings = settings;
    }

    /** Whether this host can: Linux on x86-64 that permits executable memory. */
    public static boolean isSupported() {
        return HostCpu.isX86Linux() && ExecutableMemory.isPermitted();
    }

    @Override
    public String name() {
        return settings.compared() ? "lockstep" : "translator";
    }

    @Override
    public Set<CpuFeature> features() {
        return interpreter.features();
    }

    /**
     * Without what emitted code cannot do: instructions that the host lacks, and 5-level paging,
     * under which all is interpreted.
     */
    @Override
    public Set<CpuFeature> best() {
        Set<CpuFeature> best = EnumSet.copyOf(features());
        best.remove(CpuFeature.LA57);
        best.removeIf(feature -> !Shape.isQuick(feature));
        return best;
    }

    @Override
    public Vcpu createVcpu(int id, Cpuid cpuid, Wiring wiring) {
        return interpreter.createVcpu(id, cpuid, wiring, this::runner);
    }

    /** What executes the blocks of {@code cpu}, until {@link #close}. */
    public synchronized Runner runner(Cpu cpu) {
        if (settings.compared() && !runners.isEmpty()) {
            throw new IllegalArgumentException(
                    "engine lockstep: accepted are machines with 1 CPU, not more");
        }
        TranslatingRunner runner = new TranslatingRunner(cpu, settings);
        runners.add(runner);
        return runner;
    }

    /** The code memory of the latest runner, to be spoiled by tests. */
    synchronized MemorySegment codeMemory() {
        return runners.getLast().codeMemory();
    }

    /** Gives the code memory back; no CPU may be running. */
    @Override
    public synchronized void close() {
        runners.forEach(TranslatingRunner::close);
        runners.clear();
        interpreter.close();
    }
}
