// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** One line of an Encoding annotation, taken apart; its grammar stands at the annotation. */
final class EncodingLine {
    final String text;
    String mnemonic = "";
    String prefix = "PREFIX_ANY";
    int map;
    final List<Integer> opcodes = new ArrayList<>();

    /** Whether the low bits of the opcode are a condition, which the mnemonic ends with. */
    boolean conditions;

    String digit = "NO_MODRM";
    final List<String> operands = new ArrayList<>();
    final List<String> attributes = new ArrayList<>();
    String feature = "";
    boolean lock;
    boolean end;

    /**
     * The low half of a vector result comes from the first source alone, the high half from the
     * second.
     */
    boolean across;

    /** The low 64 bits of the last source are the shift count of all lanes. */
    boolean count;

    /** Has a VEX prefix. */
    boolean vex;

    /** Of a VEX encoding the vector length in bits: 128 (LIG too) or 256; 0 of others. */
    int length;

    /** Each 128 bits of the result come from one half of the last operand. */
    boolean halves;

    /** How far the immediate is shifted right for bits 255:128. */
    int upperImmediate;

    /**
     * Of a fused multiply-add the numbers of the operands, in the order in which the meaning takes
     * them; empty for the order in which they stand.
     */
    String order = "";

    private static final String[] CONDITIONS = {
        "O", "NO", "B", "NB", "Z", "NZ", "BE", "NBE", "S", "NS", "P", "NP", "L", "NL", "LE", "NLE"
    };

    /** Instructions that stand right before a conditional jump more often than not. */
    private static final Set<String> BEFORE_JUMPS =
            Set.of("ADD", "AND", "BT", "CMP", "DEC", "INC", "OR", "SUB", "TEST");

    /** The node executes a conditional jump that follows at once. */
    boolean leadsToJump() {
        return BEFORE_JUMPS.contains(mnemonic);
    }

    /** The encodings that a line declares: a VEX prefix without length stands for both lengths. */
    static List<EncodingLine> of(String text) {
        if (!text.startsWith("VEX.") || text.matches("VEX\\.(128|256|LIG)\\..*")) {
            return List.of(new EncodingLine(text));
        }
        String rest = text.substring(3);
        return List.of(new EncodingLine("VEX.128" + rest), new EncodingLine("VEX.256" + rest));
    }

    private EncodingLine(String text) {
        this.text = text;
        String[] parts = text.split(":", -1);
        if (parts.length < 2 || parts.length > 3) {
            throw new IllegalArgumentException(
                    "expected 'opcode : MNEMONIC operands : attributes' in '" + text + "'");
        }
        opcode(parts[0].trim().split("\\s+"));
        String[] words = parts[1].trim().split("\\s+", 2);
        mnemonic = words[0];
        if (words.length > 1) {
            for (String operand : words[1].split(",", -1)) {
                operands.add(operand.trim());
            }
        }
        if (parts.length == 3 && !parts[2].isBlank()) {
            for (String attribute : parts[2].trim().split("\\s+", -1)) {
                attribute(attribute);
            }
        }
        if (vex && isVector() && !attributes.remove("ALIGNED")) {
            attributes.add("UNALIGNED");
        }
    }

    /** Reads {@code VEX.128.66.0F38.W0}: length, mandatory prefix, opcode map, W. */
    private void vexPrefix(String token) {
        vex = true;
        attributes.add("VEX");
        for (String part : token.substring(4).split("\\.", -1)) {
            switch (part) {
                case "128" -> {
                    length = 128;
                    attributes.add("L0");
                }
                case "256" -> {
                    length = 256;
                    attributes.add("L1");
                }
                case "LIG" -> length = 128;
                case "NP" -> prefix = "PREFIX_NONE";
                case "66", "F3", "F2" -> prefix = "PREFIX_" + part;
                case "0F" -> map = 1;
                case "0F38" -> map = 2;
                case "0F3A" -> map = 3;
                case "W0", "W1" -> attributes.add(part);
                case "WIG" -> {}
                default -> throw new IllegalArgumentException("'" + part + "' in '" + text + "'");
            }
        }
        if (length == 0 || map == 0 || prefix.equals("PREFIX_ANY")) {
            throw new IllegalArgumentException("incomplete VEX prefix in '" + text + "'");
        }
    }

