// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import dev.frond.host.ControlFile;
import dev.frond.host.Errno;
import dev.frond.host.HostException;
import dev.frond.host.ThreadSignal;
import dev.frond.machine.clock.Clock;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.CpuState.Msr;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.DebugRequest;
import dev.frond.machine.vcpu.LocalInterrupts;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuStats;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * One CPU of a KVM machine. Its thread is in KVM_RUN until KVM leaves something to the machine, or
 * somebody posts an event: kvm_run.immediate_exit is set then, so that KVM_RUN returns at once when
 * it is entered, and the thread gets a signal if it is in there.
 *
 * <p>Without interrupt controllers in the kernel an interrupt is given to KVM (KVM_INTERRUPT) when
 * the guest can take it at once; else KVM is asked to return when that is so. HLT, INIT, the
 * start-up IPI and the shutdown state are kept here. With the local APIC in the kernel ({@link
 * KvmApic}) that is so for interrupts of the 8259 pair only, and KVM keeps all but the shutdown
 * state.
 */
final class KvmVcpu implements Vcpu, Gate.Passer {
    private static final int EVENT_KICK = 1;
    private static final int EVENT_INTERRUPT = 2;
    private static final int EVENT_NMI = 4;
    private static final int EVENT_SMI = 8;
    private static final int EVENT_INIT = 0x10;
    private static final int EVENT_SIPI = 0x20;

    /** What changes the state of the CPU. */
    private static final int SIGNALS = EVENT_NMI | EVENT_SMI | EVENT_INIT | EVENT_SIPI;

    private static final long REQUEST_INTERRUPT_WINDOW =
            Structs.at(Structs.RUN, "request_interrupt_window");
    private static final long IMMEDIATE_EXIT = Structs.at(Structs.RUN, "immediate_exit");
    private static final long EXIT_REASON = Structs.at(Structs.RUN, "exit_reason");
    private static final long READY_FOR_INTERRUPT_INJECTION =
            Structs.at(Structs.RUN, "ready_for_interrupt_injection");
    private static final long IF_FLAG = Structs.at(Structs.RUN, "if_flag");
    private static final long CR8 = Structs.at(Structs.RUN, "cr8");

    private static final long IO_DIRECTION = Structs.inRun(Structs.RUN_IO, "direction");
    private static final long IO_SIZE = Structs.inRun(Structs.RUN_IO, "size");
    private static final long IO_PORT = Structs.inRun(Structs.RUN_IO, "port");
    private static final long IO_COUNT = Structs.inRun(Structs.RUN_IO, "count");
    private static final long IO_DATA_OFFSET = Structs.inRun(Structs.RUN_IO, "data_offset");

    private static final long MMIO_PHYS_ADDR = Structs.inRun(Structs.RUN_MMIO, "phys_addr");
    private static final long MMIO_DATA = Structs.inRun(Structs.RUN_MMIO, "data");
    private static final long MMIO_LEN = Structs.inRun(Structs.RUN_MMIO, "len");
    private static final long MMIO_IS_WRITE = Structs.inRun(Structs.RUN_MMIO, "is_write");

    private static final long MSR_ERROR = Structs.inRun(Structs.RUN_MSR, "error");
    private static final long MSR_INDEX = Structs.inRun(Structs.RUN_MSR, "index");
    private static final long MSR_DATA = Structs.inRun(Structs.RUN_MSR, "data");

    private static final long EOI_VECTOR = Structs.inRun(Structs.RUN_EOI, "vector");

    private static final int IA32_APIC_BASE = 0x1B;
    private static final int IA32_TSC_DEADLINE = 0x6E0;

    private static final long PV_EOI_ENABLED = 1;
    private static final long PV_EOI_RESERVED = 2;
    private static final long PV_EOI_FLAGS = 3;

    private static final long PAGE_MASK = -4096L;
    private static final long IF = 0x200;

    private static final VarHandle BYTE = JAVA_BYTE.varHandle();
    private static final VarHandle EVENTS;

