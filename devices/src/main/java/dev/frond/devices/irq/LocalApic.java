// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRegisters.*;

import dev.frond.machine.clock.Clock;
import dev.frond.machine.device.Device;
import dev.frond.machine.device.Longs;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.GuestMemory;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuSignals;
import dev.frond.machine.vcpu.Cpuid;
import dev.frond.machine.vcpu.EngineApic;
import dev.frond.machine.vcpu.LocalInterrupts;

import org.jspecify.annotations.Nullable;

import java.util.Arrays;
import java.util.Collections;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The local APIC of one CPU, as xAPIC and as x2APIC (Intel SDM Vol. 3A, chapter 12): version 14h,
 * six LVT entries, suppression of EOI broadcasts, a timer of 1 GHz. System management interrupts
 * are not modelled; the thermal and performance LVT entries hold what is written to them and
 * nothing signals them.
 *
 * <p>Any thread may call in. {@link #pending}, {@link #taskPriority} and {@link #registerPage} are
 * single volatile reads; all else takes the lock that the APICs of a machine share. {@link
 * CpuSignals} are called with that lock held: they must not wait for a thread that may call here.
 */
public final class LocalApic implements Device<LocalApicState>, LocalInterrupts {
    /** The time base of the timer: {@value} counts a second before the divider. */
    public static final long TIMER_HZ = 1_000_000_000;

    /** The highest ID that interrupt messages of 8 bits can name; FFh is the broadcast. */
    private static final int MAX_ID = 0xFE;

    private final ApicBus bus;
    private final ReentrantLock lock;
    private final IntaCycle inta;
    private final int initialId;
    private final boolean hasX2apic;
    private final boolean hasTscDeadline;
    private final ApicTimer timer;
    private final IoHandler page = new XapicPage(this);
    private volatile CpuSignals cpu = CpuSignals.UNCONNECTED;

    /** The answer of {@link #pending}, kept up to date by {@link #update}. */
    private volatile boolean pending;

    private volatile long apicBase;
    private volatile int tpr;
    private int id;
    private int ldr;
    private int dfr;
    private int svr;
    private final VectorBits isr = new VectorBits();
    private final VectorBits tmr = new VectorBits();
    private final VectorBits irr = new VectorBits();
    private long icr;
    private int esr;
    private int errors;
    private final int[] lvt = new int[LVT_ENTRIES];
    private boolean lint0;
    private boolean lint1;
    private boolean extInt;
    private final PvEoi pvEoi = new PvEoi();

    /** Who keeps the registers; then those here are as they were when it was given them. */
    private volatile @Nullable EngineApic engine;

    /** Who kept them before; they go back there if the one who does now gives up. */
    private @Nullable EngineApic engineBefore;

    /**
     * The local APIC of the CPU that {@code cpuid} describes, in its power-on state; its ID is the
     * CPU's number, and CPU 0 is the bootstrap processor. It joins {@code bus} at once.
     *
     * @param inta fetches the vector of an ExtINT interrupt
     */
    public LocalApic(ApicBus bus, Cpuid cpuid, Clock clock, IntaCycle inta) {
        if (cpuid.id() > MAX_ID) {
            throw new IllegalArgumentException(
                    "local APIC of CPU %d: accepted are CPUs 0 to %d"
                            .formatted(cpuid.id(), MAX_ID));
        }
        this.bus = bus;
        this.inta = inta;
        lock = bus.lock();
        initialId = cpuid.id();
        hasX2apic = cpuid.has(CpuFeature.X2APIC);
        hasTscDeadline = cpuid.has(CpuFeature.TSC_DEADLINE);
        timer = new ApicTimer(clock, clock.timer(this::alarm), this::timerInterrupt);
        load(resetState());
        bus.add(this);
    }

    /** Wires the APIC to its CPU; until then nobody hears it. */
    public void connect(CpuSignals signals) {
        cpu = signals;
    }

    /** The pin LINT0, where the 8259 pair's INTR arrives. */
    public IrqLine lint0() {
        return this::setLint0;
    }

    /** The pin LINT1, where the board's NMI arrives. */
    public IrqLine lint1() {
        return this::setLint1;
    }

    /**
     * Programs virtual-wire mode (MultiProcessor Specification 1.4, 3.6.2.2) as firmware leaves it
     * on the bootstrap processor: enabled, LINT0 ExtINT, LINT1 NMI. For boards that start a kernel
     * without firmware.
     */
    public void programVirtualWire() {
        lock.lock();
        try {
            takeRegisters();
            writeRegister(SVR, SVR_ENABLE | SVR_RESET);
            writeRegister(LVT_LINT0, LVT_EXT_INT);
            writeRegister(LVT_LINT1, LVT_NMI);
            giveRegisters();
        } finally {
            lock.unlock();
        }
    }

    // Device

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    @Override
    public LocalApicState resetState() {
        ApicTimerState stopped = new ApicTimerState(0, 0, 0, 0, 0, timer.save().tscOffset());
        return new LocalApicState(
                BASE_RESET | (initialId == 0 ? BASE_BSP : 0),
                initialId << 24,
                0,
                0,
                DFR_FLAT,
                SVR_RESET,
                Longs.zeros(4),
                Longs.zeros(4),
                Longs.zeros(4),
                0,
                0,
                0,
                Collections.nCopies(LVT_ENTRIES, LVT_MASKED),
                stopped,
                false,
                false,
                false);
    }

    @Override
    public LocalApicState save() {
        settlePvEoi();
        EngineApic keeper = engine;
        LocalApicState here = here();
        return keeper == null ? here : ApicPage.state(keeper.save(), timer.now(), here);
    }

    private LocalApicState here() {
        return new LocalApicState(
                apicBase,
                id,
                tpr,
                ldr,
                dfr,
                svr,
                isr.save(),
                tmr.save(),
                irr.save(),
                icr,
                esr,
                errors,
                Arrays.stream(lvt).boxed().toList(),
                timer.save(),
                lint0,
                lint1,
                extInt);
    }

    @Override
    public void load(LocalApicState state) {
        pvEoi.forget();
        apicBase = state.apicBase();
        id = state.id();
        tpr = state.tpr();
        ldr = state.ldr();
        dfr = state.dfr();
        svr = state.svr();
        isr.load(state.isr());
        tmr.load(state.tmr());
        irr.load(state.irr());
        icr = state.icr();
        esr = state.esr();
        errors = state.errors();
        for (int i = 0; i < LVT_ENTRIES; i++) {
            lvt[i] = state.lvt().get(i);
        }
        timer.load(state.timer(), entry(LVT_TIMER));
        lint0 = state.lint0();
        lint1 = state.lint1();
        extInt = state.extInt();
    }

    @Override
    public void settle() {
        if (engine == null) {
            timer.expireAndArm();
        } else {
            giveRegisters();
            bus.route();
        }
        pending = deliverable();
        cpu.interruptChanged();
    }

    // What an engine keeps

    @Override
    public void entrust(EngineApic keeper) {
        lock.lock();
        try {
            // The keeper does not know what was offered here.
            settlePvEoi();
            takeRegisters();
            EngineApic before = engine;
            engine = keeper;
            try {
                giveRegisters();
            } catch (RuntimeException e) {
                // They stay where they were.
                engine = before;
                timer.elsewhere(before != null);
                timer.expireAndArm();
                throw e;
            }
            engineBefore = before;
            bus.route();
            pending = deliverable();
            bus.keeperChanged();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void withdraw(EngineApic keeper) {
        lock.lock();
        try {
            if (keeper.equals(engine)) {
                takeRegisters();
                engine = engineBefore;
                engineBefore = null;
                timer.elsewhere(engine != null);
                settle();
                bus.keeperChanged();
            } else if (keeper.equals(engineBefore)) {
                engineBefore = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private void takeRegisters() {
        if (engine != null) {
            load(save());
        }
    }

    private void giveRegisters() {
        EngineApic keeper = engine;
        if (keeper != null) {
            // What is due by now still happens here.
            timer.elsewhere(false);
            timer.expireAndArm();
            timer.elsewhere(true);
            keeper.load(ApicPage.of(here(), timer.currentCount()));
        }
    }

    /** Who keeps the registers of this APIC, and with them those of all others. */
    Optional<EngineApic> keeper() {
        return Optional.ofNullable(engine);
    }

    @Override
    public void endOfInterrupt(int vector) {
        lock.lock();
        try {
            bus.endOfInterrupt(vector);
        } finally {
            lock.unlock();
        }
    }

    /** An ExtINT message, which asks the 8259 pair; engines leave these to the machine. */
    void deliverExtInt() {
        extInt = true;
        update();
    }

    // LocalInterrupts

    @Override
    public boolean pending() {
        return pending;
    }

    @Override
    public int acknowledge() {
        lock.lock();
        try {
            settlePvEoi();
            if (!extIntAsserted()) {
                if (engine != null) {
                    return -1;
                }
                int vector = irr.highest();
                if (vector >> 4 <= processorPriority() >> 4) {
                    update();
                    return -1;
                }
                irr.clear(vector);
                isr.set(vector);
                if (!tmr.test(vector) && irr.highest() < 0) {
                    pvEoi.offer();
                }
                // The CPU knows that it took one; it is told only if there is another.
                pending = false;
                update();
                return vector;
            }
            extInt = false;
        } finally {
            lock.unlock();
        }
        int vector = inta.acknowledge();
        lock.lock();
        try {
            pending = false;
            update();
        } finally {
            lock.unlock();
        }
        return vector;
    }

    @Override
    public void pvEoi(GuestMemory ram, long offset) {
        lock.lock();
        try {
            settlePvEoi();
            pvEoi.place(ram, offset);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void noPvEoi() {
        lock.lock();
        try {
            settlePvEoi();
            pvEoi.remove();
        } finally {
            lock.unlock();
        }
    }

    /** Ends the interrupt in service if the guest did; on the CPU's own thread, locked. */
    void settlePvEoi() {
        if (pvEoi.take()) {
            endOfInterrupt();
        }
    }

    @Override
    public long taskPriority() {
        return tpr >> 4;
    }

    @Override
    public void setTaskPriority(long priorityClass) {
        int value = (int) (priorityClass & 15) << 4;
        if (value == tpr) {
            return;
        }
        lock.lock();
        try {
            tpr = value;
            update();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long registerPage() {
        if (engine != null) {
            return -1;
        }
        long base = apicBase;
        return (base & (BASE_EN | BASE_EXTD)) == BASE_EN ? base & BASE_ADDRESS : -1;
    }

    @Override
    public IoHandler registers() {
        return page;
    }

    @Override
    public boolean readable(int index) {
        return switch (index) {
            case IA32_APIC_BASE -> true;
            case IA32_TSC_DEADLINE -> hasTscDeadline;
            default -> x2apic() && x2apicReadable(index - X2APIC);
        };
    }

    @Override
    public long readMsr(int index) {
        lock.lock();
        try {
            settlePvEoi();
            return switch (index) {
                case IA32_APIC_BASE -> apicBase;
                case IA32_TSC_DEADLINE -> timer.deadline();
                case X2APIC + ID -> initialId;
                case X2APIC + ICR_LOW -> icr;
                case X2APIC + LDR -> Integer.toUnsignedLong(logicalId(initialId));
                default -> Integer.toUnsignedLong(readRegister(index - X2APIC));
            };
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean writeMsr(int index, long value) {
        lock.lock();
        try {
            settlePvEoi();
            return switch (index) {
                case IA32_APIC_BASE -> writeBase(value);
                case IA32_TSC_DEADLINE -> {
                    timer.deadline(value);
                    yield hasTscDeadline;
                }
                default -> x2apic() && writeX2apic(index - X2APIC, value);
            };
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void tscOffset(long offset) {
        lock.lock();
        try {
            timer.tscOffset(offset);
        } finally {
            lock.unlock();
        }
    }

    // The bus's side; called with the lock held.

    /** Whether the APIC takes part in the traffic on the bus at all. */
    boolean enabled() {
        return (apicBase & BASE_EN) != 0;
    }

    /** Whether {@code message} names this APIC. */
    boolean matches(ApicMessage message) {
        return x2apic() ? message.addresses(initialId) : message.addresses(id, ldr, dfr);
    }

    /** Whether fixed interrupts are accepted. */
    boolean accepts() {
        return enabled() && (svr & SVR_ENABLE) != 0;
    }

    /** The processor-priority register: the higher of TPR and the class in service (12.8.3.1). */
    int processorPriority() {
        int inService = Math.max(0, isr.highest());
        return tpr >> 4 >= inService >> 4 ? tpr : inService & 0xF0;
    }

    /** Takes an interrupt that came by message or LVT; false if it is not accepted. */
    boolean deliver(DeliveryMode mode, int vector, boolean level) {
        switch (mode) {
            case FIXED, LOWEST_PRIORITY -> {
                return deliverFixed(vector, level);
            }
            case NMI -> cpu.nmi();
            case INIT -> initialize();
            case START_UP -> cpu.startup(vector);
            case EXT_INT -> deliverExtInt();
            case SMI -> cpu.smi();
            case RESERVED -> {
                return false;
            }
        }
        return true;
    }

    private boolean deliverFixed(int vector, boolean level) {
        if (!accepts()) {
            return false;
        }
        if (vector < 16) {
            error(ESR_RECEIVE_ILLEGAL_VECTOR);
            return true;
        }
        irr.set(vector);
        if (level) {
            tmr.set(vector);
        } else {
            tmr.clear(vector);
        }
        update();
        return true;
    }

    /** INIT: all but the IDs and IA32_APIC_BASE goes back to power-on (12.4.7.3). */
    private void initialize() {
        resetRegisters();
        cpu.init();
        update();
    }

    private void resetRegisters() {
        pvEoi.forget();
        tpr = 0;
        ldr = 0;
        dfr = DFR_FLAT;
        svr = SVR_RESET;
        isr.clearAll();
        tmr.clearAll();
        irr.clearAll();
        icr = 0;
        esr = 0;
        errors = 0;
        Arrays.fill(lvt, LVT_MASKED);
        extInt = false;
        timer.reset();
    }

    /** Works out {@link #pending} anew and tells the CPU of a change. */
    private void update() {
        boolean now = deliverable();
        if (now != pending) {
            pending = now;
            cpu.interruptChanged();
        }
    }

    private boolean deliverable() {
        return extIntAsserted() || engine == null && fixedDeliverable();
    }

    private boolean fixedDeliverable() {
        // What is in service may be over: only the CPU's thread may look whether it is.
        int priority = pvEoi.isOffered() ? tpr : processorPriority();
        return irr.highest() >> 4 > priority >> 4;
    }

    /** Whether the 8259 pair is to be asked for a vector. */
    private boolean extIntAsserted() {
        if (extInt) {
            return true;
        }
        if (engine != null) {
            // Whether LINT0 lets it through is the engine's to say.
            return lint0;
        }
        // With the APIC off LINT0 is the INTR pin of a CPU without one (12.4.3).
        return !enabled()
                ? lint0
                : isUnmaskedExtInt(entry(LVT_LINT0)) && asserted(lint0, entry(LVT_LINT0));
    }

    private boolean x2apic() {
        return (apicBase & BASE_EXTD) != 0;
    }

    // Pins and timer

    void setLint0(boolean level) {
        lock.lock();
        try {
            if (level != lint0) {
                lint0 = level;
                if (engine == null && enabled()) {
                    pinChanged(level, entry(LVT_LINT0));
                    serviceLint0();
                }
                update();
            }
        } finally {
            lock.unlock();
        }
    }

    void setLint1(boolean level) {
        lock.lock();
        try {
            if (level != lint1) {
                lint1 = level;
                if (engine == null && enabled()) {
                    pinChanged(level, entry(LVT_LINT1));
                } else if (level) {
                    cpu.nmi();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** An edge at a pin; ExtINT and level-triggered fixed interrupts follow the level instead. */
    private void pinChanged(boolean level, int lvt) {
        if ((lvt & LVT_MASKED) != 0 || !asserted(level, lvt)) {
            return;
        }
        DeliveryMode mode = DeliveryMode.in(lvt);
        if (mode != DeliveryMode.EXT_INT && !levelTriggered(lvt)) {
            deliver(mode, lvt & 0xFF, false);
        }
    }

    /** Delivers LINT0 as a level-triggered interrupt, if it is one and the last one has ended. */
    private void serviceLint0() {
        int entry = entry(LVT_LINT0);
        if ((entry & (LVT_MASKED | LVT_REMOTE_IRR)) == 0
                && levelTriggered(entry)
                && asserted(lint0, entry)
                && deliverFixed(entry & 0xFF, true)) {
            lvt[LVT_LINT0 - LVT_TIMER] |= LVT_REMOTE_IRR;
        }
    }

    private void alarm() {
        lock.lock();
        try {
            timer.expireAndArm();
        } finally {
            lock.unlock();
        }
    }

    private void timerInterrupt() {
        deliverFixed(entry(LVT_TIMER) & 0xFF, false);
    }

    /** Notes an error and signals it, once until ESR is written (12.5.3). */
    private void error(int bit) {
        if ((errors & bit) == 0) {
            errors |= bit;
            if ((entry(LVT_ERROR) & LVT_MASKED) == 0) {
                deliverFixed(entry(LVT_ERROR) & 0xFF, false);
            }
        }
    }

    // Registers

    /** IA32_APIC_BASE; false for a reserved bit or a forbidden change of mode (12.12.5). */
    private boolean writeBase(long value) {
        if ((value & BASE_RESERVED) != 0 || !validMode(value)) {
            return false;
        }
        boolean enable = (value & BASE_EN) != 0;
        boolean extend = (value & BASE_EXTD) != 0;
        boolean forbidden = x2apic() ? enable && !extend : extend && !(enabled() && hasX2apic);
        if (forbidden) {
            return false;
        }
        if (enabled() && !enable) {
            id = initialId << 24;
            resetRegisters();
        }
        apicBase = value;
        update();
        return true;
    }

    /** Reads a register for the CPU, with what reading does; the lock is held. */
    int readRegister(int register) {
        return switch (register) {
            case ID -> id;
            case VERSION -> VERSION_VALUE;
            case TPR -> tpr;
            case PPR -> processorPriority();
            case LDR -> ldr;
            case DFR -> dfr;
            case SVR -> svr;
            case ESR -> esr;
            case ICR_LOW -> (int) icr;
            case ICR_HIGH -> (int) (icr >>> 32);
            case INITIAL_COUNT -> timer.initialCount();
            case CURRENT_COUNT -> timer.currentCount();
            case DIVIDE_CONFIGURATION -> timer.divideConfiguration();
            // Arbitration priority and remote read are no more since the Pentium 4 (table 12-1).
            case EOI, APR, RRD -> 0;
            default -> {
                if (isLvt(register)) {
                    yield lvt[register - LVT_TIMER];
                }
                if (isVectorBits(register)) {
                    VectorBits bits = register < TMR ? isr : register < IRR ? tmr : irr;
                    yield bits.register(register & 7);
                }
                error(ESR_ILLEGAL_REGISTER);
                yield 0;
            }
        };
    }

    /** A write to a register that xAPIC and x2APIC share; reserved bits are dropped. */
    private void writeRegister(int register, int value) {
        switch (register) {
            case TPR -> {
                tpr = value & 0xFF;
                update();
            }
            case EOI -> endOfInterrupt();
            case SVR -> writeSvr(value & SVR_BITS);
            case ESR -> {
                esr = errors;
                errors = 0;
            }
            case INITIAL_COUNT -> timer.initialCount(value);
            case DIVIDE_CONFIGURATION -> timer.divideConfiguration(value);
            case VERSION, APR, PPR, RRD, CURRENT_COUNT -> {}
            default -> {
                if (isLvt(register)) {
                    writeLvt(register, value);
                } else if (!isVectorBits(register)) {
                    error(ESR_ILLEGAL_REGISTER);
                }
            }
        }
    }

    private void writeLvt(int register, int value) {
        int entry = value & lvtBits(register);
        if ((svr & SVR_ENABLE) == 0) {
            // The mask bits cannot be cleared while SVR disables the APIC (12.4.7.2).
            entry |= LVT_MASKED;
        }
        switch (register) {
            case LVT_TIMER -> {
                if (!hasTscDeadline) {
                    entry &= ~LVT_TSC_DEADLINE;
                }
                // What is due by now still comes with the old vector.
                timer.lvt(entry);
                lvt[0] = entry;
            }
            case LVT_LINT0 -> {
                if (levelTriggered(entry)) {
                    entry |= entry(LVT_LINT0) & LVT_REMOTE_IRR;
                }
                lvt[LVT_LINT0 - LVT_TIMER] = entry;
                serviceLint0();
                update();
            }
            default -> lvt[register - LVT_TIMER] = entry;
        }
    }

    private int entry(int register) {
        return lvt[register - LVT_TIMER];
    }

    /** Writes a register by its xAPIC address; the lock is held. */
    void writeXapic(int register, int value) {
        switch (register) {
            case ID -> id = value & 0xFF00_0000;
            case LDR -> ldr = value & 0xFF00_0000;
            case DFR -> dfr = value | 0x0FFF_FFFF;
            case ICR_HIGH -> icr = (icr & 0xFFFF_FFFFL) | (value & 0xFF00_0000L) << 32;
            case ICR_LOW -> {
                icr = (icr & 0xFFFF_FFFFL << 32) | (value & ICR_LOW_BITS);
                sendIpi((int) (icr >>> 56), false);
            }
            default -> writeRegister(register, value);
        }
    }

    /** An x2APIC MSR; false for a register or bit that is reserved or cannot be written. */
    private boolean writeX2apic(int register, long value) {
        if (!x2apicWritable(register, value)) {
            return false;
        }
        switch (register) {
            case ICR_LOW -> {
                icr = value & ICR_BITS;
                sendIpi((int) (icr >>> 32), true);
            }
            case SELF_IPI -> sendSelf((int) value);
            default -> writeRegister(register, (int) value);
        }
        return true;
    }

    private void writeSvr(int value) {
        if ((value & SVR_ENABLE) == 0) {
            timer.lvt(entry(LVT_TIMER) | LVT_MASKED);
            for (int i = 0; i < LVT_ENTRIES; i++) {
                lvt[i] |= LVT_MASKED;
            }
        }
        svr = value;
        update();
    }

    /** Ends the interrupt in service; a level-triggered one also where it came from (12.8.5). */
    private void endOfInterrupt() {
        int vector = isr.highest();
        if (vector < 0) {
            return;
        }
        isr.clear(vector);
        if (tmr.test(vector)) {
            int entry = entry(LVT_LINT0);
            if ((entry & LVT_REMOTE_IRR) != 0 && (entry & 0xFF) == vector) {
                lvt[LVT_LINT0 - LVT_TIMER] = entry & ~LVT_REMOTE_IRR;
                serviceLint0();
            }
            if ((svr & SVR_SUPPRESS_EOI_BROADCAST) == 0) {
                bus.endOfInterrupt(vector);
            }
        }
        update();
    }

    /** Acts on what was written to ICR (12.6.1). */
    private void sendIpi(int destination, boolean wide) {
        int low = (int) icr;
        boolean hasVector =
                switch (DeliveryMode.in(low)) {
                    case FIXED, LOWEST_PRIORITY -> true;
                    default -> false;
                };
        if (hasVector && (low & 0xFF) < 16) {
            error(ESR_SEND_ILLEGAL_VECTOR);
        } else {
            bus.sendIpi(this, low, destination, wide);
        }
    }

    private void sendSelf(int vector) {
        if (vector < 16) {
            error(ESR_SEND_ILLEGAL_VECTOR);
        } else {
            deliverFixed(vector, false);
        }
    }
}
