// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.translate;

import static dev.frond.cpu.Cpu.AF;
import static dev.frond.cpu.Cpu.CF;
import static dev.frond.cpu.Cpu.OF;
import static dev.frond.cpu.Cpu.PF;
import static dev.frond.cpu.Cpu.SF;
import static dev.frond.cpu.Cpu.STATUS;
import static dev.frond.cpu.Cpu.ZF;

import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Insn;
import dev.frond.cpu.decode.Operand;

import java.util.Optional;
import java.util.Set;

/**
 * What an instruction does to the status flags (SDM Vol. 1, appendix A).
 *
 * @param reads the flags that it reads
 * @param writes the flags that it always writes or leaves undefined
 * @param touches whether it may change flags at all, so that those which it keeps must be in the
 *     host's register when it executes
 */
record FlagUse(int reads, int writes, boolean touches) {
    /** It does not know of flags. */
    static final FlagUse NONE = new FlagUse(0, 0, false);

    /** It reads all, or is left to somebody who may. */
    static final FlagUse READS = new FlagUse(STATUS, 0, false);

    /** It writes all and reads none. */
    static final FlagUse DEFINES = new FlagUse(0, STATUS, true);

    /** It keeps some that are not told here. */
    static final FlagUse CHANGES = new FlagUse(0, 0, true);

    private static final FlagUse READS_AND_CHANGES = new FlagUse(STATUS, 0, true);
    private static final FlagUse WITH_CARRY = new FlagUse(CF, STATUS, true);
    private static final FlagUse KEEPS_CARRY = new FlagUse(0, STATUS & ~CF, true);
    private static final FlagUse ROTATES = new FlagUse(0, CF | OF, true);
    private static final FlagUse ROTATES_THROUGH_CARRY = new FlagUse(CF, CF | OF, true);

    private static final Set<String> QUIET =
            Set.of(
                    "MOV", "MOVZX", "MOVSX", "MOVSXD", "NOT", "XCHG", "BSWAP", "MOVNTI", "CRC32",
                    "CBW", "CWD", "LFENCE", "MFENCE", "SFENCE", "MOVBE", "SHLX", "SHRX", "SARX",
                    "RORX", "MULX", "PDEP", "PEXT");

    /** Flags that all instructions of a mnemonic treat alike; empty for the others. */
    static Optional<FlagUse> of(Form form, String name) {
        return switch (name) {
            case "ADD",
                    "SUB",
                    "CMP",
                    "NEG",
                    "AND",
                    "OR",
                    "XOR",
                    "TEST",
                    "IMUL",
                    "MUL",
                    "POPCNT",
                    "XADD",
                    "CMPXCHG",
                    "COMISS",
                    "COMISD",
                    "UCOMISS",
                    "UCOMISD",
                    "PTEST",
                    "TESTPS",
                    "TESTPD",
                    "ANDN",
                    "BEXTR",
                    "BLSI",
                    "BLSMSK",
                    "BLSR",
                    "BZHI",
                    "LZCNT",
                    "TZCNT",
                    "PCMPISTRI",
                    "PCMPISTRM",
                    "PCMPESTRI",
                    "PCMPESTRM" ->
                    Optional.of(DEFINES);
            case "ADC", "SBB" -> Optional.of(WITH_CARRY);
            case "INC", "DEC" -> Optional.of(KEEPS_CARRY);
            case "SHL", "SHR", "SAR", "SHLD", "SHRD", "ROL", "ROR", "RCL", "RCR" ->
                    Optional.of(CHANGES);
            case "BT", "BTS", "BTR", "BTC", "CLC", "STC" -> Optional.of(new FlagUse(0, CF, true));
            case "BSF", "BSR" -> Optional.of(new FlagUse(0, ZF, true));
            case "CMC" -> Optional.of(new FlagUse(CF, CF, true));
            case "SAHF" -> Optional.of(new FlagUse(0, SF | ZF | AF | PF | CF, true));
            case "ADCX" -> Optional.of(new FlagUse(CF, CF, true));
            case "ADOX" -> Optional.of(new FlagUse(OF, OF, true));
            // They leave them undefined; but #DE shows what they were.
            case "DIV", "IDIV" -> Optional.of(READS_AND_CHANGES);
            default -> {
                boolean conditional = name.startsWith("CMOV") || isSet(form);
                yield conditional
                        ? Optional.of(new FlagUse(condition(form.opcode() & 15), 0, false))
                        : QUIET.contains(name) ? Optional.of(NONE) : Optional.empty();
            }
        };
    }

    private static boolean isSet(Form form) {
        return form.map() == 1 && (form.opcode() & 0xF0) == 0x90;
    }

    /** The flags that a condition looks at (SDM Vol. 1, table B-1). */
    private static int condition(int code) {
        return switch (code >> 1) {
            case 0 -> OF;
            case 1 -> CF;
            case 2 -> ZF;
            case 3 -> CF | ZF;
            case 4 -> SF;
            case 5 -> PF;
            case 6 -> SF | OF;
            default -> ZF | SF | OF;
        };
    }

    /** What {@code insn} does, whose form does this: a shift's count decides about its flags. */
    FlagUse of(Insn insn) {
        FlagUse use;
        switch (insn.form.mnemonic()) {
            case "SHL", "SHR", "SAR", "SHLD", "SHRD" -> use = DEFINES;
            case "ROL", "ROR" -> use = ROTATES;
            case "RCL", "RCR" -> use = ROTATES_THROUGH_CARRY;
            default -> {
                return this;
            }
        }
        Operand count = insn.form.operands().getLast();
        int mask = insn.size == 8 ? 63 : 31;
        boolean counts =
                count == Operand.One || count == Operand.Ib && (insn.immediate & mask) != 0;
        return counts ? use : new FlagUse(use.reads, 0, true);
    }

    /**
     * The flags that an instruction's result depends on, whose use this is: of those that #DE shows
     * none.
     */
    static int read(Insn insn, FlagUse use) {
        Form form = insn.form;
        if (form.map() == 0 && (form.opcode() & 0xF0) == 0x70
                || form.map() == 1 && (form.opcode() & 0xF0) == 0x80) {
            return condition(form.opcode() & 15);
        }
        return switch (form.mnemonic()) {
            case "DIV", "IDIV" -> 0;
            default -> use.reads;
        };
    }

    /** The flags that must be right before the instruction if those in {@code live} must after. */
    int needed(int live) {
        return live & ~writes | reads;
    }

    /** The flags that the host's register must hold when the instruction executes. */
    int inHost(int live) {
        return touches ? needed(live) : reads;
    }
}
