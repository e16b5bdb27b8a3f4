// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes the sources: numbers nodes over all files, in the order of the files. */
final class NodeWriter {
    private static final String HEADER =
            """
            // Copyright 2026 The Frond Authors
            // SPDX-License-Identifier: Apache-2.0
            // Made from the Encoding annotations of %s.

            package dev.frond.cpu.insn;

            """;

    /**
     * HotSpot compiles no method above 8000 bytecodes: a switch over node numbers has this many
     * cases.
     */
    private static final int CHUNK = 128;

    /**
     * The nodes that are met most often, in this order: a third of what kernels execute. The loop
     * that executes nodes asks for these classes one by one, so that HotSpot makes them part of it:
     * that is quicker than a call of the method that hundreds of classes override.
     */
    private static final List<String> FREQUENT =
            List.of("N_mov_Gv_Ev_8m", "N_mov_Ev_Gv_8r", "N_pop_Zv_8r", "N_push_Zv_8r");

    /** The file of each of them. */
    private final Map<String, String> frequent = new HashMap<>();

    private int nextNode;
    private final List<String> files = new ArrayList<>();
    private final List<Integer> firstNodes = new ArrayList<>();

    /** The source of the file for one class of entries. */
    String file(String name, String owner, List<Entry> entries) {
        files.add(name);
        firstNodes.add(nextNode);
        Map<String, Integer> numbers = new LinkedHashMap<>();
        List<String> constructors = new ArrayList<>();
        StringBuilder classes = new StringBuilder();
        List<String> forms = new ArrayList<>();
        for (Entry entry : entries) {
            for (EncodingLine line : entry.lines()) {
                for (int i = 0; i < line.opcodes.size(); i++) {
                    if (i > 0 && !line.conditions) {
                        forms.add(form(entry, line, i, forms.getLast()));
                        continue;
                    }
                    short[] nodes = new short[12];
                    java.util.Arrays.fill(nodes, (short) -1);
                    for (NodeShape shape : NodeShape.of(entry, line, i)) {
                        Integer number = numbers.get(shape.className());
                        if (number == null) {
                            number = nextNode++;
                            numbers.put(shape.className(), number);
                            constructors.add(shape.constructor());
                            classes.append(shape.source());
                            if (FREQUENT.contains(shape.className())) {
                                frequent.put(shape.className(), name);
                            }
                        }
                        nodes[shape.slot()] = (short) (int) number;
                    }
                    forms.add(form(entry, line, i, nodes));
                }
            }
        }
        StringBuilder out = new StringBuilder(HEADER.formatted(owner));
        out.append(
                """
                import dev.frond.cpu.*;
                import dev.frond.cpu.decode.*;
                import dev.frond.cpu.interp.*;
                import dev.frond.machine.vcpu.CpuFeature;
                import java.util.List;
                import org.jspecify.annotations.Nullable;

                """);
        out.append("/** Forms and nodes of {@link ").append(owner).append("}. */\n");
        out.append("@javax.annotation.processing.Generated(\"dev.frond.nodegen.NodeProcessor\")\n");
        out.append("final class ")
                .append(name)
                .append(" {\n    private ")
                .append(name)
                .append("() {}\n");
        formMethods(out, forms);
        makeMethods(out, constructors);
        out.append(classes);
        out.append("}\n");
        return out.toString();
    }

    private static void formMethods(StringBuilder out, List<String> forms) {
        int chunks = (forms.size() + CHUNK / 2 - 1) / (CHUNK / 2);
        out.append("\n    static void forms(List<Form> to) {\n");
        for (int c = 0; c < chunks; c++) {
            out.append("        forms").append(c).append("(to);\n");
        }
        out.append("    }\n");
        for (int c = 0; c < chunks; c++) {
            out.append("\n    private static void forms").append(c).append("(List<Form> to) {\n");
            for (String form :
                    forms.subList(c * CHUNK / 2, Math.min(forms.size(), (c + 1) * CHUNK / 2))) {
                out.append("        to.add(").append(form).append(");\n");
            }
            out.append("    }\n");
        }
    }

    private static void makeMethods(StringBuilder out, List<String> constructors) {
        int chunks = (constructors.size() + CHUNK - 1) / CHUNK;
        out.append("\n    static Node make(int number, Insn insn) {\n");
        out.append("        return (Node) switch (number / ");
        out.append(CHUNK).append(") {\n");
        for (int c = 0; c < chunks; c++) {
            String label = c == chunks - 1 ? "default" : "case " + c;
            out.append("            ")
                    .append(label)
                    .append(" -> make")
                    .append(c)
                    .append("(number, insn);\n");
        }
        out.append("        };\n    }\n");
        for (int c = 0; c < chunks; c++) {
            // Where several classes meet as Node the JVM loads all of them, to verify that.
            out.append("\n    private static Object make")
                    .append(c)
                    .append("(int number, Insn insn) {\n");
            out.append("        switch (number) {\n");
            for (int n = c * CHUNK; n < Math.min(constructors.size(), (c + 1) * CHUNK); n++) {
                out.append("            case ")
                        .append(n)
                        .append(":\n                return ")
                        .append(constructors.get(n))
                        .append(";\n");
            }
            out.append("            default:\n                throw new AssertionError(number);\n");
            out.append("        }\n    }\n");
        }
    }

