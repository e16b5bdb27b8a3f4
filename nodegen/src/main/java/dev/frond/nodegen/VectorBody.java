// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.ArrayList;
import java.util.List;

/**
 * What a node with vector operands does. XMM register i is {@code cpu.v[4 * i]} and the next
 * element; a memory operand is brought to {@code cpu.v[Cpu.SCRATCH]} and so read like a register.
 * All that can fault comes before the first change.
 */
final class VectorBody {
    private static final String FULL = "[VWU](x|dq|ps|pd)|XMM0";
    private static final String SCALAR = "[VWU](q|d|w|y|ss|sd)";
    private static final String MMX = "[PQN][qdy]";

    private final NodeShape shape;
    private final Entry entry;
    private final EncodingLine line;
    private final StringBuilder out = new StringBuilder();

    VectorBody(NodeShape shape) {
        this.shape = shape;
        entry = shape.entry;
        line = shape.line;
    }

    String text() {
        boolean writes = !entry.result().equals("void") || entry.takes("d");
        int operands = line.operands.size();
        boolean readsFirst = entry.values() == operands;
        if (!readsFirst && !(writes && entry.values() == operands - 1)) {
            throw new IllegalArgumentException(
                    entry.name()
                            + " takes "
                            + entry.values()
                            + " values, '"
                            + line.text
                            + "' has "
                            + operands
                            + " operands");
        }
        statement("long[] v = cpu.v");
        int memory = memoryOperand();
        boolean stores = memory == 0 && writes;
        if (memory >= 0) {
            address(line.operands.get(memory), stores);
            if (!stores || readsFirst) {
                load(line.operands.get(memory));
            }
        }
        if (entry.isArithmetic()) {
            statement("cpu.sse.enter()");
        }
        String destination = line.operands.getFirst();
        if (entry.takes("d")) {
            whole(destination, readsFirst);
        } else if (destination.matches(FULL) && !entry.isWhole() && writes) {
            lanes(destination, readsFirst);
        } else {
            single(destination, readsFirst, writes);
        }
        if (line.usesMmx() && out.indexOf("enterMmx") < 0) {
            statement("cpu.x87.enterMmx()");
        }
        return out.substring(0, out.length() - INDENT.length() - 1);
    }

    private static final String INDENT = "            ";

    private void statement(String text) {
        out.append(text).append(";\n").append(INDENT);
    }

    private int memoryOperand() {
        for (int i = 0; i < line.operands.size(); i++) {
            if (isMemory(line.operands.get(i))) {
                return i;
            }
        }
        return -1;
    }

    private boolean isMemory(String operand) {
        return shape.inMemory() && operand.matches("[WQ][a-z]+|[EM][bwdqvy]");
    }

    private int bytes(String operand) {
        if (operand.matches(FULL)) {
            return 16;
        }
        return operand.endsWith("ss") ? 4 : operand.endsWith("sd") ? 8 : shape.bytes(operand);
    }

    private void address(String operand, boolean stores) {
        int bytes = bytes(operand);
        statement("long at = " + (stores ? "store" : "load") + "(cpu, " + bytes + ")");
        if (bytes == 16 && !line.attributes.contains("UNALIGNED")) {
            statement("cpu.requireAligned(at)");
        }
    }

    private void load(String operand) {
        if (bytes(operand) == 16) {
            statement("cpu.load128(at, Cpu.SCRATCH)");
        }
    }

    /** The element of cpu.v that an operand begins at. */
    private String index(String operand, int i) {
        if (isMemory(operand)) {
            return "Cpu.SCRATCH";
        }
        return operand.equals("XMM0") ? "0" : register(operand, i, "* 4");
    }

    private String register(String operand, int i, String adjust) {
        String field = "x" + i;
        if (shape.fields.indexOf(" " + field + ";") < 0) {
            String number = operand.matches("[VP].*") ? "insn.reg" : "insn.rm";
            shape.fields.append("        private final byte ").append(field).append(";\n");
            shape.assignments.append("            ").append(field).append(" = (byte) (");
            shape.assignments.append(number).append(' ').append(adjust).append(");\n");
        }
        return field;
    }

    /** The value of an operand; of a whole vector operand its part {@code lane}. */
    private String read(int i, int lane) {
        String operand = line.operands.get(i);
        if (operand.matches(FULL)) {
            return "v[" + index(operand, i) + (lane == 0 ? "" : " + 1") + "]";
        }
        if (isMemory(operand)) {
            return "cpu.load" + 8 * bytes(operand) + "(at)";
        }
        if (operand.matches(SCALAR)) {
            return "v[" + index(operand, i) + "]";
        }
        if (operand.matches(MMX)) {
            return "cpu.x87.mmx(" + register(operand, i, "& 7") + ")";
        }
        return shape.read(operand, i, false);
    }

