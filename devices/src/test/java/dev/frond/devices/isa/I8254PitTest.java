// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.Random;

class I8254PitTest extends DeviceContract<I8254Pit.State> {
    private static final int CONTROL = 3;

    private final ManualClock clock = new ManualClock();
    private final RecordingLine irq0 = new RecordingLine();
    private final I8254Pit pit = new I8254Pit(clock, irq0);

    @Override
    protected Rig<I8254Pit.State> newRig() {
        ManualClock benchClock = new ManualClock();
        RecordingLine wire = new RecordingLine();
        I8254Pit device = new I8254Pit(benchClock, wire);
        // control words of all modes for all counters, latches, read-backs, gates
        return new Rig<>(device, benchClock, wire)
                .region(device.registers())
                .region(device.portB())
                .favourites(
                        0x34, 0x36, 0x30, 0x38, 0x16, 0x74, 0xB0, 0xB2, 0xB6, 0xBA, 0x00, 0x80,
                        0xC2, 0xEE, 0xD2, 1, 0x35, 0x27);
    }

    private int in(int counter) {
        return (int) pit.read(counter, 1);
    }

    private void out(int register, int value) {
        pit.write(register, 1, value);
    }

    private int readBoth(int counter) {
        return in(counter) | in(counter) << 8;
    }

    private void program(int counter, int mode, int count) {
        out(CONTROL, counter << 6 | 0x30 | mode << 1);
        out(counter, count & 0xFF);
        out(counter, count >> 8);
    }

    private int latched(int counter) {
        out(CONTROL, counter << 6);
        return readBoth(counter);
    }

    private int status(int counter) {
        out(CONTROL, 0xE0 | 2 << counter);
        return in(counter);
    }

    private void gate2(boolean level) {
        pit.portB().handler().write(0, 1, level ? 1 : 0);
    }

    private boolean out2() {
        return (portB() & 0x20) != 0;
    }

    private int portB() {
        return (int) pit.portB().handler().read(0, 1);
    }

    /** Steps to the middle of the pulse that is {@code pulses} after the current one. */
    private void pulses(long pulses) {
        long target = I8254Pit.CLK.ticks(clock.now()) + pulses;
        clock.advanceTo(I8254Pit.CLK.nanos(target) + 400);
    }

    // Programming

    @Test
    void aCountWrittenLowByteFirstIsReadBackAsItRuns() {
        program(0, 2, 0x1234);
        pulses(1);
        assertThat(readBoth(0)).isEqualTo(0x1234);
        pulses(4);
        assertThat(readBoth(0)).isEqualTo(0x1230);
    }

    @Test
    void aCounterMayBeWrittenAndReadByOneByteOnly() {
        out(CONTROL, 0x14);
        out(0, 0x80);
        pulses(1);
        assertThat(in(0)).isEqualTo(0x80);
        assertThat(in(0)).isEqualTo(0x80);
        out(CONTROL, 0x24);
        out(0, 0x80);
        pulses(1);
        assertThat(in(0)).isEqualTo(0x80);
        pulses(1);
        assertThat(in(0)).isEqualTo(0x7F);
    }

    @Test
    void theControlWordRegisterCannotBeRead() {
        assertThat(pit.read(CONTROL, 1)).isEqualTo(0xFF);
    }

    @Test
    void aLatchedCountStaysUntilItIsReadWhole() {
        program(0, 2, 0x8000);
        pulses(1);
        out(CONTROL, 0x00);
        pulses(100);
        out(CONTROL, 0x00);
        assertThat(in(0)).isEqualTo(0x00);
        pulses(100);
        assertThat(in(0)).isEqualTo(0x80);
        assertThat(readBoth(0)).isEqualTo(0x8000 - 200);
    }

    @Test
    void readBackLatchesCountAndStatusOfSeveralCounters() {
        program(0, 2, 1000);
        program(1, 3, 500);
        pulses(11);
        out(CONTROL, 0xC6);
        pulses(7);
        assertThat(in(0)).as("status: OUT, count taken, both bytes, mode 2").isEqualTo(0xB4);
        assertThat(readBoth(0)).isEqualTo(990);
        assertThat(in(1)).as("status: OUT, count taken, both bytes, mode 3").isEqualTo(0xB6);
        assertThat(readBoth(1)).isEqualTo(480);
    }

