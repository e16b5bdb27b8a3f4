// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.ArrayList;
import java.util.List;

/**
 * What a node with vector operands does. Vector register i is {@code cpu.v[4 * i]} and the next
 * elements; a memory operand is brought to {@code cpu.v[Cpu.SCRATCH]} and so read like a register.
 * All that can fault comes before the first change.
 */
final class VectorBody {
    private static final String FULL = "[VWUHL](x|dq|qq|ps|pd)|XMM0";
    private static final String SCALAR = "[VWUH](q|d|w|b|y|ss|sd)";
    private static final String MMX = "[PQN][qdy]";

    private final NodeShape shape;
    private final Entry entry;
    private final EncodingLine line;
    private final StringBuilder out = new StringBuilder();

    /** The first operand that the meaning reads. */
    private final int firstRead;

    VectorBody(NodeShape shape) {
        this.shape = shape;
        entry = shape.entry;
        line = shape.line;
        firstRead = line.operands.size() - entry.values();
    }

    private boolean writes() {
        return !entry.result().equals("void") || entry.takes("d");
    }

    /** A scalar result is put into a copy of a register that the meaning does not read. */
    private boolean merges() {
        return firstRead == 2 && line.operands.get(1).matches("Hs[sd]");
    }

    String text() {
        boolean writes = writes();
        if (firstRead != 0 && !(writes && (firstRead == 1 || merges()))) {
            throw new IllegalArgumentException(
                    entry.name()
                            + " takes "
                            + entry.values()
                            + " values, '"
                            + line.text
                            + "' has "
                            + line.operands.size()
                            + " operands");
        }
        statement("long[] v = cpu.v");
        int memory = memoryOperand();
        boolean stores = memory == 0 && writes;
        if (memory >= 0) {
            address(line.operands.get(memory), stores);
            if (!stores || firstRead == 0) {
                load(line.operands.get(memory));
            }
        }
        if (entry.isArithmetic()) {
            statement("cpu.sse.enter()");
        }
        String destination = line.operands.getFirst();
        if (entry.takes("d")) {
            whole(destination);
        } else if (destination.matches(FULL) && !entry.isWhole() && writes) {
            lanes(destination);
        } else {
            single(destination, writes);
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
            boolean wide = operand.endsWith("qq") || line.length == 256 && !operand.endsWith("dq");
            return wide ? 32 : 16;
        }
        return operand.endsWith("ss") ? 4 : operand.endsWith("sd") ? 8 : shape.bytes(operand);
    }

    private void address(String operand, boolean stores) {
        int bytes = bytes(operand);
        statement("long at = " + (stores ? "store" : "load") + "(cpu, " + bytes + ")");
        if (bytes >= 16 && !line.attributes.contains("UNALIGNED")) {
            statement("cpu.requireAligned(at, " + bytes + ")");
        }
    }

    private void load(String operand) {
        String load = "cpu.load" + 8 * bytes(operand);
        // Read once, whatever the meaning takes it for.
        statement(bytes(operand) >= 16 ? load + "(at, Cpu.SCRATCH)" : "long m = " + load + "(at)");
    }

    /** The element of cpu.v that an operand begins at. */
    private String index(int i) {
        String operand = line.operands.get(i);
        if (isMemory(operand)) {
            return "Cpu.SCRATCH";
        }
        return operand.equals("XMM0") ? "0" : register(operand, i, "* 4");
    }

    /** The element of an operand {@code offset} elements after its first. */
    private String element(int i, int offset) {
        return index(i) + (offset == 0 ? "" : " + " + offset);
    }

    private String register(String operand, int i, String adjust) {
        String field = "x" + i;
        if (shape.fields.indexOf(" " + field + ";") < 0) {
            String number =
                    switch (operand.charAt(0)) {
                        case 'V', 'P' -> "insn.reg";
                        case 'H' -> "insn.vvvv";
                        case 'L' -> "((int) insn.immediate >>> 4 & 15)";
                        default -> "insn.rm";
                    };
            shape.fields.append("        private final byte ").append(field).append(";\n");
            shape.assignments.append("            ").append(field).append(" = (byte) (");
            shape.assignments.append(number).append(' ').append(adjust).append(");\n");
        }
        return field;
    }

    /** The value of an operand; of a whole vector operand its part {@code part} of 64 bits. */
    private String read(int i, int part) {
        String operand = line.operands.get(i);
        if (operand.matches(FULL)) {
            return "v[" + element(i, part) + "]";
        }
        if (isMemory(operand)) {
            return "m";
        }
        if (operand.matches(SCALAR)) {
            return "v[" + index(i) + "]";
        }
        if (operand.matches(MMX)) {
            return "cpu.x87.mmx(" + register(operand, i, "& 7") + ")";
        }
        return shape.read(operand, i, false);
    }

    /** The numbers of the operands that the meaning reads, in its order. */
    private List<Integer> readOperands() {
        List<Integer> operands = new ArrayList<>();
        for (char c : line.order.toCharArray()) {
            operands.add(c - '1');
        }
        for (int i = firstRead; i < line.operands.size() && line.order.isEmpty(); i++) {
            operands.add(i);
        }
        return operands;
    }

