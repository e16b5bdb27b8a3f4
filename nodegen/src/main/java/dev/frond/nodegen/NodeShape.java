// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.ArrayList;
import java.util.List;

/**
 * One node to write: a meaning with its operand size, and its ModRM operand in a register, in
 * memory, or in memory under LOCK.
 */
final class NodeShape {
    private enum Place {
        REGISTER,
        MEMORY,
        LOCKED
    }

    final Entry entry;
    final EncodingLine line;
    private final int condition;
    private final int size;
    private final Place place;
    final StringBuilder fields = new StringBuilder();
    final StringBuilder assignments = new StringBuilder();

    private NodeShape(Entry entry, EncodingLine line, int condition, int size, Place place) {
        this.entry = entry;
        this.line = line;
        this.condition = condition;
        this.size = size;
        this.place = place;
    }

    /** All nodes of one encoding; {@code condition} is the number of the opcode in a +cc row. */
    static List<NodeShape> of(Entry entry, EncodingLine line, int condition) {
        List<NodeShape> shapes = new ArrayList<>();
        int[] sizes =
                switch (line.sizing()) {
                    case "V" ->
                            line.operands.contains("Ap") ? new int[] {2, 4} : new int[] {2, 4, 8};
                    case "Y" -> new int[] {4, 8};
                    case "Z" -> new int[] {2, 4};
                    case "BYTE" -> new int[] {1};
                    case "WORD" -> new int[] {2};
                    case "DWORD" -> new int[] {4};
                    default -> new int[] {8};
                };
        boolean hasRegister =
                line.operands.stream().noneMatch(o -> o.startsWith("M") || o.startsWith("O"))
                        && !line.attributes.contains("MEMORY_ONLY");
        boolean hasMemory =
                !line.attributes.contains("REGISTER_ONLY")
                        && (line.operands.stream().anyMatch(o -> o.matches("[EWQMO].*"))
                                || entry.isRaw() && !line.digit.equals("NO_MODRM")
                                || entry.nodeClass());
        for (int size : sizes) {
            if (hasRegister) {
                shapes.add(new NodeShape(entry, line, condition, size, Place.REGISTER));
            }
            if (hasMemory) {
                shapes.add(new NodeShape(entry, line, condition, size, Place.MEMORY));
                if (line.lock) {
                    shapes.add(new NodeShape(entry, line, condition, size, Place.LOCKED));
                }
            }
        }
        return shapes;
    }

    /** The index in a Form's node numbers. */
    int slot() {
        return Integer.numberOfTrailingZeros(size) * 3 + place.ordinal();
    }

    String className() {
        if (entry.nodeClass()) {
            return entry.name() + "#";
        }
        if (entry.isRaw()) {
            return "N_"
                    + entry.name()
                    + (line.end ? "_end" : "")
                    + (line.attributes.contains("CPL0") ? "_cpl0" : "")
                    + (line.vex
                            ? line.requirement().contains("Avx") ? "_avx" : "_vex"
                            : line.usesSse() ? "_sse" : "")
                    + (line.usesMmx() ? "_mmx" : "");
        }
        StringBuilder name = new StringBuilder("N_").append(entry.name());
        if (entry.takes("cc")) {
            name.append("_cc").append(condition);
        }
        for (String operand : line.operands) {
            name.append('_').append(operandKind(operand));
        }
        if (line.vex) {
            name.append("_vex").append(line.isVector() ? line.length : "").append(line.order);
            name.append(line.halves ? "_halves" : "");
            name.append(line.upperImmediate > 0 ? "_imm" : "");
        }
        if (line.isVector()) {
            name.append(line.across ? "_across" : "").append(line.count ? "_count" : "");
            name.append(
                    place == Place.MEMORY && line.attributes.contains("UNALIGNED")
                            ? "_unaligned"
                            : "");
        }
        return name.append('_').append(size).append("rml".charAt(place.ordinal())).toString();
    }

    /** Operands that are read in the same way share nodes: only then is the name the same. */
    private String operandKind(String operand) {
        if (operand.matches(line.length == 256 ? "[VWUHL](x|ps|pd)" : "[VWUHL](x|dq|ps|pd)")) {
            return operand.charAt(0) + "x";
        }
        return operand.startsWith("s") ? operand.substring(1) : operand;
    }

    String constructor() {
        return entry.nodeClass()
                ? "new " + entry.owner() + "(insn)"
                : "new " + className() + "(insn)";
    }