    @Test
    void nullCountIsSetUntilTheCounterTakesTheCount() {
        out(CONTROL, 0x34);
        assertThat(status(0) & 0x40).isEqualTo(0x40);
        out(0, 100);
        out(0, 0);
        assertThat(status(0) & 0x40).isEqualTo(0x40);
        pulses(1);
        assertThat(status(0) & 0x40).isZero();
        out(0, 50);
        out(0, 0);
        pulses(50);
        assertThat(status(0) & 0x40).as("mode 2 takes it at the end of its cycle").isEqualTo(0x40);
        pulses(50);
        assertThat(status(0) & 0x40).isZero();
    }

    @Test
    void theStatusShowsTheModeAsItWasWritten() {
        out(CONTROL, 0x7E);
        assertThat(status(1)).isEqualTo(0xFE);
    }

    @Test
    void aControlWordForgetsLatchesAndHalfWrittenCounts() {
        program(0, 2, 0x8000);
        out(CONTROL, 0xC2);
        out(0, 0x11);
        out(CONTROL, 0x34);
        out(0, 0x22);
        out(0, 0x33);
        pulses(1);
        assertThat(readBoth(0)).isEqualTo(0x3322);
    }

    @Test
    void bcdCountersCountInDecimal() {
        out(CONTROL, 0x35);
        out(0, 0x00);
        out(0, 0x10);
        pulses(2);
        assertThat(readBoth(0)).isEqualTo(0x0999);
        pulses(900);
        assertThat(readBoth(0)).isEqualTo(0x0099);
        out(CONTROL, 0x35);
        out(0, 0x00);
        out(0, 0x00);
        pulses(2);
        assertThat(readBoth(0)).as("0 is 10,000").isEqualTo(0x9999);
    }

    // Modes, on counter 2 where the gate is

    @Test
    void mode0RaisesOutAtTheEndOfTheCountAndCountsOn() {
        gate2(true);
        program(2, 0, 5);
        pulses(5);
        assertThat(out2()).isFalse();
        pulses(1);
        assertThat(out2()).isTrue();
        pulses(3);
        assertThat(out2()).isTrue();
        assertThat(latched(2)).isEqualTo(0xFFFD);
    }

    @Test
    void mode0StopsWhileTheGateIsLow() {
        gate2(true);
        program(2, 0, 100);
        pulses(11);
        gate2(false);
        pulses(1000);
        assertThat(latched(2)).isEqualTo(90);
        gate2(true);
        pulses(90);
        assertThat(out2()).isTrue();
    }

    @Test
    void mode0StopsAtTheFirstByteOfANewCount() {
        gate2(true);
        program(2, 0, 5);
        pulses(10);
        out(2, 0x00);
        assertThat(out2()).isFalse();
        pulses(1000);
        assertThat(out2()).isFalse();
        out(2, 0x01);
        pulses(256);
        assertThat(out2()).isFalse();
        pulses(1);
        assertThat(out2()).isTrue();
    }

    @Test
    void mode1IsAOneShotThatTheGateTriggersAgain() {
        program(2, 1, 10);
        pulses(100);
        assertThat(out2()).isTrue();
        gate2(true);
        assertThat(out2()).isTrue();
        pulses(1);
        assertThat(out2()).isFalse();
        pulses(5);
        gate2(false);
        gate2(true);
        pulses(10);
        assertThat(out2()).isFalse();
        pulses(1);
        assertThat(out2()).isTrue();
    }

