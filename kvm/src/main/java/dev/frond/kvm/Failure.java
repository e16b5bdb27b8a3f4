// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.HostException;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;

/** What KVM says when it cannot go on, in one line. */
final class Failure {
    private static final long REASON =
            Structs.inRun(Structs.RUN_FAIL_ENTRY, "hardware_entry_failure_reason");
    private static final long SUBERROR = Structs.inRun(Structs.RUN_INTERNAL, "suberror");
    private static final long NDATA = Structs.inRun(Structs.RUN_INTERNAL, "ndata");
    private static final long DATA = Structs.inRun(Structs.RUN_INTERNAL, "data");

    private static final int INTERNAL_ERROR_EMULATION = 1;

    /** The overlay for a failed emulation: data[0] is flags, then a length and up to 15 bytes. */
    private static final int EMULATION_FLAG_INSTRUCTION_BYTES = 1;

    private static final int MOST_INSTRUCTION_BYTES = 15;

    static final String TOO_MANY_FILES =
            "too many files are open: raise the limit, for example with 'ulimit -n 4096'";

    private Failure() {}

    /** {@code failure} of a command of KVM, with what can be done about it, where that is known. */
    static HostException advised(HostException failure) {
        String advice =
                switch (failure.errno()) {
                    case ENOMEM ->
                            "the host has no memory left for this machine: give the guest less, or"
                                    + " free some";
                    case EMFILE, ENFILE -> TOO_MANY_FILES;
                    case EBUSY ->
                            "another hypervisor holds the processor's virtualization: stop it, or"
                                    + " unload its module";
                    case EACCES, EPERM ->
                            "a security policy of the host forbids it: see its log, or run with"
                                    + " '--engine translator'";
                    case EFAULT ->
                            "the host cannot provide the memory behind the guest's: free some, or"
                                    + " run with '--engine translator'";
                    default -> "";
                };
        return advice.isEmpty() || failure.getCause() instanceof HostException
                ? failure
                : failure.withAdvice(advice);
    }

    static String describe(int exitReason, MemorySegment run, long rip) {
        String what =
                switch (exitReason) {
                    case Kvm.EXIT_FAIL_ENTRY ->
                            "KVM_EXIT_FAIL_ENTRY: the processor refuses the guest's state, reason"
                                    + " 0x"
                                    + Long.toHexString(run.get(JAVA_LONG, REASON));
                    case Kvm.EXIT_INTERNAL_ERROR -> internal(run);
                    default -> "KVM_RUN returned for reason " + exitReason + ", which is unknown";
                };
        return what
                + ", at rip 0x"
                + Long.toHexString(rip)
                + "; the translator may run this guest ('--engine translator')";
    }

    private static String internal(MemorySegment run) {
        int suberror = run.get(JAVA_INT, SUBERROR);
        String name =
                switch (suberror) {
                    case INTERNAL_ERROR_EMULATION ->
                            "KVM_INTERNAL_ERROR_EMULATION: KVM cannot emulate an instruction";
                    case 2 -> "KVM_INTERNAL_ERROR_SIMUL_EX: an exception within an exception";
                    case 3 -> "KVM_INTERNAL_ERROR_DELIVERY_EV: an exit while an event is delivered";
                    case 4 -> "KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON";
                    default -> "suberror " + suberror;
                };
        StringBuilder text = new StringBuilder("KVM_EXIT_INTERNAL_ERROR, ").append(name);
        int count = Math.min(run.get(JAVA_INT, NDATA), 16);
        if (suberror == INTERNAL_ERROR_EMULATION
                && count > 2
                && (run.get(JAVA_LONG, DATA) & EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
            int length = Math.min(run.get(JAVA_BYTE, DATA + 8) & 0xFF, MOST_INSTRUCTION_BYTES);
            byte[] bytes = run.asSlice(DATA + 9, length).toArray(JAVA_BYTE);
            text.append(" (").append(HexFormat.ofDelimiter(" ").formatHex(bytes)).append(')');
        } else {
            for (int i = 0; i < count; i++) {
                text.append(i == 0 ? " (0x" : " 0x")
                        .append(Long.toHexString(run.get(JAVA_LONG, DATA + 8L * i)));
            }
            text.append(count > 0 ? ")" : "");
        }
        return text.toString();
    }
}
