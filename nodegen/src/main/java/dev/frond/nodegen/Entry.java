// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.nodegen;

import java.util.List;

/**
 * One entry of the instruction table: a meaning and its encodings.
 *
 * @param owner the qualified name of the class that holds it, or of the node class itself
 * @param name the method's name
 * @param result the method's result type
 * @param nodeClass whether the entry is a node class instead of a method
 */
record Entry(
        String owner,
        String name,
        String result,
        List<Parameter> parameters,
        List<EncodingLine> lines,
        String undefined,
        boolean nodeClass) {

    record Parameter(String type, String name) {
        String simpleType() {
            return type.substring(type.lastIndexOf('.') + 1);
        }
    }

    /** The method works on vector registers in place. */
    boolean isWhole() {
        return parameters.stream().anyMatch(p -> p.type().equals("long[]"));
    }

    /** The method does SSE arithmetic: it may raise #XM. */
    boolean isArithmetic() {
        return parameters.stream().anyMatch(p -> p.simpleType().equals("FpContext"));
    }

    /** The method does everything itself. */
    boolean isRaw() {
        return parameters.stream().anyMatch(p -> p.simpleType().equals("Insn"));
    }

    boolean takes(String parameter) {
        return parameters.stream().anyMatch(p -> p.name().equals(parameter));
    }

    /** The number of operand values that the method takes. */
    int values() {
        return (int) parameters.stream().filter(p -> !isContext(p)).count();
    }

    static boolean isContext(Parameter p) {
        return p.simpleType().equals("Cpu")
                || p.simpleType().equals("FpContext")
                || p.type().equals("long[]")
                || p.type().equals("int") && p.name().equals("d")
                || p.type().equals("int") && (p.name().equals("size") || p.name().equals("cc"));
    }
}