    String call(List<String> values) {
        StringBuilder out =
                new StringBuilder(entry.owner()).append('.').append(entry.name()).append('(');
        int value = 0;
        for (int i = 0; i < entry.parameters().size(); i++) {
            Entry.Parameter parameter = entry.parameters().get(i);
            out.append(i == 0 ? "" : ", ");
            out.append(
                    switch (parameter.simpleType()) {
                        case "Cpu" -> "cpu";
                        case "Insn" -> "insn";
                        case "FpContext" -> "cpu.sse";
                        case "long[]" -> "v";
                        default ->
                                !Entry.isContext(parameter)
                                        ? cast(parameter.type(), values.get(value))
                                                + values.get(value++)
                                        : switch (parameter.name()) {
                                            case "size" -> String.valueOf(size);
                                            case "d" -> "d";
                                            default -> String.valueOf(condition);
                                        };
                    });
        }
        return out.append(')').toString();
    }

    private static String cast(String type, String value) {
        return type.equals("int") && value.matches("\\(?(v|m$|cpu\\.(r|x87|load64)).*")
                ? "(int) "
                : "";
    }

    String source() {
        if (entry.nodeClass()) {
            return "";
        }
        String base = "Node";
        String body;
        if (entry.isRaw()) {
            fields.append("        private final Insn insn;\n");
            assignments.append("            this.insn = insn;\n");
            if (line.end) {
                base = "EndNode";
                body =
                        "leave(cpu);\n            "
                                + call(List.of())
                                + ";\n            return cpu.code.follow(cpu);";
            } else {
                body = call(List.of()) + ";\n            return next;";
            }
        } else {
            base = place == Place.REGISTER ? "Node" : "MemoryNode";
            body =
                    (line.isVector() ? new VectorBody(this).text() : valueBody())
                            + (line.leadsToJump()
                                    ? "\n            return nextOrJump(cpu);"
                                    : "\n            return next;");
        }
        String required =
                (line.attributes.contains("CPL0") ? "cpu.requireCpl0();\n            " : "")
                        + (line.requirement().isEmpty()
                                ? ""
                                : line.requirement() + "\n            ")
                        + (line.usesMmx() ? "cpu.requireMmx();\n            " : "");
        return """

            static final class %s extends %s {
        %s
                %s(Insn insn) {
                    super(insn);
        %s        }

                @Override
                public @Nullable Node execute(Cpu cpu) {
                    %s%s
                }
        %s    }
        """
                .formatted(
                        className(),
                        base,
                        fields,
                        className(),
                        assignments,
                        required,
                        body,
                        override());
    }

    private String override() {
        if (!entry.isRaw()) {
            return line.leadsToJump()
                    ? """

                            @Override
                            protected boolean leadsToJump() {
                                return true;
                            }
                    """
                    : "";
        }
        return """

                @Override
                public boolean accessesStack() {
                    return insn.segment == Seg.FLAT_STACK;
                }
        """;
    }

