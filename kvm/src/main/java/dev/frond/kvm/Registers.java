// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.frond.host.ControlFile;
import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.CpuState.Segment;
import dev.frond.machine.vcpu.CpuState.Smm;
import dev.frond.machine.vcpu.CpuState.Table;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.LocalInterrupts;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The registers of one KVM CPU, to and from {@link CpuState}. */
final class Registers {
    /** kvm_regs has them in its own order: where RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI are. */
    private static final long[] GPR = {
        Structs.at(Structs.REGS, "rax"),
        Structs.at(Structs.REGS, "rcx"),
        Structs.at(Structs.REGS, "rdx"),
        Structs.at(Structs.REGS, "rbx"),
        Structs.at(Structs.REGS, "rsp"),
        Structs.at(Structs.REGS, "rbp"),
        Structs.at(Structs.REGS, "rsi"),
        Structs.at(Structs.REGS, "rdi")
    };

    private static final long R8 = Structs.at(Structs.REGS, "r8");
    private static final long RIP = Structs.at(Structs.REGS, "rip");
    private static final long RFLAGS = Structs.at(Structs.REGS, "rflags");

    private static final long CR0 = Structs.at(Structs.SREGS, "cr0");
    private static final long CR2 = Structs.at(Structs.SREGS, "cr2");
    private static final long CR3 = Structs.at(Structs.SREGS, "cr3");
    private static final long CR4 = Structs.at(Structs.SREGS, "cr4");
    private static final long CR8 = Structs.at(Structs.SREGS, "cr8");
    private static final long EFER = Structs.at(Structs.SREGS, "efer");
    private static final long APIC_BASE = Structs.at(Structs.SREGS, "apic_base");

    private static final long DR6 = Structs.at(Structs.DEBUGREGS, "dr6");
    private static final long DR7 = Structs.at(Structs.DEBUGREGS, "dr7");

    private static final long NR_XCRS = Structs.at(Structs.XCRS, "nr_xcrs");
    private static final long XCR0_VALUE =
            Structs.at(Structs.XCRS, "xcrs") + Structs.at(Structs.XCR, "value");

    private static final long EXCEPTION_INJECTED = event("exception", "injected");
    private static final long EXCEPTION_NR = event("exception", "nr");
    private static final long EXCEPTION_PENDING = event("exception", "pending");
    private static final long EXCEPTION_HAS_PAYLOAD = event("exception_has_payload");
    private static final long EXCEPTION_PAYLOAD = event("exception_payload");
    private static final long INTERRUPT_INJECTED = event("interrupt", "injected");
    private static final long INTERRUPT_NR = event("interrupt", "nr");
    private static final long INTERRUPT_SOFT = event("interrupt", "soft");
    private static final long INTERRUPT_SHADOW = event("interrupt", "shadow");
    private static final long NMI_INJECTED = event("nmi", "injected");
    private static final long NMI_PENDING = event("nmi", "pending");
    private static final long NMI_MASKED = event("nmi", "masked");
    private static final long FLAGS = event("flags");
    private static final long SMI_SMM = event("smi", "smm");
    private static final long SMI_PENDING = event("smi", "pending");
    private static final long SMI_LATCHED_INIT = event("smi", "latched_init");

    // The XSAVE area (SDM Vol. 1, 13.4).
    private static final int FXSAVE_SIZE = 512;
    private static final long XSTATE_BV = 512;
    private static final long X87_AND_SSE = 3;
    private static final long AVX = 4;
    private static final long PKRU = 0x200;

    private static final int IA32_APIC_BASE = 0x1B;
    private static final int DB = 1;

    /** What a debug exception tells DR6: B0 to B3, BD, BS, BT. */
    private static final long DR6_CAUSES = 0xE00F;

    private static final long IF = 0x200;

    private final ControlFile vcpu;
    private final LocalInterrupts interrupts;
    private final KvmMsrs msrs;
    private final long xcr0Mask;
    private final int pkruOffset;
    private final boolean kernelApic;
    private final boolean hasXcrs;
    private final boolean hasSmm;
    private final boolean hasPayload;

