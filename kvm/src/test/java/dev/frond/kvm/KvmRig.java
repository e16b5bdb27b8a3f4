// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.clock.HostClock;
import dev.frond.machine.device.Longs;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.CpuState.Segment;
import dev.frond.machine.vcpu.CpuState.Smm;
import dev.frond.machine.vcpu.CpuState.Table;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A KVM machine of 1 MiB and one CPU for small programs. Each run has a watchdog, so that a KVM
 * that hangs fails a test and not the build. Port E9h records what is written and gives 'x'; a
 * write to port F4h ends a run.
 */
final class KvmRig implements AutoCloseable {
    static final int SIZE = 1 << 20;
    static final int CODE = 0x1000;
    static final int STACK = 0x9000;
    private static final int GDT = 0x500;
    private static final int PML4 = 0xA000;
    private static final int SECONDS = 10;

    final GuestMemory ram = new GuestMemory(Arena.ofAuto().allocate(SIZE, 4096));
    final AddressSpace memory = new AddressSpace("memory");
    final AddressSpace ports = new AddressSpace("ports");
    final HostClock clock = new HostClock(0, Instant.EPOCH);
    final QueuedInterrupts interrupts = new QueuedInterrupts();
    final List<Long> written = new ArrayList<>();
    final KvmEngine engine;
    final Cpuid cpuid;
    final Vcpu vcpu;
    private volatile Vcpu running;
    private final ScheduledExecutorService watchdog = Executors.newScheduledThreadPool(1);

    KvmRig() {
        this(KvmEngine.DirtyTracking.LOG);
    }

    KvmRig(KvmEngine.DirtyTracking tracking) {
        this(tracking, CpuModel.X86_64_V2);
    }

    /** A CPU of a model, but for what this KVM lacks. */
    KvmRig(KvmEngine.DirtyTracking tracking, CpuModel model) {
        engine = new KvmEngine(KvmEngine.IrqChip.OFF, tracking);
        memory.map(0, new Region.Ram(ram, 0, SIZE));
        ports.map(0xE9, io(0xE9, 1));
        ports.map(0xF4, io(0xF4, 1));
        cpuid = new Cpuid(model.within(engine.features()), 0, 1);
        vcpu = cpu(0);
        running = vcpu;
        clock.resume();
    }

    Vcpu cpu(int id) {
        return engine.createVcpu(
                id, cpuid, new Accelerator.Wiring(memory, ports, clock, interrupts));
    }

    /** The RAM alone as a space, for aliases. */
    AddressSpace memoryAlias() {
        AddressSpace space = new AddressSpace("ram");
        space.map(0, new Region.Ram(ram, 0, SIZE));
        return space;
    }

    /** A register of one byte whose every write does {@code action}. */
    static Region.Io onWrite(Runnable action) {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int width) {
                        return 0;
                    }

