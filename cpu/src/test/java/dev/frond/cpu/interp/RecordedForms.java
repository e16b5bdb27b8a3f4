// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.RecordedVectors.Start;
import dev.frond.cpu.interp.RecordedVectors.Vector;
import dev.frond.machine.vcpu.CpuModel;

import org.jspecify.annotations.Nullable;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The instructions of recorded cases, decoded. */
final class RecordedForms {
    private RecordedForms() {}

    private static final Decoder DECODER =
            new Decoder(Table.forms(), CpuModel.X86_64_V3.features());

    private static final int[] CODE_SIZES = {0, 0, Cpu.CODE_32, Cpu.CODE_64};

    private static @Nullable Insn decode(Start start) {
        byte[] code = start.memory(start.code(), Decoder.MAX_LENGTH);
        return DECODER.decode(code, 0, code.length, 0, CODE_SIZES[start.mode()]);
    }

    /** The form in words; the empty string for what is none in that mode. */
    static String name(Start start) {
        Insn insn = decode(start);
        return insn == null ? "" : insn.form.toString();
    }

    /** The forms, in words, that some case of a mode gets to the end of, by mode. */
    static Map<String, Set<String>> completed(RecordedVectors recorded) {
        Map<String, Set<String>> forms = new LinkedHashMap<>();
        for (Vector vector : recorded.vectors()) {
            Start start = new Start(vector.start());
            String name = name(start);
            // INT3 ends what has no exception of its own.
            if (RecordedVectors.int32(vector.result(), 0) == CpuFault.BP
                    || name.matches(".* (INT Ib|INTO|UD[012]( .*)?)")) {
                forms.computeIfAbsent(MODES.get(start.mode()), _ -> new TreeSet<>()).add(name);
            }
        }
        return forms;
    }

    /** What the page of instructions calls the modes. */
    private static final List<String> MODES = List.of("real", "v8086", "protected", "64-bit");

    /** The status flags that the instruction leaves undefined. */
    static int undefinedFlags(Start start) {
        Insn insn = decode(start);
        if (insn == null) {
            return 0;
        }
        long count =
                switch (insn.form.operands().isEmpty()
                        ? Operand.One
                        : insn.form.operands().getLast()) {
                    case CL -> start.register(Cpu.RCX);
                    case Ib -> insn.immediate;
                    default -> 1;
                };
        return IntegerForms.undefinedFlags(insn.form, count, insn.size);
    }
}