    private final MemorySegment regs;
    private final MemorySegment sregs;
    private final MemorySegment xsave;
    private final MemorySegment xcrs;
    private final MemorySegment debugRegs;
    private final MemorySegment events;

    Registers(
            ControlFile vcpu,
            Cpuid cpuid,
            LocalInterrupts interrupts,
            KvmEngine.Host host,
            boolean kernelApic,
            Arena arena) {
        this.kernelApic = kernelApic;
        this.vcpu = vcpu;
        this.interrupts = interrupts;
        msrs = new KvmMsrs(vcpu, cpuid, kernelApic, arena);
        xcr0Mask = host.cpuid().xcr0Mask() & cpuid.xcr0Mask();
        pkruOffset = host.cpuid().pkruOffset();
        hasXcrs = host.has(Kvm.Capability.KVM_CAP_XCRS) && xcr0Mask != 0;
        hasSmm = host.has(Kvm.Capability.KVM_CAP_X86_SMM);
        hasPayload = host.has(Kvm.Capability.KVM_CAP_EXCEPTION_PAYLOAD);
        regs = arena.allocate(Structs.REGS);
        sregs = arena.allocate(Structs.SREGS);
        xsave = arena.allocate(Structs.XSAVE);
        xcrs = arena.allocate(Structs.XCRS);
        debugRegs = arena.allocate(Structs.DEBUGREGS);
        events = arena.allocate(Structs.VCPU_EVENTS);
    }

    private static long event(String... path) {
        return Structs.at(Structs.VCPU_EVENTS, path);
    }

    /** MSRs by their number. */
    KvmMsrs msrs() {
        return msrs;
    }

    /** Whether a non-maskable interrupt would be held back now. */
    boolean nmiBlocked() {
        vcpu.call(Kvm.GET_VCPU_EVENTS, events);
        return events.get(JAVA_BYTE, NMI_MASKED) != 0;
    }

    /** RIP, for a message. */
    long rip() {
        vcpu.call(Kvm.GET_REGS, regs);
        return regs.get(JAVA_LONG, RIP);
    }

    /** Lets KVM know of a change of IA32_APIC_BASE: CPUID shows whether there is an APIC. */
    void followApicBase() {
        vcpu.call(Kvm.GET_SREGS, sregs);
        sregs.set(JAVA_LONG, APIC_BASE, interrupts.readMsr(IA32_APIC_BASE));
        vcpu.call(Kvm.SET_SREGS, sregs);
    }

    /** A start-up IPI: CS:IP = {@code vector << 8}:0. */
    void startUp(int vector) {
        vcpu.call(Kvm.GET_SREGS, sregs);
        CpuState.Segment cs = segment("cs");
        segment("cs", new Segment(vector << 8, vector << 12, cs.limit(), cs.attributes()));
        vcpu.call(Kvm.SET_SREGS, sregs);
        vcpu.call(Kvm.GET_REGS, regs);
        regs.set(JAVA_LONG, RIP, 0);
        vcpu.call(Kvm.SET_REGS, regs);
    }

    /** Has the CPU deliver {@code vector} before the next instruction. */
    void interrupt(int vector) {
        vcpu.call(Kvm.GET_VCPU_EVENTS, events);
        set(INTERRUPT_INJECTED, true);
        events.set(JAVA_BYTE, INTERRUPT_NR, (byte) vector);
        set(INTERRUPT_SOFT, false);
        vcpu.call(Kvm.SET_VCPU_EVENTS, events);
    }

    // --- out
    // ------------------------------------------------------------------------------------------