    private List<String> values(boolean readsFirst, int lane) {
        List<String> values = new ArrayList<>();
        for (int i = readsFirst ? 0 : 1; i < line.operands.size(); i++) {
            values.add(read(i, lane));
        }
        return values;
    }

    private void endArithmetic() {
        if (entry.isArithmetic()) {
            out.append("if (cpu.sse.faulted()) {\n")
                    .append(INDENT)
                    .append("    throw cpu.simdFault();\n");
            out.append(INDENT).append("}\n").append(INDENT);
        }
    }

    /** The meaning is of 64 bits, and done for both halves. */
    private void lanes(String destination, boolean readsFirst) {
        if (line.across) {
            String a = index(destination, 0);
            String b = index(line.operands.get(1), 1);
            statement("long low = " + shape.call(List.of("v[" + a + "]", "v[" + a + " + 1]")));
            statement("long high = " + shape.call(List.of("v[" + b + "]", "v[" + b + " + 1]")));
        } else {
            List<String> low = values(readsFirst, 0);
            List<String> high = values(readsFirst, 1);
            int last = low.size() - 1;
            if (line.count) {
                high.set(last, low.get(last));
            }
            if (line.operands.getLast().matches("W[qdw]") && isMemory(line.operands.getLast())) {
                throw new IllegalArgumentException(
                        "one value for two lanes in '" + line.text + "'");
            }
            statement("long low = " + shape.call(low));
            statement("long high = " + shape.call(high));
        }
        endArithmetic();
        if (isMemory(destination)) {
            statement("cpu.store128(at, low, high)");
        } else {
            String d = index(destination, 0);
            statement("v[" + d + "] = low");
            statement("v[" + d + " + 1] = high");
        }
    }

    /** The meaning writes the destination itself, given the places of vectors. */
    private void whole(String destination, boolean readsFirst) {
        if (isMemory(destination)) {
            throw new IllegalArgumentException(
                    entry.name() + " cannot write in place in '" + line.text + "'");
        }
        List<String> values = new ArrayList<>();
        for (int i = readsFirst ? 0 : 1; i < line.operands.size(); i++) {
            String operand = line.operands.get(i);
            values.add(operand.matches(FULL) ? index(operand, i) : read(i, 0));
        }
        String d = index(destination, 0);
        statement(
                shape.call(values)
                        .replaceFirst("\\bd\\b", entry.isArithmetic() ? "Cpu.RESULT" : d));
        if (entry.isArithmetic()) {
            // Written only once it is clear that no exception stops it.
            endArithmetic();
            statement("v[" + d + "] = v[Cpu.RESULT]");
            statement("v[" + d + " + 1] = v[Cpu.RESULT + 1]");
        }
    }

    /** The meaning gives one value. */
    private void single(String destination, boolean readsFirst, boolean writes) {
        List<String> values = new ArrayList<>();
        for (int i = readsFirst ? 0 : 1; i < line.operands.size(); i++) {
            String operand = line.operands.get(i);
            values.add(entry.isWhole() && operand.matches(FULL) ? index(operand, i) : read(i, 0));
        }
        if (!writes) {
            statement(shape.call(values));
            endArithmetic();
            return;
        }
        statement(
                (entry.result().equals("int") ? "int" : "long")
                        + " result = "
                        + shape.call(values));
        endArithmetic();
        if (isMemory(destination)) {
            statement("cpu.store" + 8 * bytes(destination) + "(at, result)");
        } else if (destination.matches(MMX)) {
            statement("cpu.x87.enterMmx()");
            String cut = bytes(destination) == 4 ? " & 0xFFFF_FFFFL" : "";
            statement("cpu.x87.mmx(" + register(destination, 0, "& 7") + ", result" + cut + ")");
        } else if (destination.matches(SCALAR)) {
            String d = index(destination, 0);
            switch (destination.substring(1)) {
                case "sd" -> statement("v[" + d + "] = result");
                case "ss" ->
                        statement(
                                "v["
                                        + d
                                        + "] = v["
                                        + d
                                        + "] & ~0xFFFF_FFFFL | result & 0xFFFF_FFFFL");
                default -> {
                    boolean cut = bytes(destination) == 4;
                    statement("v[" + d + "] = result" + (cut ? " & 0xFFFF_FFFFL" : ""));
                    statement("v[" + d + " + 1] = 0");
                }
            }
        } else {
            out.append(shape.write(destination, "result")).append('\n').append(INDENT);
        }
    }
}
