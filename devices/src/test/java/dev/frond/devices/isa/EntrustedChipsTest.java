// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.devices.irq.ApicBus;
import dev.frond.devices.irq.IoApic;
import dev.frond.machine.device.Longs;
import dev.frond.machine.vcpu.EngineChips;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;

/** The board's interrupt controllers and timer while an engine keeps their registers. */
class EntrustedChipsTest {
    private static final long MILLISECOND = 1_000_000;

    private final ManualClock clock = new ManualClock();
    private final List<Boolean> intr = new ArrayList<>();
    private final RecordingLine irq0 = new RecordingLine();
    private final I8259PicPair pic = new I8259PicPair(intr::add);
    private final IoApic ioApic = new IoApic(new ApicBus(), 0);
    private final I8254Pit pit = new I8254Pit(clock, irq0);
    private final Engine engine = new Engine();

    /** An engine that keeps what it is given. */
    private static final class Engine implements EngineChips {
        final List<String> wires = new ArrayList<>();
        Pics pics = new Pics(none(), none());
        EngineChips.IoApic ioApic = new EngineChips.IoApic(0, 0, Longs.zeros(24), 0);
        Pit pit = new Pit(List.of(), 0);
        boolean refuses;

        static Pic none() {
            return new Pic(0, 0, 0, 0, 0, 0, 7, 0, false, false, false, false, false, false, false);
        }

        @Override
        public Pics pics() {
            return pics;
        }

        @Override
        public void load(Pics given) {
            if (refuses) {
                throw new IllegalStateException("refused");
            }
            pics = given;
        }

        @Override
        public EngineChips.IoApic ioApic() {
            return ioApic;
        }

        @Override
        public void load(EngineChips.IoApic given) {
            ioApic = given;
        }

        @Override
        public Pit pit() {
            return pit;
        }

        @Override
        public void load(Pit given) {
            pit = given;
        }

        @Override
        public void picInput(int irq, boolean level) {
            wires.add("irq" + irq + (level ? "+" : "-"));
        }

        @Override
        public void ioApicPin(int pin, boolean active) {
            wires.add("pin" + pin + (active ? "+" : "-"));
        }
    }

    /** Vectors from 20h and 28h, nothing masked. */
    private void initializePics() {
        int[] words = {0x11, 0x20, 4, 1, 0};
        for (int i = 0; i < words.length; i++) {
            pic.masterRegisters().handler().write(i == 0 ? 0 : 1, 1, words[i]);
            pic.slaveRegisters().handler().write(i == 0 ? 0 : 1, 1, words[i] + (i == 1 ? 8 : 0));
        }
    }

    @Test
    void theEngineIsGivenTheRegistersOfThe8259Pair() {
        initializePics();
        pic.input(9).set(true);
        pic.kept().entrust(engine);
        assertThat(engine.pics.master().base()).isEqualTo(0x20);
        assertThat(engine.pics.master().irr()).as("the slave asks").isEqualTo(4);
        assertThat(engine.pics.slave().base()).isEqualTo(0x28);
        assertThat(engine.pics.slave().irr()).isEqualTo(2);
        assertThat(intr.getLast()).as("the engine's own chips interrupt").isFalse();
    }

    @Test
    void whatTheEngineHasIsSavedAndComesBack() {
        initializePics();
        pic.kept().entrust(engine);
        EngineChips.Pic slave =
                new EngineChips.Pic(
                        2, 2, 0, 0, 0, 0x28, 7, 0, true, false, false, false, false, false, false);
        engine.pics = new EngineChips.Pics(engine.pics.master(), slave);
        assertThat(pic.save().slave().irr()).isEqualTo(2);
        assertThat(pic.save().master().lines()).as("the slave's INT").isEqualTo(4);
        pic.kept().withdraw(engine);
        assertThat(intr.getLast()).isTrue();
        assertThat(pic.acknowledge()).isEqualTo(0x29);
    }

    @Test
    void wiresLeadToTheEngineAndRepeatNothing() {
        pic.kept().entrust(engine);
        ioApic.kept().entrust(engine);
        pic.input(4).set(true);
        pic.input(4).set(true);
        pic.input(4).set(false);
        ioApic.pin(16).set(true);
        ioApic.pin(16).set(true);
        ioApic.pin(16).set(false);
        assertThat(engine.wires).containsExactly("irq4+", "irq4-", "pin16+", "pin16-");
    }

