// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Decoder;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.RecordedVectors.Start;
import dev.frond.machine.vcpu.CpuModel;

import org.jspecify.annotations.Nullable;

/** The instructions of recorded cases, decoded. */
final class RecordedForms {
    private RecordedForms() {}

    private static final Decoder DECODER =
            new Decoder(Table.forms(), CpuModel.X86_64_V3.features());

    private static @Nullable Insn decode(Start start) {
        byte[] code = start.memory(start.code(), Decoder.MAX_LENGTH);
        return DECODER.decode(code, 0, code.length, 0, start.mode() == RecordedVectors.PROTECTED ? Cpu.CODE_32 : 0);
    }

    /** The form in words; the empty string for what is none in that mode. */
    static String name(Start start) {
        Insn insn = decode(start);
        return insn == null ? "" : insn.form.toString();
    }

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