    private List<String> values(int part) {
        List<String> values = new ArrayList<>();
        for (int i : readOperands()) {
            values.add(read(i, part));
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

    /** A VEX encoding clears what is above its result. */
    private void clearUpper(String destination) {
        if (line.vex && !destination.startsWith("E") && bytes(destination) < 32) {
            statement("v[" + element(0, 2) + "] = 0");
            statement("v[" + element(0, 3) + "] = 0");
        }
    }

    /** The meaning is of 64 bits, and done for each 64 bits of the vector. */
    private void lanes(String destination) {
        int parts = bytes(destination) / 8;
        if (line.across) {
            int a = firstRead;
            for (int part = 0; part < parts; part++) {
                int i = a + (part & 1);
                int from = part & 2;
                statement(
                        "long r"
                                + part
                                + " = "
                                + shape.call(List.of(read(i, from), read(i, from + 1))));
            }
        } else {
            if (line.operands.getLast().matches("W[qdwb]") && isMemory(line.operands.getLast())) {
                throw new IllegalArgumentException(
                        "one value for two lanes in '" + line.text + "'");
            }
            for (int part = 0; part < parts; part++) {
                List<String> values = values(part);
                if (line.count) {
                    values.set(values.size() - 1, values(0).getLast());
                }
                statement("long r" + part + " = " + shape.call(values));
            }
        }
        endArithmetic();
        if (isMemory(destination)) {
            statement(parts == 4 ? "cpu.store256(at, r0, r1, r2, r3)" : "cpu.store128(at, r0, r1)");
            return;
        }
        for (int part = 0; part < parts; part++) {
            statement("v[" + element(0, part) + "] = r" + part);
        }
        clearUpper(destination);
    }

    /**
     * The meaning writes the destination itself, given the places of vectors: 128 bits at a time,
     * or 256 where the destination is of type qq.
     */
    private void whole(String destination) {
        boolean memory = isMemory(destination);
        int parts = bytes(destination) / 8;
        boolean aside = entry.isArithmetic() || memory;
        int times = destination.endsWith("qq") && !line.halves ? 1 : parts / 2;
        if (line.halves) {
            int source = line.operands.size() - 1;
            String operand = line.operands.get(source);
            String first = read(source, 0);
            String second =
                    operand.equals("Wdq") ? read(source, 1) : "half0 >>> " + 4 * bytes(operand);
            statement("long half0 = " + first);
            statement("long half1 = " + second);
        }
        for (int time = 0; time < times; time++) {
            List<String> values = new ArrayList<>();
            for (int i : readOperands()) {
                String operand = line.operands.get(i);
                if (line.halves && i == line.operands.size() - 1) {
                    values.add("half" + time);
                } else if (operand.equals("Ib") && time == 1 && line.upperImmediate > 0) {
                    values.add(read(i, 0) + " >>> " + line.upperImmediate);
                } else {
                    values.add(operand.matches(FULL) ? element(i, 2 * time) : read(i, 0));
                }
            }
            String d = aside ? "Cpu.RESULT" + (time == 0 ? "" : " + 2") : element(0, 2 * time);
            statement(shape.call(values).replaceFirst("\\bd\\b", d));
        }
        // Written only once it is clear that no exception stops it.
        endArithmetic();
        if (memory) {
            StringBuilder store = new StringBuilder("cpu.store" + 8 * bytes(destination) + "(at");
            for (int part = 0; part < parts; part++) {
                store.append(", v[Cpu.RESULT + ").append(part).append(']');
            }
            statement(store.append(')').toString());
            return;
        }
        for (int part = 0; part < parts && aside; part++) {
            statement("v[" + element(0, part) + "] = v[Cpu.RESULT + " + part + "]");
        }
        clearUpper(destination);
    }

    /** The meaning gives one value. */
    private void single(String destination, boolean writes) {
        List<String> values = new ArrayList<>();
        List<String> upperValues = new ArrayList<>();
        for (int i : readOperands()) {
            boolean place = entry.isWhole() && line.operands.get(i).matches(FULL);
            values.add(place ? index(i) : read(i, 0));
            upperValues.add(place ? element(i, 2) : read(i, 0));
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
        boolean narrows = entry.isWhole() && destination.matches("[VW]dq");
        if (narrows) {
            statement("long upper = " + shape.call(upperValues));
        }
        endArithmetic();
        if (isMemory(destination)) {
            statement(
                    narrows
                            ? "cpu.store128(at, result, upper)"
                            : "cpu.store" + 8 * bytes(destination) + "(at, result)");
        } else if (destination.matches(MMX)) {
            statement("cpu.x87.enterMmx()");
            String cut = bytes(destination) == 4 ? " & 0xFFFF_FFFFL" : "";
            statement("cpu.x87.mmx(" + register(destination, 0, "& 7") + ", result" + cut + ")");
        } else if (narrows) {
            statement("v[" + element(0, 0) + "] = result");
            statement("v[" + element(0, 1) + "] = upper");
            clearUpper(destination);
        } else if (destination.matches(SCALAR)) {
            scalar(destination);
        } else {
            out.append(shape.write(destination, "result")).append('\n').append(INDENT);
        }
    }

    private void scalar(String destination) {
        String low = "v[" + element(0, 0) + "]";
        // A scalar operation keeps what is above the scalar in the register that it is done in.
        int rest =
                line.operands.size() > 1 && line.operands.get(1).matches("Hs[sd]") && firstRead > 0
                        ? 1
                        : 0;
        switch (destination.substring(1)) {
            case "sd" -> statement(low + " = result");
            case "ss" ->
                    statement(
                            low
                                    + " = v["
                                    + element(rest, 0)
                                    + "] & ~0xFFFF_FFFFL | result & 0xFFFF_FFFFL");
            default -> {
                boolean cut = bytes(destination) == 4;
                statement(low + " = result" + (cut ? " & 0xFFFF_FFFFL" : ""));
                statement("v[" + element(0, 1) + "] = 0");
            }
        }
        if (rest == 1) {
            statement("v[" + element(0, 1) + "] = v[" + element(rest, 1) + "]");
        }
        clearUpper(destination);
    }
}
