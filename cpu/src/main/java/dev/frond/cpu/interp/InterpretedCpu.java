// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

import dev.frond.cpu.Cpu;
import dev.frond.cpu.CpuFault;
import dev.frond.cpu.CpuGroup;
import dev.frond.cpu.CpuStates;
import dev.frond.cpu.Debug;
import dev.frond.cpu.Delivery;
import dev.frond.cpu.Seg;
import dev.frond.cpu.insn.Table;
import dev.frond.machine.memory.AddressSpace;
import dev.frond.machine.memory.FlatView;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.vcpu.Accelerator;
import dev.frond.machine.vcpu.CpuState;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.Vcpu;
import dev.frond.machine.vcpu.VcpuExit;
import dev.frond.machine.vcpu.VcpuStats;

import org.jspecify.annotations.Nullable;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;

/** One CPU executed by the interpreter. */
final class InterpretedCpu implements Vcpu {
    /** The events that are in the CPU's state once they are taken; an SMI wants to be seen, too. */
    private static final int SIGNALS = Cpu.EVENT_NMI | Cpu.EVENT_INIT | Cpu.EVENT_SIPI;

    private final Cpu cpu;
    private final Runner runner;
    private final AddressSpace memory;
    private final GuestMemory ram;
    private final Consumer<FlatView> mapListener;
    private final Runnable harvestListener;
    private volatile @Nullable Thread thread;
    private Activity activity = Activity.ACTIVE;
    private volatile int startupVector = -1;

    private long interruptsTaken;
    private long exceptions;
    private long pageFaults;
    private long halts;

    InterpretedCpu(
            CpuGroup group,
            int id,
            Cpuid cpuid,
            Accelerator.Wiring wiring,
            GuestMemory ram,
            Function<Cpu, Runner> runner) {
        cpu =
                new Cpu(
                        group,
                        cpuid,
                        wiring.memory(),
                        wiring.ports(),
                        ram,
                        wiring.clock(),
                        wiring.interrupts());
        this.runner = runner.apply(cpu);
        CpuState powerOn = CpuState.powerOn(cpuid.signature());
        load(id == 0 ? powerOn : powerOn.withActivity(Activity.WAIT_FOR_SIPI));
        cpu.monitor.onTrigger(() -> signal(Cpu.EVENT_MONITOR));
        memory = wiring.memory();
        this.ram = ram;
        mapListener = _ -> cpu.post(Cpu.EVENT_MAP);
        harvestListener = () -> signal(Cpu.EVENT_MAP);
        memory.follow(mapListener);
        ram.dirtyLog().onHarvest(harvestListener);
    }

    /** The machine's memory no longer tells it anything; it does not run any more. */
    void close() {
        memory.unfollow(mapListener);
        ram.dirtyLog().offHarvest(harvestListener);
        cpu.code.close();
        cpu.monitor.close();
    }

    // --- signals: from any thread
    // ---------------------------------------------------------------------------

    private void signal(int event) {
        cpu.post(event);
        Thread sleeper = thread;
        if (sleeper != null) {
            LockSupport.unpark(sleeper);
        }
    }

    @Override
    public void kick() {
        signal(Cpu.EVENT_KICK);
    }

    @Override
    public void interruptChanged() {
        signal(Cpu.EVENT_INTERRUPT);
    }

    @Override
    public void nmi() {
        signal(Cpu.EVENT_NMI);
    }

    @Override
    public void smi() {
        signal(Cpu.EVENT_SMI);
    }

    @Override
    public void init() {
        signal(Cpu.EVENT_INIT);
    }

    @Override
    public void startup(int vector) {
        startupVector = vector;
        signal(Cpu.EVENT_SIPI);
    }

    // --- state
    // ---------------------------------------------------------------------------------------------------

    /** What was signalled and not taken yet is taken first: it is part of the state. */
    @Override
    public CpuState save() {
        int events = cpu.takeEvents();
        if (events != 0) {
            takeSignals(events);
            cpu.post(events & ~SIGNALS);
        }
        return state();
    }

    private CpuState state() {
        return CpuStates.save(cpu, activity(), nmiPending, acknowledged);
    }

    /** A CPU that is saved in MWAIT wakes up in the saved state, as from a false wake-up. */
    private Activity activity() {
        return cpu.halted && !cpu.monitor.isWaiting() ? Activity.HLT : activity;
    }

