// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.machine.vcpu.EngineApic.Message;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Interrupt messages to the local APICs of one machine, which KVM has, from devices and, unless KVM
 * has these too, from I/O APICs (KVM_CAP_SPLIT_IRQCHIP).
 */
final class KvmMessages implements AutoCloseable {
    /** The inputs of I/O APICs whose ends of interrupts KVM tells at most. */
    static final int INPUTS = 24;

    private static final long ADDRESS_LO = Structs.at(Structs.MSI, "address_lo");
    private static final long ADDRESS_HI = Structs.at(Structs.MSI, "address_hi");
    private static final long DATA = Structs.at(Structs.MSI, "data");

    private final ControlFile vm;

    /** Whether the I/O APICs are the machine's. */
    private final boolean apart;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment message = arena.allocate(Structs.MSI);
    private final ControlFile.Repeated signal;
    private List<Message> routed = List.of();

    KvmMessages(ControlFile vm, boolean apart) {
        this.vm = vm;
        this.apart = apart;
        signal = vm.repeated(Kvm.SIGNAL_MSI, message.address());
    }

    /** Sends a message; whether a CPU took it. */
    synchronized boolean send(Message what) {
        message.set(JAVA_INT, ADDRESS_LO, (int) what.address());
        message.set(JAVA_INT, ADDRESS_HI, (int) (what.address() >>> 32));
        message.set(JAVA_INT, DATA, what.data());
        // 0 is a guest that does not let it in, and so is a negative result: a vector below 16.
        return signal.call() > 0;
    }

    /** Runs {@code action} while nobody sends a message. */
    synchronized void whileNoneIsSent(Runnable action) {
        action.run();
    }

    /** Tells what each input sends, so that KVM tells when an interrupt of it ends. */
    synchronized void route(List<Message> messages) {
        if (!apart || messages.equals(routed)) {
            return;
        }
        if (messages.size() > INPUTS) {
            throw new IllegalArgumentException(
                    messages.size() + " I/O APIC inputs: KVM was told of " + INPUTS);
        }
        Routes routes = new Routes();
        for (int i = 0; i < messages.size(); i++) {
            routes.toMessage(i, messages.get(i));
        }
        routes.set(vm);
        routed = List.copyOf(messages);
    }

    @Override
    public void close() {
        arena.close();
    }
}
