// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicMessage.*;
import static dev.frond.devices.irq.ApicRegisters.ICR_ASSERT;
import static dev.frond.devices.irq.ApicRegisters.ICR_LEVEL;
import static dev.frond.devices.irq.ApicRegisters.ICR_LOGICAL;
import static dev.frond.devices.irq.ApicRegisters.SVR_SUPPRESS_EOI_BROADCAST;

import dev.frond.machine.device.Longs;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.irq.MsiPort;
import dev.frond.machine.vcpu.EngineApic;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;

/**
 * The system bus as the APICs use it: takes interrupt messages from local APICs, I/O APICs and
 * devices to the local APICs that they address (Intel SDM Vol. 3A, 12.6, 12.11), and EOI messages
 * back. It holds the lock that all of them share, and messages only while the local APICs change
 * their engine.
 */
public final class ApicBus implements MsiPort {
    private static final long MSI_ADDRESS_MASK = 0xFFFF_FFFF_FFF0_0000L;

    private final ReentrantLock lock = new ReentrantLock();
    private final List<LocalApic> locals = new ArrayList<>();
    private final List<IoApic> ios = new ArrayList<>();

    /** Whether one engine keeps all local APICs, or none of them is kept. */
    private boolean together = true;

    /** What was sent while they were not together, each once. */
    private final Set<ApicMessage> held = new LinkedHashSet<>();

    /** A bus with no APIC on it; they join as they are made. */
    public ApicBus() {}

    /** The lock of every APIC on this bus. */
    public ReentrantLock lock() {
        return lock;
    }

    /** A wire to LINT0 of all CPUs, as PC boards lead the INTR output of the 8259 pair. */
    public IrqLine lint0() {
        return active -> {
            lock.lock();
            try {
                locals.forEach(local -> local.setLint0(active));
            } finally {
                lock.unlock();
            }
        };
    }

    /** A wire to LINT1 of all CPUs, as PC boards lead NMI. */
    public IrqLine lint1() {
        return active -> {
            lock.lock();
            try {
                locals.forEach(local -> local.setLint1(active));
            } finally {
                lock.unlock();
            }
        };
    }

    /**
     * Delivers a message-signalled interrupt: destination in address bits 19:12, redirection hint 3
     * and destination mode 2; vector, delivery mode, level and trigger mode in {@code data}
     * (12.11). An address outside 0xFEExxxxx is no interrupt and goes nowhere.
     */
    @Override
    public void send(long address, int data) {
        if ((address & MSI_ADDRESS_MASK) != MSI_ADDRESS) {
            return;
        }
        boolean level = (data & MSI_LEVEL) != 0;
        if (level && (data & MSI_ASSERT) == 0) {
            return;
        }
        DeliveryMode mode = DeliveryMode.in(data);
        boolean logical = (address & MSI_LOGICAL) != 0;
        if (mode == DeliveryMode.FIXED && logical && (address & MSI_REDIRECTION_HINT) != 0) {
            mode = DeliveryMode.LOWEST_PRIORITY;
        }
        int destination = (int) (address >>> 12) & 0xFF;
        ApicMessage message =
                new ApicMessage(destination, false, logical, mode, data & 0xFF, level);
        lock.lock();
        try {
            send(message);
        } finally {
            lock.unlock();
        }
    }

    void add(LocalApic local) {
        lock.lock();
        try {
            locals.add(local);
            together = areTogether();
        } finally {
            lock.unlock();
        }
    }

    void add(IoApic io) {
        lock.lock();
        try {
            ios.add(io);
        } finally {
            lock.unlock();
        }
    }

    // Called with the lock held.

    /** Delivers to the APICs that the message addresses; whether one accepted it. */
    boolean send(ApicMessage message) {
        if (!together && message.mode() != DeliveryMode.EXT_INT) {
            held.add(message);
            return true;
        }
        Optional<EngineApic> keeper = keeper();
        if (keeper.isPresent()) {
            return message.mode() == DeliveryMode.EXT_INT
                    ? deliverExtInt(message)
                    : keeper.get().send(message.encoded());
        }
        return deliver(message, local -> local.matches(message));
    }

    /** The engine that keeps the local APICs, if one does. */
    private Optional<EngineApic> keeper() {
        return locals.isEmpty() ? Optional.empty() : locals.getFirst().keeper();
    }

    private boolean areTogether() {
        Optional<EngineApic> first = keeper();
        return locals.stream()
                .map(LocalApic::keeper)
                .allMatch(other ->
                        first.isPresent()
                                ? other.isPresent() && other.get().isBeside(first.get())
                                : other.isEmpty());
    }

