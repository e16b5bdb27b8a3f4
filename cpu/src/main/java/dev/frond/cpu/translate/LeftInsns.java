// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;
import dev.frond.cpu.insn.Table;
import dev.frond.cpu.interp.Node;

import org.jspecify.annotations.Nullable;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The instructions that emitted code leaves to the interpreter, by site. Few sites have one. */
final class LeftInsns {
    /** One of them. */
    static final class LeftInsn {
        private final Node node;
        private final boolean vectors;
        private final boolean x87;
        private final long[] times;

        private LeftInsn(Insn insn, long[] times) {
            node = Table.make(insn.form.node(insn.size, insn.memory, insn.lock), insn);
            vectors = LeftInsns.touchesVectors(insn.form);
            x87 = X87Emitter.touches(insn.form);
            this.times = times;
        }

        Node node() {
            return node;
        }

        boolean touchesVectors() {
            return vectors;
        }

        boolean touchesX87() {
            return x87;
        }

        /** It is left once more. */
        void count() {
            times[0]++;
        }
    }

    private static final int SHIFT = 8;
    private static final int MASK = (1 << SHIFT) - 1;
    private static final @Nullable LeftInsn[] NOTHING = {};

    /** So many mnemonics are told of. */
    private static final int MOST_TOLD = 12;

    private final List<@Nullable LeftInsn[]> pieces = new ArrayList<>();

    /** How often instructions of a mnemonic were left. */
    private final Map<String, long[]> times = new HashMap<>();

    /** The instruction of a site, or null. */
    @Nullable LeftInsn get(int site) {
        int piece = site >> SHIFT;
        if (piece >= pieces.size() || pieces.get(piece).length == 0) {
            return null;
        }
        return pieces.get(piece)[site & MASK];
    }

    /** Lets this be the instruction of a site. */
    LeftInsn put(int site, Insn insn) {
        int piece = site >> SHIFT;
        while (piece >= pieces.size()) {
            pieces.add(NOTHING);
        }
        if (pieces.get(piece).length == 0) {
            pieces.set(piece, new @Nullable LeftInsn[MASK + 1]);
        }
        String name = (insn.memory ? "memory, " : "") + insn.form.mnemonic();
        LeftInsn made = new LeftInsn(insn, times.computeIfAbsent(name, each -> new long[1]));
        pieces.get(piece)[site & MASK] = made;
        return made;
    }

    /** Forgets which sites have one. */
    void clear() {
        pieces.clear();
    }

    /** Adds to {@code counters} what was left most often. */
    void count(Map<String, Long> counters) {
        times.entrySet().stream()
                .sorted(Comparator.comparingLong(each -> -each.getValue()[0]))
                .limit(MOST_TOLD)
                .forEach(each -> counters.put("left: " + each.getKey(), each.getValue()[0]));
    }

    private static boolean touchesVectors(Form form) {
        if (form.is(Form.VEX)) {
            return true;
        }
        if (form.map() == 0) {
            return false;
        }
        for (Operand operand : form.operands()) {
            switch (operand.name().charAt(0)) {
                case 'V', 'W', 'U', 'P', 'Q', 'N', 'H', 'L' -> {
                    return true;
                }
                default -> {}
            }
        }
        // 0F AE and 0F C7 save and load state, XGETBV looks at it, VZEROUPPER clears registers.
        return form.map() != 1
                || form.is(Form.VEX)
                || form.opcode() == 0xAE
                || form.opcode() == 0xC7
                || form.mnemonic().equals("XGETBV");
    }
}
