// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The busybox program: one static binary that is every command, chosen by the name it is called by.
 */
final class Busybox {
    /** The table begins with the names "[" and "[["; they are sorted. */
    private static final byte[] TABLE_START = {0, '[', 0, '[', '[', 0};

    /** Fewer names would be another table that happens to start alike. */
    private static final int FEWEST_APPLETS = 40;

    private Busybox() {}

    /** Whether this is a static x86-64 program that holds busybox's applets. */
    static boolean isUsable(byte[] program) {
        return new Elf64(program).isStaticProgram() && !applets(program).isEmpty();
    }

    /**
     * The commands that this binary is, in order, out of its own table of names; empty if it has
     * none. Read, not asked by running it, because the host need not be able to run it.
     */
    static List<String> applets(byte[] program) {
        for (int at = 0; at <= program.length - TABLE_START.length; at++) {
            if (program[at] == 0
                    && Arrays.equals(
                            program,
                            at,
                            at + TABLE_START.length,
                            TABLE_START,
                            0,
                            TABLE_START.length)) {
                List<String> names = names(program, at + 1);
                if (names.size() >= FEWEST_APPLETS) {
                    return names;
                }
            }
        }
        return List.of();
    }

    private static List<String> names(byte[] program, int start) {
        List<String> names = new ArrayList<>();
        String previous = "";
        int at = start;
        while (true) {
            int end = at;
            while (end < program.length && isNameCharacter(program[end])) {
                end++;
            }
            if (end == at || end == program.length || program[end] != 0) {
                return names;
            }
            String name = new String(program, at, end - at, StandardCharsets.US_ASCII);
            if (name.compareTo(previous) <= 0) {
                return names;
            }
            names.add(name);
            previous = name;
            at = end + 1;
        }
    }

    private static boolean isNameCharacter(byte b) {
        return b >= 'a' && b <= 'z'
                || b >= 'A' && b <= 'Z'
                || b >= '0' && b <= '9'
                || b == '['
                || b == '-'
                || b == '_'
                || b == '.'
                || b == '+';
    }
}
