// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.frond.host.ControlFile;
import dev.frond.machine.vcpu.EngineApic.Message;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A table of where each interrupt number of a KVM machine leads (KVM_SET_GSI_ROUTING). */
final class Routes {
    private static final long ENTRIES = Structs.IRQ_ROUTING.byteSize();
    private static final long ENTRY = Structs.IRQ_ROUTING_ENTRY.byteSize();
    private static final long GSI = Structs.at(Structs.IRQ_ROUTING_ENTRY, "gsi");
    private static final long TYPE = Structs.at(Structs.IRQ_ROUTING_ENTRY, "type");
    private static final long UNION = Structs.at(Structs.IRQ_ROUTING_ENTRY, "u");
    private static final long ADDRESS_LO = Structs.at(Structs.IRQ_ROUTING_MSI, "address_lo");
    private static final long ADDRESS_HI = Structs.at(Structs.IRQ_ROUTING_MSI, "address_hi");
    private static final long DATA = Structs.at(Structs.IRQ_ROUTING_MSI, "data");
    private static final long CHIP = Structs.at(Structs.IRQ_ROUTING_IRQCHIP, "irqchip");
    private static final long PIN = Structs.at(Structs.IRQ_ROUTING_IRQCHIP, "pin");

    private sealed interface Target {}

    private record Pin(int gsi, int chip, int pin) implements Target {}

    private record Msi(int gsi, Message message) implements Target {}

    private final List<Target> targets = new ArrayList<>();

    /** Interrupt {@code gsi} is (also) a pin of a chip in the kernel. */
    void toChip(int gsi, int chip, int pin) {
        targets.add(new Pin(gsi, chip, pin));
    }

    /** Interrupt {@code gsi} is a message. */
    void toMessage(int gsi, Message message) {
        targets.add(new Msi(gsi, message));
    }

    /** Makes these the routes of {@code vm}, in place of all that it had. */
    void set(ControlFile vm) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(ENTRIES + targets.size() * ENTRY, 8);
            table.set(JAVA_INT, Structs.at(Structs.IRQ_ROUTING, "nr"), targets.size());
            for (int i = 0; i < targets.size(); i++) {
                fill(table.asSlice(ENTRIES + i * ENTRY, ENTRY), targets.get(i));
            }
            vm.call(Kvm.SET_GSI_ROUTING, table);
        }
    }

    private static void fill(MemorySegment entry, Target target) {
        switch (target) {
            case Pin pin -> {
                entry.set(JAVA_INT, GSI, pin.gsi);
                entry.set(JAVA_INT, TYPE, Kvm.IRQ_ROUTING_IRQCHIP);
                entry.set(JAVA_INT, UNION + CHIP, pin.chip);
                entry.set(JAVA_INT, UNION + PIN, pin.pin);
            }
            case Msi msi -> {
                entry.set(JAVA_INT, GSI, msi.gsi);
                entry.set(JAVA_INT, TYPE, Kvm.IRQ_ROUTING_MSI);
                entry.set(JAVA_INT, UNION + ADDRESS_LO, (int) msi.message.address());
                entry.set(JAVA_INT, UNION + ADDRESS_HI, (int) (msi.message.address() >>> 32));
                entry.set(JAVA_INT, UNION + DATA, msi.message.data());
            }
        }
    }
}
