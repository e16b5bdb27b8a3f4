// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.decode.Form;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuModel;

import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The page that lists every instruction of the table with its encodings, modes, CPUID gate and the
 * tests that prove it. What proves it is asked of the tests: the selections of those against the
 * host, and what the programs of the others execute.
 */
final class InstructionPage {
    /** Forms that programs execute, by the name of the test class. */
    private final Map<String, Set<String>> programs;

    private final Set<CpuFeature> offered = EnumSet.noneOf(CpuFeature.class);

    /** Forms that recorded vectors get to the end of, by mode. */
    private final Map<String, Set<String>> recorded;

    InstructionPage(Map<String, Set<String>> programs) {
        this.programs = programs;
        recorded = RecordedForms.completed(RecordedVectors.load());
        for (CpuModel model : CpuModel.all()) {
            offered.addAll(model.features());
        }
    }

    /** What proves {@code form}, in the words of the page; empty if nothing does. */
    List<String> proof(Form form) {
        List<String> proof = new ArrayList<>();
        // What never completes at privilege level 3 is not proven by its fault there.
        boolean completes = !IntegerForms.alwaysFaults(form) || form.mnemonic().matches("UD[012]");
        if (completes) {
            if (IntegerOracleTest.tests(form, true, false) || VectorOracleTest.tests(form, true)) {
                proof.add("host");
            }
            if (IntegerOracleTest.tests(form, false, false)
                    || VectorOracleTest.tests(form, false)) {
                proof.add("host 32");
            }
            if (SegmentedOracleTest.tests(form) || VectorOracleTest.tests(form, false)) {
                proof.add("host 16");
            }
            if (IntegerOracleTest.tests(form, true, true) || VectorOracleTest.tests(form, true)) {
                proof.add("translated");
            }
            if (RandomCode.contains(form)) {
                proof.add("random");
            }
        }
        recorded.forEach((mode, forms) -> {
            if (forms.contains(form.toString())) {
                proof.add("recorded " + mode);
            }
        });
        for (Map.Entry<String, Set<String>> program : programs.entrySet()) {
            if (program.getValue().contains(form.toString())) {
                proof.add(program.getKey().replaceAll("Test$", ""));
            }
        }
        return proof;
    }

    /** Whether a model offers {@code form}. */
    boolean isOffered(Form form) {
        return form.feature().isEmpty() || offered.contains(form.feature().get());
    }

    /** What a model offers and nothing proves. */
    List<String> unproven() {
        List<String> unproven = new ArrayList<>();
        for (Form form : Table.forms()) {
            if (isOffered(form) && proof(form).isEmpty()) {
                unproven.add(form.toString());
            }
        }
        return unproven;
    }

    // --- the text -------------------------------------------------------------------------------

    @SuppressWarnings("InlineFormatString") // Read as a page.
    private static final String HEAD =
            """
            # Instructions

            Made from the instruction table and from what the tests do, by `tools/instruction-page`; do not edit.

            The table has %d encodings of %d instructions; %d of them are offered by some CPU model, and each of those is
            proven. Encodings are in the letters of the Intel SDM, Vol. 2D, A.2; `VEX.LIG` ignores the vector length.

            | Proof | What it is |
            |---|---|
            | host | `IntegerOracleTest`, `VectorOracleTest`: the interpreter against the host's processor in 64-bit mode, all encodings, corner and random operands: registers, flags, memory, exceptions, MXCSR, x87 |
            | host 32 | the same in a 32-bit code segment of compatibility mode |
            | host 16 | `SegmentedOracleTest`, `VectorOracleTest`: the same in a 16-bit code segment of the local descriptor table, integer instructions in small 32-bit segments, too; with both address sizes, 16- and 32-bit stacks |
            | translated | the same as `host`, executed by the translator |
            | random | `tools/random-cpu`: random sequences, interpreter and translator against the host |
            | recorded real, v8086, protected, 64-bit | `RecordedVectorsTest`: interpreter and translator against what was recorded from QEMU (TCG) in real, virtual-8086, 32-bit protected and 64-bit mode, at levels 0 and 3 ([cpu.md](cpu.md)) |
            %s
            A host that lacks an extension skips what needs it. At privilege level 3 the host proves only that a privileged
            instruction faults, which does not count here.

            | Instruction | Encodings | Modes | CPUID | Proof |
            |---|---|---|---|---|
            """;

    /** The whole page. */
    String text() {
        Map<String, Set<String>> rows = new TreeMap<>();
        Set<String> instructions = new TreeSet<>();
        int encodings = 0;
        int offeredEncodings = 0;
        for (Form form : Table.forms()) {
            encodings++;
            offeredEncodings += isOffered(form) ? 1 : 0;
            instructions.add(form.mnemonic());
            rows.computeIfAbsent(row(form), _ -> new LinkedHashSet<>()).add(encoding(form));
        }
        StringBuilder list = new StringBuilder();
        programs.forEach((name, forms) ->
                list.append(
                        String.format(
                                "| %s | programs of `%s` execute it; they use %d encodings |%n",
                                name.replaceAll("Test$", ""), name, forms.size())));
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        HEAD, encodings, instructions.size(), offeredEncodings, list.toString()));
        rows.forEach((row, all) -> out.append(row.replace("\n", joined(all))).append('\n'));
        return out.toString();
    }

    /** The row of a form; a line feed stands for the encodings. */
    private String row(Form form) {
        List<String> proof = proof(form);
        return String.format(
                "| %s |\n| %s | %s | %s |",
                form.mnemonic(),
                modes(form),
                form.feature().map(CpuFeature::name).orElse("")
                        + (isOffered(form) ? "" : " (no model)"),
                proof.isEmpty() ? "—" : String.join(", ", proof));
    }

    private static String modes(Form form) {
        String modes =
                form.is(Form.ONLY_64) ? "64-bit" : form.is(Form.NOT_64) ? "not 64-bit" : "all";
        return modes + (form.is(Form.CPL0) ? ", level 0" : "");
    }

    private static String encoding(Form form) {
        return form.toString().replace(" " + form.mnemonic(), "");
    }

    /** Encodings in a cell; opcodes with a register in their low bits as one. */
    private static String joined(Collection<String> encodings) {
        Map<String, String> shown = new LinkedHashMap<>();
        for (String encoding : encodings) {
            if (encoding.matches(".*\\bZ[bv].*")) {
                String low = encoding.replaceFirst("[0-9A-F]( (rAX,)?Z[bv])", "r$1");
                int digit =
                        Integer.parseInt(
                                encoding.replaceFirst(".*([0-9A-F]) (rAX,)?Z[bv].*", "$1"), 16);
                shown.putIfAbsent(
                        low + (digit & 8),
                        encoding.replaceFirst(
                                "[0-9A-F]( (rAX,)?Z[bv])", (digit < 8 ? "0" : "8") + "+r$1"));
            } else {
                shown.put(encoding, encoding);
            }
        }
        StringBuilder out = new StringBuilder();
        for (String encoding : shown.values()) {
            out.append(out.isEmpty() ? " `" : "; `").append(encoding).append('`');
        }
        return out.append(' ').toString();
    }
}
