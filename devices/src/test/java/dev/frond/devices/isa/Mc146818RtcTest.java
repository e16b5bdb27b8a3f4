// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Bytes;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.time.Instant;
import java.util.List;
import java.util.Locale;

class Mc146818RtcTest extends DeviceContract<Mc146818Rtc.State> {
    private static final int SECONDS = 0;
    private static final int SECONDS_ALARM = 1;
    private static final int MINUTES = 2;
    private static final int MINUTES_ALARM = 3;
    private static final int HOURS = 4;
    private static final int HOURS_ALARM = 5;
    private static final int DAY_OF_WEEK = 6;
    private static final int DATE = 7;
    private static final int MONTH = 8;
    private static final int YEAR = 9;
    private static final int A = 10;
    private static final int B = 11;
    private static final int C = 12;
    private static final int D = 13;
    private static final int CENTURY = 0x32;

    private static final int H24 = 0x02;
    private static final int DM = 0x04;
    private static final int UIE = 0x10;
    private static final int AIE = 0x20;
    private static final int PIE = 0x40;
    private static final int SET = 0x80;

    private static final int UF = 0x10;
    private static final int AF = 0x20;
    private static final int PF = 0x40;
    private static final int IRQF = 0x80;

    private static final long SECOND = 1_000_000_000;
    private static final long DAY = 86_400 * SECOND;

    /** A Tuesday, with 400 ms gone of its second. */
    private final ManualClock clock = new ManualClock(0, Instant.parse("2028-02-29T23:59:57.4Z"));

    private final RecordingLine irq = new RecordingLine();
    private final Mc146818Rtc rtc = new Mc146818Rtc(clock, irq);

    @Override
    protected Rig<Mc146818Rtc.State> newRig() {
        ManualClock benchClock = new ManualClock();
        RecordingLine benchIrq = new RecordingLine();
        Mc146818Rtc device = new Mc146818Rtc(benchClock, benchIrq);
        // registers A to D by either port; alarms at any time; rates; dividers held; enables
        return new Rig<>(device, benchClock, benchIrq)
                .region(device.registers())
                .favourites(
                        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x0A, 0x0B, 0x0C, 0x0D, 0x12,
                        0x22, 0x26, 0x2F, 0x32, 0x42, 0x66, 0x72, 0x82, 0xC0, 0xFF);
    }

    private int in(int register) {
        rtc.write(0, 1, register);
        return (int) rtc.read(1, 1);
    }

    private void out(int register, int value) {
        rtc.write(0, 1, register);
        rtc.write(1, 1, value);
    }

    /** Year, month, date, hours, minutes, seconds as the registers have them, in hexadecimal. */
    private String time() {
        return String.format(
                Locale.ROOT,
                "%02x%02x-%02x-%02x %02x:%02x:%02x",
                in(CENTURY),
                in(YEAR),
                in(MONTH),
                in(DATE),
                in(HOURS),
                in(MINUTES),
                in(SECONDS));
    }

    private void write(int century, int year, int month, int date, int h, int m, int s) {
        out(YEAR, year);
        out(MONTH, month);
        out(DATE, date);
        out(HOURS, h);
        out(MINUTES, m);
        out(SECONDS, s);
        out(CENTURY, century);
    }

    private void alarm(int h, int m, int s) {
        out(HOURS_ALARM, h);
        out(MINUTES_ALARM, m);
        out(SECONDS_ALARM, s);
    }

    // Time and calendar

    @Test
    void afterPowerOnItShowsTheTimeOfDayInBcdAnd24Hours() {
        assertThat(time()).isEqualTo("2028-02-29 23:59:57");
        assertThat(in(DAY_OF_WEEK)).as("Tuesday").isEqualTo(3);
        assertThat(in(A)).isEqualTo(0x26);
        assertThat(in(B)).isEqualTo(H24);
        assertThat(in(C)).isZero();
        assertThat(in(D)).isEqualTo(0x80);
    }

