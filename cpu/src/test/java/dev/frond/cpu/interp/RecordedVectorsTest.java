// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.interp.RecordedVectors.Start;
import dev.frond.cpu.interp.RecordedVectors.Vector;
import dev.frond.cpu.translate.Translator;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Cases of real, virtual-8086 and protected mode, privileged and not, against what another
 * processor has been recorded to do: see {@link RecordedVectors} and docs/cpu.md.
 */
final class RecordedVectorsTest {
    private static final int SECONDS = 300;
    private static final int SHOWN = 40;

    private final RecordedVectors recorded = RecordedVectors.load();

    @Test
    void theInterpreterDoesWhatWasRecorded() {
        check(_ -> Runner.NODES);
    }

    @Test
    void theTranslatorDoesWhatWasRecorded() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        try (Translator translator = new Translator(Translator.Settings.DEFAULT.eagerly())) {
            check(translator::runner);
        }
    }

    @Test
    void theRecordingHasAllModes() {
        Map<String, Set<String>> forms = RecordedForms.completed(recorded);
        assertThat(forms).containsOnlyKeys("real", "v8086", "protected", "64-bit");
        assertThat(forms.get("real")).hasSizeGreaterThan(350);
        assertThat(forms.get("v8086")).hasSizeGreaterThan(350);
        assertThat(forms.get("protected")).hasSizeGreaterThan(350);
        assertThat(forms.get("64-bit")).contains("0F 01 =F8 SWAPGS", "0F 22 /r MOV Cy,Ry");
    }

    @Test
    void aRecordedVectorRegisterOrSelectorThatDiffersIsSeen() {
        Vector vector = recorded.vectors().getFirst();
        Start start = new Start(vector.start());
        Map<String, String> outcome = RecordedVectors.outcome(start, vector.result(), 0);
        for (int at = 0; at < 54; at++) {
            byte[] other = vector.result().clone();
            other[at] ^= 1;
            assertThat(RecordedVectors.outcome(start, other, 0)).as("%d", at).isNotEqualTo(outcome);
        }
    }

    private void check(Function<Cpu, Runner> runner) {
        byte[] told = new RecordedGuest(recorded.program(), recorded.table(), runner).run(SECONDS);
        List<byte[]> results = RecordedVectors.results(told);
        List<String> differences = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            Vector vector = recorded.vectors().get(i);
            Start start = new Start(vector.start());
            int undefined = RecordedForms.undefinedFlags(start);
            Map<String, String> expected =
                    RecordedVectors.outcome(start, vector.result(), undefined);
            Map<String, String> actual = RecordedVectors.outcome(start, results.get(i), undefined);
            if (!actual.equals(expected)) {
                differences.add(describe(start, expected, actual));
            }
        }
        assertThat(differences.size() > SHOWN ? differences.subList(0, SHOWN) : differences)
                .as("%d differences", differences.size())
                .isEmpty();
        assertThat(results)
                .as(() ->
                        "no end of case "
                                + new Start(recorded.vectors().get(results.size()).start()))
                .hasSameSizeAs(recorded.vectors());
    }

    private static String describe(
            Start start, Map<String, String> expected, Map<String, String> actual) {
        Map<String, String> differences = new TreeMap<>();
        expected.forEach((name, value) -> {
            String other = actual.getOrDefault(name, "as before");
            if (!other.equals(value)) {
                differences.put(name, "recorded " + value + ", here " + other);
            }
        });
        actual.forEach((name, value) -> {
            if (!expected.containsKey(name)) {
                differences.put(name, "recorded as before, here " + value);
            }
        });
        return RecordedForms.name(start) + " " + differences + " of " + start;
    }
}