    @Override
    public void load(CpuState state) {
        cpu.monitor.disarm();
        CpuStates.load(cpu, state);
        activity = state.activity() == Activity.HLT ? Activity.ACTIVE : state.activity();
        cpu.halted = state.activity() == Activity.HLT;
        nmiPending = state.nmiPending();
        acknowledged = state.acknowledged();
        cpu.post(Cpu.EVENT_INTERRUPT);
    }

    /** The registers; for the tests. */
    Cpu cpu() {
        return cpu;
    }

    @Override
    public VcpuStats stats() {
        Map<String, Long> exits = new LinkedHashMap<>();
        exits.put("interrupts", interruptsTaken);
        exits.put("exceptions", exceptions);
        exits.put("page faults", pageFaults);
        exits.put("halts", halts);
        exits.put("blocks fused", cpu.code.everFused());
        exits.putAll(runner.counters());
        return new VcpuStats(runner.isCounted() ? cpu.instructions : 0, exits);
    }

    // --- the loop
    // --------------------------------------------------------------------------------------------------

    @Override
    public VcpuExit run() {
        thread = Thread.currentThread();
        cpu.code.setOwner(Thread.currentThread());
        runner.setOwner(Thread.currentThread());
        cpu.group.enter(cpu);
        try {
            return loop();
        } finally {
            cpu.group.leave(cpu);
        }
    }

    private VcpuExit loop() {
        while (true) {
            VcpuExit exit = null;
            if (cpu.hasEvents() || cpu.halted || activity != Activity.ACTIVE || stepping) {
                exit = attend();
            }
            if (exit == null && !cpu.halted && activity == Activity.ACTIVE) {
                try {
                    exit = execute(stepping || alone);
                } catch (EngineFault fault) {
                    exit = new VcpuExit.Fault(String.valueOf(fault.getMessage()));
                }
            }
            if (exit != null) {
                return exit;
            }
        }
    }

    /**
     * Takes what events are there and executes one instruction, also the first of a handler.
     *
     * @return what {@link #run} would return, or null
     */
    @Nullable VcpuExit step() {
        thread = Thread.currentThread();
        cpu.code.setOwner(Thread.currentThread());
        if (cpu.halted && !cpu.hasEvents()) {
            return null;
        }
        VcpuExit exit = attend();
        return exit != null || cpu.halted || activity != Activity.ACTIVE ? exit : execute(true);
    }

    private boolean nmiPending;

    /** An interrupt that another engine took and this one is to deliver, or -1. */
    private int acknowledged = CpuState.NONE;

    /** Execute one instruction, then look at events again. */
    private boolean stepping;

    /** Execute one instruction that may change the code that executes. */
    private boolean alone;

    /** What is executed next was met by chance: it may be worth to be fused. */
    private boolean sampled;

    private @Nullable Node current;

    /** Executes linked nodes until something else is to do. */
    @SuppressWarnings("ReferenceEquality") // A node is its identity.
    private @Nullable VcpuExit execute(boolean single) {
        stepping = false;
        current = null;
        if (!single) {
            try {
                if (!runner.run()) {
                    Node first = sampled ? cpu.code.enterSampled() : cpu.code.enter();
                    sampled = false;
                    Table.run(first, cpu);
                }
                return null;
            } catch (CpuFault fault) {
                current = cpu.code.takeThrower();
                return fault(fault);
            }
        }
        boolean held = cpu.stackShadowRip == cpu.rip;
        boolean resumed = cpu.resumeRip == cpu.rip;
        cpu.stackShadowRip = -1;
        cpu.resumeRip = -1;
        if (cpu.debug.onExecution() && !held && !resumed && cpu.debug.stopsAt(linearRip())) {
            return deliver(CpuFault.DB, Delivery.Source.EXCEPTION, 0);
        }
        int trapsBefore = cpu.debugTraps;
        cpu.stepTrap = (cpu.systemFlags & Cpu.TF) != 0;
        boolean branched = true;
        try {
            cpu.alone = true;
            alone = false;
            Node node = cpu.code.enterAlone();
            current = node;
            long following = node.nextRip(cpu);
            // The instruction, then whatever leads to the next one.
            Node next = node.execute(cpu);
            if (next == node.next) {
                current = null;
                cpu.rip = following;
                cpu.instructions++;
            }
            branched = cpu.rip != following;
        } catch (CpuFault fault) {
            cpu.alone = false;
            cpu.debugTraps = trapsBefore;
            return fault(fault);
        }
        cpu.alone = false;
        current = null;
        if (cpu.stackShadowRip == cpu.rip) {
            // No debug exception comes between a load of SS and what follows it.
            return null;
        }
        if (cpu.stepTrap && cpu.debug.steps(branched)) {
            cpu.debugTraps |= Debug.BS;
        }
        return cpu.debugTraps != 0 ? debugTrap() : null;
    }