    @Test
    void theTimeMovesWithTheClockOverTheEndOfADayInALeapYear() {
        clock.advance(600_000_000L - 1);
        assertThat(time()).isEqualTo("2028-02-29 23:59:57");
        clock.advance(1);
        assertThat(time()).isEqualTo("2028-02-29 23:59:58");
        clock.advance(2 * SECOND);
        assertThat(time()).isEqualTo("2028-03-01 00:00:00");
        assertThat(in(DAY_OF_WEEK)).isEqualTo(4);
        clock.advance(306 * DAY);
        assertThat(time()).isEqualTo("2029-01-01 00:00:00");
        assertThat(in(DAY_OF_WEEK)).as("Monday").isEqualTo(2);
    }

    @Test
    void theCenturyCountsAlong() {
        out(B, SET | H24);
        write(0x20, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
        out(B, H24);
        clock.advance(SECOND);
        assertThat(time()).isEqualTo("2100-01-01 00:00:00");
        out(B, SET | H24);
        write(0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
        out(B, H24);
        clock.advance(SECOND);
        assertThat(time()).isEqualTo("0000-01-01 00:00:00");
    }

    @Test
    void inBinaryTheSameBytesAreBinary() {
        out(B, SET | DM | H24);
        write(20, 31, 12, 31, 23, 59, 58);
        out(B, DM | H24);
        clock.advance(SECOND);
        assertThat(in(SECONDS)).isEqualTo(59);
        clock.advance(SECOND);
        assertThat(List.of(in(CENTURY), in(YEAR), in(MONTH), in(DATE), in(HOURS), in(MINUTES)))
                .containsExactly(20, 32, 1, 1, 0, 0);
    }

    @Test
    void in12HoursBit7OfTheHourIsPm() {
        String[] hours = {"12", "01", "11", "92", "81", "91"};
        int[] hours24 = {0, 1, 11, 12, 13, 23};
        for (int i = 0; i < hours.length; i++) {
            int last = (hours24[i] + 22) % 24 + 1;
            int hour12 = (last + 11) % 12 + 1;
            out(B, SET);
            out(HOURS, hour12 / 10 << 4 | hour12 % 10 | (last % 24 >= 12 ? 0x80 : 0));
            out(MINUTES, 0x59);
            out(SECONDS, 0x59);
            out(B, 0);
            clock.advance(SECOND);
            assertThat(Integer.toHexString(0x100 | in(HOURS)).substring(1))
                    .as("hour %d", hours24[i])
                    .isEqualTo(hours[i]);
        }
    }

    @Test
    void bytesThatAreNoTimeStayUntilTheNextUpdate() {
        out(B, SET | H24);
        write(0x20, 0x26, 0x02, 0x31, 0x7F, 0x99, 0x61);
        out(DAY_OF_WEEK, 0);
        out(B, H24);
        assertThat(time()).isEqualTo("2026-02-31 7f:99:61");
        clock.advance(SECOND);
        assertThat(time()).isEqualTo("2026-03-01 00:00:00");
        assertThat(in(DAY_OF_WEEK)).as("not used").isZero();
    }

    @Test
    void aDateMayBeSetByteByByteWhileTheClockRuns() {
        out(DATE, 0x31);
        out(MONTH, 0x01);
        assertThat(time()).isEqualTo("2028-01-31 23:59:57");
        clock.advance(3 * SECOND);
        assertThat(time()).isEqualTo("2028-02-01 00:00:00");
    }

    // SET and the divider chain

    @Test
    void setStopsTheUpdatesButNotTheSecondsBoundary() {
        out(B, SET | H24);
        clock.advance(10 * SECOND);
        assertThat(time()).isEqualTo("2028-02-29 23:59:57");
        out(B, H24);
        assertThat(time()).isEqualTo("2028-02-29 23:59:57");
        clock.advance(600_000_000L - 1);
        assertThat(in(SECONDS)).isEqualTo(0x57);
        clock.advance(1);
        assertThat(in(SECONDS)).isEqualTo(0x58);
    }

    @Test
    void setClearsUieAndNoOtherBit() {
        out(B, H24 | UIE | AIE | PIE);
        out(B, SET | H24 | UIE | AIE | PIE);
        assertThat(in(B)).isEqualTo(SET | H24 | AIE | PIE);
        out(B, SET | H24 | UIE);
        assertThat(in(B)).as("only its rise clears UIE").isEqualTo(SET | H24 | UIE);
    }

    @Test
    void theFirstUpdateComesHalfASecondAfterTheDividerIsReleased() {
        out(A, 0x76);
        clock.advance(10 * SECOND + 123);
        assertThat(in(SECONDS)).isEqualTo(0x57);
        out(A, 0x26);
        clock.advance(500_000_000L - 1);
        assertThat(in(SECONDS)).isEqualTo(0x57);
        clock.advance(1);
        assertThat(in(SECONDS)).isEqualTo(0x58);
        clock.advance(SECOND - 1);
        assertThat(in(SECONDS)).isEqualTo(0x58);
        clock.advance(1);
        assertThat(in(SECONDS)).isEqualTo(0x59);
    }

    @Test
    void linuxSetsTheClockAndItKeepsTheNewTime() {
        // drivers/rtc/rtc-mc146818-lib.c: mc146818_set_time
        int control = in(B);
        out(B, control | SET);
        int frequency = in(A);
        out(A, frequency | 0x60);
        write(0x19, 0x85, 0x10, 0x26, 0x01, 0x21, 0x00);
        out(B, control);
        out(A, frequency);
        clock.advance(499_999_999);
        assertThat(time()).isEqualTo("1985-10-26 01:21:00");
        clock.advance(1);
        assertThat(time()).isEqualTo("1985-10-26 01:21:01");
        clock.advance(DAY);
        assertThat(time()).isEqualTo("1985-10-27 01:21:01");
    }

    @Test
    void uipRises244MicrosecondsBeforeAnUpdateOf1984Microseconds() {
        clock.advance(600_000_000L - 2_228_000 - 1);
        assertThat(in(A)).isEqualTo(0x26);
        clock.advance(1);
        assertThat(in(A)).isEqualTo(0xA6);
        assertThat(in(SECONDS)).isEqualTo(0x57);
        clock.advance(2_228_000 - 1);
        assertThat(in(A)).isEqualTo(0xA6);
        clock.advance(1);
        assertThat(in(A)).isEqualTo(0x26);
        assertThat(in(SECONDS)).isEqualTo(0x58);
    }

    @Test
    void uipIsDownWhileThereAreNoUpdates() {
        clock.advance(599_000_000);
        assertThat(in(A) & 0x80).isNotZero();
        out(B, SET | H24);
        assertThat(in(A) & 0x80).isZero();
        out(B, H24);
        out(A, 0x66);
        assertThat(in(A)).isEqualTo(0x66);
        out(A, 0xA6);
        assertThat(in(A)).as("UIP cannot be written").isEqualTo(0x26);
    }

    // Interrupts

    @Test
    void theUpdateEndedInterruptComesEachSecondOnceCIsRead() {
        out(B, H24 | UIE);
        clock.advance(600_000_000L - 1);
        assertThat(irq.isActive()).isFalse();
        clock.advance(1);
        assertThat(irq.isActive()).isTrue();
        clock.advance(3 * SECOND);
        assertThat(irq.rises()).isEqualTo(1);
        assertThat(in(C) & (IRQF | UF)).isEqualTo(IRQF | UF);
        assertThat(irq.isActive()).isFalse();
        assertThat(in(C)).isZero();
        clock.advance(SECOND);
        assertThat(irq.rises()).isEqualTo(2);
    }

    @Test
    void flagsRiseWithoutTheirEnablesAndAnEnableThenInterruptsAtOnce() {
        clock.advance(SECOND);
        assertThat(irq.isActive()).isFalse();
        out(B, H24 | UIE);
        assertThat(irq.isActive()).isTrue();
        out(B, H24);
        assertThat(irq.isActive()).isFalse();
        assertThat(in(C)).isEqualTo(UF | PF);
    }

    @Test
    void noTimerIsArmedUnlessAnInterruptIsAwaited() {
        rtc.settle();
        assertThat(clock.nextDeadline()).isEmpty();
        out(B, H24 | UIE);
        assertThat(clock.nextDeadline()).hasValue(600_000_000);
        clock.advance(SECOND);
        assertThat(clock.nextDeadline()).as("C was not read").isEmpty();
        in(C);
        assertThat(clock.nextDeadline()).hasValue(1_600_000_000);
        out(B, SET | H24 | UIE);
        assertThat(clock.nextDeadline()).isEmpty();
        out(B, H24 | AIE);
        alarm(0x24, 0x00, 0x00);
        assertThat(clock.nextDeadline()).as("there is no such hour").isEmpty();
        alarm(0x23, 0x59, 0x56);
        assertThat(clock.nextDeadline()).hasValue(600_000_000 + 86_398 * SECOND);
    }

    @Test
    void theAlarmInterruptsAtItsTimeEachDay() {
        alarm(0x00, 0x00, 0x01);
        out(B, H24 | AIE);
        clock.advance(3_600_000_000L - 1);
        assertThat(irq.isActive()).isFalse();
        clock.advance(1);
        assertThat(irq.isActive()).isTrue();
        assertThat(time()).isEqualTo("2028-03-01 00:00:01");
        assertThat(in(C)).isEqualTo(IRQF | PF | AF | UF);
        clock.advance(DAY - 1);
        assertThat(in(C) & AF).isZero();
        clock.advance(1);
        assertThat(irq.isActive()).isTrue();
    }

    @Test
    void alarmBytesFromC0OnMatchAnything() {
        alarm(0xFF, 0xC0, 0x05);
        out(B, H24 | AIE);
        clock.advance(7_600_000_000L - 1);
        assertThat(irq.rises()).isZero();
        clock.advance(1);
        assertThat(irq.rises()).isEqualTo(1);
        in(C);
        clock.advance(60 * SECOND);
        assertThat(irq.rises()).as("each minute").isEqualTo(2);
        in(C);
        out(SECONDS_ALARM, 0xC0);
        clock.advance(SECOND);
        assertThat(irq.rises()).as("each second").isEqualTo(3);
        in(C);
        alarm(0xC0, 0x00, 0x00);
        clock.advance(3_600 * SECOND - 6 * SECOND - 60 * SECOND - 1);
        assertThat(irq.rises()).isEqualTo(3);
        clock.advance(1);
        assertThat(irq.rises()).as("each hour").isEqualTo(4);
    }

    @Test
    void theAlarmWorksIn12HoursAndBinary() {
        out(B, SET | DM);
        out(HOURS, 12);
        out(MINUTES, 59);
        out(SECONDS, 58);
        alarm(0x80 | 1, 0, 0);
        out(B, DM | AIE);
        clock.advance(12 * 3_600 * SECOND);
        assertThat(irq.isActive()).as("12:59:58 was in the night").isFalse();
        clock.advance(2 * SECOND);
        assertThat(irq.isActive()).isTrue();
        assertThat(in(HOURS)).isEqualTo(0x81);
    }

    @Test
    void periodicRatesAreThoseOfTheDatasheet() {
        int[] hertz = {256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2};
        out(B, H24 | PIE);
        for (int rs = 1; rs < 16; rs++) {
            out(A, 0x20 | rs);
            in(C);
            int before = irq.rises();
            long start = clock.now();
            for (int i = 0; i < hertz[rs - 1]; i++) {
                clock.advanceTo(clock.nextDeadline().orElseThrow());
                assertThat(in(C) & (IRQF | PF)).isEqualTo(IRQF | PF);
            }
            assertThat(irq.rises() - before).isEqualTo(hertz[rs - 1]);
            assertThat(clock.now() - start)
                    .as("RS %d: a second, less what of the first period was gone", rs)
                    .isBetween(SECOND - SECOND / hertz[rs - 1], SECOND);
        }
        out(A, 0x20);
        in(C);
        assertThat(clock.nextDeadline()).isEmpty();
    }

    @Test
    void periodicTicksDoNotDrift() {
        out(A, 0x23);
        out(B, H24 | PIE);
        long start = clock.now();
        for (int i = 0; i < 10 * 8192; i++) {
            clock.advanceTo(clock.nextDeadline().orElseThrow());
            // the guest is late by anything less than a period
            clock.advance(i % 100_000);
            in(C);
        }
        long last = clock.now() - (10 * 8192 - 1) % 100_000;
        assertThat(last - start).isBetween(10 * SECOND - 122_071, 10 * SECOND);
    }

    @Test
    void missedTicksAreOneFlag() {
        out(A, 0x26);
        out(B, H24 | PIE);
        in(C);
        clock.advance(100_000_000);
        assertThat(in(C) & (IRQF | PF)).isEqualTo(IRQF | PF);
        assertThat(in(C)).isZero();
    }

    @Test
    void periodicTicksGoOnDuringSetAndEndWithTheDivider() {
        out(B, SET | H24 | PIE);
        in(C);
        clock.advance(SECOND / 1024 + 1);
        assertThat(in(C)).isEqualTo(IRQF | PF);
        out(A, 0x66);
        in(C);
        assertThat(clock.nextDeadline()).isEmpty();
        clock.advance(SECOND);
        assertThat(in(C)).isZero();
    }

    // RAM and ports

    @Test
    void allOtherBytesAreRam() {
        for (int i = 14; i < 128; i++) {
            out(i, i ^ 0xA5);
        }
        for (int i = 14; i < 128; i++) {
            assertThat(in(i)).as("byte %x", i).isEqualTo(i ^ 0xA5);
        }
    }

    @Test
    void theIndexPortMasksNmiAndCannotBeRead() {
        assertThat(rtc.nmiMasked()).as("after power-on").isTrue();
        out(0x40, 0x12);
        assertThat(rtc.nmiMasked()).isFalse();
        assertThat(in(0x80 | 0x40)).isEqualTo(0x12);
        assertThat(rtc.nmiMasked()).isTrue();
        assertThat(rtc.read(0, 1)).isEqualTo(0xFF);
    }

    @Test
    void registersCAndDCannotBeWritten() {
        out(C, 0xFF);
        out(D, 0x00);
        assertThat(in(C)).isZero();
        assertThat(in(D)).isEqualTo(0x80);
        assertThat(irq.rises()).isZero();
    }

    // Reset and state

    @Test
    void theBatteryKeepsTimeAndRamThroughAReset() {
        write(0x19, 0x85, 0x10, 0x26, 0x01, 0x21, 0x00);
        alarm(0x01, 0x22, 0x33);
        out(0x40, 0x5A);
        out(A, 0x2A);
        out(B, H24 | PIE | AIE | UIE | 0x08);
        clock.advance(SECOND);
        assertThat(irq.isActive()).isTrue();
        rtc.reset();
        assertThat(irq.isActive()).isFalse();
        assertThat(clock.nextDeadline()).isEmpty();
        assertThat(in(C)).isZero();
        assertThat(in(B)).isEqualTo(H24);
        assertThat(in(A)).isEqualTo(0x2A);
        assertThat(in(0x40)).isEqualTo(0x5A);
        assertThat(in(SECONDS_ALARM)).isEqualTo(0x33);
        assertThat(time()).isEqualTo("1985-10-26 01:21:01");
    }

    @Test
    void theTimeGoesOnInARestoredMachineAndAnAlarmItMissedStrikes() {
        write(0x19, 0x85, 0x10, 0x26, 0x01, 0x21, 0x00);
        alarm(0x01, 0x22, 0x00);
        out(B, H24 | AIE);
        Mc146818Rtc.State state = rtc.save();
        ManualClock later = new ManualClock(0, clock.wallTime().plusSeconds(3_600));
        RecordingLine line = new RecordingLine();
        Mc146818Rtc restored = new Mc146818Rtc(later, line);
        restored.load(state);
        restored.settle();
        assertThat(line.isActive()).isTrue();
        restored.write(0, 1, HOURS);
        assertThat(restored.read(1, 1)).isEqualTo(0x02);
    }

    @Test
    void aStateThatNoChipCanHaveIsRefused() {
        Mc146818Rtc.State r = Mc146818Rtc.State.RESET;
        assertThatThrownBy(() ->
                        new Mc146818Rtc.State(0, true, 0xA6, 0, 0, r.time(), r.ram(), 0, 0, 0))
                .hasMessage("a A6h: accepted are the bits in 7Fh");
        assertThatThrownBy(() ->
                        new Mc146818Rtc.State(0, true, 0, 0, 0, Bytes.zeros(9), r.ram(), 0, 0, 0))
                .hasMessage("time length 9: accepted are 10..10");
        assertThatThrownBy(() ->
                        new Mc146818Rtc.State(
                                0, true, 0, 0, 0, r.time(), r.ram(), 0, 1_000_000_000, 0))
                .hasMessage("phase 1000000000: accepted are 0..999999999");
    }
}
