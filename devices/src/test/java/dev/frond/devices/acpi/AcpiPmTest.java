// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingControl;
import dev.frond.testkit.RecordingLine;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.math.BigInteger;
import java.util.Random;

/** Stories of the ACPI power management registers. */
class AcpiPmTest extends DeviceContract<AcpiPm.State> {
    private static final int PM1_STS = 0x00;
    private static final int PM1_EN = 0x02;
    private static final int PM1_CNT = 0x04;
    private static final int PM_TMR = 0x08;
    private static final int GPE0_STS = 0x20;
    private static final int GPE0_EN = 0x22;
    private static final int TMR = 1 << 0;
    private static final int PWRBTN = 1 << 8;
    private static final int SLP_EN = 1 << 13;
    private static final long SECOND = 1_000_000_000;

    private final ManualClock clock = new ManualClock();
    private final RecordingControl machine = new RecordingControl();
    private final RecordingLine sci = new RecordingLine();
    private final AcpiPm pm = make(true);

    private AcpiPm make(boolean timer32) {
        return new AcpiPm(new AcpiPm.Spec(5, timer32), clock, sci, machine);
    }

    @Override
    protected Rig<AcpiPm.State> newRig() {
        ManualClock time = new ManualClock();
        RecordingLine line = new RecordingLine();
        RecordingControl control = new RecordingControl();
        AcpiPm device = new AcpiPm(new AcpiPm.Spec(5, false), time, line, control);
        return new Rig<>(device, time, line, control)
                .region(new Region.Io(device, AcpiPm.SIZE, AccessWidths.UP_TO_DWORD, device.lock()))
                .stimulus(_ -> device.pressPowerButton())
                .stimulus(random -> device.raiseEvent(random.nextInt(AcpiPm.GPE0_EVENTS)))
                .favourites(TMR, PWRBTN, 5 << 10 | SLP_EN, 0xFFFF);
    }

    @Override
    protected AcpiPm.State randomState(AcpiPm.State reset, Random random) {
        return new AcpiPm.State(
                random.nextInt() & 0x8731,
                random.nextInt() & 0x0721,
                random.nextInt() & 0x1C02,
                random.nextInt(0x1_0000),
                random.nextInt(0x1_0000),
                random.nextInt(3));
    }

    @Test
    void theMachineIsInAcpiModeFromPowerOn() {
        assertThat(pm.read(PM1_CNT, 2)).isEqualTo(1);
        pm.write(PM1_CNT, 2, 0);
        assertThat(pm.read(PM1_CNT, 2)).isEqualTo(1);
        assertThat(pm.read(PM1_STS, 4)).isZero();
        assertThat(pm.read(GPE0_STS, 4)).isZero();
    }

    @Test
    void theSleepTypeOfS5PowersOffWhenSleepIsEnabled() {
        pm.write(PM1_CNT, 2, 5 << 10);
        assertThat(machine.events()).isEmpty();
        pm.write(PM1_CNT, 2, 4 << 10 | SLP_EN);
        assertThat(machine.events()).as("no table names this type").isEmpty();
        pm.write(PM1_CNT, 2, 5 << 10 | SLP_EN);
        assertThat(machine.events()).containsExactly("power off");
        assertThat(pm.read(PM1_CNT, 2)).as("SLP_EN reads 0").isEqualTo(5 << 10 | 1);
    }

    @Test
    void sleepCanBeWrittenByTheByte() {
        pm.write(PM1_CNT + 1, 1, (5 << 10 | SLP_EN) >> 8);
        assertThat(machine.events()).containsExactly("power off");
    }

    @Test
    void thePowerButtonRaisesSciUntilItsStatusIsCleared() {
        pm.pressPowerButton();
        assertThat(sci.isActive()).as("not enabled yet").isFalse();
        pm.write(PM1_EN, 2, PWRBTN);
        assertThat(sci.isActive()).isTrue();
        assertThat(pm.read(PM1_STS, 2)).isEqualTo(PWRBTN);
        pm.write(PM1_STS, 2, 0xFFFF & ~PWRBTN);
        assertThat(sci.isActive()).isTrue();
        pm.write(PM1_STS, 2, PWRBTN);
        assertThat(sci.isActive()).isFalse();
        assertThat(pm.read(PM1_STS, 4)).isEqualTo((long) PWRBTN << 16);
    }

    @Test
    void generalPurposeEventsRaiseSciWhenEnabled() {
        pm.write(GPE0_EN, 2, 1 << 9);
        pm.raiseEvent(3);
        assertThat(sci.isActive()).isFalse();
        pm.raiseEvent(9);
        assertThat(sci.isActive()).isTrue();
        assertThat(pm.read(GPE0_STS, 2)).isEqualTo(1 << 9 | 1 << 3);
        pm.write(GPE0_STS + 1, 1, 1 << 1);
        assertThat(sci.isActive()).isFalse();
        assertThat(pm.read(GPE0_STS, 2)).isEqualTo(1 << 3);
        assertThatThrownBy(() -> pm.raiseEvent(16)).hasMessageContaining("GPE 16");
    }

    @Test
    void onlyEventsThatExistCanBeEnabled() {
        pm.write(PM1_EN, 2, 0xFFFF);
        assertThat(pm.read(PM1_EN, 2)).isEqualTo(0x0721);
    }

