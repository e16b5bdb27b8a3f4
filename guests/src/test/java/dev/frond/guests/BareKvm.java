// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.guests;

import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.LocalApic;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.DirtyTracking;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuExit.DebugCause;

import org.jspecify.annotations.NullMarked;

import java.lang.foreign.Arena;
import java.time.Instant;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A CPU of KVM without a board: what a debugger wants of it and full rings of pages, which a KVM in
 * software does not do.
 */
@NullMarked
final class BareKvm implements AutoCloseable {
    private static final int SIZE = 1 << 20;
    private static final int SECONDS = 30;
    private static final int RESET_VECTOR = 0xFFFF0;

    private static final int END_PORT = 0xF4;

    private static final long MORE = 16 << 20;

    /** Twice as many as an entry of a ring is there for, and some more. */
    private static final int PAGES = 2 * 4096 + 100;

    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));
    private final GuestMemory more =
            new GuestMemory(Arena.ofAuto().allocate((long) PAGES << 12, 4096));
    private final HostClock clock = new HostClock(0, Instant.EPOCH);
    private final KvmEngine engine;
    private final Vcpu vcpu;
    private final End end;
    private final ScheduledExecutorService watchdog = Executors.newScheduledThreadPool(1);

    /** A machine with {@code code} at an address that is in the first MiB, and at the top again. */
    private BareKvm(DirtyTracking tracking, int address, String code) {
        engine = new KvmEngine(IrqChip.OFF, tracking);
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, SIZE));
        // The reset vector shows the last page of the first MiB.
        memory.map(0xFFFF_F000L, new Region.Ram(ram, SIZE - 4096, 4096));
        memory.map(MORE, new Region.Ram(more, 0, more.size()));
        byte[] bytes = HexFormat.of().parseHex(code);
        for (int i = 0; i < bytes.length; i++) {
            ram.store(address + i, 1, bytes[i]);
        }
        AddressSpace ports = new AddressSpace("ports");
        Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2.within(engine.features()), 0, 1);
        LocalApic apic = new LocalApic(new ApicBus(), cpuid, clock, () -> 0);
        vcpu = engine.createVcpu(0, cpuid, new Accelerator.Wiring(memory, ports, clock, apic));
        end = new End(vcpu);
        ports.map(END_PORT, new Region.Io(end, 1, AccessWidths.BYTE, new ReentrantLock()));
        apic.connect(vcpu);
        clock.resume();
    }

    /** A write to it ends the run. */
    static final class End implements IoHandler {
        private final Vcpu vcpu;
        private volatile boolean reached;

        End(Vcpu vcpu) {
            this.vcpu = vcpu;
        }

        @Override
        public long read(long offset, int width) {
            return 0xFF;
        }

        @Override
        public void write(long offset, int width, long value) {
            reached = true;
            vcpu.kick();
        }
    }

    /** Runs the CPU, but not for ever. */
    private VcpuExit run() {
        ScheduledFuture<?> alarm = watchdog.schedule(vcpu::kick, SECONDS, TimeUnit.SECONDS);
        VcpuExit exit = vcpu.run();
        alarm.cancel(false);
        return exit;
    }

    @Override
    public void close() {
        watchdog.shutdownNow();
        clock.close();
        engine.close();
    }

    /**
     * Checks single steps, and a breakpoint on an instruction that KVM itself executes: QEMU's SVM
     * lets INT3 past its intercept, and does not look at the debug registers that a guest is
     * entered with.
     */
    static void debug() {
        long start = 0xFFFF_FFF0L;
        // nop; nop; jmp $
        try (BareKvm bare = new BareKvm(DirtyTracking.LOG, RESET_VECTOR, "9090ebfe")) {
            DebugRequest step = new DebugRequest(true, false, List.of());
            expect(bare, step, new VcpuExit.Debug(start + 1, DebugCause.STEP));
            expect(bare, step, new VcpuExit.Debug(start + 2, DebugCause.STEP));
            if (bare.vcpu.save().rip() != 0xFFF2) {
                throw new IllegalStateException("stopped: " + bare.vcpu.save());
            }
        }
        System.out.println("KVM BED: a debugger steps");
        // nop; outsb; jmp $
        try (BareKvm bare = new BareKvm(DirtyTracking.LOG, RESET_VECTOR, "906eebfe")) {
            DebugRequest stop = new DebugRequest(false, false, List.of(at(0x500), at(start + 1)));
            expect(bare, stop, new VcpuExit.Debug(start + 1, DebugCause.WATCHPOINT));
            if (bare.vcpu.save().rip() != 0xFFF1) {
                throw new IllegalStateException("stopped: " + bare.vcpu.save());
            }
        }
        System.out.println("KVM BED: a debugger stops at an instruction");
    }

    /** Checks that no store is lost where a guest stores to more pages than a ring has entries. */
    static void rings() {
        // In 16-bit code with a flat DS: mov [edi],al; add edi,4096; 8292 times, then out 0F4h,al.
        String code =
                "2e660f011634f0" // lgdt [cs:gdtr]
                        + "0f20c00c010f22c0" // mov eax,cr0; or al,1; mov cr0,eax
                        + "bb08008edb" // mov bx,8; mov ds,bx
                        + "66bf0000000166b964200000" // mov edi,1000000h; mov ecx,8292
                        + "6788076681c7001000006649" // mov [edi],al; add edi,4096; dec ecx
                        + "75f2e6f4ebfe9090" // jnz; out 0F4h,al; jmp $
                        + "0f0040f0ffff909090909090" // gdtr: the limit, the base
                        + "0000000000000000ffff00000093cf00";
        try (BareKvm bare = new BareKvm(DirtyTracking.RING, SIZE - 4096, code)) {
            // jmp to the start of the page
            bare.ram.store(RESET_VECTOR, 4, 0xF00DE9);
            bare.more.dirtyLog().start();
            VcpuExit exit = bare.run();
            BitSet pages = new BitSet();
            bare.more.dirtyLog().harvest(page -> pages.set((int) page));
            if (!bare.end.reached || pages.cardinality() != PAGES) {
                throw new IllegalStateException(
                        exit + ", " + pages.cardinality() + " pages; " + bare.vcpu.save());
            }
            System.out.println("KVM BED: rings ran full, " + bare.vcpu.stats());
        }
    }

    private static DebugRequest.Watchpoint at(long address) {
        return new DebugRequest.Watchpoint(address, 1, DebugRequest.Access.EXECUTE);
    }

    private static void expect(BareKvm bare, DebugRequest request, VcpuExit.Debug expected) {
        bare.vcpu.debug(request);
        VcpuExit exit = bare.run();
        if (!exit.equals(expected)) {
            throw new IllegalStateException(
                    exit + ", expected " + expected + "; " + bare.vcpu.save());
        }
    }
}