    /**
     * The state.
     *
     * @param others model-specific registers that are not KVM's
     */
    CpuState save(Activity activity, long tsc, List<CpuState.Msr> others) {
        vcpu.call(Kvm.GET_REGS, regs);
        vcpu.call(Kvm.GET_SREGS, sregs);
        vcpu.call(Kvm.GET_XSAVE, xsave);
        vcpu.call(Kvm.GET_DEBUGREGS, debugRegs);
        vcpu.call(Kvm.GET_VCPU_EVENTS, events);
        long[] gprs = new long[16];
        for (int i = 0; i < 16; i++) {
            gprs[i] = regs.get(JAVA_LONG, gpr(i));
        }
        long[] dr = new long[8];
        for (int i = 0; i < 4; i++) {
            dr[i] = debugRegs.get(JAVA_LONG, 8L * i);
        }
        dr[6] = debugRegs.get(JAVA_LONG, DR6);
        dr[7] = debugRegs.get(JAVA_LONG, DR7);
        byte[] fxsave = xsave.asSlice(0, FXSAVE_SIZE).toArray(JAVA_BYTE);
        long components = xsave.get(JAVA_LONG, XSTATE_BV);
        long[] high = new long[32];
        if ((components & AVX) != 0) {
            for (int i = 0; i < 32; i++) {
                high[i] = xsave.get(JAVA_LONG, KvmCpuid.YMM_OFFSET + 8L * i);
            }
        }
        boolean hasPkru = pkruOffset != 0 && (components & PKRU) != 0;
        List<CpuState.Msr> model = new ArrayList<>(msrs.save());
        model.addAll(others);
        boolean nmiInjected = is(NMI_INJECTED);
        boolean interruptTaken = is(INTERRUPT_INJECTED) && !is(INTERRUPT_SOFT);
        return new CpuState(
                Longs.of(gprs),
                regs.get(JAVA_LONG, RIP),
                regs.get(JAVA_LONG, RFLAGS),
                segment("es"),
                segment("cs"),
                segment("ss"),
                segment("ds"),
                segment("fs"),
                segment("gs"),
                segment("ldt"),
                segment("tr"),
                table("gdt"),
                table("idt"),
                sregs.get(JAVA_LONG, CR0),
                sregs.get(JAVA_LONG, CR2),
                sregs.get(JAVA_LONG, CR3),
                sregs.get(JAVA_LONG, CR4),
                sregs.get(JAVA_LONG, EFER),
                xcr0(),
                Longs.of(dr),
                Bytes.of(fxsave),
                Longs.of(high),
                model,
                tsc,
                activity,
                is(INTERRUPT_SHADOW),
                is(NMI_PENDING) || nmiInjected,
                // One whose delivery was interrupted is taken again.
                is(NMI_MASKED) && !nmiInjected,
                hasPkru ? xsave.get(JAVA_INT, pkruOffset) : 0,
                debugTraps(dr[6]),
                smm(),
                interruptTaken ? events.get(JAVA_BYTE, INTERRUPT_NR) & 0xFF : CpuState.NONE);
    }

    private boolean is(long field) {
        return events.get(JAVA_BYTE, field) != 0;
    }

    /**
     * Debug traps that wait. Other exceptions are faults: their instruction is executed again, and
     * they with it.
     */
    private int debugTraps(long dr6) {
        boolean waits = is(EXCEPTION_PENDING) || is(EXCEPTION_INJECTED);
        if (!waits || events.get(JAVA_BYTE, EXCEPTION_NR) != DB) {
            return 0;
        }
        long causes = is(EXCEPTION_HAS_PAYLOAD) ? events.get(JAVA_LONG, EXCEPTION_PAYLOAD) : dr6;
        return (int) (causes & DR6_CAUSES);
    }

    private Smm smm() {
        int base = hasSmm ? (int) msrs.read(KvmMsrs.IA32_SMBASE) : Smm.RESET.base();
        return new Smm(base, is(SMI_SMM), is(SMI_PENDING), is(SMI_LATCHED_INIT));
    }

    private long xcr0() {
        if (!hasXcrs) {
            return 1;
        }
        vcpu.call(Kvm.GET_XCRS, xcrs);
        return xcrs.get(JAVA_LONG, XCR0_VALUE);
    }

    private static long gpr(int number) {
        return number < GPR.length ? GPR[number] : R8 + 8L * (number - GPR.length);
    }

