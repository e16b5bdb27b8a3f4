// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.ControlFile;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.DebugRequest.Watchpoint;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuExit.DebugCause;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What a debugger wants of one CPU, as KVM_SET_GUEST_DEBUG takes it and tells of it. */
final class GuestDebug {
    private static final long CONTROL = Structs.at(Structs.GUEST_DEBUG, "control");
    private static final long DEBUGREG =
            Structs.at(Structs.GUEST_DEBUG, "arch")
                    + Structs.at(Structs.GUEST_DEBUG_ARCH, "debugreg");

    private static final long EXCEPTION = Structs.inRun(Structs.RUN_DEBUG_ARCH, "exception");
    private static final long PC = Structs.inRun(Structs.RUN_DEBUG_ARCH, "pc");
    private static final long DR6 = Structs.inRun(Structs.RUN_DEBUG_ARCH, "dr6");

    private static final int BP = 3;

    // DR7: exact breakpoints, the bit that reads as 1, and of each breakpoint G, R/W and LEN; DR6:
    // which breakpoints were met (SDM Vol. 3B, 18.2.3 and 18.2.4).
    private static final long DR7_GE = 0x200;
    private static final long DR7_FIXED = 0x400;
    private static final long DR6_BREAKPOINTS = 15;

    private GuestDebug() {}

    static void set(ControlFile vcpu, DebugRequest request) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wanted = arena.allocate(Structs.GUEST_DEBUG);
            int control =
                    (request.singleStep() ? Kvm.GUESTDBG_SINGLESTEP : 0)
                            | (request.breakpoints() ? Kvm.GUESTDBG_USE_SW_BP : 0)
                            | (request.watchpoints().isEmpty() ? 0 : Kvm.GUESTDBG_USE_HW_BP);
            wanted.set(JAVA_INT, CONTROL, control == 0 ? 0 : control | Kvm.GUESTDBG_ENABLE);
            long dr7 = DR7_GE | DR7_FIXED;
            for (int i = 0; i < request.watchpoints().size(); i++) {
                Watchpoint watchpoint = request.watchpoints().get(i);
                wanted.set(JAVA_LONG, DEBUGREG + 8L * i, watchpoint.address());
                dr7 |= 2L << 2 * i | condition(watchpoint) << 16 + 4 * i;
            }
            wanted.set(JAVA_LONG, DEBUGREG + 8L * 7, dr7);
            vcpu.call(Kvm.SET_GUEST_DEBUG, wanted);
        }
    }

    /** R/W in bits 1:0 and LEN in bits 3:2. */
    private static long condition(Watchpoint watchpoint) {
        long readWrite =
                switch (watchpoint.access()) {
                    case EXECUTE -> 0;
                    case WRITE -> 1;
                    case READ_WRITE -> 3;
                };
        long length =
                switch (watchpoint.length()) {
                    case 2 -> 1;
                    case 4 -> 3;
                    case 8 -> 2;
                    default -> 0;
                };
        return readWrite | length << 2;
    }

    /** Why KVM_RUN returned KVM_EXIT_DEBUG. */
    static VcpuExit.Debug exit(MemorySegment run) {
        DebugCause cause =
                run.get(JAVA_INT, EXCEPTION) == BP
                        ? DebugCause.BREAKPOINT
                        : (run.get(JAVA_LONG, DR6) & DR6_BREAKPOINTS) != 0
                                ? DebugCause.WATCHPOINT
                                : DebugCause.STEP;
        return new VcpuExit.Debug(run.get(JAVA_LONG, PC), cause);
    }
}
