// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/**
 * A guest program about process-context identifiers (SDM Vol. 3A, 4.10.1 and 4.10.4): it looks at
 * four pages in three address spaces, changes all their page-table entries, does one operation that
 * invalidates some, and looks again. It runs at privilege level 0 of 64-bit mode with the first 2
 * MiB of linear memory mapped to themselves, in 1 MiB of memory, and ends by writing to port F4h.
 *
 * <p>What is seen is one letter for each page: {@code N} for the page that the tables name, {@code
 * O} for the one that they named before.
 */
public final class ContextProgram {
    /** Where the program begins. */
    public static final long ENTRY = 0x6_4000;

    /** A write to this port ends it. */
    public static final int END_PORT = 0xF4;

    /** CR3[11:0] of the three address spaces. */
    private static final long[] PCIDS = {0, 5, 0xFFF};

    private static final int PAGES = 4;
    private static final long TABLES = 0x7_0000;
    private static final long TABLES_SIZE = 0x4000;
    private static final long OLD = 0x3_0000;
    private static final long NEW = 0x5_0000;
    private static final long RESULTS = 0x6_0000;
    private static final long NEW_RESULTS = 0x6_0100;
    private static final long DESCRIPTOR = 0x6_1000;
    private static final long CR3_VALUES = 0x6_1100;
    private static final long OPERATION = 0x6_5000;

    private static final long TABLE = 0x63;
    private static final long LARGE = 0xE3;
    private static final long GLOBAL = 0x100;
    private static final long KEEP = 1L << 63;

    /** What is done between the looks, in the second address space, PCID 5. */
    public enum Operation {
        /** Nothing: each look loads CR3 with bit 63 set, which invalidates nothing. */
        LOAD_CR3_WITH_BIT_63("c3", "???? ???? ????", "OOOO OOOO OOOO"),
        /** MOV RAX,[61108h]; BTR RAX,63; MOV CR3,RAX. */
        LOAD_CR3("488b042508110600 480fbaf03f 0f22d8 c3", "???? N?N? ????", "OOOO NONO OOOO"),
        /** One address of PCID FFFh. */
        INVPCID_ADDRESS(0, 0xFFF, 0x20_0000, "???? ???? N???", "?OOO ?OOO NOOO"),
        /** The same of a page of code. */
        INVPCID_CODE(0, 0xFFF, 0x20_2000, "???? ???? ??N?", "OO?O OO?O OONO"),
        /** All of PCID FFFh but global pages. */
        INVPCID_CONTEXT(1, 0xFFF, 0, "???? ???? N?N?", "OOOO OOOO NONO"),
        /** All of the PCID in force but global pages. */
        INVPCID_OWN_CONTEXT(1, 5, 0, "???? N?N? ????", "OOOO NONO OOOO"),
        /** All. */
        INVPCID_ALL(2, 0, 0, "NNNN NNNN NNNN", "NNNN NNNN NNNN"),
        /** All but global pages. */
        INVPCID_NOT_GLOBAL(3, 0, 0, "N?N? N?N? N?N?", "NONO NONO NONO"),
        /** INVLPG [200000h]. */
        INVLPG("0f013c2500002000 c3", "???? N??? ????", "?OOO NOOO ?OOO"),
        /** INVLPG [203000h], a global page of code. */
        INVLPG_GLOBAL("0f013c2500302000 c3", "???N ???N ???N", "OOON OOON OOON"),
        /** MOV RAX,CR4; BTC RAX,7; MOV CR4,RAX; BTC RAX,7; MOV CR4,RAX: CR4.PGE. */
        CHANGE_PGE(
                "0f20e0 480fbaf807 0f22e0 480fbaf807 0f22e0 c3",
                "NNNN NNNN NNNN",
                "NNNN NNNN NNNN"),
        /**
         * MOV RAX,[61100h]; BTR RAX,63; MOV RDX,CR4; BTR RDX,17; MOV CR4,RDX; MOV CR3,RAX; BTS
         * RDX,17; MOV CR4,RDX: CR4.PCIDE off and on.
         */
        CHANGE_PCIDE(
                "488b042500110600 480fbaf03f 0f20e2 480fbaf211 0f22e2 0f22d8 480fbaea11 0f22e2 c3",
                "NNNN NNNN NNNN",
                "NNNN NNNN NNNN");

        private final String code;
        private final long pcid;
        private final long address;
        private final String required;
        private final String kept;

        Operation(String code, String required, String kept) {
            this(code, 0, 0, required, kept);
        }

        /** MOV EAX,kind; INVPCID RAX,[61000h]. */
        Operation(int kind, long pcid, long address, String required, String kept) {
            this("b80" + kind + "000000 66480f3882042500100600 c3", pcid, address, required, kept);
        }

        Operation(String code, long pcid, long address, String required, String kept) {
            this.code = code;
            this.pcid = pcid;
            this.address = address;
            this.required = required;
            this.kept = kept;
        }

