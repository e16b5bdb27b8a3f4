// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.DebugRequest.Access;
import dev.frond.machine.vcpu.DebugRequest.Watchpoint;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuExit.DebugCause;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Set;

/**
 * What a debugger's wishes are to KVM, and what KVM's answers are to a debugger: numbers of
 * asm/kvm.h and linux/kvm.h, DR6 and DR7 as in SDM Vol. 3B, 18.2.
 */
class KvmDebugTest {
    private static final int SIZE = 1 << 20;
    private static final int KVM_GUESTDBG_ENABLE = 1;
    private static final int KVM_GUESTDBG_SINGLESTEP = 2;
    private static final int KVM_GUESTDBG_USE_SW_BP = 0x1_0000;
    private static final int KVM_GUESTDBG_USE_HW_BP = 0x2_0000;
    private static final int KVM_EXIT_DEBUG = 4;

    private final FakeKvm kernel = new FakeKvm();
    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));

    @AutoClose private final HostClock clock = new HostClock(0, Instant.EPOCH);

    @AutoClose
    private final KvmEngine engine =
            new KvmEngine(
                    kernel,
                    Path.of("/dev/kvm"),
                    KvmEngine.IrqChip.OFF,
                    KvmEngine.DirtyTracking.LOG);

    private final Vcpu vcpu = vcpu();

    private Vcpu vcpu() {
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, SIZE));
        return engine.createVcpu(
                0,
                new Cpuid(CpuModel.X86_64_V2.within(Set.of()), 0, 1),
                new Accelerator.Wiring(
                        memory, new AddressSpace("ports"), clock, new QueuedInterrupts()));
    }

    /** Of struct kvm_guest_debug: control, and the debug registers DR0 to DR7. */
    private long[] asked(DebugRequest request) {
        vcpu.debug(request);
        ByteBuffer words =
                ByteBuffer.wrap(kernel.lastSet(Kvm.SET_GUEST_DEBUG)).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(words.capacity()).isEqualTo(8 + 8 * 8);
        long[] asked = new long[9];
        asked[0] = words.getInt(0);
        for (int i = 0; i < 8; i++) {
            asked[i + 1] = words.getLong(8 + 8 * i);
        }
        return asked;
    }

    @Test
    void stepsAndBreakpointInstructionsAreAskedFor() {
        assertThat(asked(new DebugRequest(true, false, List.of()))[0])
                .isEqualTo(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
        assertThat(asked(new DebugRequest(false, true, List.of()))[0])
                .isEqualTo(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
        assertThat(asked(DebugRequest.NONE)[0]).isZero();
    }

    @Test
    void watchpointsAreInTheDebugRegisters() {
        long[] asked =
                asked(
                        new DebugRequest(
                                true,
                                true,
                                List.of(
                                        new Watchpoint(0x1234, 1, Access.EXECUTE),
                                        new Watchpoint(0x2002, 2, Access.WRITE),
                                        new Watchpoint(0x3004, 4, Access.READ_WRITE),
                                        new Watchpoint(0xFFFF_8000_0000_0008L, 8, Access.WRITE))));
        assertThat(asked[0])
                .isEqualTo(
                        KVM_GUESTDBG_ENABLE
                                | KVM_GUESTDBG_SINGLESTEP
                                | KVM_GUESTDBG_USE_SW_BP
                                | KVM_GUESTDBG_USE_HW_BP);
        assertThat(asked).containsSequence(0x1234, 0x2002, 0x3004, 0xFFFF_8000_0000_0008L);
        // G0 to G3, GE, bit 10; LEN and R/W: 8 bytes written, 4 read or written, 2 written,
        // executed.
        assertThat(asked[8]).isEqualTo(0b1001_1111_0101_0000_0000_0110_1010_1010L);
    }

    @ParameterizedTest
    @CsvSource({
        // Exception, DR6.
        "3, 0xFFFF0FF0, BREAKPOINT",
        "1, 0xFFFF4FF0, STEP",
        "1, 0xFFFF0FF1, WATCHPOINT",
        "1, 0xFFFF0FF8, WATCHPOINT",
        "1, 0xFFFF4FF4, WATCHPOINT"
    })
    void theCauseOfAStopIsTold(int exception, String dr6, DebugCause cause) {
        kernel.runs(run -> {
            run.set(JAVA_INT, Structs.at(Structs.RUN, "exit_reason"), KVM_EXIT_DEBUG);
            run.set(JAVA_INT, Structs.inRun(Structs.RUN_DEBUG_ARCH, "exception"), exception);
            run.set(JAVA_LONG, Structs.inRun(Structs.RUN_DEBUG_ARCH, "pc"), 0xFFFF_8765L);
            run.set(JAVA_LONG, Structs.inRun(Structs.RUN_DEBUG_ARCH, "dr6"), Long.decode(dr6));
            return 0;
        });
        assertThat(vcpu.run()).isEqualTo(new VcpuExit.Debug(0xFFFF_8765L, cause));
    }
}