    @Test
    void theIoApicsTableGoesThereAndBack() {
        ioApic.write(0, 4, 0x30);
        ioApic.write(0x10, 4, 0x8050);
        ioApic.pin(16).set(true);
        ioApic.kept().entrust(engine);
        assertThat(engine.ioApic.active()).isEqualTo(1 << 16);
        assertThat(engine.ioApic.select()).isEqualTo(0x30);
        long[] table = engine.ioApic.redirection().toArray();
        assertThat(table[16] & ~0x4000).isEqualTo(0x8050);
        // The engine sent it, and an edge elsewhere has bits that mean nothing.
        table[16] |= 0x5000;
        table[3] = 0x5021;
        engine.ioApic = new EngineChips.IoApic(5, 0x31, Longs.of(table), 0);
        IoApic.State saved = ioApic.save();
        assertThat(saved.id()).isEqualTo(0x0500_0000);
        assertThat(saved.redirection().at(16)).isEqualTo(0xC050);
        assertThat(saved.redirection().at(3)).isEqualTo(0x21);
        assertThat(saved.pins()).isEqualTo(1 << 16);
        assertThat(saved.select()).isEqualTo(0x31);
    }

    @Test
    void aCounterThatCountsOnceGoesOnFromWhatIsLeft() {
        pit.write(3, 1, 0x30);
        pit.write(0, 1, 0);
        pit.write(0, 1, 0x80);
        clock.advance(10 * MILLISECOND);
        pit.kept().entrust(engine);
        EngineChips.Counter counter = engine.pit.counters().getFirst();
        assertThat(counter.count()).isBetween(0x8000 - 11_934, 0x8000 - 11_929);
        assertThat(counter.idle()).isFalse();
        assertThat(engine.pit.counters().get(1).idle()).isTrue();
        clock.advance(100 * MILLISECOND);
        assertThat(irq0.rises()).as("the engine's timer interrupts").isZero();
    }

    @Test
    void aTimerThatComesBackGoesOnWithItsPeriod() {
        pit.write(3, 1, 0x34);
        pit.write(0, 1, 0xA9);
        pit.write(0, 1, 4);
        clock.advance(MILLISECOND / 2);
        pit.kept().entrust(engine);
        assertThat(engine.pit.counters().getFirst().count()).isEqualTo(0x4A9);
        clock.advance(10 * MILLISECOND);
        pit.kept().withdraw(engine);
        int before = irq0.rises();
        clock.advance(10 * MILLISECOND + MILLISECOND / 2);
        assertThat(irq0.rises() - before).isEqualTo(10);
    }

    @Test
    void counterTwoAndItsGateComeBackAsOldAsTheyAre() {
        pit.portB().handler().write(0, 1, 1);
        pit.write(3, 1, 0xB0);
        pit.write(2, 1, 0);
        pit.write(2, 1, 0x10);
        pit.kept().entrust(engine);
        assertThat(engine.pit.portB()).isEqualTo(1);
        clock.advance(MILLISECOND);
        EngineChips.Counter third = engine.pit.counters().get(2);
        EngineChips.Counter older =
                new EngineChips.Counter(
                        third.control(),
                        third.count(),
                        false,
                        MILLISECOND,
                        0,
                        false,
                        false,
                        false,
                        0,
                        false,
                        0);
        engine.pit =
                new EngineChips.Pit(
                        List.of(engine.pit.counters().get(0), engine.pit.counters().get(1), older),
                        1);
        pit.kept().withdraw(engine);
        pit.write(3, 1, 0x80);
        long count = pit.read(2, 1) | pit.read(2, 1) << 8;
        assertThat(count).isBetween(0x1000L - 1196, 0x1000L - 1190);
        assertThat(pit.portB().handler().read(0, 1) & 0x20).as("OUT 2").isZero();
        clock.advance(3 * MILLISECOND);
        assertThat(pit.portB().handler().read(0, 1) & 0x20).as("OUT 2").isNotZero();
    }

    @Test
    void anEngineThatRefusesLeavesTheRegistersWhereTheyWere() {
        initializePics();
        Engine other = new Engine();
        pic.kept().entrust(engine);
        other.refuses = true;
        assertThatThrownBy(() -> pic.kept().entrust(other)).hasMessage("refused");
        assertThat(pic.save().master().base()).isEqualTo(0x20);
        pic.input(3).set(true);
        assertThat(engine.wires).containsExactly("irq3+");
    }

    @Test
    void theNextEngineTakesFromTheOneBefore() {
        initializePics();
        Engine next = new Engine();
        pic.kept().entrust(engine);
        pic.kept().entrust(next);
        assertThat(next.pics.slave().base()).isEqualTo(0x28);
        pic.kept().withdraw(engine);
        pic.input(3).set(true);
        assertThat(next.wires).containsExactly("irq3+");
        // One that gives up gives back to nobody who is gone.
        pic.kept().withdraw(next);
        assertThat(pic.save().slave().base()).isEqualTo(0x28);
    }
}