    @Test
    void theTimerRunsAt3579545HzExactlyForYears() {
        assertThat(pm.read(PM_TMR, 4)).isZero();
        clock.advance(SECOND);
        assertThat(pm.read(PM_TMR, 4)).isEqualTo(3_579_545);
        clock.advance(279);
        assertThat(pm.read(PM_TMR, 4)).isEqualTo(3_579_545);
        clock.advance(1);
        assertThat(pm.read(PM_TMR, 4)).isEqualTo(3_579_546);
        clock.advance(100L * 365 * 86_400 * SECOND + 123_456_789);
        long exact =
                BigInteger.valueOf(clock.now())
                        .multiply(BigInteger.valueOf(3_579_545))
                        .divide(BigInteger.valueOf(SECOND))
                        .longValueExact();
        assertThat(pm.read(PM_TMR, 4)).isEqualTo(exact & 0xFFFF_FFFFL);
    }

    @Test
    void theTimerCanHave24Bits() {
        AcpiPm narrow = make(false);
        clock.advance(5 * SECOND);
        assertThat(narrow.read(PM_TMR, 4)).isEqualTo(5 * 3_579_545 & 0xFF_FFFF);
    }

    @Test
    void theTimersHighestBitRaisesSciEachTimeItChanges() {
        AcpiPm narrow = make(false);
        narrow.write(PM1_EN, 2, TMR);
        // Bit 23 changes after 2^23 ticks, 2.3434867 s.
        long change = ((1L << 23) * SECOND + 3_579_544) / 3_579_545;
        clock.advance(change - 1);
        assertThat(sci.isActive()).isFalse();
        assertThat(narrow.read(PM_TMR, 4)).isEqualTo(0x7F_FFFF);
        clock.advance(1);
        assertThat(sci.isActive()).isTrue();
        assertThat(narrow.read(PM1_STS, 2)).isEqualTo(TMR);
        assertThat(narrow.read(PM_TMR, 4)).isEqualTo(0x80_0000);
        narrow.write(PM1_STS, 2, TMR);
        assertThat(sci.isActive()).isFalse();
        clock.advance(change);
        assertThat(sci.isActive()).isTrue();
        assertThat(narrow.read(PM_TMR, 4)).isBetween(0L, 1L);
    }

    @Test
    void a32BitTimerOverflowsAfterTenMinutes() {
        pm.write(PM1_EN, 2, TMR);
        clock.advance(599 * SECOND);
        assertThat(sci.isActive()).isFalse();
        clock.advance(SECOND);
        assertThat(sci.isActive()).isTrue();
    }

    @Test
    void anOverflowIsNoticedWithoutTheInterrupt() {
        pm.write(PM1_EN, 2, TMR);
        assertThat(clock.nextDeadline()).isPresent();
        pm.write(PM1_EN, 2, 0);
        assertThat(clock.nextDeadline()).as("nothing wakes the host").isEmpty();
        clock.advance(600 * SECOND);
        assertThat(pm.read(PM1_STS, 2)).isEqualTo(TMR);
        pm.write(PM1_STS, 2, TMR);
        assertThat(pm.read(PM1_STS, 2)).isZero();
        assertThat(sci.isActive()).isFalse();
    }

    @Test
    void aResetForgetsOverflowsAndEnables() {
        pm.write(PM1_EN, 2, TMR | PWRBTN);
        pm.pressPowerButton();
        clock.advance(600 * SECOND);
        assertThat(sci.isActive()).isTrue();
        pm.reset();
        assertThat(sci.isActive()).isFalse();
        assertThat(pm.read(PM1_STS, 4)).isZero();
    }

    @Test
    void aRestoredBlockDrivesSciAndWaitsForTheSameOverflow() {
        pm.write(PM1_EN, 2, TMR | PWRBTN);
        clock.advance(500 * SECOND);
        AcpiPm.State waiting = pm.save();
        pm.pressPowerButton();
        AcpiPm.State pressed = pm.save();
        pm.load(waiting);
        assertThat(sci.isActive()).as("load drives no wire").isTrue();
        pm.settle();
        assertThat(sci.isActive()).isFalse();
        clock.advance(100 * SECOND);
        assertThat(sci.isActive()).isTrue();
        pm.load(pressed);
        pm.settle();
        assertThat(pm.read(PM1_STS, 2)).isEqualTo(TMR | PWRBTN);
    }

    @Test
    void portsWithoutARegisterReadZeroAndIgnoreWrites() {
        pm.write(0x06, 2, 0xFFFF);
        pm.write(0x0C, 4, -1);
        pm.write(PM_TMR, 4, -1);
        assertThat(pm.read(0x06, 2)).isZero();
        assertThat(pm.read(0x0C, 4)).isZero();
        assertThat(pm.read(PM_TMR, 4)).isZero();
    }

    @Test
    void aWrongSpecOrStateIsNamed() {
        assertThatThrownBy(() -> new AcpiPm.Spec(8, true))
                .hasMessageContaining("sleep type 8 of S5: accepted is 0 to 7");
        assertThatThrownBy(() -> new AcpiPm.State(2, 0, 0, 0, 0, 0))
                .hasMessageContaining("PM1_STS 0x2");
        assertThatThrownBy(() -> new AcpiPm.State(0, 0, 0, 0, 0, -1))
                .hasMessageContaining("timerToggles");
    }
}
