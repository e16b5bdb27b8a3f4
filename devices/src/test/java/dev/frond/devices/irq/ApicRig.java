// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.vcpu.CpuModel;
import dev.frond.machine.vcpu.CpuSignals;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.testkit.ManualClock;

import java.util.ArrayList;
import java.util.List;

/** CPUs that only know their interrupts, their local APICs, and an I/O APIC, on one bus. */
final class ApicRig {
    static final int ID = 0x020;
    static final int VERSION = 0x030;
    static final int TPR = 0x080;
    static final int PPR = 0x0A0;
    static final int EOI = 0x0B0;
    static final int LDR = 0x0D0;
    static final int DFR = 0x0E0;
    static final int SVR = 0x0F0;
    static final int ISR = 0x100;
    static final int TMR = 0x180;
    static final int IRR = 0x200;
    static final int ESR = 0x280;
    static final int ICR_LOW = 0x300;
    static final int ICR_HIGH = 0x310;
    static final int LVT_TIMER = 0x320;
    static final int LVT_LINT0 = 0x350;
    static final int LVT_LINT1 = 0x360;
    static final int LVT_ERROR = 0x370;
    static final int INITIAL_COUNT = 0x380;
    static final int CURRENT_COUNT = 0x390;
    static final int DIVIDE = 0x3E0;

    static final int IA32_APIC_BASE = 0x1B;
    static final int IA32_TSC_DEADLINE = 0x6E0;
    static final long XAPIC = 0xFEE0_0800L;
    static final long X2APIC = 0xFEE0_0C00L;
    static final int MASKED = 1 << 16;

    /** What a CPU heard, in order: "irq", "nmi", "init", "startup 2a". */
    static final class Cpu implements CpuSignals {
        final List<String> heard = new ArrayList<>();

        @Override
        public void interruptChanged() {
            heard.add("irq");
        }

        @Override
        public void nmi() {
            heard.add("nmi");
        }

        @Override
        public void smi() {
            heard.add("smi");
        }

        @Override
        public void init() {
            heard.add("init");
        }

        @Override
        public void startup(int vector) {
            heard.add("startup " + Integer.toHexString(vector));
        }
    }

    final ManualClock clock = new ManualClock();
    final ApicBus bus = new ApicBus();
    final List<LocalApic> apics = new ArrayList<>();
    final List<Cpu> cpus = new ArrayList<>();
    final IoApic ioApic = new IoApic(bus, 0);

    /** The vectors that the 8259 pair will answer with; it drops INTR after each cycle. */
    final List<Integer> picVectors = new ArrayList<>();

    ApicRig(int count) {
        this(count, CpuModel.X86_64_V2);
    }

    ApicRig(int count, CpuModel model) {
        for (int i = 0; i < count; i++) {
            LocalApic apic = new LocalApic(bus, new Cpuid(model, i, count), clock, this::inta);
            Cpu cpu = new Cpu();
            apic.connect(cpu);
            apics.add(apic);
            cpus.add(cpu);
        }
    }

    private int inta() {
        bus.lint0().set(false);
        return picVectors.removeFirst();
    }

    LocalApic apic(int cpu) {
        return apics.get(cpu);
    }

    Cpu cpu(int cpu) {
        return cpus.get(cpu);
    }

    int read(int cpu, int offset) {
        return (int) apic(cpu).registers().read(offset, 4);
    }

    void write(int cpu, int offset, int value) {
        apic(cpu).registers().write(offset, 4, Integer.toUnsignedLong(value));
    }

    /** Enables all APICs by SVR, with FFh as the spurious vector. */
    ApicRig enabled() {
        for (int i = 0; i < apics.size(); i++) {
            write(i, SVR, 0x1FF);
        }
        return this;
    }

    /** Writes ICR of an xAPIC. */
    void ipi(int cpu, int destination, int low) {
        write(cpu, ICR_HIGH, destination << 24);
        write(cpu, ICR_LOW, low);
    }

    /** What the CPU with IF set does: takes the pending interrupt, or -1. */
    int take(int cpu) {
        return apic(cpu).pending() ? apic(cpu).acknowledge() : -1;
    }

    void eoi(int cpu) {
        write(cpu, EOI, 0);
    }

    /** The CPUs that take {@code vector} next; each ends it. */
    List<Integer> takers(int vector) {
        List<Integer> takers = new ArrayList<>();
        for (int i = 0; i < apics.size(); i++) {
            if (take(i) == vector) {
                takers.add(i);
                eoi(i);
            }
        }
        return takers;
    }

    boolean goX2apic(int cpu) {
        long bsp = apic(cpu).readMsr(IA32_APIC_BASE) & 0x100;
        return apic(cpu).writeMsr(IA32_APIC_BASE, X2APIC | bsp);
    }

    int io(int register) {
        ioApic.write(0x00, 4, register);
        return (int) ioApic.read(0x10, 4);
    }

    void io(int register, int value) {
        ioApic.write(0x00, 4, register);
        ioApic.write(0x10, 4, Integer.toUnsignedLong(value));
    }

    /** Writes a redirection entry, high half first. */
    void redirect(int pin, int destination, int low) {
        io(0x11 + 2 * pin, destination << 24);
        io(0x10 + 2 * pin, low);
    }
}
