// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.guests;

import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.LocalApic;
import dev.frond.kvm.KvmEngine;
import dev.frond.kvm.KvmEngine.IrqChip;
import dev.frond.machine.clock.HostClock;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
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
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/**
 * A CPU of KVM without a board: what a debugger wants of it, which a KVM in software does not do.
 */
@NullMarked
final class BareKvm implements AutoCloseable {
    private static final int SIZE = 1 << 20;
    private static final int SECONDS = 30;
    private static final int RESET_VECTOR = 0xFFFF0;

    private final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));
    private final HostClock clock = new HostClock(0, Instant.EPOCH);
    private final KvmEngine engine;
    private final Vcpu vcpu;
    private final ScheduledExecutorService watchdog = Executors.newScheduledThreadPool(1);

    private BareKvm(IrqChip irqChip, byte... code) {
        engine = new KvmEngine(irqChip);
        AddressSpace memory = new AddressSpace("memory");
        memory.map(0, new Region.Ram(ram, 0, SIZE));
        // The reset vector shows the last page of the first MiB.
        memory.map(0xFFFF_F000L, new Region.Ram(ram, SIZE - 4096, 4096));
        for (int i = 0; i < code.length; i++) {
            ram.store(RESET_VECTOR + i, 1, code[i]);
        }
        AddressSpace ports = new AddressSpace("ports");
        Cpuid cpuid = new Cpuid(CpuModel.X86_64_V2.within(engine.features()), 0, 1);
        LocalApic apic = new LocalApic(new ApicBus(), cpuid, clock, () -> 0);
        vcpu = engine.createVcpu(0, cpuid, new Accelerator.Wiring(memory, ports, clock, apic));
        apic.connect(vcpu);
        clock.resume();
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
     * Checks single steps. Breakpoints and watchpoints are not tried: QEMU's SVM lets INT3 past its
     * intercept, and does not stop for data.
     */
    static void debug() {
        // nop; nop; jmp $
        byte[] code = {(byte) 0x90, (byte) 0x90, (byte) 0xEB, -2};
        try (BareKvm bare = new BareKvm(IrqChip.OFF, code)) {
            long start = 0xFFFF_FFF0L;
            DebugRequest step = new DebugRequest(true, false, List.of());
            expect(bare, step, new VcpuExit.Debug(start + 1, DebugCause.STEP));
            expect(bare, step, new VcpuExit.Debug(start + 2, DebugCause.STEP));
            if (bare.vcpu.save().rip() != 0xFFF2) {
                throw new IllegalStateException("stopped: " + bare.vcpu.save());
            }
        }
        System.out.println("KVM BED: a debugger steps");
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