    private static String form(Entry entry, EncodingLine line, int index, short[] nodes) {
        StringBuilder text = new StringBuilder();
        for (short node : nodes) {
            text.append(", (short) ").append(node);
        }
        return formHead(entry, line, index) + text + ")";
    }

    /** The same form for the next register in the opcode: only the opcode differs. */
    private static String form(Entry entry, EncodingLine line, int index, String previous) {
        return formHead(entry, line, index) + previous.substring(previous.indexOf(", (short) "));
    }

    private static String formHead(Entry entry, EncodingLine line, int index) {
        StringBuilder out = new StringBuilder("new Form(\"");
        out.append(line.mnemonic(index)).append("\", ").append(line.map).append(", 0x");
        out.append(Integer.toHexString(line.opcodes.get(index)))
                .append(", Form.")
                .append(line.prefix);
        out.append(", ")
                .append(line.digit.matches("[0-7]") ? line.digit : "Form." + line.digit)
                .append(", 0");
        for (String attribute : line.attributes) {
            out.append(" | Form.").append(attribute);
        }
        out.append(", Form.Sizing.").append(line.sizing()).append(", ");
        out.append(line.feature.isEmpty() ? "null" : "CpuFeature." + line.feature).append(", 0");
        for (String flag : entry.undefined().trim().split("\\s+", -1)) {
            if (!flag.isEmpty()) {
                out.append(" | Cpu.").append(flag);
            }
        }
        out.append(", List.of(");
        for (int i = 0; i < line.operands.size(); i++) {
            String operand = line.operands.get(i);
            out.append(i == 0 ? "" : ", ")
                    .append("Operand.")
                    .append(operand.equals("1") ? "One" : operand);
        }
        return out.append(")").toString();
    }

    /** The source of the file that lists all others. */
    String table() {
        StringBuilder out = new StringBuilder(HEADER.formatted("all table classes"));
        out.append(
                """
                import dev.frond.cpu.Cpu;
                import dev.frond.cpu.CpuFault;
                import dev.frond.cpu.decode.*;
                import dev.frond.cpu.interp.*;
                import java.util.ArrayList;
                import java.util.List;

                /** The whole instruction table. */
                @javax.annotation.processing.Generated("dev.frond.nodegen.NodeProcessor")
                public final class Table {
                    private Table() {}

                    /** All forms. */
                    public static List<Form> forms() {
                        List<Form> all = new ArrayList<>();
                """);
        for (String file : files) {
            out.append("        ").append(file).append(".forms(all);\n");
        }
        out.append("        return all;\n    }\n\n");
        out.append("    /** The node with a number that a form names. */\n");
        out.append("    public static Node make(int number, Insn insn) {\n");
        for (int i = files.size() - 1; i > 0; i--) {
            out.append("        if (number >= ")
                    .append(firstNodes.get(i))
                    .append(") {\n            return ");
            out.append(files.get(i))
                    .append(".make(number - ")
                    .append(firstNodes.get(i))
                    .append(", insn);\n        }\n");
        }
        out.append("        return ")
                .append(files.getFirst())
                .append(".make(number, insn);\n    }\n\n");
        runMethod(out);
        return out.append("}\n").toString();
    }

    private void runMethod(StringBuilder out) {
        out.append(
                """
                    /**
                     * Executes the nodes that follow each other, until one leads to none. The one that throws is
                     * told to {@link CodeCache#threw}.
                     */
                    public static void run(Node first, Cpu cpu) {
                        Node node = first;
                        try {
                            do {
                                Class<?> of = node.getClass();
                """);
        for (String name : FREQUENT) {
            String file = frequent.get(name);
            if (file == null) {
                throw new IllegalArgumentException("no entry makes the frequent node " + name);
            }
            String type = file + "." + name;
            out.append(name.equals(FREQUENT.getFirst()) ? "                " : " else ");
            out.append("if (of == ").append(type).append(".class) {\n");
            out.append("                    node = ((")
                    .append(type)
                    .append(") node).execute(cpu);\n");
            out.append("                }");
        }
        out.append(
                """
                 else {
                                    node = node.execute(cpu);
                                }
                            } while (node != null);
                        } catch (CpuFault fault) {
                            cpu.code.threw(node);
                            throw fault;
                        }
                    }
                """);
    }
}
