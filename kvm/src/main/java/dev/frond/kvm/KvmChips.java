// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.kvm;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import dev.frond.host.ControlFile;
import dev.frond.host.HostException;
import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.EngineChips;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * The 8259 pair, the I/O APIC and the 8254 of one machine in the kernel (KVM_CREATE_IRQCHIP,
 * KVM_CREATE_PIT2). Each wire of the board has a number of its own: 0 to 15 end at the 8259 pair,
 * {@value #IO_APIC} and up at the I/O APIC; the timer has number 0 at both, where it ends at pin 2
 * of the I/O APIC, as on a PC.
 *
 * <p>What the kernel's chips do not have: 8259A without a second one, polarity of pins, BCD and
 * gated modes of the timer, how far counter 0 is.
 */
final class KvmChips implements EngineChips, AutoCloseable {
    /** The number of pin 0 of the I/O APIC. */
    private static final int IO_APIC = 16;

    private static final int PINS = 24;
    private static final int IRQS = 16;
    private static final int CASCADE = 2;

    /** The wire of the timer, which the kernel's own drives, from low. */
    private static final int TIMER = 0;

    private static final int TIMER_PIN = 2;

    // Redirection table entries (82093AA, 3.2.4).
    private static final long RTE_LEVEL = 1 << 15;
    private static final long RTE_MASKED = 1 << 16;

    private static final long CHIP_ID = Structs.at(Structs.IRQCHIP, "chip_id");
    private static final long CHIP = Structs.at(Structs.IRQCHIP, "chip");

    private static final long LAST_IRR = pic("last_irr");
    private static final long IRR = pic("irr");
    private static final long IMR = pic("imr");
    private static final long ISR = pic("isr");
    private static final long PRIORITY_ADD = pic("priority_add");
    private static final long IRQ_BASE = pic("irq_base");
    private static final long READ_REG_SELECT = pic("read_reg_select");
    private static final long POLL = pic("poll");
    private static final long SPECIAL_MASK = pic("special_mask");
    private static final long INIT_STATE = pic("init_state");
    private static final long AUTO_EOI = pic("auto_eoi");
    private static final long ROTATE_ON_AUTO_EOI = pic("rotate_on_auto_eoi");
    private static final long SPECIAL_FULLY_NESTED_MODE = pic("special_fully_nested_mode");
    private static final long INIT4 = pic("init4");
    private static final long ELCR = pic("elcr");

    private static final long IOREGSEL = CHIP + Structs.at(Structs.IOAPIC_STATE, "ioregsel");
    private static final long IO_ID = CHIP + Structs.at(Structs.IOAPIC_STATE, "id");
    private static final long IO_IRR = CHIP + Structs.at(Structs.IOAPIC_STATE, "irr");
    private static final long REDIRTBL = CHIP + Structs.at(Structs.IOAPIC_STATE, "redirtbl");

    private static final long PIT_FLAGS = Structs.at(Structs.PIT_STATE2, "flags");
    private static final long CHANNEL = Structs.PIT_CHANNEL_STATE.byteSize();
    private static final long COUNT = channel("count");
    private static final long LATCHED_COUNT = channel("latched_count");
    private static final long COUNT_LATCHED = channel("count_latched");
    private static final long STATUS_LATCHED = channel("status_latched");
    private static final long STATUS = channel("status");
    private static final long READ_STATE = channel("read_state");
    private static final long WRITE_STATE = channel("write_state");
    private static final long WRITE_LATCH = channel("write_latch");
    private static final long RW_MODE = channel("rw_mode");
    private static final long MODE = channel("mode");
    private static final long BCD = channel("bcd");
    private static final long GATE = channel("gate");
    private static final long COUNT_LOAD_TIME = channel("count_load_time");

    /** A counter that was never programmed has this mode, and no timer. */
    private static final int NO_MODE = 0xFF;

    // read_state, write_state, count_latched: which byte is next; RW as in a control word.
    private static final int RW_MSB = 2;
    private static final int RW_WORD = 3;
    private static final int WORD_HIGH = 4;

    private final ControlFile vm;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment chip = arena.allocate(Structs.IRQCHIP);
    private final MemorySegment pit = arena.allocate(Structs.PIT_STATE2);
    private final MemorySegment level = arena.allocate(Structs.IRQ_LEVEL);
    private final ControlFile.Repeated irqLine;

    /** The wires that were last driven active. */
    private long driven;

    /** When {@link #pit} was read, by {@link System#nanoTime}. */
    private long pitRead;

    /** Makes the chips; before there is a CPU. */
    KvmChips(ControlFile vm) {
        this.vm = vm;
        vm.call(Kvm.CREATE_IRQCHIP, 0);
        MemorySegment config = arena.allocate(Structs.PIT_CONFIG);
        config.set(JAVA_INT, Structs.at(Structs.PIT_CONFIG, "flags"), Kvm.PIT_SPEAKER_DUMMY);
        vm.call(Kvm.CREATE_PIT2, config);
        irqLine = vm.repeated(Kvm.IRQ_LINE, level.address());
        route();
        suspend();
    }

    private static long pic(String field) {
        return CHIP + Structs.at(Structs.PIC_STATE, field);
    }

    private static long channel(String field) {
        return Structs.at(Structs.PIT_CHANNEL_STATE, field);
    }

    /** The number of the wire at a pin of the I/O APIC. */
    private static int wire(int pin) {
        return pin == TIMER_PIN ? TIMER : IO_APIC + pin;
    }

    private void route() {
        Routes routes = new Routes();
        for (int irq = 0; irq < IRQS; irq++) {
            if (irq != CASCADE) {
                int which = irq < 8 ? Kvm.IRQCHIP_PIC_MASTER : Kvm.IRQCHIP_PIC_SLAVE;
                routes.toChip(irq, which, irq & 7);
            }
        }
        for (int pin = 0; pin < PINS; pin++) {
            routes.toChip(wire(pin), Kvm.IRQCHIP_IOAPIC, pin);
        }
        routes.set(vm);
    }

    // --- wires
    // ------------------------------------------------------------------------------------------

    @Override
    public synchronized void picInput(int irq, boolean active) {
        if (irq != TIMER) {
            drive(irq, active);
        }
    }

    @Override
    public synchronized void ioApicPin(int pin, boolean active) {
        if (pin != TIMER_PIN) {
            drive(wire(pin), active);
        }
    }

    private void drive(int wire, boolean active) {
        level.set(JAVA_INT, 0, wire);
        level.set(JAVA_INT, 4, active ? 1 : 0);
        int result = irqLine.call();
        if (result < 0) {
            throw new HostException(Kvm.IRQ_LINE.name(), "wire " + wire, -result);
        }
        driven = active ? driven | 1L << wire : driven & ~(1L << wire);
    }

    private void driveUnless(int wire, boolean active) {
        if ((driven >>> wire & 1) != 0 != active) {
            drive(wire, active);
        }
    }

    // --- the 8259 pair
    // ------------------------------------------------------------------------------------------

    @Override
    public synchronized Pics pics() {
        return new Pics(pic(Kvm.IRQCHIP_PIC_MASTER), pic(Kvm.IRQCHIP_PIC_SLAVE));
    }

    private void get(int which) {
        chip.fill((byte) 0);
        chip.set(JAVA_INT, CHIP_ID, which);
        vm.call(Kvm.GET_IRQCHIP, chip);
    }

    private int at(long field) {
        return chip.get(JAVA_BYTE, field) & 0xFF;
    }

    private void put(long field, int value) {
        chip.set(JAVA_BYTE, field, (byte) value);
    }

    private void put(long field, boolean value) {
        put(field, value ? 1 : 0);
    }

    private Pic pic(int which) {
        get(which);
        int state = at(INIT_STATE);
        return new Pic(
                at(LAST_IRR),
                at(IRR),
                at(ISR),
                at(IMR),
                at(ELCR),
                at(IRQ_BASE),
                at(PRIORITY_ADD) - 1 & 7,
                // The kernel counts ICW2 as 1.
                state == 0 ? 0 : state + 1,
                at(INIT4) != 0,
                at(AUTO_EOI) != 0,
                at(ROTATE_ON_AUTO_EOI) != 0,
                at(SPECIAL_FULLY_NESTED_MODE) != 0,
                at(SPECIAL_MASK) != 0,
                at(POLL) != 0,
                at(READ_REG_SELECT) != 0);
    }

    @Override
    public synchronized void load(Pics pics) {
        // Nothing may get through while the wires are made what they are.
        mask(Kvm.IRQCHIP_PIC_MASTER);
        mask(Kvm.IRQCHIP_PIC_SLAVE);
        int lines = pics.master().lines() | pics.slave().lines() << 8;
        for (int irq = 0; irq < IRQS; irq++) {
            if (irq != CASCADE && irq != TIMER) {
                driveUnless(irq, (lines >>> irq & 1) != 0);
            }
        }
        load(Kvm.IRQCHIP_PIC_SLAVE, pics.slave());
        load(Kvm.IRQCHIP_PIC_MASTER, pics.master());
    }

    private void mask(int which) {
        get(which);
        put(IMR, 0xFF);
        vm.call(Kvm.SET_IRQCHIP, chip);
    }

    private void load(int which, Pic pic) {
        // What is not here stays as the kernel has it: elcr_mask.
        get(which);
        put(LAST_IRR, which == Kvm.IRQCHIP_PIC_MASTER ? pic.lines() & ~1 : pic.lines());
        put(IRR, pic.irr());
        put(ISR, pic.isr());
        put(IMR, pic.imr());
        put(ELCR, pic.elcr());
        put(IRQ_BASE, pic.base());
        put(PRIORITY_ADD, pic.lowest() + 1 & 7);
        put(INIT_STATE, pic.awaits() == 0 ? 0 : pic.awaits() - 1);
        put(INIT4, pic.ic4());
        put(AUTO_EOI, pic.autoEoi());
        put(ROTATE_ON_AUTO_EOI, pic.rotateOnAutoEoi());
        put(SPECIAL_FULLY_NESTED_MODE, pic.specialFullyNested());
        put(SPECIAL_MASK, pic.specialMask());
        put(POLL, pic.poll());
        put(READ_REG_SELECT, pic.readIsr());
        vm.call(Kvm.SET_IRQCHIP, chip);
    }

    // --- the I/O APIC
    // ------------------------------------------------------------------------------------------

    @Override
    public synchronized IoApic ioApic() {
        get(Kvm.IRQCHIP_IOAPIC);
        long[] table = new long[PINS];
        MemorySegment.copy(chip, JAVA_LONG, REDIRTBL, table, 0, PINS);
        return new IoApic(
                chip.get(JAVA_INT, IO_ID), chip.get(JAVA_INT, IOREGSEL), Longs.of(table), 0);
    }

    @Override
    public synchronized void load(IoApic ioApic) {
        long[] masked = new long[PINS];
        Arrays.fill(masked, RTE_MASKED);
        loadTable(ioApic, masked, 0);
        for (int pin = 0; pin < PINS; pin++) {
            boolean active = (ioApic.active() >>> pin & 1) != 0;
            if (pin != TIMER_PIN) {
                driveUnless(wire(pin), active);
            }
        }
        int interrupting = 0;
        long[] table = ioApic.redirection().toArray();
        for (int pin = 0; pin < PINS; pin++) {
            if ((table[pin] & RTE_LEVEL) != 0) {
                interrupting |= ioApic.active() & 1 << pin;
            }
        }
        loadTable(ioApic, table, interrupting);
    }

    private void loadTable(IoApic ioApic, long[] table, int irr) {
        // What is not here stays as the kernel has it: the address.
        get(Kvm.IRQCHIP_IOAPIC);
        chip.set(JAVA_INT, IO_ID, ioApic.id());
        chip.set(JAVA_INT, IOREGSEL, ioApic.select());
        chip.set(JAVA_INT, IO_IRR, irr);
        MemorySegment.copy(table, 0, chip, JAVA_LONG, REDIRTBL, PINS);
        vm.call(Kvm.SET_IRQCHIP, chip);
    }

    // --- the 8254
    // ------------------------------------------------------------------------------------------

    /** The machine stops: what the timer is now is what it goes on from. */
    synchronized void suspend() {
        vm.call(Kvm.GET_PIT2, pit);
        pitRead = System.nanoTime();
    }

    /** The machine goes on after time stood still. */
    synchronized void resume() {
        vm.call(Kvm.SET_PIT2, pit);
    }

    @Override
    public synchronized Pit pit() {
        int portB = pit.get(JAVA_BYTE, 2 * CHANNEL + GATE) & 1;
        if ((pit.get(JAVA_INT, PIT_FLAGS) & Kvm.PIT_FLAGS_SPEAKER_DATA_ON) != 0) {
            portB |= 2;
        }
        return new Pit(List.of(counter(0), counter(1), counter(2)), portB);
    }

    private Counter counter(int number) {
        MemorySegment channel = pit.asSlice(number * CHANNEL, CHANNEL);
        int rw = of(channel, RW_MODE) & 3;
        int mode = of(channel, MODE);
        int latched = of(channel, COUNT_LATCHED);
        boolean high = latched != 0 ? latched == RW_MSB : of(channel, READ_STATE) == WORD_HIGH;
        // Where counter 0 is the kernel does not tell.
        long age = number == 0 ? 0 : pitRead - channel.get(JAVA_LONG, COUNT_LOAD_TIME);
        return new Counter(
                rw << 4 | (mode & 7) << 1 | of(channel, BCD) & 1,
                channel.get(JAVA_INT, COUNT),
                mode == NO_MODE || rw == 0,
                age,
                of(channel, WRITE_LATCH),
                of(channel, WRITE_STATE) == WORD_HIGH,
                rw == RW_WORD && high,
                latched != 0,
                channel.get(JAVA_SHORT, LATCHED_COUNT) & 0xFFFF,
                of(channel, STATUS_LATCHED) != 0,
                of(channel, STATUS));
    }

    private static int of(MemorySegment channel, long field) {
        return channel.get(JAVA_BYTE, field) & 0xFF;
    }

    @Override
    public synchronized void load(Pit wanted) {
        pit.fill((byte) 0);
        for (int i = 0; i < 3; i++) {
            fill(pit.asSlice(i * CHANNEL, CHANNEL), wanted.counters().get(i));
            boolean gate = i != 2 || (wanted.portB() & 1) != 0;
            pit.set(JAVA_BYTE, i * CHANNEL + GATE, (byte) (gate ? 1 : 0));
        }
        boolean speaker = (wanted.portB() & 2) != 0;
        pit.set(JAVA_INT, PIT_FLAGS, speaker ? Kvm.PIT_FLAGS_SPEAKER_DATA_ON : 0);
        vm.call(Kvm.SET_PIT2, pit);
        suspend();
    }

    private static void fill(MemorySegment channel, Counter counter) {
        int rw = counter.control() >>> 4 & 3;
        int mode = counter.control() >>> 1 & 7;
        int latched =
                !counter.countLatched() ? 0 : rw == RW_WORD && counter.readHigh() ? RW_MSB : rw;
        channel.set(JAVA_INT, COUNT, counter.count());
        channel.set(JAVA_SHORT, LATCHED_COUNT, (short) counter.latchedCount());
        channel.set(JAVA_BYTE, COUNT_LATCHED, (byte) latched);
        channel.set(JAVA_BYTE, STATUS_LATCHED, (byte) (counter.statusLatched() ? 1 : 0));
        channel.set(JAVA_BYTE, STATUS, (byte) counter.latchedStatus());
        boolean unlatchedHigh = counter.readHigh() && latched == 0;
        channel.set(JAVA_BYTE, READ_STATE, (byte) (unlatchedHigh ? WORD_HIGH : rw));
        channel.set(JAVA_BYTE, WRITE_STATE, (byte) (counter.writeHigh() ? WORD_HIGH : rw));
        channel.set(JAVA_BYTE, WRITE_LATCH, (byte) counter.writeLatch());
        channel.set(JAVA_BYTE, RW_MODE, (byte) rw);
        channel.set(
                JAVA_BYTE, MODE, (byte) (counter.idle() ? NO_MODE : mode > 5 ? mode - 4 : mode));
        channel.set(JAVA_BYTE, BCD, (byte) (counter.control() & 1));
    }

    @Override
    public void close() {
        arena.close();
    }
}
