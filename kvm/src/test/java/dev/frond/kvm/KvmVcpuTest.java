// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.Doorbells;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.CpuState.Msr;
import dev.frond.machine.vcpu.CpuState.Segment;
import dev.frond.machine.vcpu.CpuState.Table;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.DebugRequest.Access;
import dev.frond.machine.vcpu.DebugRequest.Watchpoint;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuExit.DebugCause;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;

/** Small programs under the KVM of this host. */
class KvmVcpuTest {
    private static final String END = "\nout 0xF4, al\n jmp $\n";

    private KvmRig rig;

    @BeforeAll
    static void needsKvm() {
        assumeThat(KvmSupport.whyUnavailable()).as("KVM on this host").isEmpty();
    }

    @BeforeEach
    void open() {
        rig = new KvmRig();
    }

    @AfterEach
    void close() {
        rig.close();
    }

    // --- ports and memory

    @Test
    void portsAreReadAndWritten() throws Exception {
        rig.real("mov al, 'H'\n out 0xE9, al\n in al, 0xE9\n out 0xE9, al" + END).run();
        assertThat(rig.written).containsExactly((long) 'H', (long) 'x');
    }

    @Test
    void stringsGoToAndComeFromPorts() throws Exception {
        rig.real(
                        """
                        cld
                        mov si, text
                        mov cx, 5
                        mov dx, 0xE9
                        rep outsb
                        mov di, 0x3000
                        mov cx, 3
                        rep insb
                        """
                                + END
                                + "text: db 'Frond'")
                .run();
        assertThat(rig.written)
                .containsExactly((long) 'F', (long) 'r', (long) 'o', (long) 'n', (long) 'd');
        assertThat(rig.ram.load(0x3000, 4)).isEqualTo(0x78_7878L);
    }

    @Test
    void deviceMemoryIsAccessedInAllWidths() throws Exception {
        List<String> seen = new ArrayList<>();
        rig.memory.map(0x20_0000, device(seen));
        rig.longMode(
                        """
                        mov rbx, 0x200000
                        mov rax, 0x1122334455667788
                        mov [rbx], al
                        mov [rbx + 2], ax
                        mov [rbx + 4], eax
                        mov [rbx + 8], rax
                        mov ecx, [rbx + 16]
                        movzx edx, byte [rbx + 1]
                        """
                                + END)
                .run();
        assertThat(seen)
                .containsExactly(
                        "write 1 at 0: 88",
                        "write 2 at 2: 7788",
                        "write 4 at 4: 55667788",
                        "write 8 at 8: 1122334455667788",
                        "read 4 at 10",
                        "read 1 at 1");
        assertThat(rig.vcpu.save().gprs().at(1)).isEqualTo(0x1414_1414);
        assertThat(rig.vcpu.save().gprs().at(2)).isEqualTo(0x14);
    }

    private static Region.Io device(List<String> seen) {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        seen.add("read " + size + " at " + Long.toHexString(offset));
                        return 0x1414_1414_1414_1414L >>> 64 - 8 * size;
                    }