    private Segment segment(String name) {
        long at = Structs.at(Structs.SREGS, name);
        int attributes =
                field(at, "type")
                        | field(at, "s") << 4
                        | field(at, "dpl") << 5
                        | field(at, "present") << 7
                        | field(at, "avl") << 12
                        | field(at, "l") << 13
                        | field(at, "db") << 14
                        | field(at, "g") << 15
                        | (field(at, "unusable") != 0 ? Segment.UNUSABLE : 0);
        return new Segment(
                sregs.get(JAVA_SHORT, at + Structs.at(Structs.SEGMENT, "selector")) & 0xFFFF,
                sregs.get(JAVA_LONG, at + Structs.at(Structs.SEGMENT, "base")),
                sregs.get(JAVA_INT, at + Structs.at(Structs.SEGMENT, "limit")),
                attributes);
    }

    private int field(long segment, String name) {
        return sregs.get(JAVA_BYTE, segment + Structs.at(Structs.SEGMENT, name)) & 0xFF;
    }

    private Table table(String name) {
        long at = Structs.at(Structs.SREGS, name);
        return new Table(
                sregs.get(JAVA_LONG, at),
                sregs.get(JAVA_SHORT, at + Structs.at(Structs.DTABLE, "limit")) & 0xFFFF);
    }

    // --- in
    // -------------------------------------------------------------------------------------------

    /**
     * Takes on all of {@code state} but its time and its activity.
     *
     * @param model the model-specific registers of it that are KVM's
     */
    void load(CpuState state, List<CpuState.Msr> model) {
        vcpu.call(Kvm.GET_SREGS, sregs);
        // What a kernel with the local APIC has of it in here stays.
        long priority = kernelApic ? sregs.get(JAVA_LONG, CR8) : interrupts.taskPriority();
        long apicBase =
                kernelApic ? sregs.get(JAVA_LONG, APIC_BASE) : interrupts.readMsr(IA32_APIC_BASE);
        sregs.fill((byte) 0);
        segment("es", state.es());
        segment("cs", state.cs());
        segment("ss", state.ss());
        segment("ds", state.ds());
        segment("fs", state.fs());
        segment("gs", state.gs());
        segment("ldt", state.ldtr());
        segment("tr", state.tr());
        table("gdt", state.gdtr());
        table("idt", state.idtr());
        sregs.set(JAVA_LONG, CR0, state.cr0());
        sregs.set(JAVA_LONG, CR2, state.cr2());
        sregs.set(JAVA_LONG, CR3, state.cr3());
        sregs.set(JAVA_LONG, CR4, state.cr4());
        sregs.set(JAVA_LONG, CR8, priority);
        sregs.set(JAVA_LONG, EFER, state.efer());
        sregs.set(JAVA_LONG, APIC_BASE, apicBase);
        vcpu.call(Kvm.SET_SREGS, sregs);

        for (int i = 0; i < 16; i++) {
            regs.set(JAVA_LONG, gpr(i), state.gprs().at(i));
        }
        regs.set(JAVA_LONG, RIP, state.rip());
        regs.set(JAVA_LONG, RFLAGS, state.rflags());
        vcpu.call(Kvm.SET_REGS, regs);

        loadFloatingPoint(state);
        if (hasXcrs) {
            xcrs.fill((byte) 0);
            xcrs.set(JAVA_INT, NR_XCRS, 1);
            xcrs.set(JAVA_LONG, XCR0_VALUE, state.xcr0());
            vcpu.call(Kvm.SET_XCRS, xcrs);
        }
        msrs.load(model);
        if (hasSmm) {
            msrs.write(KvmMsrs.IA32_SMBASE, state.smm().base() & 0xFFFF_FFFFL);
        }
        loadEvents(state);
        debugRegs.fill((byte) 0);
        for (int i = 0; i < 4; i++) {
            debugRegs.set(JAVA_LONG, 8L * i, state.dr().at(i));
        }
        debugRegs.set(JAVA_LONG, DR6, state.dr().at(6));
        debugRegs.set(JAVA_LONG, DR7, state.dr().at(7));
        vcpu.call(Kvm.SET_DEBUGREGS, debugRegs);
    }