    /**
     * A local APIC went to an engine, or came back from one; the machine stands still. They do so
     * one after the other. What is sent meanwhile waits until all are there.
     */
    void keeperChanged() {
        together = areTogether();
        if (together) {
            List<ApicMessage> waiting = List.copyOf(held);
            held.clear();
            waiting.forEach(this::send);
            ios.forEach(IoApic::endWhatIsOver);
        }
    }

    /**
     * Whether an interrupt of {@code vector} waits or is in service at a local APIC, or may have
     * ended there without the I/O APIC being meant to hear of it (SDM Vol. 3A, 12.8.5).
     */
    boolean isUnderWay(int vector) {
        return locals.stream()
                .map(LocalApic::save)
                .anyMatch(local ->
                        (local.svr() & SVR_SUPPRESS_EOI_BROADCAST) != 0
                                || isSet(local.irr(), vector)
                                || isSet(local.isr(), vector));
    }

    private static boolean isSet(Longs bits, int vector) {
        return (bits.at(vector >> 6) >>> vector & 1) != 0;
    }

    /** Whether an engine keeps the local APICs. */
    boolean isKept() {
        return keeper().isPresent();
    }

    /**
     * Where an engine has the local APICs an ExtINT message goes to the CPU of that number, by
     * logical destination to the first: boards have the 8259 pair at one CPU.
     */
    private boolean deliverExtInt(ApicMessage message) {
        int number = message.logical() ? 0 : message.destination();
        if (number >= locals.size()) {
            return false;
        }
        locals.get(number).deliverExtInt();
        return true;
    }

    /** Tells the engine that keeps the local APICs, if one does, what the I/O APICs send. */
    void route() {
        keeper().ifPresent(engine ->
                engine.route(
                        ios.stream()
                                .flatMap(io -> io.messages().stream())
                                .map(ApicMessage::encoded)
                                .toList()));
    }

    /**
     * Sends the inter-processor interrupt that the low half of ICR describes (12.6.1). All modes
     * are delivered with all shorthands, also those that the manual calls invalid together.
     */
    void sendIpi(LocalApic sender, int icr, int destination, boolean wide) {
        DeliveryMode mode = DeliveryMode.in(icr);
        switch (mode) {
            case RESERVED, EXT_INT -> {
                return;
            }
            case INIT -> {
                // INIT level de-assert only resets arbitration IDs, which are no more.
                if ((icr & (ICR_LEVEL | ICR_ASSERT)) == ICR_LEVEL) {
                    return;
                }
            }
            default -> {}
        }
        boolean logical = (icr & ICR_LOGICAL) != 0;
        ApicMessage message = new ApicMessage(destination, wide, logical, mode, icr & 0xFF, false);
        switch (icr >>> 18 & 3) {
            case 0 -> send(message);
            case 1 -> deliver(message, local -> local == sender);
            case 2 -> deliver(message, _ -> true);
            default -> deliver(message, local -> local != sender);
        }
    }

    /** The EOI message: level-triggered pins with that vector may interrupt again. */
    void endOfInterrupt(int vector) {
        for (IoApic io : ios) {
            io.endOfInterrupt(vector);
        }
    }

    private boolean deliver(ApicMessage message, Predicate<LocalApic> addressed) {
        if (message.mode() == DeliveryMode.LOWEST_PRIORITY) {
            return deliverToLowest(message, addressed);
        }
        boolean accepted = false;
        for (LocalApic local : locals) {
            if (local.enabled() && addressed.test(local)) {
                accepted |= local.deliver(message.mode(), message.vector(), message.level());
            }
        }
        return accepted;
    }

    /**
     * Delivers to the one addressed APIC whose processor priority is lowest. The manual leaves open
     * who wins among equals; here the vector picks, which spreads the vectors over the CPUs and is
     * the same on every run.
     */
    private boolean deliverToLowest(ApicMessage message, Predicate<LocalApic> addressed) {
        int lowest = Integer.MAX_VALUE;
        List<LocalApic> equals = new ArrayList<>();
        for (LocalApic local : locals) {
            if (local.accepts() && addressed.test(local)) {
                int priority = local.processorPriority();
                if (priority < lowest) {
                    lowest = priority;
                    equals.clear();
                }
                if (priority == lowest) {
                    equals.add(local);
                }
            }
        }
        return !equals.isEmpty()
                && equals.get(message.vector() % equals.size())
                        .deliver(DeliveryMode.FIXED, message.vector(), message.level());
    }
}
