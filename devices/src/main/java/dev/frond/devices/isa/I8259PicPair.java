// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import dev.frond.devices.irq.IntaCycle;
import dev.frond.devices.irq.Keeper;
import dev.frond.machine.device.Device;
import dev.frond.machine.irq.IrqLine;
import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.IoHandler;
import dev.frond.machine.memory.Region;
import dev.frond.machine.vcpu.EngineChips;
import dev.frond.machine.vcpu.EngineKept;

import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The interrupt controllers of a PC: two 8259A (Intel, 8259A Programmable Interrupt Controller,
 * 231468), the second one's INT at the first one's IR2, with the edge/level registers of the PIIX
 * (Intel, 82371AB, 290562, ELCR1 and ELCR2), which stand in for ICW1's LTIM.
 *
 * <p>Always in 8086 mode. The wires may be driven by any thread; {@link #acknowledge} is the CPU's.
 */
public final class I8259PicPair implements Device<I8259PicPair.State>, IntaCycle {
    /** Both chips. */
    public record State(Chip master, Chip slave) {
        /** Nothing is let through before the chips are initialised. */
        public static final State RESET = new State(Chip.RESET, Chip.RESET);

        public State {
            Checks.bits("master elcr", master.elcr(), MASTER_ELCR);
            Checks.bits("slave elcr", slave.elcr(), SLAVE_ELCR);
        }
    }

    /**
     * One 8259A.
     *
     * @param lines the levels at IR0 to IR7
     * @param irr the requests latched by rising edges
     * @param elcr the inputs that are level-triggered and therefore not latched
     * @param base T7 to T3 of ICW2
     * @param lowest the input that has the lowest priority, 0..7
     * @param expects which word the next write with A0 = 1 is
     * @param single SNGL of ICW1
     * @param ic4 IC4 of ICW1: ICW4 will come
     */
    public record Chip(
            int lines,
            int irr,
            int isr,
            int imr,
            int elcr,
            int base,
            int lowest,
            Expects expects,
            boolean single,
            boolean ic4,
            boolean autoEoi,
            boolean rotateOnAutoEoi,
            boolean specialFullyNested,
            boolean specialMask,
            boolean poll,
            boolean readIsr) {
        /** All masked; the chip itself leaves this undefined. */
        public static final Chip RESET =
                new Chip(
                        0,
                        0,
                        0,
                        0xFF,
                        0,
                        0,
                        7,
                        Expects.OCW1,
                        false,
                        false,
                        false,
                        false,
                        false,
                        false,
                        false,
                        false);

        public Chip {
            Checks.bits("lines", lines, 0xFF);
            Checks.bits("irr", irr, 0xFF);
            Checks.bits("isr", isr, 0xFF);
            Checks.bits("imr", imr, 0xFF);
            Checks.bits("elcr", elcr, 0xFF);
            Checks.bits("base", base, 0xF8);
            Checks.bits("lowest", lowest, 7);
        }
    }

    /** The word that a chip awaits at A0 = 1 (figure 6). */
    public enum Expects {
        OCW1,
        ICW2,
        ICW3,
        ICW4
    }

    // ICW1 (figure 7); bit 4 tells it from OCW2 and OCW3
    private static final int ICW1 = 1 << 4;
    private static final int IC4 = 1 << 0;
    private static final int SNGL = 1 << 1;

    // ICW2 and ICW4
    private static final int T7_T3 = 0xF8;
    private static final int AEOI = 1 << 1;
    private static final int SFNM = 1 << 4;

    // OCW2 (figure 8): R, SL, EOI in bits 7 to 5, L2 to L0
    private static final int ROTATE_IN_AUTO_EOI_CLEAR = 0b000;
    private static final int NON_SPECIFIC_EOI = 0b001;
    private static final int SPECIFIC_EOI = 0b011;
    private static final int ROTATE_IN_AUTO_EOI_SET = 0b100;
    private static final int ROTATE_ON_NON_SPECIFIC_EOI = 0b101;
    private static final int SET_PRIORITY = 0b110;
    private static final int ROTATE_ON_SPECIFIC_EOI = 0b111;
    private static final int L = 0b111;

    // OCW3 (figure 8); bit 3 tells it from OCW2
    private static final int OCW3 = 1 << 3;
    private static final int RIS = 1 << 0;
    private static final int RR = 1 << 1;
    private static final int P = 1 << 2;
    private static final int SMM = 1 << 5;
    private static final int ESMM = 1 << 6;

    /** The poll word's I bit: there is an interrupt (page 15). */
    private static final int POLL_I = 1 << 7;

    /** IRQ0, 1 and 2 are always edges, and so are IRQ8 and 13. */
    private static final int MASTER_ELCR = 0xF8;

    private static final int SLAVE_ELCR = 0xDE;

    /** Where the slave is at the master. */
    private static final int CASCADE = 2;

    /** What a chip answers to INTA when no request is left (edge and level triggered modes). */
    private static final int SPURIOUS = 7;

    private static final int NONE = -1;

    private final ReentrantLock lock = new ReentrantLock();
    private final IrqLine intr;
    private final Controller master = new Controller(true);
    private final Controller slave = new Controller(false);
    private final Keeper keeper = new Keeper(lock, this::take, this::settle);

    /** A pair whose INT to the CPU is {@code intr}. */
    public I8259PicPair(IrqLine intr) {
        this.intr = intr;
        load(State.RESET);
    }

    /** Ports 20h and 21h. */
    public Region.Io masterRegisters() {
        return new Region.Io(master, 2, AccessWidths.BYTE, lock);
    }

    /** Ports A0h and A1h. */
    public Region.Io slaveRegisters() {
        return new Region.Io(slave, 2, AccessWidths.BYTE, lock);
    }

    /** Ports 4D0h and 4D1h. */
    public Region.Io elcrRegisters() {
        IoHandler handler =
                new IoHandler() {
                    @Override
                    public long read(long offset, int size) {
                        return offset == 0 ? master.elcr : slave.elcr;
                    }

                    @Override
                    public void write(long offset, int size, long value) {
                        if (offset == 0) {
                            master.writeElcr((int) value & MASTER_ELCR);
                        } else {
                            slave.writeElcr((int) value & SLAVE_ELCR);
                        }
                        drive();
                    }
                };
        return new Region.Io(handler, 2, AccessWidths.BYTE, lock);
    }

    /** The wire of ISA interrupt {@code irq}, 0..15 but not 2, where the slave is. */
    public IrqLine input(int irq) {
        if (irq < 0 || irq > 15 || irq == CASCADE) {
            throw new IllegalArgumentException("irq " + irq + ": accepted are 0, 1 and 3..15");
        }
        Controller chip = irq < 8 ? master : slave;
        return level -> {
            lock.lock();
            try {
                if (chip.isHigh(irq & 7) != level) {
                    chip.setLine(irq & 7, level);
                    Optional<EngineChips> engine = keeper.engine();
                    if (engine.isPresent()) {
                        engine.get().picInput(irq, level);
                    } else {
                        drive();
                    }
                }
            } finally {
                lock.unlock();
            }
        };
    }

    /** Both INTA pulses of the CPU: the vector, which of a request that has gone is that of IR7. */
    @Override
    public int acknowledge() {
        lock.lock();
        try {
            int irq = master.acknowledge();
            Controller chip = master;
            if (irq == CASCADE && !master.single) {
                chip = slave;
                irq = slave.acknowledge();
            }
            drive();
            return chip.base | (irq == NONE ? SPURIOUS : irq);
        } finally {
            lock.unlock();
        }
    }

    /** The pair as an engine may keep it; INT is not driven then. */
    public EngineKept kept() {
        return keeper;
    }

    private void take(EngineChips engine) {
        EngineChips.Pics pics = engine.pics();
        master.take(pics.master());
        slave.take(pics.slave());
        master.setLine(CASCADE, slave.highestRequest() != NONE);
    }

    @Override
    public void settle() {
        Optional<EngineChips> engine = keeper.engine();
        if (engine.isPresent()) {
            engine.get().load(new EngineChips.Pics(master.give(), slave.give()));
            intr.set(false);
        } else {
            drive();
        }
    }

    /** Lets the slave's INT reach the master, and the master's the CPU. */
    private void drive() {
        master.setLine(CASCADE, slave.highestRequest() != NONE);
        intr.set(master.highestRequest() != NONE);
    }

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        keeper.fetch();
        return new State(master.save(), slave.save());
    }

    @Override
    public void load(State state) {
        master.load(state.master());
        slave.load(state.slave());
    }

    @Override
    public ReentrantLock lock() {
        return lock;
    }

    /** One of the two chips. */
    private final class Controller implements IoHandler {
        /**
         * Inputs that are level-triggered whatever ELCR says: a slave's INT may stay for its next
         * request.
         */
        private final int cascade;

        private int lines;
        private int irr;
        private int isr;
        private int imr;
        private int elcr;
        private int base;
        private int lowest;
        private Expects expects = Expects.OCW1;
        private boolean single;
        private boolean ic4;
        private boolean autoEoi;
        private boolean rotateOnAutoEoi;
        private boolean specialFullyNested;
        private boolean specialMask;
        private boolean poll;
        private boolean readIsr;

        Controller(boolean isMaster) {
            cascade = isMaster ? 1 << CASCADE : 0;
        }

        @Override
        public long read(long a0, int size) {
            if (poll) {
                // The poll command makes the next read, at either address, an acknowledge (page
                // 15).
                poll = false;
                int irq = acknowledge();
                drive();
                return irq == NONE ? 0 : POLL_I | irq;
            } else if (a0 == 1) {
                return imr;
            }
            return readIsr ? isr : requests();
        }

        @Override
        public void write(long a0, int size, long value) {
            int data = (int) value & 0xFF;
            if (a0 == 0) {
                if ((data & ICW1) != 0) {
                    writeIcw1(data);
                } else if ((data & OCW3) != 0) {
                    writeOcw3(data);
                } else {
                    writeOcw2(data);
                }
            } else {
                switch (expects) {
                    case OCW1 -> imr = data;
                    case ICW2 -> {
                        base = data & T7_T3;
                        expects = single ? afterIcw3() : Expects.ICW3;
                    }
                    // Which inputs have slaves is wired; the word only has its place in the
                    // sequence.
                    case ICW3 -> expects = afterIcw3();
                    case ICW4 -> {
                        autoEoi = (data & AEOI) != 0;
                        specialFullyNested = (data & SFNM) != 0;
                        expects = Expects.OCW1;
                    }
                }
            }
            drive();
        }

        private Expects afterIcw3() {
            return ic4 ? Expects.ICW4 : Expects.OCW1;
        }

        /** What happens automatically with ICW1 (page 10). */
        private void writeIcw1(int data) {
            irr = 0;
            isr = 0;
            imr = 0;
            lowest = 7;
            specialMask = false;
            readIsr = false;
            poll = false;
            rotateOnAutoEoi = false;
            autoEoi = false;
            specialFullyNested = false;
            single = (data & SNGL) != 0;
            ic4 = (data & IC4) != 0;
            expects = Expects.ICW2;
        }

        private void writeOcw2(int data) {
            int level = data & L;
            switch (data >>> 5) {
                case NON_SPECIFIC_EOI -> endHighest(false);
                case SPECIFIC_EOI -> isr &= ~(1 << level);
                case ROTATE_ON_NON_SPECIFIC_EOI -> endHighest(true);
                case ROTATE_IN_AUTO_EOI_SET -> rotateOnAutoEoi = true;
                case ROTATE_IN_AUTO_EOI_CLEAR -> rotateOnAutoEoi = false;
                case ROTATE_ON_SPECIFIC_EOI -> {
                    isr &= ~(1 << level);
                    lowest = level;
                }
                case SET_PRIORITY -> lowest = level;
                default -> {}
            }
        }

        private void endHighest(boolean rotate) {
            // In special mask mode a level that is masked is not ended so (page 17).
            int irq = highest(specialMask ? isr & ~imr : isr);
            if (irq != NONE) {
                isr &= ~(1 << irq);
                lowest = rotate ? irq : lowest;
            }
        }

        private void writeOcw3(int data) {
            if ((data & ESMM) != 0) {
                specialMask = (data & SMM) != 0;
            }
            if ((data & P) != 0) {
                poll = true;
            } else if ((data & RR) != 0) {
                readIsr = (data & RIS) != 0;
            }
        }

        void writeElcr(int value) {
            elcr = value;
            irr &= ~value;
        }

        /** A rising edge is latched, but only for as long as the input stays high (figure 9). */
        void setLine(int irq, boolean level) {
            int bit = 1 << irq;
            if (!level) {
                lines &= ~bit;
                irr &= ~bit;
            } else if ((lines & bit) == 0) {
                lines |= bit;
                irr |= bit & ~levelTriggered();
            }
        }

        boolean isHigh(int irq) {
            return (lines >>> irq & 1) != 0;
        }

        private int levelTriggered() {
            return elcr | cascade;
        }

        private int requests() {
            return irr | (lines & levelTriggered());
        }

        /** The input of {@code mask} with the highest priority. */
        private int highest(int mask) {
            for (int i = 1; i <= 8; i++) {
                int irq = (lowest + i) & 7;
                if ((mask & 1 << irq) != 0) {
                    return irq;
                }
            }
            return NONE;
        }

        /**
         * The request that INT stands for: one that is not masked nor behind a level in service.
         */
        int highestRequest() {
            int irq = expects == Expects.OCW1 ? highest(requests() & ~imr) : NONE;
            if (irq == NONE) {
                return NONE;
            }
            int inService = specialMask ? isr & ~imr : isr;
            // The special fully nested master lets a slave in service interrupt again (page 18).
            int blocking = highest(inService & ~(specialFullyNested ? cascade & 1 << irq : 0));
            return blocking == NONE || rank(irq) < rank(blocking) ? irq : NONE;
        }

        private int rank(int irq) {
            return (irq - lowest - 1) & 7;
        }

        /** An acknowledge: the request goes into service; its input, or NONE. */
        int acknowledge() {
            int irq = highestRequest();
            if (irq != NONE) {
                irr &= ~(1 << irq);
                if (!autoEoi) {
                    isr |= 1 << irq;
                } else if (rotateOnAutoEoi) {
                    lowest = irq;
                }
            }
            return irq;
        }

        EngineChips.Pic give() {
            return new EngineChips.Pic(
                    lines & ~cascade,
                    requests(),
                    isr,
                    imr,
                    elcr,
                    base,
                    lowest,
                    switch (expects) {
                        case OCW1 -> 0;
                        case ICW2 -> 2;
                        case ICW3 -> 3;
                        case ICW4 -> 4;
                    },
                    ic4,
                    autoEoi,
                    rotateOnAutoEoi,
                    specialFullyNested,
                    specialMask,
                    poll,
                    readIsr);
        }

        /** Engines know no chip without another. */
        void take(EngineChips.Pic pic) {
            lines = pic.lines() & ~cascade;
            elcr = pic.elcr();
            irr = pic.irr() & ~levelTriggered();
            isr = pic.isr();
            imr = pic.imr();
            base = pic.base() & T7_T3;
            lowest = pic.lowest();
            expects =
                    switch (pic.awaits()) {
                        case 2 -> Expects.ICW2;
                        case 3 -> Expects.ICW3;
                        case 4 -> Expects.ICW4;
                        default -> Expects.OCW1;
                    };
            single = false;
            ic4 = pic.ic4();
            autoEoi = pic.autoEoi();
            rotateOnAutoEoi = pic.rotateOnAutoEoi();
            specialFullyNested = pic.specialFullyNested();
            specialMask = pic.specialMask();
            poll = pic.poll();
            readIsr = pic.readIsr();
        }

        Chip save() {
            return new Chip(
                    lines,
                    irr,
                    isr,
                    imr,
                    elcr,
                    base,
                    lowest,
                    expects,
                    single,
                    ic4,
                    autoEoi,
                    rotateOnAutoEoi,
                    specialFullyNested,
                    specialMask,
                    poll,
                    readIsr);
        }

        void load(Chip state) {
            lines = state.lines();
            irr = state.irr();
            isr = state.isr();
            imr = state.imr();
            elcr = state.elcr();
            base = state.base();
            lowest = state.lowest();
            expects = state.expects();
            single = state.single();
            ic4 = state.ic4();
            autoEoi = state.autoEoi();
            rotateOnAutoEoi = state.rotateOnAutoEoi();
            specialFullyNested = state.specialFullyNested();
            specialMask = state.specialMask();
            poll = state.poll();
            readIsr = state.readIsr();
        }
    }
}