    private void opcode(String[] tokens) {
        boolean opcodeSeen = false;
        for (int i = 0; i < tokens.length; i++) {
            String token = tokens[i];
            if (token.startsWith("VEX.")) {
                vexPrefix(token);
            } else if (!opcodeSeen && map != 0) {
                opcodeByte(token);
                opcodeSeen = true;
            } else if (!opcodeSeen) {
                switch (token) {
                    case "NP" -> prefix = "PREFIX_NONE";
                    case "66", "F3", "F2" -> {
                        if (i + 1 < tokens.length
                                && tokens[i + 1].matches("0F|W[01]|[0-9A-F]{2}.*")) {
                            prefix = "PREFIX_" + token;
                        } else {
                            opcodeByte(token);
                            opcodeSeen = true;
                        }
                    }
                    case "W0", "W1" -> attributes.add(token);
                    case "0F" -> {
                        map = 1;
                        if (i + 2 < tokens.length
                                && tokens[i + 1].equals("38")
                                && tokens[i + 2].matches("[0-9A-F]{2}")) {
                            map = 2;
                            i++;
                        } else if (i + 2 < tokens.length
                                && tokens[i + 1].equals("3A")
                                && tokens[i + 2].matches("[0-9A-F]{2}")) {
                            map = 3;
                            i++;
                        }
                    }
                    default -> {
                        opcodeByte(token);
                        opcodeSeen = true;
                    }
                }
            } else if (token.equals("/r")) {
                digit = "ANY_DIGIT";
            } else if (token.matches("/[0-7]")) {
                digit = token.substring(1);
            } else if (token.matches("=[0-9A-F]{2}")) {
                digit = "EXACT + 0x" + token.substring(1);
            } else if (token.equals("mem")) {
                attributes.add("MEMORY_ONLY");
            } else if (token.equals("reg")) {
                attributes.add("REGISTER_ONLY");
            } else {
                throw new IllegalArgumentException("'" + token + "' in '" + text + "'");
            }
        }
        if (!opcodeSeen) {
            throw new IllegalArgumentException("no opcode in '" + text + "'");
        }
    }

    private void opcodeByte(String token) {
        int first = Integer.parseInt(token.substring(0, 2), 16);
        String rest = token.substring(2);
        conditions = rest.equals("+cc");
        int count = rest.isEmpty() ? 1 : rest.equals("+r") ? 8 : conditions ? 16 : -1;
        if (count < 0) {
            throw new IllegalArgumentException("'" + token + "' in '" + text + "'");
        }
        for (int i = 0; i < count; i++) {
            opcodes.add(first + i);
        }
    }

    private void attribute(String attribute) {
        switch (attribute) {
            case "lock" -> {
                lock = true;
                attributes.add("LOCK");
            }
            case "end" -> {
                end = true;
                attributes.add("END");
            }
            case "o64" -> attributes.add("ONLY_64");
            case "i64" -> attributes.add("NOT_64");
            case "d64" -> attributes.add("DEFAULT_64");
            case "f64" -> attributes.add("FORCE_64");
            case "cpl0" -> attributes.add("CPL0");
            case "unaligned" -> attributes.add("UNALIGNED");
            case "nop" -> attributes.add("NOP");
            case "across" -> across = true;
            case "count" -> count = true;
            case "aligned" -> attributes.add("ALIGNED");
            case "vsib" -> attributes.add("VSIB");
            case "halves" -> halves = true;
            case "132", "213", "231" -> order = attribute;
            default -> {
                if (attribute.matches("ib>>[1-7]")) {
                    upperImmediate = attribute.charAt(4) - '0';
                    return;
                }
                if (!attribute.startsWith("+")) {
                    throw new IllegalArgumentException(
                            "attribute '" + attribute + "' in '" + text + "'");
                }
                // +AVX/AVX2: the second one for 256 bits.
                String[] features = attribute.substring(1).split("/", -1);
                feature =
                        features[length == 256 ? features.length - 1 : 0].toUpperCase(Locale.ROOT);
            }
        }
    }

    String mnemonic(int opcodeIndex) {
        return conditions ? mnemonic + CONDITIONS[opcodeIndex] : mnemonic;
    }

    /** How the operand size selects the node: the name of a Form.Sizing. */
    String sizing() {
        for (char type : new char[] {'v', 'y', 'z'}) {
            for (String operand : operands) {
                if (isSized(operand) && operand.charAt(operand.length() - 1) == type) {
                    return String.valueOf(Character.toUpperCase(type));
                }
            }
        }
        if (operands.contains("rAX") || operands.contains("Ap")) {
            return "V";
        }
        if (operands.contains("eAX")) {
            return "Z";
        }
        for (String operand : operands) {
            if (isVector() && operand.equals("Ib")) {
                continue;
            }
            if (isSized(operand) || operand.equals("AL") || operand.equals("AX")) {
                return switch (operand) {
                    case "AL" -> "BYTE";
                    case "AX" -> "WORD";
                    default ->
                            switch (operand.charAt(operand.length() - 1)) {
                                case 'b' -> "BYTE";
                                case 'w' -> "WORD";
                                case 'd' -> "DWORD";
                                default -> "QWORD";
                            };
                };
            }
        }
        return isVector() ? "QWORD" : "V";
    }

    /**
     * Whether there are vector registers among the operands, which decides how the node is written.
     */
    boolean isVector() {
        return usesSse() || usesMmx();
    }

    boolean usesSse() {
        return operands.stream().anyMatch(o -> o.matches("[VWUHL][a-z]+|XMM0"));
    }

    /** The check that must pass before anything else, as a statement; empty for none. */
    String requirement() {
        if (vex) {
            boolean general = !isVector() && operands.stream().anyMatch(o -> o.matches("[BG]y"));
            return general ? "cpu.requireVex();" : "cpu.requireAvx();";
        }
        return usesSse() ? "cpu.requireSse();" : "";
    }

    boolean usesMmx() {
        return operands.stream().anyMatch(o -> o.matches("[PQN][a-z]+"));
    }

    private static boolean isSized(String operand) {
        return operand.matches("[EGRZBMOXYCD][bwdqvyz]|Iv");
    }
}
