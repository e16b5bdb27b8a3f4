// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.irq;

import static dev.frond.devices.irq.ApicRig.*;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** The local APIC's timer, by a clock that a test moves. */
class ApicTimerTest {
    private static final int VECTOR = 0x40;
    private static final int PERIODIC = 1 << 17;
    private static final int TSC_DEADLINE = 2 << 17;
    private static final int DIVIDE_BY_1 = 0xB;

    private final ApicRig rig = new ApicRig(1).enabled();
    private final LocalApic apic = rig.apic(0);

    private void start(int lvt, int divide, int count) {
        rig.write(0, LVT_TIMER, lvt | VECTOR);
        rig.write(0, DIVIDE, divide);
        rig.write(0, INITIAL_COUNT, count);
    }

    private int takeAndEnd() {
        int vector = rig.take(0);
        if (vector >= 0) {
            rig.eoi(0);
        }
        return vector;
    }

    @Test
    void oneShotCountsDownInterruptsOnceAndStands() {
        start(0, DIVIDE_BY_1, 1000);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(1000);
        rig.clock.advance(999);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(1);
        assertThat(apic.pending()).isFalse();
        rig.clock.advance(1);
        assertThat(rig.read(0, CURRENT_COUNT)).isZero();
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        rig.clock.advance(1_000_000);
        assertThat(apic.pending()).isFalse();
        assertThat(rig.read(0, INITIAL_COUNT)).isEqualTo(1000);
    }

    @Test
    void theDividerTakesAllEightSettings() {
        int[] codes = {0b0000, 0b0001, 0b0010, 0b0011, 0b1000, 0b1001, 0b1010, 0b1011};
        int[] divisors = {2, 4, 8, 16, 32, 64, 128, 1};
        for (int i = 0; i < codes.length; i++) {
            start(0, codes[i], 10);
            rig.clock.advance(10 * divisors[i] - 1);
            assertThat(takeAndEnd()).as("divide by %d", divisors[i]).isEqualTo(-1);
            rig.clock.advance(1);
            assertThat(takeAndEnd()).as("divide by %d", divisors[i]).isEqualTo(VECTOR);
        }
    }

