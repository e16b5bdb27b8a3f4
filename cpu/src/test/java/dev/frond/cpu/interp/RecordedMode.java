// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.decode.Form;
import dev.frond.cpu.decode.Operand;
import dev.frond.machine.vcpu.CpuModel;

import java.util.Set;

/** The modes of recorded cases, and what is recorded of them. */
enum RecordedMode {
    REAL(RecordedVectors.REAL),
    VIRTUAL_IOPL0(RecordedVectors.VIRTUAL),
    VIRTUAL_IOPL3(RecordedVectors.VIRTUAL),
    LEVEL0(RecordedVectors.PROTECTED),
    LEVEL3_IOPL0(RecordedVectors.PROTECTED),
    LEVEL3_IOPL3(RecordedVectors.PROTECTED),
    LONG_LEVEL0(RecordedVectors.LONG),
    LONG_LEVEL3_IOPL0(RecordedVectors.LONG),
    LONG_LEVEL3_IOPL3(RecordedVectors.LONG);

    /** As {@link RecordedVectors} has it. */
    final int number;

    RecordedMode(int number) {
        this.number = number;
    }

    boolean isProtected() {
        return number >= RecordedVectors.PROTECTED;
    }

    boolean isLong() {
        return number == RecordedVectors.LONG;
    }

    /** Protected mode, 32- or 64-bit, at privilege level 0. */
    boolean isLevel0() {
        return this == LEVEL0 || this == LONG_LEVEL0;
    }

    boolean isVirtual() {
        return number == RecordedVectors.VIRTUAL;
    }

    boolean isPrivileged() {
        return this == REAL || isLevel0();
    }

    int iopl() {
        return name().endsWith("3") ? Cpu.IOPL : 0;
    }

    // --- what is recorded ------------------------------------------------------------------------

    /** What has a value of the processor's own, or of its model. */
    private static final Set<String> OWN_VALUE =
            Set.of(
                    "RDTSC", "RDTSCP", "RDPMC", "RDPID", "CPUID", "RDRAND", "RDSEED", "XGETBV",
                    "XSETBV");

    /**
     * What the recorded processor has not, or has in another way: TCG knows no INVPCID; MONITOR and
     * MWAIT, SMAP's and others' presence differ between its models and ours.
     */
    private static final Set<String> OTHER_FEATURES = Set.of("INVPCID", "MONITOR", "MWAIT");

    /**
     * TCG (QEMU 7.2) has #UD for INT1 and for TEST with digit 1, SYSRET outside 64-bit mode as
     * processors of AMD have it, and BLSI with the wrong CF.
     */
    private static boolean isUnknownToTcg(Form form) {
        return form.mnemonic().matches("INT1|SYSRET|BLSI")
                || form.mnemonic().equals("TEST") && form.digit() == 1;
    }

    /** Whether there are cases of {@code form}. */
    boolean contains(Form form) {
        if (form.is(Form.ONLY_64) && !isLong()
                || IntegerForms.isVector(form)
                || isUnknownToTcg(form)
                || OWN_VALUE.contains(form.mnemonic())
                || OTHER_FEATURES.contains(form.mnemonic())
                || form.feature().isPresent()
                        && !CpuModel.X86_64_V3.features().contains(form.feature().get())) {
            return false;
        }
        if (isLong() && (form.is(Form.NOT_64) || !isSystem(form))) {
            return false;
        }
        // An HLT that is executed waits for ever.
        return !form.mnemonic().equals("HLT") || !isPrivileged();
    }

    /** What 64-bit mode is recorded of: the others are compared with the host. */
    private static boolean isSystem(Form form) {
        return form.is(Form.CPL0) && form.feature().isEmpty()
                || form.operands().contains(Operand.Sw)
                || IntegerForms.name(form).equals("POP-segment")
                || form.mnemonic()
                        .matches(
                                "[SL][GI]DT|[SL]LDT|LTR|STR|SMSW|LMSW|LAR|LSL|VER[RW]|CLTS|SWAPGS"
                                    + "|IN|OUT|INSB?|OUTSB?|CLI|STI|PUSHF|POPF|HLT|RSM|IRET|RETF"
                                    + "|JMPF|CALLF|INT|INT3|UD[012]|CLAC|STAC|L[FGS]S");
    }

    /**
     * TCG takes null for LTR, and has task gates and 16-bit TSSs in 64-bit mode for LAR and LSL.
     */
    boolean isWrongInTcg(String name, int selector) {
        return switch (name) {
            case "LTR" -> selector < 4;
            case "LAR", "LSL" ->
                    isLong() && ((selector & 0xF8) == 0x88 || (selector & 0xF8) == 0x98);
            default -> false;
        };
    }
}