        /** What every processor shows: a page of data, a global one, code, global code; thrice. */
        public String required() {
            return required;
        }

        /** What an engine shows that keeps the pages that this does not concern. */
        public String kept() {
            return kept;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', ' ');
        }
    }

    /** The first part of memory that the program is put into. */
    public interface Memory {
        /** Stores the lower {@code size} bytes of a value. */
        void store(long address, int size, long value);

        /** Loads 8 bytes. */
        long load(long address);
    }

    /**
     * MOV RAX,[61100h]; BTR RAX,63; MOV CR3,RAX; MOV RAX,CR4; OR EAX,PCIDE|PGE; MOV CR4,RAX; MOV
     * EDI,results; CALL look; in a loop: the 12 entries to the other pages; MOV CR3 of the second
     * space; CALL the operation; MOV EDI,new results; CALL look; OUT F4h,AL; JMP $.
     *
     * <p>look: ESI is 61100h; thrice: LODSQ; MOV CR3,RAX; MOV RAX,[200000h]; STOSQ; MOV
     * RAX,[201000h]; STOSQ; CALL 202000h; STOSQ; CALL 203000h; STOSQ. RET.
     */
    private static final String PROGRAM =
            """
            488b042500110600 480fbaf03f 0f22d8 0f20e0 0d80000200 0f22e0
            bf00000600 e84d000000
            ba00300700 b903000000
            813200000600 81720800000600 81721000000600 81721800000600 81c200400000 ffc9 75db
            488b042508110600 0f22d8 e89c0f0000
            bf00010600 e804000000 e6f4 ebfe
            be00110600 b903000000
            48ad 0f22d8 488b042500002000 48ab 488b042500102000 48ab
            ba00202000 ffd2 48ab ba00302000 ffd2 48ab ffc9 75d1 c3
            """;

    private ContextProgram() {}

    /** Puts program, page tables and pages into memory. */
    public static void install(Memory memory, Operation operation) {
        write(memory, ENTRY, PROGRAM);
        write(memory, OPERATION, operation.code);
        memory.store(DESCRIPTOR, 8, operation.pcid);
        memory.store(DESCRIPTOR + 8, 8, operation.address);
        for (int space = 0; space < PCIDS.length; space++) {
            long table = TABLES + TABLES_SIZE * space;
            memory.store(CR3_VALUES + 8L * space, 8, KEEP | table | PCIDS[space]);
            memory.store(table, 8, table + 0x1000 | TABLE);
            memory.store(table + 0x1000, 8, table + 0x2000 | TABLE);
            memory.store(table + 0x2000, 8, LARGE);
            memory.store(table + 0x2008, 8, table + 0x3000 | TABLE);
            for (int page = 0; page < PAGES; page++) {
                // Global pages are those of all spaces.
                boolean global = (page & 1) != 0;
                long at = (PAGES * (global ? 0L : space) + page) << 12;
                memory.store(
                        table + 0x3000 + 8L * page, 8, OLD + at | TABLE | (global ? GLOBAL : 0));
                fill(memory, OLD + at, page, value(space, page, false));
                fill(memory, NEW + at, page, value(space, page, true));
            }
        }
    }

    /** A page of data, or one of code: MOV EAX,value; RET. */
    private static void fill(Memory memory, long at, int page, long value) {
        if (page < 2) {
            memory.store(at, 8, value);
        } else {
            memory.store(at, 1, 0xB8);
            memory.store(at + 1, 4, value);
            memory.store(at + 5, 1, 0xC3);
        }
    }

    private static int value(int space, int page, boolean isNew) {
        boolean global = (page & 1) != 0;
        return 0x1000 + 0x100 * (global ? 9 : space) + 0x10 * page + (isNew ? 1 : 0);
    }

    private static void write(Memory memory, long at, String hex) {
        byte[] code = HexFormat.of().parseHex(hex.replaceAll("\\s", ""));
        for (int i = 0; i < code.length; i++) {
            memory.store(at + i, 1, code[i]);
        }
    }

    /** What the first looks saw: all must be {@code O}. */
    public static String before(Memory memory) {
        return seen(memory, RESULTS);
    }

    /** What the second looks saw. */
    public static String after(Memory memory) {
        return seen(memory, NEW_RESULTS);
    }

    private static String seen(Memory memory, long results) {
        StringBuilder out = new StringBuilder();
        for (int space = 0; space < PCIDS.length; space++) {
            out.append(space == 0 ? "" : " ");
            for (int page = 0; page < PAGES; page++) {
                long value = memory.load(results + 8L * (PAGES * space + page));
                List<Integer> known = List.of(value(space, page, false), value(space, page, true));
                out.append(
                        switch (known.indexOf((int) value)) {
                            case 0 -> "O";
                            case 1 -> "N";
                            default -> "(" + Long.toHexString(value) + ")";
                        });
            }
        }
        return out.toString();
    }

    /** The pattern of what may be seen, where {@code ?} may be either. */
    public static String pattern(String letters) {
        return letters.replace("?", "[NO]");
    }
}