    private void loadFloatingPoint(CpuState state) {
        xsave.fill((byte) 0);
        MemorySegment.copy(state.fxsave().toArray(), 0, xsave, JAVA_BYTE, 0, FXSAVE_SIZE);
        for (int i = 0; i < 32; i++) {
            xsave.set(JAVA_LONG, KvmCpuid.YMM_OFFSET + 8L * i, state.ymmHigh().at(i));
        }
        long components = X87_AND_SSE | AVX & xcr0Mask;
        if (pkruOffset != 0) {
            xsave.set(JAVA_INT, pkruOffset, state.pkru());
            components |= PKRU & xcr0Mask;
        }
        xsave.set(JAVA_LONG, XSTATE_BV, components);
        vcpu.call(Kvm.SET_XSAVE, xsave);
    }

    private void loadEvents(CpuState state) {
        if (!hasSmm && state.smm().active()) {
            throw new IllegalArgumentException(
                    "cpu state: in system-management mode, which this KVM lacks"
                            + " (KVM_CAP_X86_SMM)");
        }
        events.fill((byte) 0);
        int flags = Kvm.VCPUEVENT_VALID_NMI_PENDING | Kvm.VCPUEVENT_VALID_SHADOW;
        set(NMI_PENDING, state.nmiPending());
        set(NMI_MASKED, state.nmiBlocked());
        if (state.interruptShadow()) {
            // Blocking by STI goes with IF set only (SDM Vol. 3C, 27.3.1.5).
            boolean sti = (state.rflags() & IF) != 0;
            events.set(
                    JAVA_BYTE,
                    INTERRUPT_SHADOW,
                    (byte) (sti ? Kvm.X86_SHADOW_INT_STI : Kvm.X86_SHADOW_INT_MOV_SS));
        }
        if (state.acknowledged() >= 0) {
            set(INTERRUPT_INJECTED, true);
            events.set(JAVA_BYTE, INTERRUPT_NR, (byte) state.acknowledged());
        }
        if (hasSmm) {
            flags |= Kvm.VCPUEVENT_VALID_SMM;
            set(SMI_SMM, state.smm().active());
            set(SMI_PENDING, state.smm().pending());
            set(SMI_LATCHED_INIT, state.smm().initPending());
        }
        if (state.debugTraps() != 0 && hasPayload) {
            flags |= Kvm.VCPUEVENT_VALID_PAYLOAD;
            set(EXCEPTION_PENDING, true);
            events.set(JAVA_BYTE, EXCEPTION_NR, (byte) DB);
            set(EXCEPTION_HAS_PAYLOAD, true);
            events.set(JAVA_LONG, EXCEPTION_PAYLOAD, state.debugTraps());
        }
        events.set(JAVA_INT, FLAGS, flags);
        vcpu.call(Kvm.SET_VCPU_EVENTS, events);
    }

    private void set(long field, boolean value) {
        events.set(JAVA_BYTE, field, (byte) (value ? 1 : 0));
    }

    private void segment(String name, Segment segment) {
        long at = Structs.at(Structs.SREGS, name);
        int attributes = segment.attributes();
        sregs.set(JAVA_LONG, at + Structs.at(Structs.SEGMENT, "base"), segment.base());
        sregs.set(JAVA_INT, at + Structs.at(Structs.SEGMENT, "limit"), segment.limit());
        sregs.set(
                JAVA_SHORT,
                at + Structs.at(Structs.SEGMENT, "selector"),
                (short) segment.selector());
        field(at, "type", attributes & 15);
        field(at, "s", attributes >>> 4 & 1);
        field(at, "dpl", attributes >>> 5 & 3);
        field(at, "present", attributes >>> 7 & 1);
        field(at, "avl", attributes >>> 12 & 1);
        field(at, "l", attributes >>> 13 & 1);
        field(at, "db", attributes >>> 14 & 1);
        field(at, "g", attributes >>> 15 & 1);
        field(at, "unusable", (attributes & Segment.UNUSABLE) != 0 ? 1 : 0);
    }

    private void field(long segment, String name, int value) {
        sregs.set(JAVA_BYTE, segment + Structs.at(Structs.SEGMENT, name), (byte) value);
    }

    private void table(String name, Table table) {
        long at = Structs.at(Structs.SREGS, name);
        sregs.set(JAVA_LONG, at, table.base());
        sregs.set(JAVA_SHORT, at + Structs.at(Structs.DTABLE, "limit"), (short) table.limit());
    }
}
