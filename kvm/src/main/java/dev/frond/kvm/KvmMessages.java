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
 * Interrupt messages to the local APICs of one machine, which KVM has, from I/O APICs and devices,
 * which the machine has (KVM_CAP_SPLIT_IRQCHIP).
 */
final class KvmMessages implements AutoCloseable {
    /** The inputs of I/O APICs whose ends of interrupts KVM tells at most. */
    static final int INPUTS = 24;

    private static final long ENTRY = Structs.IRQ_ROUTING_ENTRY.byteSize();
    private static final long GSI = Structs.at(Structs.IRQ_ROUTING_ENTRY, "gsi");
    private static final long TYPE = Structs.at(Structs.IRQ_ROUTING_ENTRY, "type");
    private static final long MESSAGE = Structs.at(Structs.IRQ_ROUTING_ENTRY, "u");
    private static final long ROUTE_ADDRESS_LO = Structs.at(Structs.IRQ_ROUTING_MSI, "address_lo");
    private static final long ROUTE_ADDRESS_HI = Structs.at(Structs.IRQ_ROUTING_MSI, "address_hi");
    private static final long ROUTE_DATA = Structs.at(Structs.IRQ_ROUTING_MSI, "data");
    private static final long ADDRESS_LO = Structs.at(Structs.MSI, "address_lo");
    private static final long ADDRESS_HI = Structs.at(Structs.MSI, "address_hi");
    private static final long DATA = Structs.at(Structs.MSI, "data");

    private final ControlFile vm;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment message = arena.allocate(Structs.MSI);
    private final ControlFile.Repeated signal;
    private List<Message> routed = List.of();

    KvmMessages(ControlFile vm) {
        this.vm = vm;
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

    /** Tells what each input sends, so that KVM tells when an interrupt of it ends. */
    synchronized void route(List<Message> messages) {
        if (messages.equals(routed)) {
            return;
        }
        if (messages.size() > INPUTS) {
            throw new IllegalArgumentException(
                    messages.size() + " I/O APIC inputs: KVM was told of " + INPUTS);
        }
        try (Arena local = Arena.ofConfined()) {
            long entries = Structs.IRQ_ROUTING.byteSize();
            MemorySegment table = local.allocate(entries + messages.size() * ENTRY, 8);
            table.set(JAVA_INT, Structs.at(Structs.IRQ_ROUTING, "nr"), messages.size());
            for (int i = 0; i < messages.size(); i++) {
                MemorySegment entry = table.asSlice(entries + i * ENTRY, ENTRY);
                Message what = messages.get(i);
                entry.set(JAVA_INT, GSI, i);
                entry.set(JAVA_INT, TYPE, Kvm.IRQ_ROUTING_MSI);
                entry.set(JAVA_INT, MESSAGE + ROUTE_ADDRESS_LO, (int) what.address());
                entry.set(JAVA_INT, MESSAGE + ROUTE_ADDRESS_HI, (int) (what.address() >>> 32));
                entry.set(JAVA_INT, MESSAGE + ROUTE_DATA, what.data());
            }
            vm.call(Kvm.SET_GSI_ROUTING, table);
        }
        routed = List.copyOf(messages);
    }

    @Override
    public void close() {
        arena.close();
    }
}
