// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.machine.device.Bytes;
import dev.frond.machine.vcpu.CpuState.Activity;
import dev.frond.machine.vcpu.EngineApic;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The local APIC of one CPU in the kernel, and with it what the CPU does between instructions,
 * which HLT, INIT and the start-up IPI change there (KVM_GET_LAPIC, KVM_GET_MP_STATE).
 *
 * <p>Its timer goes on while the machine stands still. What it stood at is kept when the CPU stops,
 * and it is set to that when the CPU goes on after a pause, which takes back an interrupt that it
 * raised meanwhile.
 */
final class KvmApic implements EngineApic {
    private static final int IA32_APIC_BASE = 0x1B;
    private static final int IA32_TSC_DEADLINE = 0x6E0;

    private static final long IRR = 0x200;
    private static final long LVT_TIMER = 0x320;
    private static final long INITIAL_COUNT = 0x380;
    private static final long CURRENT_COUNT = 0x390;
    private static final int LVT_MASKED = 1 << 16;
    private static final int TIMER_MODE = 3 << 17;
    private static final int MODE_ONE_SHOT = 0;
    private static final int MODE_TSC_DEADLINE = 2 << 17;

    private final ControlFile vcpu;
    private final KvmMsrs msrs;
    private final KvmMessages messages;
    private final MemorySegment page;
    private final MemorySegment mpState;
    private int count;
    private long deadline;

    /**
     * What a timer that has counted to its end once had begun with; KVM would have it end again.
     */
    private int ended;

    KvmApic(ControlFile vcpu, KvmMsrs msrs, KvmMessages messages, Arena arena) {
        this.vcpu = vcpu;
        this.msrs = msrs;
        this.messages = messages;
        page = arena.allocate(Structs.LAPIC_STATE);
        mpState = arena.allocate(Structs.MP_STATE);
    }

    @Override
    public Registers save() {
        vcpu.call(Kvm.GET_LAPIC, page);
        page.set(JAVA_INT, CURRENT_COUNT, isInterruptDue() ? 1 : count);
        if (isOneShot() && page.get(JAVA_INT, INITIAL_COUNT) == 0) {
            page.set(JAVA_INT, INITIAL_COUNT, ended);
        }
        return new Registers(
                msrs.read(IA32_APIC_BASE), Bytes.of(page.toArray(JAVA_BYTE)), deadline);
    }

    @Override
    public void load(Registers registers) {
        // The mode comes first: what the page means depends on it.
        msrs.write(IA32_APIC_BASE, registers.apicBase());
        MemorySegment.copy(registers.page().toArray(), 0, page, JAVA_BYTE, 0, Registers.PAGE);
        count = page.get(JAVA_INT, CURRENT_COUNT);
        deadline = registers.tscDeadline();
        ended = 0;
        if (isOneShot() && count == 0) {
            ended = page.get(JAVA_INT, INITIAL_COUNT);
            page.set(JAVA_INT, INITIAL_COUNT, 0);
        }
        setTimer();
    }

    private boolean isOneShot() {
        return (page.get(JAVA_INT, LVT_TIMER) & TIMER_MODE) == MODE_ONE_SHOT;
    }

    /**
     * Whether {@link #page} has a timer that has counted to its end, and whose interrupt may not
     * have come: KVM raises it when it would enter the guest the next time, and does not tell that
     * it is to do so. An interrupt too many does less harm than one too few.
     */
    private boolean isInterruptDue() {
        int lvt = page.get(JAVA_INT, LVT_TIMER);
        int vector = lvt & 0xFF;
        boolean waits = (page.get(JAVA_INT, IRR + 16L * (vector >> 5)) >>> vector & 1) != 0;
        return isOneShot()
                && (lvt & LVT_MASKED) == 0
                && page.get(JAVA_INT, INITIAL_COUNT) != 0
                && count == 0
                && !waits;
    }

    /** Sets all registers from {@link #page}, and the timer to what it stood at. */
    private void setTimer() {
        page.set(JAVA_INT, CURRENT_COUNT, count);
        vcpu.call(Kvm.SET_LAPIC, page);
        if (isDeadlineMode()) {
            msrs.write(IA32_TSC_DEADLINE, deadline);
        }
    }

    private boolean isDeadlineMode() {
        return (page.get(JAVA_INT, LVT_TIMER) & TIMER_MODE) == MODE_TSC_DEADLINE;
    }

    @Override
    public boolean isBeside(EngineApic other) {
        return other instanceof KvmApic apic && apic.messages.equals(messages);
    }

    @Override
    public boolean send(Message message) {
        return messages.send(message);
    }

    @Override
    public void route(List<Message> routed) {
        messages.route(routed);
    }

    /** The CPU stops. */
    void suspend() {
        vcpu.call(Kvm.GET_LAPIC, page);
        count = page.get(JAVA_INT, CURRENT_COUNT);
        deadline = isDeadlineMode() ? msrs.readOrZero(IA32_TSC_DEADLINE) : 0;
    }

    /** The CPU goes on after time stood still; no CPU is in the guest. */
    void resume() {
        messages.whileNoneIsSent(() -> {
            vcpu.call(Kvm.GET_LAPIC, page);
            // One that has counted to its end stays so: its interrupt may wait to be delivered.
            boolean armed =
                    isDeadlineMode()
                            ? deadline != 0
                            : page.get(JAVA_INT, INITIAL_COUNT) != 0 && count != 0;
            if (armed) {
                setTimer();
            }
        });
    }

    /** What the CPU does; signals that have arrived are in it. */
    Activity activity() {
        vcpu.call(Kvm.GET_MP_STATE, mpState);
        return switch (mpState.get(JAVA_INT, 0)) {
            case Kvm.MP_STATE_HALTED -> Activity.HLT;
            case Kvm.MP_STATE_UNINITIALIZED, Kvm.MP_STATE_INIT_RECEIVED -> Activity.WAIT_FOR_SIPI;
            default -> Activity.ACTIVE;
        };
    }

    /** Has the CPU do that; one that is shut down is not entered, and KVM need not know. */
    void activity(Activity activity) {
        mpState.set(
                JAVA_INT,
                0,
                switch (activity) {
                    case ACTIVE, SHUTDOWN -> Kvm.MP_STATE_RUNNABLE;
                    case HLT -> Kvm.MP_STATE_HALTED;
                    case WAIT_FOR_SIPI -> Kvm.MP_STATE_INIT_RECEIVED;
                });
        vcpu.call(Kvm.SET_MP_STATE, mpState);
    }
}
