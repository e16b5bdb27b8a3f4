// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import dev.frond.machine.device.Device;
import dev.frond.machine.device.Longs;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.EngineChips;
import dev.frond.machine.vcpu.EngineKept;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/**
 * An I/O APIC of 24 pins (Intel 82093AA datasheet, order number 290566), with version 20h and the
 * EOI register that the ICH family added (ICH9 datasheet, 13.5.5). Its registers are 32 bits wide:
 * IOREGSEL at 00h, IOWIN at 10h, EOIR at 40h.
 */
public final class IoApic implements Device<IoApic.State>, IoHandler {
    /** The number of interrupt input pins. */
    public static final int PINS = 24;

    /**
     * The registers.
     *
     * @param id the ID register, with the ID in bits 27:24
     * @param select IOREGSEL, 8 bits
     * @param redirection the redirection table: 24 entries of 64 bits
     * @param pins the level of each pin, 1 for high, in bits 23:0
     */
    public record State(int id, int select, Longs redirection, int pins) {
        public State {
            check("ID", (id & ~ID_BITS) == 0);
            check("IOREGSEL", (select & ~0xFF) == 0);
            check("pins", (pins & ~ALL_PINS) == 0);
            check("redirection", redirection.length() == PINS);
            for (int i = 0; i < PINS; i++) {
                long entry = redirection.at(i);
                boolean idle = (entry & RTE_LEVEL) != 0 || (entry & RTE_REMOTE_IRR) == 0;
                check("entry " + i, (entry & ~RTE_BITS) == 0 && idle);
            }
        }

        private static void check(String register, boolean valid) {
            if (!valid) {
                throw new IllegalArgumentException(
                        "I/O APIC state: " + register + " holds what the chip cannot hold");
            }
        }
    }

    private static final int IOREGSEL = 0x00;
    private static final int IOWIN = 0x10;
    private static final int EOIR = 0x40;

    // Registers behind IOREGSEL and IOWIN.
    private static final int IOAPICID = 0x00;
    private static final int IOAPICVER = 0x01;
    private static final int IOAPICARB = 0x02;
    private static final int IOREDTBL = 0x10;

    private static final int ID_BITS = 0xF << 24;
    private static final int VERSION = (PINS - 1) << 16 | 0x20;
    private static final int ALL_PINS = (1 << PINS) - 1;

    // A redirection table entry (3.2.4).
    private static final long RTE_LOGICAL = 1 << 11;
    private static final long RTE_POLARITY = 1 << 13;
    private static final long RTE_REMOTE_IRR = 1 << 14;
    private static final long RTE_LEVEL = 1 << 15;
    private static final long RTE_MASKED = 1 << 16;
    private static final long RTE_WRITABLE = 0xFF00_0000_0001_AFFFL;
    private static final long RTE_BITS = RTE_WRITABLE | RTE_REMOTE_IRR;

    private final ApicBus bus;
    private final ReentrantLock lock;
    private final int initialId;
    private final int activeLow;
    private final Keeper keeper;
    private final long[] redirection = new long[PINS];
    private int id;
    private int select;
    private int pins;

    /** An I/O APIC with this ID, 0..15, on {@code bus}, all of whose wires are active high. */
    public IoApic(ApicBus bus, int id) {
        this(bus, id, 0);
    }

    /**
     * An I/O APIC with this ID, 0..15, on {@code bus}.
     *
     * @param activeLow the pins, bits 23:0, whose wire is low when a device drives it active, as
     *     PCI's INTx wires are
     */
    public IoApic(ApicBus bus, int id, int activeLow) {
        if (id < 0 || id > 15) {
            throw new IllegalArgumentException("I/O APIC ID " + id + ": accepted is 0 to 15");
        }
        if ((activeLow & ~ALL_PINS) != 0) {
            throw new IllegalArgumentException(
                    "I/O APIC active-low pins 0x%x: accepted are bits 0 to 23"
                            .formatted(activeLow));
        }
        this.bus = bus;
        lock = bus.lock();
        initialId = id;
        this.activeLow = activeLow;
        keeper = new Keeper(lock, this::take, this::settle);
        load(resetState());
        bus.add(this);
    }

