// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.insn.Table;

import org.jspecify.annotations.Nullable;

import java.util.Set;
import java.util.TreeSet;

/**
 * The forms that programs of tests execute, one instruction at a time, in {@link SystemRig} and
 * {@link CpuHarness}: recorded only while {@link #during} runs.
 */
final class ExecutedForms {
    private ExecutedForms() {}

    private static @Nullable Set<String> recorded;

    /** The forms, in words, that {@code action} has executed. */
    static Set<String> during(Runnable action) {
        Set<String> forms = new TreeSet<>();
        recorded = forms;
        try {
            action.run();
        } finally {
            recorded = null;
        }
        return forms;
    }

    static boolean isRecording() {
        return recorded != null;
    }

    /** Records the instruction that {@code code} begins with; nothing if there is none. */
    static void record(Cpu cpu, byte[] code) {
        Set<String> forms = recorded;
        if (forms != null) {
            Decoder decoder = new Decoder(Table.forms(), cpu.cpuid.model().features());
            Insn insn = decoder.decode(code, 0, code.length, 0, cpu.mode & ~Cpu.USER);
            if (insn != null) {
                forms.add(insn.form.toString());
            }
        }
    }
}