    private long linearRip() {
        return cpu.is64() ? cpu.rip : cpu.segBase[Seg.CS] + cpu.rip & 0xFFFF_FFFFL;
    }

    private @Nullable VcpuExit fault(CpuFault fault) {
        Node node = current;
        if (node != null && !fault.isRipSet()) {
            cpu.rip = node.rip(cpu);
        }
        int vector = fault.vector();
        if (fault.isRestart()) {
            alone = true;
            return null;
        }
        if (fault.isShutdown()) {
            activity = Activity.SHUTDOWN;
            return VcpuExit.SHUTDOWN;
        }
        if (vector == CpuFault.DB) {
            // General detect is a fault, so that its image has RF set.
            cpu.resumeRip = cpu.rip;
        }
        exceptions++;
        if (vector == CpuFault.PF) {
            pageFaults++;
        }
        if (fault.isNonCanonical() && node != null && node.accessesStack()) {
            vector = CpuFault.SS;
        }
        return deliver(vector, Delivery.Source.EXCEPTION, fault.errorCode());
    }

    /** Delivers an event, and what goes wrong in that (SDM Vol. 3A, 7.15, double fault). */
    private @Nullable VcpuExit deliver(int first, Delivery.Source firstSource, int firstError) {
        int vector = first;
        Delivery.Source source = firstSource;
        int error = firstError;
        while (true) {
            try {
                cpu.alone = true;
                cpu.delivery.deliver(vector, source, error);
                return null;
            } catch (CpuFault fault) {
                exceptions++;
                int next = fault.vector();
                if (vector == CpuFault.DF && source == Delivery.Source.EXCEPTION) {
                    activity = Activity.SHUTDOWN;
                    return VcpuExit.SHUTDOWN;
                }
                boolean pageFault = source == Delivery.Source.EXCEPTION && vector == CpuFault.PF;
                boolean contributory =
                        source == Delivery.Source.EXCEPTION && isContributory(vector);
                if (contributory && isContributory(next)
                        || pageFault && (isContributory(next) || next == CpuFault.PF)) {
                    vector = CpuFault.DF;
                    error = 0;
                } else {
                    vector = next;
                    error = fault.errorCode();
                }
                source = Delivery.Source.EXCEPTION;
            } finally {
                cpu.alone = false;
            }
        }
    }

    private static boolean isContributory(int vector) {
        return vector == CpuFault.DE || vector >= CpuFault.TS && vector <= CpuFault.GP;
    }

    private void takeSignals(int events) {
        if ((events & Cpu.EVENT_SMI) != 0) {
            cpu.systemManagement.pending = true;
        }
        if ((events & Cpu.EVENT_INIT) != 0 && cpu.systemManagement.active()) {
            cpu.systemManagement.initPending = true;
        } else if ((events & Cpu.EVENT_INIT) != 0) {
            long tscOffset = cpu.tscOffset;
            load(state().afterInit(cpu.cpuid.signature()));
            // No time has passed meanwhile.
            cpu.msrs.tscOffset(tscOffset);
            cpu.paravirtual.reset();
        }
        if ((events & Cpu.EVENT_SIPI) != 0 && activity == Activity.WAIT_FOR_SIPI) {
            cpu.segments.setReal(Seg.CS, startupVector << 8);
            cpu.segments.followSegment(Seg.CS);
            cpu.rip = 0;
            activity = Activity.ACTIVE;
        }
        if ((events & Cpu.EVENT_NMI) != 0) {
            nmiPending = true;
        }
    }

