// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.cpu.insn.Table;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.List;

/** What the interpreter says of itself. */
final class InterpreterTest {
    static List<CpuModel> models() {
        return CpuModel.all();
    }

    @ParameterizedTest
    @MethodSource("models")
    void everyModelIsThereWhole(CpuModel model) {
        assertThat(new Interpreter().features()).containsAll(model.features());
    }

    @ParameterizedTest
    @MethodSource("models")
    void whatAModelOffersIsInTheInstructionTable(CpuModel model) {
        List<CpuFeature> inTable =
                Table.forms().stream().flatMap(f -> f.feature().stream()).distinct().toList();
        for (CpuFeature feature : model.features()) {
            if (feature.name()
                    .matches(
                            "MMX|SSE.*|SSSE3|AVX2?|FMA|F16C|AES|SHA|PCLMULQDQ|BMI[12]|ABM|ADX|MOVBE")) {
                assertThat(inTable).contains(feature);
            }
        }
    }
}