    @Test
    void theLongestCountDoesNotOverflow() {
        start(0, 0b1010, -1);
        rig.clock.advance(0xFFFF_FFFFL * 128 - 1);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(1);
        assertThat(apic.pending()).isFalse();
        rig.clock.advance(1);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void periodicStartsOverWithoutDrift() {
        start(PERIODIC, DIVIDE_BY_1, 1_000_000);
        for (int i = 1; i <= 10; i++) {
            rig.clock.advance(999_999);
            assertThat(takeAndEnd()).isEqualTo(-1);
            rig.clock.advance(1);
            assertThat(takeAndEnd()).as("period %d", i).isEqualTo(VECTOR);
            assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(1_000_000);
        }
        rig.write(0, INITIAL_COUNT, 0);
        rig.clock.advance(10_000_000);
        assertThat(takeAndEnd()).isEqualTo(-1);
        assertThat(rig.read(0, CURRENT_COUNT)).isZero();
    }

    @Test
    void aPeriodOfOneNanosecondCountsRightButInterruptsAtASaneRate() {
        start(PERIODIC, DIVIDE_BY_1, 1);
        int interrupts = 0;
        for (int i = 0; i < 10_000; i++) {
            rig.clock.advance(1_000);
            if (takeAndEnd() == VECTOR) {
                interrupts++;
            }
        }
        assertThat(interrupts).isBetween(150, 200);
    }

    @Test
    void whileMaskedItCountsWithoutInterrupting() {
        start(PERIODIC | MASKED, DIVIDE_BY_1, 1000);
        rig.clock.advance(2_300);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(700);
        rig.write(0, LVT_TIMER, PERIODIC | VECTOR);
        assertThat(apic.pending()).isFalse();
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(700);
        rig.clock.advance(60_000);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void aOneShotThatEndedMaskedDoesNotInterruptLater() {
        start(MASKED, DIVIDE_BY_1, 1000);
        rig.clock.advance(2_000);
        rig.write(0, LVT_TIMER, VECTOR);
        rig.clock.advance(2_000);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void betweenOneShotAndPeriodicTheCountGoesOn() {
        start(0, DIVIDE_BY_1, 1_000_000);
        rig.clock.advance(600_000);
        rig.write(0, LVT_TIMER, PERIODIC | VECTOR);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(400_000);
        rig.clock.advance(400_000);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(1_000_000);
        rig.clock.advance(300_000);
        rig.write(0, LVT_TIMER, VECTOR);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(700_000);
        rig.clock.advance(700_000);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        rig.write(0, LVT_TIMER, PERIODIC | VECTOR);
        rig.clock.advance(3_000_000);
        assertThat(rig.read(0, CURRENT_COUNT)).as("a counter at zero stays there").isZero();
        assertThat(takeAndEnd()).isEqualTo(-1);
    }

    @Test
    void aNewDividerGoesOnFromTheCountReached() {
        start(0, DIVIDE_BY_1, 1000);
        rig.clock.advance(400);
        rig.write(0, DIVIDE, 0);
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(600);
        rig.clock.advance(1_199);
        assertThat(apic.pending()).isFalse();
        rig.clock.advance(1);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void disablingTheApicSilencesTheTimer() {
        start(PERIODIC, DIVIDE_BY_1, 100_000);
        assertThat(rig.clock.nextDeadline()).hasValue(100_000);
        rig.write(0, SVR, 0xFF);
        assertThat(rig.clock.nextDeadline()).as("nothing wakes the host").isEmpty();
        rig.clock.advance(1_000_000);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void anExpiryOfWhichTheAlarmIsLateComesWithTheOldVectorBeforeTheNewOneCounts() {
        start(0, DIVIDE_BY_1, 1_000);
        LocalApicState running = apic.save();
        rig.write(0, INITIAL_COUNT, 0);
        rig.clock.advance(1_500);
        apic.load(running);
        rig.write(0, LVT_TIMER, 0x41);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        assertThat(takeAndEnd()).isEqualTo(-1);
    }

    @Test
    void theTscDeadlineInterruptsOnceAndClears() {
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 5_000)).isTrue();
        assertThat(apic.readMsr(IA32_TSC_DEADLINE)).isEqualTo(5_000);
        rig.clock.advance(4_999);
        assertThat(apic.pending()).isFalse();
        rig.clock.advance(1);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        assertThat(apic.readMsr(IA32_TSC_DEADLINE)).isZero();
        rig.clock.advance(100_000);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void aTscDeadlineInThePastInterruptsAtOnce() {
        rig.clock.advance(1_000);
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 1_000)).isTrue();
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        assertThat(apic.readMsr(IA32_TSC_DEADLINE)).isZero();
    }

    @Test
    void aDeadlineThatPassedIsNotLostToTheNextOne() {
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 1_000)).isTrue();
        LocalApicState armed = apic.save();
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 0)).isTrue();
        rig.clock.advance(1_500);
        apic.load(armed);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 2_000)).isTrue();
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        rig.clock.advance(500);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void zeroDisarmsTheTscDeadline() {
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 1_000)).isTrue();
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 0)).isTrue();
        rig.clock.advance(2_000);
        assertThat(apic.pending()).isFalse();
    }

    @Test
    void theTscDeadlineFollowsTheCpusCounter() {
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        apic.tscOffset(1_000_000);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 1_002_000)).isTrue();
        rig.clock.advance(1_000);
        apic.tscOffset(1_000_500);
        rig.clock.advance(499);
        assertThat(apic.pending()).isFalse();
        rig.clock.advance(1);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        apic.tscOffset(-1_500);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 10)).isTrue();
        apic.tscOffset(0);
        assertThat(takeAndEnd()).as("the counter was set past the deadline").isEqualTo(VECTOR);
    }

    @Test
    void aDeadlineCenturiesAheadNeverComes() {
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        for (long deadline : new long[] {-1, Long.MIN_VALUE, Long.MAX_VALUE}) {
            assertThat(apic.writeMsr(IA32_TSC_DEADLINE, deadline)).isTrue();
            rig.clock.advance(1_000_000_000_000L);
            assertThat(apic.pending()).isFalse();
            assertThat(apic.readMsr(IA32_TSC_DEADLINE)).isEqualTo(deadline);
        }
    }

    @Test
    void eachModeIgnoresTheOtherModesRegister() {
        start(0, DIVIDE_BY_1, 1000);
        assertThat(apic.writeMsr(IA32_TSC_DEADLINE, 500)).isTrue();
        assertThat(apic.readMsr(IA32_TSC_DEADLINE)).isZero();
        rig.write(0, LVT_TIMER, TSC_DEADLINE | VECTOR);
        assertThat(rig.read(0, CURRENT_COUNT)).isZero();
        rig.write(0, INITIAL_COUNT, 1000);
        assertThat(rig.read(0, CURRENT_COUNT)).isZero();
        rig.clock.advance(10_000);
        assertThat(apic.pending()).as("the change of mode disarmed the timer").isFalse();
    }

    @Test
    void aRestoredTimerGoesOnFromTheSameTime() {
        start(PERIODIC, DIVIDE_BY_1, 1_000_000);
        rig.clock.advance(2_300_000);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
        LocalApicState state = apic.save();
        rig.write(0, INITIAL_COUNT, 0);
        apic.load(state);
        apic.settle();
        assertThat(rig.read(0, CURRENT_COUNT)).isEqualTo(700_000);
        rig.clock.advance(700_000);
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void anExpiryThatTheStateStillOwesComesWithSettle() {
        start(0, DIVIDE_BY_1, 1_000);
        LocalApicState state = apic.save();
        rig.write(0, INITIAL_COUNT, 0);
        rig.clock.advance(5_000);
        apic.load(state);
        assertThat(apic.pending()).isFalse();
        apic.settle();
        assertThat(takeAndEnd()).isEqualTo(VECTOR);
    }

    @Test
    void aResetKeepsTheTscOffsetBecauseTheCounterIsTheCpus() {
        apic.tscOffset(12_345);
        apic.reset();
        assertThat(apic.save().timer().tscOffset()).isEqualTo(12_345);
    }

    @Test
    void aStateFromBeforePowerOnOrTheFarFutureIsRefused() {
        assertThatThrownBy(() -> new ApicTimerState(1, 0, 1, -1, 0, 0))
                .hasMessageContaining("-1 ns");
        assertThatThrownBy(() -> new ApicTimerState(1, 0, 1, Long.MAX_VALUE, 0, 0))
                .hasMessageContaining("accepted is 0 to");
        assertThatThrownBy(() -> new ApicTimerState(1, 4, 1, 0, 0, 0))
                .hasMessageContaining("divide configuration 0x4");
    }
}