    @Test
    void mode2IsLowForTheLastPulseOfEachPeriod() {
        gate2(true);
        program(2, 2, 3);
        pulses(1);
        StringBuilder wave = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            wave.append(out2() ? 'H' : 'L');
            pulses(1);
        }
        assertThat(wave).hasToString("HHLHHLHHL");
    }

    @Test
    void mode3IsASquareWave() {
        gate2(true);
        for (String expected : new String[] {"HL", "HHL", "HHLL", "HHHLL", "HHHHLLLL"}) {
            program(2, 3, expected.length());
            pulses(1);
            StringBuilder wave = new StringBuilder();
            for (int i = 0; i < 2 * expected.length(); i++) {
                wave.append(out2() ? 'H' : 'L');
                pulses(1);
            }
            assertThat(wave).hasToString(expected + expected);
        }
    }

    @Test
    void mode3CountsByTwo() {
        program(0, 3, 1000);
        pulses(1);
        assertThat(latched(0)).isEqualTo(1000);
        pulses(3);
        assertThat(latched(0)).isEqualTo(994);
        pulses(497);
        assertThat(latched(0)).isEqualTo(1000);
    }

    @Test
    void theGateHoldsAndRestartsModes2And3() {
        for (int mode = 2; mode <= 3; mode++) {
            gate2(true);
            program(2, mode, 10);
            pulses(10);
            assertThat(out2()).isFalse();
            gate2(false);
            assertThat(out2()).isTrue();
            pulses(100);
            assertThat(out2()).isTrue();
            gate2(true);
            pulses(1);
            assertThat(latched(2)).isEqualTo(10);
        }
    }

    @Test
    void mode4StrobesOnceAfterTheCount() {
        gate2(true);
        program(2, 4, 4);
        pulses(4);
        assertThat(out2()).isTrue();
        pulses(1);
        assertThat(out2()).isFalse();
        pulses(1);
        assertThat(out2()).isTrue();
        pulses(0x2_0000);
        assertThat(out2()).isTrue();
    }

    @Test
    void mode5StrobesAfterTheGateRises() {
        program(2, 5, 4);
        pulses(100);
        gate2(true);
        pulses(4);
        assertThat(out2()).isTrue();
        pulses(1);
        assertThat(out2()).isFalse();
        pulses(1);
        assertThat(out2()).isTrue();
    }

    // Interrupts

    @Test
    void aRateGeneratorInterruptsOncePerPeriodAndNeverDrifts() {
        program(0, 2, 11_932);
        long loadedAt = I8254Pit.CLK.ticks(clock.now()) + 1;
        for (long period = 1; period <= 1000; period++) {
            clock.advanceTo(I8254Pit.CLK.nanos(loadedAt + period * 11_932) - 1);
            assertThat(irq0.rises()).as("before period %d ends", period).isEqualTo((int) period);
            clock.advance(1);
            assertThat(irq0.rises()).isEqualTo((int) period + 1);
        }
    }

    @Test
    void periodsThatPassedUnseenRiseOnce() {
        program(0, 3, 1000);
        I8254Pit.State state = pit.save();
        ManualClock later = new ManualClock();
        later.advance(1_000_000_000);
        RecordingLine wire = new RecordingLine();
        I8254Pit restored = new I8254Pit(later, wire);
        restored.load(state);
        restored.settle();
        assertThat(wire.events()).containsExactly("rise", "fall", "rise");
    }

    @Test
    void theWireStaysUpWhileOutOnlyCountsDown() {
        program(0, 3, 1000);
        pulses(600);
        assertThat(status(0) & 0x80).isZero();
        assertThat(irq0.isActive()).isTrue();
        pulses(500);
        assertThat(irq0.events()).containsExactly("rise", "fall", "rise");
    }

    @Test
    void aOneShotInterruptsOnce() {
        program(0, 0, 1000);
        assertThat(irq0.isActive()).isFalse();
        pulses(1000);
        assertThat(irq0.isActive()).isFalse();
        pulses(1);
        assertThat(irq0.isActive()).isTrue();
        assertThat(clock.nextDeadline()).as("nothing is left to wait for").isEmpty();
    }

    @Test
    void aStrobeInterruptsAtItsEnd() {
        program(0, 4, 1000);
        int before = irq0.rises();
        pulses(1001);
        assertThat(irq0.rises()).isEqualTo(before);
        pulses(1);
        assertThat(irq0.rises()).isEqualTo(before + 1);
        pulses(100_000);
        assertThat(irq0.rises()).isEqualTo(before + 1);
    }

    @Test
    void aControlWordOfMode0TakesTheWireDownAtOnce() {
        program(0, 2, 1000);
        assertThat(irq0.isActive()).isTrue();
        out(CONTROL, 0x30);
        assertThat(irq0.isActive()).isFalse();
    }

    @Test
    void countersOneAndTwoArmNoTimer() {
        gate2(true);
        program(1, 2, 18);
        program(2, 3, 100);
        assertThat(clock.nextDeadline()).isEmpty();
    }

    @Test
    void noTimerRunsAfterReset() {
        program(0, 2, 1000);
        assertThat(clock.nextDeadline()).isPresent();
        pit.reset();
        assertThat(clock.nextDeadline()).isEmpty();
        assertThat(irq0.isActive()).isFalse();
    }

    // Port B

    @Test
    void portBKeepsItsLowBitsAndShowsRefreshAndOut2() {
        pit.portB().handler().write(0, 1, 0xFF);
        assertThat(portB() & 0xCF).isEqualTo(0x0F);
        pit.portB().handler().write(0, 1, 0x00);
        int toggles = 0;
        int last = portB() & 0x10;
        for (int i = 0; i < 180; i++) {
            pulses(1);
            toggles += (portB() & 0x10) != last ? 1 : 0;
            last = portB() & 0x10;
        }
        assertThat(toggles).isEqualTo(10);
    }

    @Test
    void linuxCalibratesTheTscAgainstCounterTwo() {
        // pit_calibrate_tsc: 10 ms in mode 0, gated by port B, watched through OUT 2
        pit.portB().handler().write(0, 1, (portB() & ~0x02) | 0x01);
        out(CONTROL, 0xB0);
        int latch = 1_193_182 / 100;
        out(2, latch & 0xFF);
        out(2, latch >> 8);
        long start = clock.now();
        while ((portB() & 0x20) == 0) {
            clock.advance(1000);
        }
        assertThat(clock.now() - start).isBetween(9_990_000L, 10_010_000L);
    }

    // Against the data sheet, pulse by pulse

    /** The 8254 as its data sheet tells it: every pulse of CLK is lived through. */
    private static final class Reference {
        boolean gate = true;
        int mode;
        boolean bcd;
        int rw = 3;
        int cr;
        int low;
        boolean high;
        boolean nullCount = true;
        boolean out;
        boolean load;
        boolean started;
        boolean expired;
        boolean strobe;
        int n = 1;
        int ce;

        int modulus() {
            return bcd ? 10_000 : 65_536;
        }

        int count() {
            int value = bcd ? Integer.parseInt(Integer.toHexString(cr)) : cr;
            return value == 0 ? modulus() : mode == 2 || mode == 3 ? Math.max(value, 2) : value;
        }

        void control(int word) {
            rw = word >> 4 & 3;
            mode = word >> 1 & 7;
            mode = mode > 5 ? mode - 4 : mode;
            bcd = (word & 1) != 0;
            cr = 0;
            high = false;
            nullCount = true;
            load = false;
            started = false;
            expired = false;
            strobe = false;
            ce %= modulus();
            n = 1;
            out = mode != 0;
        }

        void write(int data) {
            if (rw == 3 && !high) {
                high = true;
                low = data;
                if (mode == 0) {
                    started = false;
                    load = false;
                    expired = false;
                    out = false;
                }
                return;
            }
            cr = rw == 1 ? data : rw == 2 ? data << 8 : data << 8 | low;
            high = false;
            nullCount = true;
            if (mode == 0) {
                out = false;
            }
            if (mode == 0 || mode == 4 || ((mode == 2 || mode == 3) && !started && !load)) {
                load = true;
                strobe = strobe && mode == 4;
            }
        }

        void gate(boolean level) {
            boolean trigger = level && !gate;
            gate = level;
            boolean free = mode == 2 || mode == 3;
            if (trigger && (mode == 1 || mode == 5 || (free && (started || load)))) {
                load = true;
            }
            if (!level && free) {
                out = true;
            }
        }

        void pulse() {
            if (load) {
                load = false;
                started = true;
                expired = false;
                strobe = false;
                take();
                out = mode > 1;
                return;
            }
            if (strobe) {
                strobe = false;
                out = true;
            }
            if (!started || (!gate && mode != 1 && mode != 5)) {
                return;
            }
            switch (mode) {
                case 2 -> {
                    if (ce == 1) {
                        take();
                        out = true;
                    } else {
                        down(1);
                        out = ce != 1;
                    }
                }
                case 3 -> {
                    boolean last = ce == (n % 2 == 0 || !out ? 2 : 0);
                    if (last) {
                        out = !out;
                        take();
                    } else {
                        down(2);
                    }
                }
                default -> {
                    down(1);
                    if (ce == 0 && !expired) {
                        expired = true;
                        out = mode < 2;
                        strobe = mode > 3;
                    }
                }
            }
        }

        private void take() {
            nullCount = false;
            n = count();
            ce = (mode == 3 ? n & ~1 : n) % modulus();
        }

        private void down(int by) {
            ce = (ce - by + modulus()) % modulus();
        }

        int shown() {
            return bcd ? Integer.parseInt(Integer.toString(ce), 16) : ce;
        }
    }

    @Test
    void randomProgramsRunAsTheDataSheetSaysPulseByPulse() {
        for (int seed = 0; seed < 400; seed++) {
            Random random = new Random(seed);
            ManualClock time = new ManualClock();
            RecordingLine wire = new RecordingLine();
            I8254Pit device = new I8254Pit(time, wire);
            int which = random.nextBoolean() ? 2 : 0;
            Reference reference = new Reference();
            reference.gate = which == 0;
            int referenceRises = 0;
            long pulse = 0;
            for (int step = 0; step < 60; step++) {
                boolean before = reference.out;
                String words;
                switch (random.nextInt(5)) {
                    case 0 -> {
                        int word =
                                (1 + random.nextInt(3)) << 4
                                        | random.nextInt(8) << 1
                                        | (random.nextInt(4) == 0 ? 1 : 0);
                        device.write(CONTROL, 1, which << 6 | word);
                        reference.control(word);
                        words = "control %02x".formatted(word);
                    }
                    case 1, 2 -> {
                        int data =
                                random.nextInt(10)
                                        + (random.nextInt(4) == 0 ? 0x10 * random.nextInt(10) : 0);
                        device.write(which, 1, data);
                        reference.write(data);
                        words = "count %02x".formatted(data);
                    }
                    case 3 -> {
                        boolean level = random.nextBoolean() || which == 0;
                        if (which == 2) {
                            device.portB().handler().write(0, 1, level ? 1 : 0);
                        }
                        reference.gate(level);
                        words = "gate " + level;
                    }
                    default -> {
                        words = "time";
                    }
                }
                if (which == 0 && reference.out && !before) {
                    referenceRises++;
                }
                int pulses = random.nextInt(random.nextInt(32) == 0 ? 200_000 : 30);
                for (int i = 0; i < pulses; i++) {
                    boolean level = reference.out;
                    reference.pulse();
                    referenceRises += reference.out && !level ? 1 : 0;
                }
                pulse += pulses;
                time.advanceTo(I8254Pit.CLK.nanos(pulse));
                device.write(CONTROL, 1, 0xC0 | 2 << which);
                int status = (int) device.read(which, 1);
                int count = (int) device.read(which, 1);
                if (reference.rw == 3) {
                    count |= (int) device.read(which, 1) << 8;
                }
                int expected =
                        reference.rw == 3
                                ? reference.shown()
                                : reference.rw == 2
                                        ? reference.shown() >> 8
                                        : reference.shown() & 0xFF;
                assertThat(
                                "%02x %04x %d"
                                        .formatted(
                                                status & 0xC0,
                                                count,
                                                which == 0 ? wire.rises() : 0))
                        .as("seed %d, step %d: %s, then %d pulses", seed, step, words, pulses)
                        .isEqualTo(
                                "%02x %04x %d"
                                        .formatted(
                                                (reference.out ? 0x80 : 0)
                                                        | (reference.nullCount ? 0x40 : 0),
                                                expected,
                                                which == 0 ? referenceRises : 0));
            }
        }
    }

    @Test
    void aStateThatNoChipCanHaveIsRefused() {
        I8254Pit.State r = I8254Pit.State.RESET;
        assertThatThrownBy(() -> new I8254Pit.State(r.counters().subList(0, 2), 0, false))
                .hasMessage("number of counters 2: accepted are 3..3");
        assertThatThrownBy(() -> new I8254Pit.State(r.counters(), 0x10, false))
                .hasMessage("portB 10h: accepted are the bits in Fh");
    }
}
