// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.frond.host.Errno;
import dev.frond.host.HostException;
import dev.frond.kvm.Kvm.Capability;
import dev.frond.machine.Machine;
import dev.frond.machine.MachineEnd;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** What people are told when KVM refuses, and that the machine's state is there then. */
class KvmFaultsTest {
    private static final int SIZE = 1 << 20;

    private final FakeKvm kernel = new FakeKvm();
    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));

    private KvmEngine engine() {
        return new KvmEngine(
                kernel, Path.of("/dev/kvm"), KvmEngine.IrqChip.OFF, KvmEngine.DirtyTracking.LOG);
    }

    private Machine machine(KvmEngine engine) {
        return machine(engine, new QueuedInterrupts());
    }

    private Machine machine(KvmEngine engine, QueuedInterrupts interrupts) {
        HostClock clock = new HostClock(0, Instant.EPOCH);
        Machine machine = new Machine("test", CpuModel.X86_64_V3, ram, clock);
        machine.memory().map(0, new Region.Ram(ram, 0, SIZE));
        machine.add(
                engine.createVcpu(
                        0,
                        new Cpuid(CpuModel.X86_64_V2.within(Set.of()), 0, 1),
                        new Accelerator.Wiring(
                                machine.memory(), machine.ports(), clock, interrupts)));
        return machine;
    }

    private String refusal() {
        HostException e = catchThrowableOfType(HostException.class, () -> machine(engine()));
        assertThat(e.getMessage()).doesNotContain("\n");
        return String.valueOf(e.getMessage());
    }

    // --- before there is a machine

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    ENOENT | modprobe kvm-intel
                    EACCES | usermod -aG kvm USER
                    EPERM  | usermod -aG kvm USER
                    ENODEV | the firmware disables it
                    EMFILE | ulimit -n
                    """)
    void aDeviceThatCannotBeOpenedSaysWhatToDo(Errno errno, String remedy) {
        kernel.fails("open", errno);
        assertThat(refusal()).startsWith("open of /dev/kvm: " + errno).contains(remedy);
    }

    @Test
    void anOldInterfaceIsNamedWithTheOneThatIsNeeded() {
        kernel.apiVersion(11);
        assertThat(refusal())
                .isEqualTo(
                        "KVM_GET_API_VERSION of /dev/kvm: the kernel has version 11, Frond needs"
                                + " 12, which Linux has since 2.6.22; boot a newer kernel");
    }

    @Test
    void aMissingCapabilityIsNamedWithTheKernelThatHasIt() {
        kernel.has(Capability.KVM_CAP_X86_MSR_FILTER, 0);
        assertThat(refusal())
                .isEqualTo(
                        "KVM_CHECK_EXTENSION of /dev/kvm: the kernel lacks KVM_CAP_X86_MSR_FILTER,"
                                + " which Linux has since 5.10; boot a newer kernel");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    KVM_CREATE_VM              | ENOMEM | no memory left for this machine
                    KVM_CREATE_VM              | EBUSY  | another hypervisor
                    KVM_CREATE_VM              | EMFILE | ulimit -n
                    KVM_CREATE_VM              | EPERM  | a security policy of the host
                    KVM_CREATE_VCPU            | ENOMEM | no memory left for this machine
                    KVM_SET_USER_MEMORY_REGION | ENOMEM | no memory left for this machine
                    KVM_SET_SREGS              | EINVAL | EINVAL
                    """)
    void whatKvmRefusesIsNamedAndNothingStaysOpen(String command, Errno errno, String remedy) {
        kernel.fails(command, errno);
        KvmEngine[] made = new KvmEngine[1];
        HostException e =
                catchThrowableOfType(
                        HostException.class,
                        () -> {
                            made[0] = engine();
                            machine(made[0]);
                        });
        assertThat(e.getMessage())
                .startsWith(command + " of ")
                .contains(errno + " (")
                .contains(remedy)
                .doesNotContain("\n");
        if (made[0] != null) {
            made[0].close();
        }
        assertThat(kernel.open).isEmpty();
    }

    @Test
    void moreCpusThanKvmTakesAreRefusedByTheirNumber() {
        kernel.has(Capability.KVM_CAP_MAX_VCPUS, 2);
        try (KvmEngine engine = engine()) {
            Accelerator.Wiring wiring = wiring();
            Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2.within(Set.of()), 0, 3);
            assertThatThrownBy(() -> engine.createVcpu(0, cpuid, wiring))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("engine kvm: 3 CPUs; this host's KVM takes up to 2");
        }
    }

    private Accelerator.Wiring wiring() {
        HostClock clock = new HostClock(0, Instant.EPOCH);
        Machine machine = new Machine("test", CpuModel.X86_64_V3, ram, clock);
        return new Accelerator.Wiring(
                machine.memory(), machine.ports(), clock, new QueuedInterrupts());
    }

    @Test
    void tooFewSlotsAreCounted() {
        kernel.has(Capability.KVM_CAP_NR_MEMSLOTS, 1);
        try (KvmEngine engine = engine();
                Machine machine = machine(engine)) {
            Region region = new Region.Ram(ram, 0, 0x1000);
            assertThatThrownBy(() -> machine.memory().map(0x1000_0000, region))
                    .isInstanceOf(HostException.class)
                    .hasMessageContaining("2 runs of memory, and this kernel has 1 slots; ");
        }
    }

    // --- while it runs

    private String failure(FakeKvm.Execution execution) throws Exception {
        kernel.runs(execution);
        try (KvmEngine engine = engine();
                Machine machine = machine(engine)) {
            machine.start();
            MachineEnd end = machine.end().get(20, TimeUnit.SECONDS);
            assertThat(machine.save().cpus().getFirst().rip()).isEqualTo(0xFFF0);
            assertThat(end).isInstanceOf(MachineEnd.Failed.class);
            String reason = ((MachineEnd.Failed) end).reason();
            assertThat(reason).doesNotContain("\n");
            return reason;
        }
    }

    private static int exit(MemorySegment run, int reason) {
        run.set(JAVA_INT, Structs.at(Structs.RUN, "exit_reason"), reason);
        return 0;
    }

    @Test
    void aStateThatTheProcessorRefusesEndsTheMachine() throws Exception {
        String reason =
                failure(run -> {
                    long at =
                            Structs.inRun(Structs.RUN_FAIL_ENTRY, "hardware_entry_failure_reason");
                    run.set(JAVA_LONG, at, 0x8000_0021L);
                    return exit(run, Kvm.EXIT_FAIL_ENTRY);
                });
        assertThat(reason)
                .isEqualTo(
                        "CPU 0: KVM_EXIT_FAIL_ENTRY: the processor refuses the guest's state,"
                                + " reason 0x80000021, at rip 0xfff0; the translator may run this"
                                + " guest ('--engine translator')");
    }

    @Test
    void anInstructionThatKvmCannotEmulateIsShown() throws Exception {
        String reason =
                failure(run -> {
                    long data = Structs.inRun(Structs.RUN_INTERNAL, "data");
                    run.set(JAVA_INT, Structs.inRun(Structs.RUN_INTERNAL, "suberror"), 1);
                    run.set(JAVA_INT, Structs.inRun(Structs.RUN_INTERNAL, "ndata"), 4);
                    run.set(JAVA_LONG, data, 1);
                    run.set(JAVA_BYTE, data + 8, (byte) 2);
                    run.set(JAVA_BYTE, data + 9, (byte) 0x0F);
                    run.set(JAVA_BYTE, data + 10, (byte) 0x0B);
                    return exit(run, Kvm.EXIT_INTERNAL_ERROR);
                });
        assertThat(reason)
                .startsWith(
                        "CPU 0: KVM_EXIT_INTERNAL_ERROR, KVM_INTERNAL_ERROR_EMULATION: KVM cannot"
                                + " emulate an instruction (0f 0b), at rip 0xfff0; ");
    }

    @Test
    void anExitThatIsUnknownIsNamedByItsNumber() throws Exception {
        assertThat(failure(run -> exit(run, 99)))
                .startsWith("CPU 0: KVM_RUN returned for reason 99, which is unknown");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    ENOMEM | no memory left for this machine
                    EFAULT | cannot provide the memory
                    EIO    | EIO (Input/output error)
                    """)
    void aRunThatFailsEndsTheMachine(Errno errno, String remedy) throws Exception {
        assertThat(failure(_ -> -errno.number()))
                .startsWith("CPU 0: KVM_RUN: " + errno)
                .contains(remedy);
    }

    @Test
    void aSlotThatIsRefusedWhileTheGuestRunsEndsTheMachine() throws Exception {
        try (KvmEngine engine = engine();
                Machine machine = machine(engine)) {
            machine.ports()
                    .map(
                            0x10,
                            KvmRig.onWrite(() ->
                                    machine.memory()
                                            .map(0x1000_0000, new Region.Ram(ram, 0, 0x1000))));
            kernel.fails("KVM_SET_USER_MEMORY_REGION", Errno.ENOSPC)
                    .runs(run -> {
                        run.set(JAVA_BYTE, Structs.inRun(Structs.RUN_IO, "size"), (byte) 1);
                        run.set(
                                JAVA_BYTE,
                                Structs.inRun(Structs.RUN_IO, "direction"),
                                (byte) Kvm.EXIT_IO_OUT);
                        run.set(
                                java.lang.foreign.ValueLayout.JAVA_SHORT,
                                Structs.inRun(Structs.RUN_IO, "port"),
                                (short) 0x10);
                        run.set(JAVA_INT, Structs.inRun(Structs.RUN_IO, "count"), 1);
                        run.set(JAVA_LONG, Structs.inRun(Structs.RUN_IO, "data_offset"), 4096);
                        return exit(run, Kvm.EXIT_IO);
                    });
            machine.start();
            assertThat(machine.end().get(20, TimeUnit.SECONDS))
                    .isEqualTo(
                            new MachineEnd.Failed(
                                    "CPU 0: KVM_SET_USER_MEMORY_REGION of 4096 bytes at"
                                            + " 0x10000000: ENOSPC (No space left on device)"));
            assertThat(machine.save().cpus()).hasSize(1);
        }
    }

    // --- what arrives while the machine stops

    @Test
    void signalsThatArriveAtAStoppedCpuAreInItsState() {
        try (KvmEngine engine = engine()) {
            Vcpu vcpu = machine(engine).cpus().getFirst();
            vcpu.init();
            assertThat(vcpu.save().activity()).isEqualTo(Activity.WAIT_FOR_SIPI);
            vcpu.startup(0x12);
            CpuState started = vcpu.save();
            assertThat(started.activity()).isEqualTo(Activity.ACTIVE);
            assertThat(started.cs().selector()).isEqualTo(0x1200);
            assertThat(started.cs().base()).isEqualTo(0x12000);
            assertThat(started.rip()).isZero();
        }
    }

    @Test
    void signalsToACpuThatIsLoadedAnewAreForgotten() {
        try (KvmEngine engine = engine()) {
            Vcpu vcpu = machine(engine).cpus().getFirst();
            CpuState before = vcpu.save();
            vcpu.init();
            vcpu.load(before);
            assertThat(vcpu.save().activity()).isEqualTo(Activity.ACTIVE);
        }
    }

    // --- memory that changes

    @Test
    void memoryGoesAwayWhileNoCpuIsInTheGuest() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        AtomicBoolean isInside = new AtomicBoolean();
        AtomicBoolean seenInside = new AtomicBoolean();
        kernel.runs(run -> {
            isInside.set(true);
            inside.countDown();
            while (run.get(JAVA_BYTE, Structs.at(Structs.RUN, "immediate_exit")) == 0) {
                Thread.sleep(1);
            }
            // A CPU that takes its time to leave.
            Thread.sleep(50);
            isInside.set(false);
            return -Errno.EINTR.number();
        });
        kernel.onSlot(() -> seenInside.compareAndSet(false, isInside.get()));
        try (KvmEngine engine = engine();
                Machine machine = machine(engine)) {
            var mapping = machine.memory().map(0x1000_0000, new Region.Ram(ram, 0, 0x1000));
            machine.start();
            assertThat(inside.await(20, TimeUnit.SECONDS)).isTrue();
            seenInside.set(false);
            machine.memory().unmap(mapping);
            assertThat(seenInside).isFalse();
            assertThat(kernel.slots.getLast()).isEqualTo("1: 0");
            machine.pause();
        }
    }
}