    static {
        try {
            EVENTS = MethodHandles.lookup().findVarHandle(KvmVcpu.class, "events", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Reasons to leave the guest, as people read them: up to 11 letters. */
    private enum Reason {
        PORTS("ports"),
        MEMORY("mmio"),
        APIC("apic"),
        HALT("halts"),
        WINDOW("windows"),
        SIGNAL("signals"),
        OTHER("others");

        private final String text;

        Reason(String text) {
            this.text = text;
        }
    }

    private static final Reason[] REASONS = Reason.values();

    private final Arena arena = Arena.ofShared();
    private final Cpuid cpuid;
    private final AddressSpace memory;
    private final AddressSpace ports;
    private final LocalInterrupts interrupts;
    private final ControlFile file;
    private final Gate gate;
    private final DoorbellWires doorbells;
    private final BooleanSupplier emptyRings;
    private final boolean hasSmm;
    private final boolean hasDebug;
    private final Registers registers;
    private final GuestTsc tsc;

    /** The local APIC, if KVM has it; else it is the machine's. */
    private final Optional<KvmApic> apic;

    /** The 8259 pair and the timer, if KVM has them; this CPU stops the timer with itself. */
    private final Optional<KvmChips> chips;

    private final boolean hasTimer;

    /** The paravirtual clock, and the machine's. */
    private final Optional<KvmClock> kvmClock;

    private final Clock clock;

    /** MSR_KVM_PV_EOI_EN, where the local APIC is the machine's. */
    private final boolean hasPvEoi;

    private long pvEoi;

    private final MemorySegment run;
    private final MemorySegment interrupt;
    private final ControlFile.Repeated kvmRun;
    private final ControlFile.Repeated kvmInterrupt;

    private volatile @Nullable Thread thread;
    private volatile @Nullable ThreadSignal signal;
    private volatile boolean inGuest;

    @SuppressWarnings("UnusedVariable") // By EVENTS.
    private volatile int events;

    private volatile int startupVector;

    private Activity activity = Activity.ACTIVE;

    /** KVM waits for the answer of the last exit, which it takes when it is entered. */
    private boolean unfinished;

    /** Whether the guest would take an interrupt at once, and whether IF is set. */
    private boolean ready;

    private boolean interruptsEnabled;

    private final long[] counts = new long[REASONS.length];
    private long interruptsTaken;

    KvmVcpu(int id, Cpuid cpuid, Accelerator.Wiring wiring, ControlFile file, KvmEngine.Shared vm) {
        this.cpuid = cpuid;
        this.file = file;
        gate = vm.gate();
        doorbells = vm.doorbells();
        emptyRings = vm.emptyRings();
        KvmEngine.Host host = vm.host();
        memory = wiring.memory();
        ports = wiring.ports();
        interrupts = wiring.interrupts();
        hasSmm = host.has(Kvm.Capability.KVM_CAP_X86_SMM);
        hasDebug = host.has(Kvm.Capability.KVM_CAP_SET_GUEST_DEBUG);
        registers = new Registers(file, cpuid, interrupts, host, vm.messages().isPresent(), arena);
        tsc =
                new GuestTsc(
                        file,
                        registers.msrs(),
                        wiring.clock(),
                        interrupts,
                        vm.tscKhz(),
                        vm.tscAgreement(),
                        arena);
        apic = vm.messages().map(messages -> new KvmApic(file, registers.msrs(), messages, arena));
        chips = vm.chips();
        clock = wiring.clock();
        kvmClock = vm.clock();
        hasPvEoi = vm.messages().isEmpty() && cpuid.has(CpuFeature.KVM_PV_EOI);
        hasTimer = chips.isPresent() && id == 0;
        run = file.map(host.mmapSize());
        interrupt = arena.allocate(Structs.INTERRUPT);
        kvmRun = file.repeated(Kvm.RUN, 0);
        kvmInterrupt = file.repeated(Kvm.INTERRUPT, interrupt.address());
        CpuState powerOn = CpuState.powerOn(cpuid.signature());
        load(id == 0 ? powerOn : powerOn.withActivity(Activity.WAIT_FOR_SIPI));
        apic.ifPresent(interrupts::entrust);
    }

    // --- signals: from any thread
    // ---------------------------------------------------------------------------

    private void post(int event) {
        EVENTS.getAndBitwiseOr(this, event);
        immediateExit(true);
        Thread owner = thread;
        if (inGuest) {
            ThreadSignal way = signal;
            if (way != null) {
                way.send();
            }
        } else if (owner != null) {
            LockSupport.unpark(owner);
        }
    }

    @Override
    public boolean isInside() {
        return inGuest;
    }

    @Override
    public void leave() {
        immediateExit(true);
        ThreadSignal way = signal;
        if (inGuest && way != null) {
            way.send();
        }
    }

    private void immediateExit(boolean wanted) {
        BYTE.setVolatile(run, IMMEDIATE_EXIT, (byte) (wanted ? 1 : 0));
    }

    @Override
    public void kick() {
        post(EVENT_KICK);
    }

    @Override
    public void interruptChanged() {
        post(EVENT_INTERRUPT);
    }

    @Override
    public void nmi() {
        post(EVENT_NMI);
    }

    @Override
    public void smi() {
        post(EVENT_SMI);
    }

    @Override
    public void init() {
        post(EVENT_INIT);
    }

    @Override
    public void startup(int vector) {
        startupVector = vector;
        post(EVENT_SIPI);
    }

    // --- state
    // ---------------------------------------------------------------------------------------------------

    /** What was posted and not taken yet is taken first: it is part of the state. */
    @Override
    public CpuState save() {
        int posted = (int) EVENTS.getAndBitwiseAnd(this, ~SIGNALS);
        take(posted & SIGNALS);
        return state();
    }

    private CpuState state() {
        followActivity();
        List<Msr> others =
                hasPvEoi ? List.of(new Msr(KvmMsrs.MSR_KVM_PV_EOI_EN, pvEoi)) : List.of();
        return registers.save(activity, tsc.value(), others);
    }

    /** What was posted to the CPU as it was before is forgotten. */
    @Override
    public void load(CpuState state) {
        EVENTS.getAndBitwiseAnd(this, ~SIGNALS);
        kvmClock.ifPresent(time -> time.load(clock));
        takeOn(state);
    }

    private void takeOn(CpuState state) {
        List<Msr> msrs = new ArrayList<>(state.msrs());
        if (hasPvEoi) {
            long value = 0;
            for (Msr msr : state.msrs()) {
                if (msr.index() == KvmMsrs.MSR_KVM_PV_EOI_EN) {
                    value = msr.value();
                    msrs.remove(msr);
                }
            }
            pvEoi(value);
        }
        registers.load(state, msrs);
        tsc.load(state.tsc());
        activity = state.activity();
        apic.ifPresent(kernel -> kernel.activity(state.activity()));
        unfinished = false;
        ready = false;
        interruptsEnabled = (state.rflags() & IF) != 0;
    }

    @Override
    public void debug(DebugRequest request) {
        if (!hasDebug && !request.equals(DebugRequest.NONE)) {
            throw new UnsupportedOperationException(
                    "this host's KVM has no KVM_CAP_SET_GUEST_DEBUG");
        }
        if (hasDebug) {
            GuestDebug.set(file, request);
        }
    }

    @Override
    public VcpuStats stats() {
        Map<String, Long> exits = new LinkedHashMap<>();
        for (Reason reason : REASONS) {
            exits.put(reason.text, counts[reason.ordinal()]);
        }
        exits.put("interrupts", interruptsTaken);
        return new VcpuStats(0, exits);
    }

    /** Where the kernel has the local APIC it knows what the CPU does. */
    private void followActivity() {
        if (apic.isPresent() && activity != Activity.SHUTDOWN) {
            activity = apic.get().activity();
        }
    }

    /** Gives the local APIC back to the machine, if KVM has it. */
    void withdraw() {
        apic.ifPresent(interrupts::withdraw);
    }

    void close() {
        file.close();
        arena.close();
    }

    // --- the loop
    // --------------------------------------------------------------------------------------------------

    @Override
    public VcpuExit run() {
        Thread current = Thread.currentThread();
        if (!current.equals(thread)) {
            signal = ThreadSignal.ofCurrentThread();
            thread = current;
        }
        try {
            kvmClock.ifPresent(time -> time.resume(clock));
            if (tsc.resume()) {
                // The registers are read and written: no message may come in between.
                apic.ifPresent(kernel -> gate.whileOutside(kernel::resume));
                if (hasTimer) {
                    chips.ifPresent(KvmChips::resume);
                }
            }
            VcpuExit exit = null;
            while (exit == null) {
                exit = attend();
                if (exit == null) {
                    exit = isKvms() ? enter() : rest();
                }
            }
            tsc.suspend();
            kvmClock.ifPresent(time -> time.suspend(clock));
            apic.ifPresent(KvmApic::suspend);
            if (hasTimer) {
                chips.ifPresent(KvmChips::suspend);
            }
            doorbells.flush();
            return doorbells.failure().<VcpuExit>map(KvmVcpu::internal).orElse(exit);
        } catch (HostException e) {
            // The host refuses something that only it can do: a slot, for example.
            return new VcpuExit.Fault(String.valueOf(Failure.advised(e).getMessage()));
        }
    }

    /** Takes what was posted. */
    private @Nullable VcpuExit attend() {
        immediateExit(false);
        int posted = (int) EVENTS.getAndSet(this, 0);
        if (posted == 0) {
            return null;
        }
        VcpuExit exit = (posted & ~EVENT_INTERRUPT) != 0 ? finish() : null;
        if (exit != null) {
            EVENTS.getAndBitwiseOr(this, posted & ~EVENT_KICK);
            return exit;
        }
        take(posted);
        return (posted & EVENT_KICK) != 0 ? VcpuExit.KICKED : null;
    }

    private void take(int posted) {
        if ((posted & SIGNALS) != 0) {
            followActivity();
        }
        if ((posted & EVENT_INIT) != 0) {
            takeOn(state().afterInit(cpuid.signature()));
        }
        if ((posted & EVENT_SIPI) != 0 && activity == Activity.WAIT_FOR_SIPI) {
            registers.startUp(startupVector);
            goOn();
        }
        if ((posted & EVENT_SMI) != 0 && hasSmm) {
            file.call(Kvm.SMI, 0);
            wake();
        }
        if ((posted & EVENT_NMI) != 0) {
            file.call(Kvm.NMI, 0);
            if (activity == Activity.HLT && !registers.nmiBlocked()) {
                wake();
            }
        }
    }

    private void wake() {
        if (activity == Activity.HLT) {
            goOn();
        }
    }

    private void goOn() {
        activity = Activity.ACTIVE;
        apic.ifPresent(kernel -> kernel.activity(Activity.ACTIVE));
    }

    /**
     * Brings KVM to an instruction boundary: the answer of the last exit is taken, the guest does
     * not go on.
     */
    private @Nullable VcpuExit finish() {
        VcpuExit exit = null;
        while (unfinished && exit == null) {
            immediateExit(true);
            exit = enterKvm();
        }
        immediateExit(false);
        if ((int) EVENTS.getVolatile(this) != 0) {
            // Posted meanwhile; the wish to come back was just taken away.
            immediateExit(true);
        }
        return exit;
    }

    /** Whether KVM is to be entered: where it has the local APIC it does the waiting, too. */
    private boolean isKvms() {
        return activity == Activity.ACTIVE || apic.isPresent() && activity != Activity.SHUTDOWN;
    }

    /** There is nothing to execute. */
    private @Nullable VcpuExit rest() {
        if (activity == Activity.SHUTDOWN) {
            return VcpuExit.SHUTDOWN;
        }
        while ((int) EVENTS.getVolatile(this) == 0) {
            if (activity == Activity.HLT && interruptsEnabled && interrupts.pending()) {
                activity = Activity.ACTIVE;
                return null;
            }
            LockSupport.park(this);
        }
        if (activity == Activity.HLT && interruptsEnabled && interrupts.pending()) {
            activity = Activity.ACTIVE;
        }
        return null;
    }

    /** Executes the guest until KVM leaves something to the machine, and does that. */
    private @Nullable VcpuExit enter() {
        boolean pending = chips.isEmpty() && interrupts.pending();
        if (pending && ready && interruptsEnabled) {
            // Given before the last exit has its answer, it can get lost: where KVM steps over the
            // instruction by its emulator, as without the processor's NRIPS.
            VcpuExit exit = finish();
            if (exit == null && ready && interruptsEnabled) {
                int vector = interrupts.acknowledge();
                exit = vector >= 0 ? interrupt(vector) : null;
            }
            if (exit != null) {
                return exit;
            }
            pending = interrupts.pending();
        }
        run.set(JAVA_BYTE, REQUEST_INTERRUPT_WINDOW, (byte) (pending ? 1 : 0));
        return enterKvm();
    }

    private @Nullable VcpuExit interrupt(int vector) {
        interruptsTaken++;
        if (apic.isPresent()) {
            // KVM would keep what KVM_INTERRUPT gives it where nobody can save it.
            registers.interrupt(vector);
            followActivity();
            wake();
            return null;
        }
        interrupt.set(JAVA_INT, 0, vector);
        int result = kvmInterrupt.call();
        return result < 0 ? fault("KVM_INTERRUPT of vector " + vector, result) : null;
    }

    private @Nullable VcpuExit enterKvm() {
        long priority = interrupts.taskPriority();
        run.set(JAVA_LONG, CR8, priority);
        inGuest = true;
        while (gate.isClosed()) {
            inGuest = false;
            gate.pass();
            inGuest = true;
        }
        int result = kvmRun.call();
        inGuest = false;
        if (gate.isClosed()) {
            gate.left();
        }
        ready = run.get(JAVA_BYTE, READY_FOR_INTERRUPT_INJECTION) != 0;
        interruptsEnabled = run.get(JAVA_BYTE, IF_FLAG) != 0;
        long changed = run.get(JAVA_LONG, CR8);
        if (changed != priority && apic.isEmpty()) {
            interrupts.setTaskPriority(changed);
        }
        unfinished = false;
        if (result < 0) {
            if (result == -Errno.EINTR.number() || result == -Errno.EAGAIN.number()) {
                count(Reason.SIGNAL);
                return null;
            }
            return fault("KVM_RUN", result);
        }
        return handle(run.get(JAVA_INT, EXIT_REASON));
    }

    private void count(Reason reason) {
        counts[reason.ordinal()]++;
    }

    private static VcpuExit internal(RuntimeException e) {
        System.getLogger("dev.frond.kvm").log(System.Logger.Level.ERROR, "a doorbell", e);
        return new VcpuExit.Fault("internal error of a device: " + e);
    }

    private static VcpuExit fault(String what, int result) {
        HostException failure = Failure.advised(new HostException(what, "", -result));
        return new VcpuExit.Fault(String.valueOf(failure.getMessage()));
    }

    private @Nullable VcpuExit handle(int reason) {
        switch (reason) {
            case Kvm.EXIT_IO -> {
                count(Reason.PORTS);
                unfinished = true;
                accessPorts();
            }
            case Kvm.EXIT_MMIO -> {
                unfinished = true;
                accessMemory();
            }
            case Kvm.EXIT_X86_RDMSR -> {
                count(Reason.APIC);
                unfinished = true;
                readMsr();
            }
            case Kvm.EXIT_X86_WRMSR -> {
                count(Reason.APIC);
                unfinished = true;
                writeMsr();
            }
            case Kvm.EXIT_HLT -> {
                count(Reason.HALT);
                activity = Activity.HLT;
            }
            case Kvm.EXIT_IOAPIC_EOI -> {
                count(Reason.APIC);
                interrupts.endOfInterrupt(run.get(JAVA_BYTE, EOI_VECTOR) & 0xFF);
            }
            case Kvm.EXIT_IRQ_WINDOW_OPEN -> count(Reason.WINDOW);
            case Kvm.EXIT_INTR -> count(Reason.SIGNAL);
            case Kvm.EXIT_SET_TPR -> count(Reason.APIC);
            case Kvm.EXIT_SHUTDOWN -> {
                activity = Activity.SHUTDOWN;
                return VcpuExit.SHUTDOWN;
            }
            case Kvm.EXIT_DIRTY_RING_FULL -> {
                count(Reason.OTHER);
                if (!emptyRings.getAsBoolean()) {
                    return new VcpuExit.Fault(
                            "KVM_EXIT_DIRTY_RING_FULL, and there is nothing in a ring: this KVM"
                                    + " fills rings past their end");
                }
            }
            case Kvm.EXIT_DEBUG -> {
                count(Reason.OTHER);
                return GuestDebug.exit(run);
            }
            default -> {
                return new VcpuExit.Fault(Failure.describe(reason, run, registers.rip()));
            }
        }
        return null;
    }

    // --- what KVM leaves to the machine
    // ----------------------------------------------------------------------------

    private void accessPorts() {
        int size = run.get(JAVA_BYTE, IO_SIZE);
        int port = run.get(JAVA_SHORT, IO_PORT) & 0xFFFF;
        int count = run.get(JAVA_INT, IO_COUNT);
        long data = run.get(JAVA_LONG, IO_DATA_OFFSET);
        boolean out = run.get(JAVA_BYTE, IO_DIRECTION) == Kvm.EXIT_IO_OUT;
        for (int i = 0; i < count; i++) {
            if (out) {
                ports.write(port, size, get(data, size));
            } else {
                put(data, size, ports.read(port, size));
            }
            data += size;
        }
    }

    private void accessMemory() {
        long address = run.get(JAVA_LONG, MMIO_PHYS_ADDR);
        int length = run.get(JAVA_INT, MMIO_LEN);
        boolean write = run.get(JAVA_BYTE, MMIO_IS_WRITE) != 0;
        boolean apic = (address & PAGE_MASK) == interrupts.registerPage();
        count(apic ? Reason.APIC : Reason.MEMORY);
        // What an instruction accesses over a page's end comes in parts of any length.
        int step = Integer.bitCount(length) == 1 ? length : 1;
        for (int i = 0; i < length; i += step) {
            if (write) {
                write(apic, address + i, step, get(MMIO_DATA + i, step));
            } else {
                put(MMIO_DATA + i, step, read(apic, address + i, step));
            }
        }
    }

    private long read(boolean apic, long address, int size) {
        return apic
                ? interrupts.registers().read(address & ~PAGE_MASK, size)
                : memory.read(address, size);
    }

    private void write(boolean apic, long address, int size, long value) {
        if (apic) {
            interrupts.registers().write(address & ~PAGE_MASK, size, value);
        } else {
            memory.write(address, size, value);
        }
    }

    private long get(long at, int size) {
        return switch (size) {
            case 1 -> run.get(JAVA_BYTE, at) & 0xFF;
            case 2 -> run.get(JAVA_SHORT_UNALIGNED, at) & 0xFFFF;
            case 4 -> run.get(JAVA_INT_UNALIGNED, at) & 0xFFFF_FFFFL;
            default -> run.get(JAVA_LONG_UNALIGNED, at);
        };
    }

    private void put(long at, int size, long value) {
        switch (size) {
            case 1 -> run.set(JAVA_BYTE, at, (byte) value);
            case 2 -> run.set(JAVA_SHORT_UNALIGNED, at, (short) value);
            case 4 -> run.set(JAVA_INT_UNALIGNED, at, (int) value);
            default -> run.set(JAVA_LONG_UNALIGNED, at, value);
        }
    }

    /** Has the local APIC watch the byte by which the guest may end an interrupt. */
    private void pvEoi(long value) {
        pvEoi = value;
        long address = value & ~PV_EOI_FLAGS;
        FlatView.Range range = memory.view().find(address);
        if ((value & PV_EOI_ENABLED) != 0 && range.region() instanceof Region.Ram ram) {
            interrupts.pvEoi(ram.memory(), range.offsetOf(address));
        } else {
            interrupts.noPvEoi();
        }
    }

    private void readMsr() {
        int index = run.get(JAVA_INT, MSR_INDEX);
        if (hasPvEoi && index == KvmMsrs.MSR_KVM_PV_EOI_EN) {
            run.set(JAVA_BYTE, MSR_ERROR, (byte) 0);
            run.set(JAVA_LONG, MSR_DATA, pvEoi);
            return;
        }
        boolean known = LocalInterrupts.owns(index) && interrupts.readable(index);
        run.set(JAVA_BYTE, MSR_ERROR, (byte) (known ? 0 : 1));
        if (known) {
            run.set(JAVA_LONG, MSR_DATA, interrupts.readMsr(index));
        }
    }

    private void writeMsr() {
        int index = run.get(JAVA_INT, MSR_INDEX);
        if (hasPvEoi && index == KvmMsrs.MSR_KVM_PV_EOI_EN) {
            long value = run.get(JAVA_LONG, MSR_DATA);
            boolean valid = (value & PV_EOI_RESERVED) == 0;
            run.set(JAVA_BYTE, MSR_ERROR, (byte) (valid ? 0 : 1));
            if (valid) {
                pvEoi(value);
            }
            return;
        }
        if (index == IA32_TSC_DEADLINE) {
            tsc.beforeDeadline();
        }
        boolean taken =
                LocalInterrupts.owns(index)
                        && interrupts.writeMsr(index, run.get(JAVA_LONG, MSR_DATA));
        run.set(JAVA_BYTE, MSR_ERROR, (byte) (taken ? 0 : 1));
        if (taken && index == IA32_APIC_BASE) {
            registers.followApicBase();
        }
    }
}
