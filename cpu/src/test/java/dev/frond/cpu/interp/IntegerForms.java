// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Which forms of the table the integer oracle tests, and why it leaves the others. */
final class IntegerForms {
    private IntegerForms() {}

    private static final String HOST_TABLES =
            "what it gives follows from the host kernel's descriptor tables or from UMIP";
    private static final String TRANSFER =
            "leaves the code segment or enters the host's kernel, through its tables";
    private static final String HOST_VALUE = "the host gives a value of its own";

    /** Why forms, by {@link #name}, are not run. */
    static final Map<String, String> EXCUSED = excused();

    private static Map<String, String> excused() {
        Map<String, String> reasons = new LinkedHashMap<>();
        for (String name : "SGDT SIDT SLDT STR SMSW LAR LSL VERR VERW".split(" ", -1)) {
            reasons.put(name, HOST_TABLES);
        }
        for (String name :
                "JMPF CALLF RETF IRET RSM INT INT1 INT3 SYSCALL SYSENTER SYSEXIT".split(" ", -1)) {
            reasons.put(name, TRANSFER);
        }
        for (String name :
                "RDTSC RDTSCP RDPMC RDPID CPUID XGETBV RDRAND RDSEED RDFSBASE RDGSBASE"
                        .split(" ", -1)) {
            reasons.put(name, HOST_VALUE);
        }
        for (String name : "WRFSBASE WRGSBASE".split(" ", -1)) {
            reasons.put(name, "the virtual machine's thread pointer is there");
        }
        for (String name : "LDS LES LFS LGS LSS POP-segment MOV-to-segment".split(" ", -1)) {
            reasons.put(name, "loads a segment register from the host's descriptor tables");
        }
        for (String name : "IN OUT INSB INS OUTSB OUTS".split(" ", -1)) {
            reasons.put(name, "the host's I/O ports");
        }
        return Map.copyOf(reasons);
    }

    private static final Set<Operand> SEGMENTS =
            Set.of(
                    Operand.ES,
                    Operand.CS,
                    Operand.SS,
                    Operand.DS,
                    Operand.FS,
                    Operand.GS,
                    Operand.Sw);

    /** The mnemonic, or what tells apart those forms of it that are treated differently. */
    static String name(Form form) {
        boolean loadsSegment =
                !form.operands().isEmpty() && SEGMENTS.contains(form.operands().getFirst());
        return switch (form.mnemonic()) {
            case "POP" -> loadsSegment ? "POP-segment" : "POP";
            case "MOV" -> loadsSegment ? "MOV-to-segment" : "MOV";
            default -> form.mnemonic();
        };
    }

    /** Forms with vector or x87 operands or state: {@link VectorOracleTest}'s. */
    static boolean isVector(Form form) {
        if (form.map() == 0 && (form.opcode() & ~7) == 0xD8) {
            return true;
        }
        return Set.of(
                                "WAIT",
                                "FWAIT",
                                "EMMS",
                                "FXSAVE",
                                "FXRSTOR",
                                "XSAVE",
                                "XSAVEC",
                                "XSAVES",
                                "XRSTORS",
                                "XSAVEOPT",
                                "XRSTOR",
                                "LDMXCSR",
                                "STMXCSR",
                                "VLDMXCSR",
                                "VSTMXCSR",
                                "VZEROALL",
                                "VZEROUPPER")
                        .contains(form.mnemonic())
                || form.operands().stream()
                        .anyMatch(o -> o.name().matches("[PQNVWU][a-z]+|XMM0|ST0|STi"));
    }

    /** Why {@code form} is not run; empty if it is to be. */
    static Optional<String> excuse(Form form) {
        if (isVector(form)) {
            return Optional.of("has a vector or x87 operand");
        }
        return Optional.ofNullable(EXCUSED.get(name(form)));
    }

    /** Forms that never complete at privilege level 3. */
    static boolean alwaysFaults(Form form) {
        return form.is(Form.CPL0)
                || Set.of(
                                "UD0", "UD1", "UD2", "CLI", "STI", "CLAC", "STAC", "LLDT", "LTR",
                                "SYSRET", "MONITOR", "MWAIT")
                        .contains(form.mnemonic());
    }

    static boolean isString(Form form) {
        return form.map() == 0
                && (form.opcode() >= 0xA4 && form.opcode() <= 0xA7
                        || form.opcode() >= 0xAA && form.opcode() <= 0xAF);
    }

    /** Near jumps, calls and returns: wherever the instruction pointer may go elsewhere. */
    static boolean isNearTransfer(Form form) {
        return switch (form.mnemonic()) {
            case "JMP", "CALL", "RET", "LOOP", "LOOPZ", "LOOPNZ", "JCXZ" -> true;
            default -> form.operands().contains(Operand.Jb) || form.operands().contains(Operand.Jz);
        };
    }

    /** Forms that push or pop. */
    static boolean usesStack(Form form) {
        return switch (form.mnemonic()) {
            case "PUSH", "POP", "PUSHA", "POPA", "PUSHF", "POPF", "ENTER", "LEAVE", "CALL", "RET" ->
                    true;
            default -> false;
        };
    }

    /**
     * The status flags that are undefined, for shifts by what count they are.
     *
     * @param count the shift's count before it is masked
     * @param size the operand's size in bytes
     */
    static int undefinedFlags(Form form, long count, int size) {
        int n = (int) count & (size == 8 ? 63 : 31);
        int all = form.undefinedFlags();
        int of = dev.frond.cpu.Cpu.OF;
        int cf = dev.frond.cpu.Cpu.CF;
        return switch (form.mnemonic()) {
            case "SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR" ->
                    n == 0 ? 0 : all & ~(n == 1 ? of : 0) & ~(n < 8 * size ? cf : 0);
            case "SHLD", "SHRD" ->
                    n == 0
                            ? 0
                            : n > 8 * size
                                    ? all
                                    : all & dev.frond.cpu.Cpu.AF | (n > 1 ? all & of : 0);
            default -> all;
        };
    }

    /** Whether {@code form} shifts by a count that may be zero. */
    static boolean isShift(Form form) {
        return switch (form.mnemonic()) {
            case "SHL", "SHR", "SAR", "ROL", "ROR", "RCL", "RCR", "SHLD", "SHRD" -> true;
            default -> false;
        };
    }
}