                    @Override
                    public void write(long offset, int width, long value) {
                        action.run();
                    }
                };
        return new Region.Io(handler, 1, AccessWidths.BYTE, new ReentrantLock());
    }

    private Region.Io io(int port, int size) {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int width) {
                        return 'x';
                    }

                    @Override
                    public void write(long offset, int width, long value) {
                        if (port == 0xF4) {
                            running.kick();
                        } else {
                            written.add(value);
                        }
                    }
                };
        return new Region.Io(handler, size, AccessWidths.ANY, new ReentrantLock());
    }

    /** Assembles {@code text} for {@code bits} and puts it at {@code address}. */
    KvmRig code(int address, int bits, String text) throws IOException, InterruptedException {
        Path source = Files.createTempFile("frond", ".asm");
        Path binary = Files.createTempFile("frond", ".bin");
        try {
            Files.writeString(source, "bits " + bits + "\norg " + address + "\n" + text);
            Process nasm =
                    new ProcessBuilder(
                                    "nasm", "-f", "bin", "-o", binary.toString(), source.toString())
                            .redirectErrorStream(true)
                            .start();
            try (InputStream said = nasm.getInputStream()) {
                String lines =
                        new String(said.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
                assertThat(nasm.waitFor()).as(lines).isZero();
            }
            memory.writeBytes(address, Files.readAllBytes(binary));
        } finally {
            Files.delete(source);
            Files.delete(binary);
        }
        return this;
    }

    /** Real mode at {@link #CODE}, all segments at 0. */
    KvmRig real(String text) throws IOException, InterruptedException {
        code(CODE, 16, text);
        vcpu.load(realState());
        return this;
    }

    CpuState realState() {
        CpuState powerOn = CpuState.powerOn(0);
        Segment code = new Segment(0, 0, 0xFFFF, 0x9B);
        return state(powerOn, code, powerOn.ds(), powerOn.tr(), powerOn.gdtr(), 0x10, 0, 0, 0);
    }

    /** 64-bit mode at {@link #CODE}; the first 1 GiB is mapped to itself. */
    KvmRig longMode(String text) throws IOException, InterruptedException {
        code(CODE, 64, text);
        vcpu.load(longState());
        return this;
    }

    CpuState longState() {
        memory.write(PML4, 8, PML4 + 0x1003);
        memory.write(PML4 + 0x1000, 8, PML4 + 0x2003);
        // The APIC's page through a directory entry of its own.
        memory.write(PML4 + 0x1000 + 8 * 3, 8, PML4 + 0x3003);
        for (int i = 0; i < 512; i++) {
            memory.write(PML4 + 0x2000 + 8 * i, 8, ((long) i << 21) | 0x83);
            memory.write(PML4 + 0x3000 + 8 * i, 8, 0xC000_0000L + ((long) i << 21) | 0x83);
        }
        memory.write(GDT + 0x8, 8, 0x00AF_9B00_0000_FFFFL);
        memory.write(GDT + 0x10, 8, 0x00CF_9300_0000_FFFFL);
        CpuState powerOn = CpuState.powerOn(0);
        return state(
                powerOn,
                new Segment(0x8, 0, -1, 0xA09B),
                new Segment(0x10, 0, -1, 0xC093),
                new Segment(0x18, 0, 0x67, 0x8B),
                new Table(GDT, 0x1F),
                0x8000_0031L,
                PML4,
                0x20,
                0x500);
    }

    private static CpuState state(
            CpuState powerOn,
            Segment cs,
            Segment data,
            Segment tr,
            Table gdt,
            long cr0,
            long cr3,
            long cr4,
            long efer) {
        long[] gprs = new long[16];
        gprs[4] = STACK;
        return new CpuState(
                Longs.of(gprs),
                CODE,
                2,
                data,
                cs,
                data,
                data,
                data,
                data,
                new Segment(0, 0, 0xFFFF, 0x82),
                tr,
                gdt,
                new Table(0, 0x3FF),
                cr0,
                0,
                cr3,
                cr4,
                efer,
                1,
                powerOn.dr(),
                powerOn.fxsave(),
                powerOn.ymmHigh(),
                powerOn.msrs(),
                0,
                Activity.ACTIVE,
                false,
                false,
                false,
                0,
                0,
                Smm.RESET,
                CpuState.NONE);
    }

    /** Runs the CPU until it leaves its loop. */
    VcpuExit run() {
        return run(vcpu);
    }

    VcpuExit run(Vcpu which) {
        AtomicBoolean hung = new AtomicBoolean();
        ScheduledFuture<?> alarm =
                watchdog.schedule(
                        () -> {
                            hung.set(true);
                            which.kick();
                        },
                        SECONDS,
                        TimeUnit.SECONDS);
        running = which;
        VcpuExit exit = which.run();
        alarm.cancel(false);
        assertThat(hung).as(() -> "the guest hangs: " + which.save()).isFalse();
        return exit;
    }

    /** Does something on another thread while the CPU runs. */
    void later(long milliseconds, Runnable action) {
        ScheduledFuture<?> _ = watchdog.schedule(action, milliseconds, TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() {
        watchdog.shutdownNow();
        clock.close();
        engine.close();
    }
}