    private String valueBody() {
        List<String> values = new ArrayList<>();
        boolean writes = !entry.result().equals("void");
        int operands = line.operands.size();
        boolean readsFirst = entry.values() == operands;
        if (entry.values() != operands && !(writes && entry.values() == operands - 1)) {
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
        String before = "";
        for (int i = readsFirst ? 0 : 1; i < operands; i++) {
            values.add(read(line.operands.get(i), i, writes && i == 0));
        }
        boolean memoryOperand =
                place != Place.REGISTER
                        && line.operands.stream().anyMatch(o -> o.matches("[EM][bwdqvy]"));
        int memoryIndex = 0;
        for (int i = 0; i < operands; i++) {
            if (line.operands.get(i).matches("[EM][bwdqvy]")) {
                memoryIndex = i;
            }
        }
        boolean memoryWritten = memoryOperand && writes && memoryIndex == 0;
        if (memoryOperand) {
            int bytes = bytes(line.operands.get(memoryIndex));
            before =
                    "long at = "
                            + (memoryWritten ? "store" : "load")
                            + "(cpu, "
                            + bytes
                            + ");\n            ";
        }
        if (place == Place.LOCKED) {
            int bytes = bytes(line.operands.get(0));
            values.set(0, "old");
            return before
                    + "long old;\n"
                    + "            long result;\n"
                    + "            do {\n"
                    + "                old = cpu.loadForUpdate(at, "
                    + bytes
                    + ");\n                result = "
                    + call(values)
                    + ";\n            } while (!cpu.compareAndSet(at, "
                    + bytes
                    + ", old, result));";
        }
        return before + (writes ? write(line.operands.get(0), call(values)) : call(values) + ";");
    }

    int bytes(String operand) {
        return switch (operand) {
            case "AL", "CL" -> 1;
            case "AX", "DX" -> 2;
            case "rAX" -> size;
            case "eAX" -> Math.min(size, 4);
            default ->
                    switch (operand.charAt(operand.length() - 1)) {
                        case 'b' -> 1;
                        case 'w' -> 2;
                        case 'd' -> 4;
                        case 'q' -> 8;
                        case 'z' -> Math.min(size, 4);
                        default -> size;
                    };
        };
    }

    boolean inMemory() {
        return place != Place.REGISTER;
    }

    private boolean isMemory(String operand) {
        return place != Place.REGISTER && operand.matches("[EM][bwdqvy]");
    }

    /** Declares the field that names a register, and gives the field's name. */
    String register(String operand, int i) {
        String field = "r" + i;
        if (fields.indexOf(" " + field + ";") < 0) {
            String number =
                    switch (operand.charAt(0)) {
                        case 'G' -> "insn.reg";
                        case 'Z' -> "insn.opcodeRegister";
                        case 'B' -> "insn.vvvv";
                        default -> "insn.rm";
                    };
            fields.append("        private final byte ").append(field).append(";\n");
            if (bytes(operand) == 1) {
                fields.append("        private final byte s").append(i).append(";\n");
                assignments
                        .append("            int b")
                        .append(i)
                        .append(" = insn.byteRegister(")
                        .append(number)
                        .append(");\n");
                assignments
                        .append("            ")
                        .append(field)
                        .append(" = (byte) (b")
                        .append(i)
                        .append(" & 15);\n");
                assignments
                        .append("            s")
                        .append(i)
                        .append(" = (byte) (b")
                        .append(i)
                        .append(" >>> 5);\n");
            } else {
                assignments
                        .append("            ")
                        .append(field)
                        .append(" = (byte) ")
                        .append(number)
                        .append(";\n");
            }
        }
        return field;
    }

    String read(String operand, int i, boolean update) {
        if (isMemory(operand)) {
            int bytes = bytes(operand);
            return update
                    ? "cpu.loadForUpdate(at, " + bytes + ")"
                    : "cpu.load" + 8 * bytes + "(at)";
        }
        return switch (operand) {
            case "AL", "AX", "eAX", "rAX" -> "cpu.r[0]";
            case "CL" -> "cpu.r[1]";
            case "DX" -> "cpu.r[2]";
            case "1" -> "1";
            case "M" -> "effectiveAddress(cpu)";
            default ->
                    switch (operand.charAt(0)) {
                        case 'I', 's' -> immediate(operand);
                        case 'E', 'G', 'Z', 'R', 'B' -> {
                            String field = register(operand, i);
                            yield bytes(operand) == 1
                                    ? "(cpu.r[" + field + "] >>> s" + i + ")"
                                    : "cpu.r[" + field + "]";
                        }
                        default ->
                                throw new IllegalArgumentException(
                                        "operand " + operand + " in '" + line.text + "'");
                    };
        };
    }

    private String immediate(String operand) {
        String type = operand.equals("Iv") && size == 8 ? "long" : "int";
        if (fields.indexOf(" immediate;") >= 0) {
            return "immediate";
        }
        fields.append("        private final ").append(type).append(" immediate;\n");
        assignments
                .append("            immediate = ")
                .append(type.equals("int") ? "(int) " : "")
                .append("insn.immediate;\n");
        return "immediate";
    }

    String write(String operand, String value) {
        if (isMemory(operand)) {
            return "cpu.store" + 8 * bytes(operand) + "(at, " + value + ");";
        }
        String index;
        String shift = "0";
        switch (operand) {
            case "AL", "AX", "eAX", "rAX" -> index = "0";
            default -> {
                index = register(operand, 0);
                shift = "s0";
            }
        }
        return switch (bytes(operand)) {
            case 1 ->
                    shift.equals("0")
                            ? "long v = "
                                    + value
                                    + ";\n            cpu.r[0] = cpu.r[0] & ~0xFFL | v & 0xFF;"
                            : "long v = "
                                    + value
                                    + ";\n"
                                    + "            cpu.r[r0] = cpu.r[r0] & ~(0xFFL << s0) | (v &"
                                    + " 0xFF) << s0;";
            case 2 ->
                    "long v = "
                            + value
                            + ";\n            cpu.r["
                            + index
                            + "] = cpu.r["
                            + index
                            + "] & ~0xFFFFL | v & 0xFFFF;";
            case 4 -> "cpu.r[" + index + "] = " + value + " & 0xFFFF_FFFFL;";
            default -> "cpu.r[" + index + "] = " + value + ";";
        };
    }
}