    /** The registers: a page of memory. */
    public Region.Io registers() {
        return new Region.Io(this, 0x1000, AccessWidths.DWORD, lock);
    }

    /** The wire that ends at pin {@code number}, 0..23. */
    public IrqLine pin(int number) {
        if (number < 0 || number >= PINS) {
            throw new IllegalArgumentException("I/O APIC pin " + number + ": accepted is 0 to 23");
        }
        return active -> setPin(number, active);
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    @Override
    public State resetState() {
        long[] masked = new long[PINS];
        Arrays.fill(masked, RTE_MASKED);
        return new State(initialId << 24, 0, Longs.of(masked), activeLow);
    }

    @Override
    public State save() {
        keeper.fetch();
        long[] table = redirection.clone();
        for (int i = 0; i < PINS; i++) {
            if (bus.isKept() && isOver(i)) {
                table[i] &= ~RTE_REMOTE_IRR;
            }
        }
        return new State(id, select, Longs.of(table), pins);
    }

    @Override
    public void load(State state) {
        id = state.id;
        select = state.select;
        pins = state.pins;
        for (int i = 0; i < PINS; i++) {
            redirection[i] = state.redirection.at(i);
        }
    }

    /** The I/O APIC as an engine may keep it; nothing is sent from here then. */
    public EngineKept kept() {
        return keeper;
    }

    /** The wires are as they are: only this side drives them. */
    private void take(EngineChips engine) {
        EngineChips.IoApic kept = engine.ioApic();
        id = kept.id() << 24 & ID_BITS;
        select = kept.select() & 0xFF;
        for (int i = 0; i < PINS; i++) {
            long entry = kept.redirection().at(i) & RTE_BITS;
            redirection[i] = (entry & RTE_LEVEL) == 0 ? entry & ~RTE_REMOTE_IRR : entry;
        }
    }

    /** Sends what waits: messages that no local APIC has accepted yet. */
    @Override
    public void settle() {
        Optional<EngineChips> engine = keeper.engine();
        if (engine.isPresent()) {
            Longs table = Longs.of(redirection);
            engine.get().load(new EngineChips.IoApic(id >>> 24, select, table, pins ^ activeLow));
            return;
        }
        bus.route();
        for (int i = 0; i < PINS; i++) {
            service(i);
        }
    }

    @Override
    public long read(long offset, int size) {
        return switch ((int) offset) {
            case IOREGSEL -> select;
            case IOWIN -> Integer.toUnsignedLong(readSelected());
            default -> 0;
        };
    }

    @Override
    public void write(long offset, int size, long value) {
        switch ((int) offset) {
            case IOREGSEL -> select = (int) value & 0xFF;
            case IOWIN -> writeSelected((int) value);
            case EOIR -> endOfInterrupt((int) value & 0xFF);
            default -> {}
        }
    }

    /**
     * What the pins send, also those that are masked: an interrupt may end while its pin is masked.
     */
    List<ApicMessage> messages() {
        return IntStream.range(0, PINS)
                .mapToObj(i -> message(redirection[i], levelTriggered(redirection[i])))
                .toList();
    }

    /** An EOI for {@code vector} arrived; called with the lock held. */
    void endOfInterrupt(int vector) {
        for (int i = 0; i < PINS; i++) {
            if ((redirection[i] & RTE_REMOTE_IRR) != 0 && (redirection[i] & 0xFF) == vector) {
                redirection[i] &= ~RTE_REMOTE_IRR;
                service(i);
            }
        }
    }

    /**
     * Whether the guest has ended the interrupt of a pin and the engine that keeps the local APICs
     * was stopped before it told so: KVM tells when it would enter the guest the next time.
     */
    private boolean isOver(int pin) {
        return (redirection[pin] & RTE_REMOTE_IRR) != 0
                && keeper.engine().isEmpty()
                && !bus.isUnderWay((int) redirection[pin] & 0xFF);
    }

    /**
     * Ends what the engine that kept the local APICs has not told of; called with the lock held.
     */
    void endWhatIsOver() {
        for (int i = 0; i < PINS; i++) {
            if (isOver(i)) {
                endOfInterrupt((int) redirection[i] & 0xFF);
            }
        }
    }

    private int readSelected() {
        if (select >= IOREDTBL && select < IOREDTBL + 2 * PINS) {
            long entry = redirection[(select - IOREDTBL) / 2];
            return (int) ((select & 1) == 0 ? entry : entry >>> 32);
        }
        return switch (select) {
            // The arbitration ID is loaded together with the ID.
            case IOAPICID, IOAPICARB -> id;
            case IOAPICVER -> VERSION;
            default -> 0;
        };
    }

    private void writeSelected(int value) {
        if (select >= IOREDTBL && select < IOREDTBL + 2 * PINS) {
            int pin = (select - IOREDTBL) / 2;
            long entry = redirection[pin];
            long wide = Integer.toUnsignedLong(value);
            if ((select & 1) == 0) {
                long kept = entry & (0xFFFF_FFFFL << 32 | RTE_REMOTE_IRR);
                entry = kept | (wide & RTE_WRITABLE);
            } else {
                entry = (entry & 0xFFFF_FFFFL) | (wide << 32 & RTE_WRITABLE);
            }
            // Remote IRR is of level-triggered entries only: software clears it by way of edge.
            redirection[pin] = (entry & RTE_LEVEL) == 0 ? entry & ~RTE_REMOTE_IRR : entry;
            bus.route();
            service(pin);
        } else if (select == IOAPICID) {
            id = value & ID_BITS;
        }
    }

    private void setPin(int pin, boolean active) {
        lock.lock();
        try {
            int bit = 1 << pin;
            boolean high = active != ((activeLow & bit) != 0);
            if (high == ((pins & bit) != 0)) {
                return;
            }
            pins ^= bit;
            Optional<EngineChips> engine = keeper.engine();
            if (engine.isPresent()) {
                engine.get().ioApicPin(pin, active);
            } else if (levelTriggered(redirection[pin])) {
                service(pin);
            } else if ((redirection[pin] & RTE_MASKED) == 0 && asserted(pin)) {
                // An edge at a masked pin is lost (3.2.4, interrupt mask).
                bus.send(message(redirection[pin], false));
            }
        } finally {
            lock.unlock();
        }
    }

    /** Sends the interrupt of a level-triggered pin that is active, unless one is on its way. */
    private void service(int pin) {
        long entry = redirection[pin];
        if (levelTriggered(entry)
                && (entry & (RTE_MASKED | RTE_REMOTE_IRR)) == 0
                && asserted(pin)
                && bus.send(message(entry, true))) {
            redirection[pin] |= RTE_REMOTE_IRR;
        }
    }

    private boolean asserted(int pin) {
        boolean high = (pins >>> pin & 1) != 0;
        return high != ((redirection[pin] & RTE_POLARITY) != 0);
    }

    /** Only fixed and lowest-priority interrupts know levels; all others are edges (3.2.4). */
    private static boolean levelTriggered(long entry) {
        return (entry & RTE_LEVEL) != 0
                && switch (DeliveryMode.in((int) entry)) {
                    case FIXED, LOWEST_PRIORITY -> true;
                    default -> false;
                };
    }

    private static ApicMessage message(long entry, boolean level) {
        return new ApicMessage(
                (int) (entry >>> 56),
                false,
                (entry & RTE_LOGICAL) != 0,
                DeliveryMode.in((int) entry),
                (int) entry & 0xFF,
                level);
    }
}