                    @Override
                    public void write(long offset, int size, long value) {
                        seen.add(
                                "write "
                                        + size
                                        + " at "
                                        + Long.toHexString(offset)
                                        + ": "
                                        + Long.toHexString(value));
                    }
                };
        return new Region.Io(handler, 0x1000, AccessWidths.ANY, new ReentrantLock());
    }

    @Test
    void romIsReadAndStoresToItAreDroppedOrGoToItsHandler() throws Exception {
        GuestMemory rom = new GuestMemory(Arena.ofAuto().allocate(0x2000, 4096));
        rom.store(0, 4, 0xCAFE);
        rom.store(0x1000, 4, 0xBABE);
        List<String> seen = new ArrayList<>();
        rig.memory.map(0x20_0000, new Region.Rom(rom, 0, 0x1000));
        rig.memory.map(0x20_1000, new Region.RomIo(rom, 0x1000, 0x1000, device(seen)));
        rig.longMode(
                        """
                        mov rbx, 0x200000
                        mov eax, [rbx]
                        mov dword [rbx], 1
                        mov ecx, [rbx]
                        mov edx, [rbx + 0x1000]
                        mov dword [rbx + 0x1010], 2
                        """
                                + END)
                .run();
        CpuState state = rig.vcpu.save();
        assertThat(state.gprs().at(0)).isEqualTo(0xCAFE);
        assertThat(state.gprs().at(1)).isEqualTo(0xCAFE);
        assertThat(state.gprs().at(2)).isEqualTo(0xBABE);
        assertThat(seen).containsExactly("write 4 at 10: 2");
    }

    @Test
    void slotsFollowTheMemoryMap() throws Exception {
        AddressSpace.Mapping alias =
                rig.memory.map(0x20_0000, new Region.Alias(rig.memoryAlias(), 0x4000, 0x2000));
        rig.ram.store(0x5000, 4, 0x1234);
        rig.longMode("mov eax, [0x201000]" + END).run();
        assertThat(rig.vcpu.save().gprs().at(0)).isEqualTo(0x1234);
        rig.memory.unmap(alias);
        rig.longMode("mov eax, [0x201000]" + END).run();
        assertThat(rig.vcpu.save().gprs().at(0)).isEqualTo(0xFFFF_FFFFL);
    }

    @Test
    void codeGoesOnWhileTheMemoryAroundItChanges() throws Exception {
        // The slot that the code is in is split and joined again.
        rig.later(
                50,
                () -> {
                    for (int i = 0; i < 300; i++) {
                        rig.memory.unmap(
                                rig.memory.map(0x8_0000, new Region.Rom(rig.ram, 0, 0x1000)));
                    }
                    rig.ram.store(0x3000, 1, 1);
                });
        rig.longMode("still: inc rcx\n cmp byte [0x3000], 0\n je still" + END);
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().gprs().at(1)).isPositive();
    }

    @Test
    void memoryThatIsNoWholePageIsReachedToo() throws Exception {
        rig.memory.map(0x20_0800, new Region.Ram(rig.ram, 0x6800, 0x1000));
        rig.longMode(
                        "mov dword [0x200800], 5\n mov dword [0x201400], 6\n mov eax, [0x200800]"
                                + END)
                .run();
        assertThat(rig.vcpu.save().gprs().at(0)).isEqualTo(5);
        assertThat(rig.ram.load(0x6800, 4)).isEqualTo(5);
        assertThat(rig.ram.load(0x7400, 4)).isEqualTo(6);
    }

    // --- events

    @Test
    void anInterruptEndsAHalt() throws Exception {
        rig.code(0x2000, 16, "mov al, 'i'\n out 0xE9, al\n iret");
        rig.ram.store(4 * 0x30, 4, 0x2000);
        rig.later(
                100,
                () -> {
                    rig.interrupts.raise(0x30);
                    rig.vcpu.interruptChanged();
                });
        rig.real("sti\n hlt\n mov al, 'h'\n out 0xE9, al" + END).run();
        assertThat(rig.written).containsExactly((long) 'i', (long) 'h');
    }

    @Test
    void anInterruptWaitsForTheInterruptFlag() throws Exception {
        rig.code(0x2000, 16, "mov al, 'i'\n out 0xE9, al\n inc byte [0x3000]\n iret");
        rig.ram.store(4 * 0x30, 4, 0x2000);
        rig.interrupts.raise(0x30);
        rig.real(
                        """
                        mov al, 'a'
                        out 0xE9, al
                        sti
                        still: cmp byte [0x3000], 0
                        je still
                        mov al, 'b'
                        out 0xE9, al
                        """
                                + END)
                .run();
        assertThat(rig.written).containsExactly((long) 'a', (long) 'i', (long) 'b');
    }

    @Test
    void anInterruptEndsAnEndlessLoop() throws Exception {
        rig.code(0x2000, 16, "out 0xF4, al\n jmp $");
        rig.ram.store(4 * 0x31, 4, 0x2000);
        rig.later(
                100,
                () -> {
                    rig.interrupts.raise(0x31);
                    rig.vcpu.interruptChanged();
                });
        assertThat(rig.real("sti\n jmp $").run()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().rip()).isEqualTo(0x2002);
    }

    @Test
    void anNmiComesWithInterruptsDisabled() throws Exception {
        rig.code(0x2000, 16, "mov al, 'n'\n out 0xE9, al\n out 0xF4, al\n jmp $");
        rig.ram.store(4 * 2, 4, 0x2000);
        rig.real("cli\n jmp $");
        rig.later(100, rig.vcpu::nmi);
        rig.run();
        assertThat(rig.written).containsExactly((long) 'n');
        assertThat(rig.vcpu.save().nmiBlocked()).isTrue();
    }

    @Test
    void aKickEndsARunAlsoOneThatComesLater() throws Exception {
        rig.real("jmp $");
        rig.vcpu.kick();
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        rig.later(100, rig.vcpu::kick);
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().rip()).isEqualTo(KvmRig.CODE);
    }

    @Test
    void aHaltedCpuSaysSoAndGoesOnHalted() throws Exception {
        rig.real("hlt\n out 0xE9, al" + END);
        runUntilHalted();
        CpuState halted = rig.vcpu.save();
        assertThat(halted.rip()).isEqualTo(KvmRig.CODE + 1);
        rig.vcpu.load(halted);
        runUntilHalted();
        assertThat(rig.written).isEmpty();
    }

    /** Kicks the CPU now and then; a busy host may take its time. */
    private void runUntilHalted() {
        do {
            rig.later(50, rig.vcpu::kick);
            assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        } while (rig.vcpu.save().activity() != Activity.HLT);
    }

    @Test
    void aSecondCpuWaitsForItsStartUp() throws Exception {
        Vcpu second = rig.cpu(1);
        assertThat(second.save().activity()).isEqualTo(Activity.WAIT_FOR_SIPI);
        rig.code(0x4000, 16, "mov al, 's'\n out 0xE9, al" + END);
        rig.later(50, second::init);
        rig.later(100, () -> second.startup(4));
        rig.run(second);
        assertThat(rig.written).containsExactly((long) 's');
        assertThat(second.save().cs().selector()).isEqualTo(0x400);
        assertThat(second.save().activity()).isEqualTo(Activity.ACTIVE);
    }

    @Test
    void aTripleFaultShutsTheCpuDown() throws Exception {
        CpuState state = rig.longState();
        rig.code(KvmRig.CODE, 64, "ud2");
        rig.vcpu.load(withIdt(state, new Table(0, 0)));
        assertThat(rig.run()).isEqualTo(VcpuExit.SHUTDOWN);
        assertThat(rig.vcpu.save().activity()).isEqualTo(Activity.SHUTDOWN);
        assertThat(rig.run()).isEqualTo(VcpuExit.SHUTDOWN);
    }

    @Test
    void whereKvmCannotGoOnItSaysWhyAndTheStateCanBeSaved() throws Exception {
        // Code where there is no memory.
        rig.longMode("mov ebx, 0x300000\n jmp rbx");
        assertThat(rig.run())
                .isInstanceOfSatisfying(
                        VcpuExit.Fault.class,
                        fault ->
                                assertThat(fault.reason())
                                        .startsWith("KVM_EXIT_INTERNAL_ERROR, ")
                                        .contains(", at rip 0x300000; ")
                                        .doesNotContain("\n"));
        assertThat(rig.vcpu.save().rip()).isEqualTo(0x30_0000);
    }

    // --- the local interrupt controller

    @Test
    void theApicPageIsTheControllers() throws Exception {
        rig.longMode(
                        "mov ebx, 0xFEE00000\n mov eax, [rbx + 0x30]\n mov dword [rbx + 0xB0], 7"
                                + END)
                .run();
        assertThat(rig.vcpu.save().gprs().at(0)).isEqualTo(0x14);
        assertThat(rig.interrupts.accesses).containsExactly("read 4 at 30", "write 4 at b0: 7");
    }

    @Test
    void theApicsMsrsAreTheControllers() throws Exception {
        rig.interrupts.msrs.put(0x1B, QueuedInterrupts.PAGE | 0xD00L);
        rig.interrupts.msrs.put(0x803, 0x50014L);
        rig.interrupts.msrs.put(0x80B, 1L);
        rig.interrupts.msrs.put(0x6E0, 0L);
        rig.longMode(
                        """
                        mov ecx, 0x803
                        rdmsr
                        mov ebx, eax
                        mov ecx, 0x80B
                        xor eax, eax
                        xor edx, edx
                        wrmsr
                        mov ecx, 0x6E0
                        mov eax, 0x1234
                        mov edx, 5
                        wrmsr
                        mov ecx, 0x1B
                        rdmsr
                        """
                                + END)
                .run();
        CpuState state = rig.vcpu.save();
        assertThat(state.gprs().at(3)).isEqualTo(0x50014);
        assertThat(state.gprs().at(0)).isEqualTo(QueuedInterrupts.PAGE | 0xD00L);
        assertThat(rig.interrupts.msrs)
                .containsEntry(0x80B, 0L)
                .containsEntry(0x6E0, 0x5_0000_1234L);
    }

    @Test
    void theTaskPriorityIsTheControllers() throws Exception {
        rig.interrupts.priority = 3;
        rig.longMode("mov rbx, cr8\n mov eax, 9\n mov cr8, rax" + END).run();
        assertThat(rig.vcpu.save().gprs().at(3)).isEqualTo(3);
        assertThat(rig.interrupts.priority).isEqualTo(9);
    }

    // --- state

    @Test
    void whatIsLoadedIsSaved() {
        CpuState loaded = busyState();
        rig.vcpu.load(loaded);
        assertThat(comparable(rig.vcpu.save())).isEqualTo(comparable(loaded));
    }

    @Test
    void theTimeStampOfACpuThatStandsFollowsTheClock() throws Exception {
        rig.clock.pause();
        rig.vcpu.load(rig.realState());
        long before = rig.vcpu.save().tsc();
        // Long enough for the host's own counter to go on.
        Thread.sleep(5);
        assertThat(rig.vcpu.save().tsc()).isEqualTo(before);
    }

    @Test
    void anInterruptThatWasTakenIsDelivered() throws Exception {
        rig.code(0x2000, 16, "mov al, 'i'\n out 0xE9, al" + END);
        rig.ram.store(4 * 0x30, 4, 0x2000);
        rig.code(KvmRig.CODE, 16, "jmp $");
        rig.vcpu.load(rig.realState().withAcknowledged(0x30));
        assertThat(rig.vcpu.save().acknowledged()).isEqualTo(0x30);
        rig.run();
        assertThat(rig.written).containsExactly((long) 'i');
        assertThat(rig.vcpu.save().acknowledged()).isEqualTo(CpuState.NONE);
    }

    @Test
    void anMsrThatIsUnknownIsRefused() {
        CpuState state = rig.longState();
        assertThatThrownBy(() -> rig.vcpu.load(withMsrs(state, List.of(new Msr(0x12345, 1)))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("cpu state: MSR 0x12345 is unknown");
    }

    // --- the CPU model

    @Test
    void anMsrThatTheModelLacksFaults() throws Exception {
        // Of the first KVM has one (IA32_TSC_AUX is beside it), of the last nobody.
        for (int index : new int[] {0x48, 0x6E0, 0x4B56_4D02, 0x1234_5678}) {
            rig.written.clear();
            rig.ram.store(0x7000 + 16 * 13, 8, 0x8E00_0008_0000L | 0x2000);
            rig.code(0x2000, 64, "mov al, 'g'\n out 0xE9, al" + END);
            rig.code(
                    KvmRig.CODE,
                    64,
                    "mov ecx, " + index + "\n rdmsr\n mov al, 'r'\n out 0xE9, al" + END);
            rig.vcpu.load(withIdt(rig.longState(), new Table(0x7000, 0xFFF)));
            assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
            assertThat(rig.written).as(Integer.toHexString(index)).containsExactly((long) 'g');
        }
    }

    @Test
    void anMsrThatTheModelHasIsThere() throws Exception {
        rig.longMode(
                        """
                        mov ecx, 0xC0000082
                        mov eax, 0x1234
                        xor edx, edx
                        wrmsr
                        xor eax, eax
                        rdmsr
                        mov ebx, eax
                        mov ecx, 0xFE
                        rdmsr
                        mov ecx, 0x277
                        rdmsr
                        """
                                + END)
                .run();
        assertThat(rig.vcpu.save().gprs().at(3)).isEqualTo(0x1234);
        assertThat(rig.vcpu.save().gprs().at(0)).isEqualTo(0x0007_0406);
    }

    // --- a debugger

    @Test
    void aCpuStepsOneInstructionAtATime() throws Exception {
        rig.longMode("nop\n mov eax, 5\n inc ecx" + END);
        rig.vcpu.debug(new DebugRequest(true, false, List.of()));
        for (long rip : new long[] {0x1001, 0x1006, 0x1008}) {
            assertThat(rig.run()).isEqualTo(new VcpuExit.Debug(rip, DebugCause.STEP));
            assertThat(rig.vcpu.save().rip()).isEqualTo(rip);
        }
        rig.vcpu.debug(DebugRequest.NONE);
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().rflags() & 0x100).as("the guest sees no trap flag").isZero();
    }

    @Test
    void aCpuStopsBeforeAnInstructionThatIsWatched() throws Exception {
        rig.longMode("nop\n inc eax\n nop" + END);
        rig.vcpu.debug(
                new DebugRequest(false, false, List.of(new Watchpoint(0x1001, 1, Access.EXECUTE))));
        assertThat(rig.run()).isEqualTo(new VcpuExit.Debug(0x1001, DebugCause.WATCHPOINT));
        assertThat(rig.vcpu.save().gprs().at(0)).isZero();
        rig.vcpu.debug(DebugRequest.NONE);
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        assertThat(rig.vcpu.save().gprs().at(0) & 0xFF).isEqualTo(1);
    }

    @Test
    void aCpuStopsBehindAStoreThatIsWatched() throws Exception {
        assumeThat(KvmSupport.whyLimited()).as("KVM with data watchpoints").isEmpty();
        rig.longMode("mov dword [0x3004], 7\n nop" + END);
        rig.vcpu.debug(
                new DebugRequest(false, false, List.of(new Watchpoint(0x3004, 4, Access.WRITE))));
        assertThat(rig.run()).isEqualTo(new VcpuExit.Debug(0x100B, DebugCause.WATCHPOINT));
        assertThat(rig.ram.load(0x3004, 4)).isEqualTo(7);
        assertThat(rig.vcpu.save().dr().at(6) & 15).as("the guest sees no hit").isZero();
    }

    @Test
    void watchpointsAreCheckedBeforeKvmIsAsked() {
        assertThatThrownBy(() -> new Watchpoint(0x3002, 4, Access.WRITE))
                .hasMessage(
                        "watchpoint of 4 bytes at 0x3002: accepted are multiples of its length");
        assertThatThrownBy(() -> new Watchpoint(0x3000, 3, Access.WRITE))
                .hasMessageStartingWith("watchpoint of 3 bytes: accepted are 1, 2, 4 and 8");
        List<Watchpoint> five =
                Collections.nCopies(5, new Watchpoint(0x3000, 1, Access.READ_WRITE));
        assertThatThrownBy(() -> new DebugRequest(false, false, five))
                .hasMessage("5 watchpoints: accepted are up to 4");
    }

    @Test
    void aBreakpointInstructionIsTheDebuggers() throws Exception {
        assumeThat(KvmSupport.whyLimited()).as("KVM with INT3").isEmpty();
        rig.longMode("nop\n int3\n nop" + END);
        rig.vcpu.debug(new DebugRequest(false, true, List.of()));
        assertThat(rig.run()).isEqualTo(new VcpuExit.Debug(0x1001, DebugCause.BREAKPOINT));
    }

    // --- doorbells

    private record Bell(List<String> seen, AtomicReference<Thread> by) implements Doorbells {
        @Override
        public List<Doorbell> doorbells() {
            return List.of(new Doorbell(0x50, 4, 0), new Doorbell(0x50, 4, 1));
        }

        @Override
        public long read(long offset, int size) {
            return 0x7;
        }

        @Override
        public void write(long offset, int size, long value) {
            by.set(Thread.currentThread());
            seen.add(value + " at " + Long.toHexString(offset));
        }

        Region.Io region() {
            return new Region.Io(this, 0x200, AccessWidths.UP_TO_DWORD, new ReentrantLock());
        }
    }

    @Test
    void aDoorbellRingsWithoutAnExitAndIsHeardByAnotherThread() throws Exception {
        Bell bell = new Bell(new CopyOnWriteArrayList<>(), new AtomicReference<>());
        rig.memory.map(0x20_0000, bell.region());
        rig.longMode("mov rbx, 0x200050\n mov dword [rbx], 1\n still: jmp still");
        rig.later(200, rig.vcpu::kick);
        assertThat(rig.run()).isEqualTo(VcpuExit.KICKED);
        assertThat(bell.seen()).containsExactly("1 at 50");
        assertThat(bell.by().get()).isNotEqualTo(Thread.currentThread());
        assertThat(rig.vcpu.stats().exits()).containsEntry("mmio", 0L);
    }

    @Test
    void aWriteThatIsNoDoorbellComesAtOnce() throws Exception {
        Bell bell = new Bell(new CopyOnWriteArrayList<>(), new AtomicReference<>());
        rig.memory.map(0x20_0000, bell.region());
        rig.longMode("mov rbx, 0x200050\n mov dword [rbx], 2\n mov byte [rbx], 1" + END).run();
        assertThat(bell.seen()).containsExactly("2 at 50", "1 at 50");
        assertThat(bell.by().get()).isEqualTo(Thread.currentThread());
    }

    @Test
    void allThatRangIsHeardWhenTheCpuHasStopped() throws Exception {
        Bell bell = new Bell(new CopyOnWriteArrayList<>(), new AtomicReference<>());
        Region.Io region = bell.region();
        rig.memory.map(0x20_0000, region);
        for (int i = 0; i < 50; i++) {
            bell.seen().clear();
            rig.longMode("mov rbx, 0x200050\n mov dword [rbx], 0" + END).run();
            assertThat(bell.seen()).containsExactly("0 at 50");
        }
    }

    @Test
    void aDoorbellThatIsGoneIsMemoryAgain() throws Exception {
        Bell bell = new Bell(new CopyOnWriteArrayList<>(), new AtomicReference<>());
        AddressSpace.Mapping mapping = rig.memory.map(0x20_0000, bell.region());
        rig.memory.unmap(mapping);
        List<String> seen = new ArrayList<>();
        rig.memory.map(0x20_0000, device(seen));
        rig.longMode("mov rbx, 0x200050\n mov dword [rbx], 1" + END).run();
        assertThat(seen).containsExactly("write 4 at 50: 1");
        assertThat(bell.seen()).isEmpty();
    }

    @Test
    void aDeviceThatFailsAtItsDoorbellEndsTheRun() throws Exception {
        List<String> broken = List.of();
        rig.memory.map(0x20_0000, new Bell(broken, new AtomicReference<>()).region());
        rig.longMode("mov rbx, 0x200050\n mov dword [rbx], 1\n still: jmp still");
        assertThat(rig.run())
                .isInstanceOfSatisfying(
                        VcpuExit.Fault.class,
                        fault ->
                                assertThat(fault.reason())
                                        .startsWith("internal error of a device: "));
    }

    // --- cost

    @Test
    void anExitAllocatesNothing() throws Exception {
        rig.ports.map(0x80, counter());
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        // The first runs compile and link what there is to.
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 5; i++) {
            rig.real("mov cx, 2000\n again: out 0x80, al\n in al, 0x80\n loop again" + END);
            long before = threads.getCurrentThreadAllocatedBytes();
            rig.run();
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        // The watchdog's own alarm is some hundred bytes; 4000 exits would be more than 64 KB.
        assertThat(least).isLessThan(16_384);
    }

    private static Region.Io counter() {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return 1;
                    }

                    @Override
                    public void write(long offset, int size, long value) {}
                };
        return new Region.Io(handler, 1, AccessWidths.BYTE, new ReentrantLock());
    }

    // --- states

    /** 64-bit mode with something in every register. */
    private CpuState busyState() {
        CpuState state = rig.longState();
        long[] gprs = new long[16];
        for (int i = 0; i < 16; i++) {
            gprs[i] = 0x1111_1111_1111_1111L * i;
        }
        byte[] fxsave = state.fxsave().toArray();
        fxsave[0] = 0x7F;
        fxsave[1] = 3;
        for (int i = 32; i < 416; i++) {
            boolean padding = i < 160 && (i & 15) >= 10;
            fxsave[i] = (byte) (padding ? 0 : i);
        }
        return new CpuState(
                Longs.of(gprs),
                KvmRig.CODE,
                0x246,
                state.es(),
                state.cs(),
                state.ss(),
                state.ds(),
                new Segment(0x10, 0x1234_5678_9ABCL, -1, 0xC093),
                new Segment(0x10, 0xFFFF_8000_1234_5678L, -1, 0xC093),
                state.ldtr(),
                state.tr(),
                state.gdtr(),
                new Table(0x7000, 0xFFF),
                state.cr0(),
                0x1234,
                state.cr3(),
                state.cr4(),
                state.efer(),
                1,
                Longs.of(0x1000, 0x2000, 0x3000, 0x4000, 0, 0, 0xFFFF_0FF1L, 0x402),
                Bytes.of(fxsave),
                state.ymmHigh(),
                List.of(
                        new Msr(0x174, 0x10),
                        new Msr(0x175, 0xFFFF_8000_0000_1000L),
                        new Msr(0x176, 0xFFFF_8000_0000_2000L),
                        new Msr(0x277, 0x0007_0106_0007_0406L),
                        new Msr(0xC000_0081, 0x0023_0010_0000_0000L),
                        new Msr(0xC000_0082, 0xFFFF_8000_0000_3000L),
                        new Msr(0xC000_0084, 0x4_7700L),
                        new Msr(0xC000_0102, 0xFFFF_8000_0000_4000L)),
                0,
                Activity.ACTIVE,
                true,
                true,
                true,
                0,
                0,
                state.smm(),
                CpuState.NONE);
    }

    /** What KVM need not give back as it was: time, and the mask of MXCSR. */
    private static String comparable(CpuState state) {
        byte[] fxsave = state.fxsave().toArray();
        for (int i = 28; i < 32; i++) {
            fxsave[i] = 0;
        }
        for (int i = 416; i < 512; i++) {
            fxsave[i] = 0;
        }
        List<Msr> changed =
                state.msrs().stream()
                        .filter(msr -> msr.value() != 0)
                        .filter(msr -> msr.index() != 0x1A0 && msr.index() != 0x4B56_4D05)
                        .toList();
        return List.of(
                        state.gprs(),
                        state.rip(),
                        Long.toHexString(state.rflags()),
                        List.of(state.es(), state.cs(), state.ss(), state.ds()),
                        List.of(state.fs(), state.gs(), state.ldtr(), state.tr()),
                        List.of(state.gdtr(), state.idtr()),
                        List.of(state.cr0(), state.cr2(), state.cr3(), state.cr4(), state.efer()),
                        state.xcr0(),
                        state.dr(),
                        List.of(java.util.HexFormat.of().formatHex(fxsave)),
                        changed,
                        List.of(
                                state.activity(),
                                state.interruptShadow(),
                                state.nmiPending(),
                                state.nmiBlocked()))
                .toString()
                .replace("], ", "],\n");
    }

    private static CpuState withIdt(CpuState s, Table idtr) {
        return with(s, idtr, s.msrs());
    }

    private static CpuState withMsrs(CpuState s, List<Msr> msrs) {
        return with(s, s.idtr(), msrs);
    }

    private static CpuState with(CpuState s, Table idtr, List<Msr> msrs) {
        return new CpuState(
                s.gprs(),
                s.rip(),
                s.rflags(),
                s.es(),
                s.cs(),
                s.ss(),
                s.ds(),
                s.fs(),
                s.gs(),
                s.ldtr(),
                s.tr(),
                s.gdtr(),
                idtr,
                s.cr0(),
                s.cr2(),
                s.cr3(),
                s.cr4(),
                s.efer(),
                s.xcr0(),
                s.dr(),
                s.fxsave(),
                s.ymmHigh(),
                msrs,
                s.tsc(),
                s.activity(),
                s.interruptShadow(),
                s.nmiPending(),
                s.nmiBlocked(),
                s.pkru(),
                s.debugTraps(),
                s.smm(),
                CpuState.NONE);
    }
}