    /** Looks at events, and sleeps while there is nothing to execute. */
    private @Nullable VcpuExit attend() {
        while (true) {
            int events = cpu.takeEvents();
            if ((events & Cpu.EVENT_MAP) != 0) {
                cpu.mmu.mapChanged();
            }
            if ((events & Cpu.EVENT_SAMPLE) != 0) {
                sampled = true;
            }
            if ((events & Cpu.EVENT_CODE) != 0) {
                cpu.code.handleRequests();
            }
            if ((events & Cpu.EVENT_ALONE) != 0) {
                cpu.group.giveWay(cpu);
            }
            if ((events & Cpu.EVENT_TIME) != 0) {
                cpu.paravirtual.updateTime();
            }
            if ((events & Cpu.EVENT_MONITOR) != 0) {
                cpu.monitor.attend();
            }
            takeSignals(events);
            if ((events & Cpu.EVENT_KICK) != 0) {
                cpu.post(events & (Cpu.EVENT_INTERRUPT | Cpu.EVENT_STEP | Cpu.EVENT_SMI));
                return VcpuExit.KICKED;
            }
            if (activity == Activity.SHUTDOWN) {
                return VcpuExit.SHUTDOWN;
            }
            if (activity == Activity.ACTIVE) {
                boolean held = cpu.debugTraps != 0 && cpu.stackShadowRip == cpu.rip;
                VcpuExit exit = cpu.debugTraps != 0 && !held ? debugTrap() : null;
                boolean smi = cpu.systemManagement.pending && !cpu.systemManagement.active();
                boolean shadow = cpu.shadowRip == cpu.rip && !cpu.halted;
                if (exit == null && smi && !shadow) {
                    cpu.systemManagement.enter();
                }
                held |= smi && shadow;
                if (exit == null) {
                    exit = interrupts(events);
                }
                if (exit != null) {
                    return exit;
                }
                if (!cpu.halted) {
                    if (held || (cpu.systemFlags & Cpu.TF) != 0 || cpu.debug.onExecution()) {
                        stepping = true;
                        cpu.post(Cpu.EVENT_STEP);
                    }
                    return null;
                }
            }
            halts++;
            cpu.group.leave(cpu);
            while (!cpu.hasEvents()) {
                LockSupport.park(this);
            }
            cpu.group.enter(cpu);
        }
    }

    /** Delivers #DB for what the last instruction, or the task switch in it, met. */
    private @Nullable VcpuExit debugTrap() {
        cpu.dr[6] |= cpu.debugTraps;
        cpu.debugTraps = 0;
        return deliver(CpuFault.DB, Delivery.Source.EXCEPTION, 0);
    }

    private @Nullable VcpuExit interrupts(int events) {
        if (acknowledged >= 0) {
            int vector = acknowledged;
            acknowledged = CpuState.NONE;
            cpu.post(events & Cpu.EVENT_INTERRUPT);
            cpu.wakeUp();
            return deliver(vector, Delivery.Source.EXTERNAL, 0);
        }
        boolean shadow = cpu.shadowRip == cpu.rip && !cpu.halted;
        cpu.shadowRip = -1;
        boolean wanted = (events & Cpu.EVENT_INTERRUPT) != 0 || nmiPending;
        if (!wanted) {
            return null;
        }
        if (shadow) {
            stepping = true;
            cpu.post(Cpu.EVENT_INTERRUPT);
            return null;
        }
        if (nmiPending && !cpu.nmiBlocked) {
            nmiPending = false;
            cpu.wakeUp();
            cpu.post(events & Cpu.EVENT_INTERRUPT);
            VcpuExit exit = deliver(CpuFault.NMI, Delivery.Source.EXTERNAL, 0);
            cpu.nmiBlocked = true;
            return exit;
        }
        if (!cpu.interrupts.pending()) {
            return null;
        }
        if ((cpu.systemFlags & Cpu.IF) == 0) {
            cpu.interruptHeld = true;
            cpu.monitor.masked();
            return null;
        }
        int vector = cpu.interrupts.acknowledge();
        if (vector < 0) {
            return null;
        }
        // There may be more.
        cpu.post(Cpu.EVENT_INTERRUPT);
        interruptsTaken++;
        cpu.paravirtual.updateSteal();
        cpu.wakeUp();
        return deliver(vector, Delivery.Source.EXTERNAL, 0);
    }
}
