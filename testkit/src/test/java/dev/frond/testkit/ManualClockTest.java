// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.clock.Clock;

import org.junit.jupiter.api.Test;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

class ManualClockTest {
    private final ManualClock clock = new ManualClock(100, Instant.EPOCH);
    private final List<String> ran = new ArrayList<>();

    private Clock.Timer timer(String name) {
        return clock.timer(() -> ran.add(name + "@" + clock.now()));
    }

    @Test
    void timeMovesOnlyWhenStepped() {
        assertThat(clock.now()).isEqualTo(100);
        clock.advance(11);
        assertThat(clock.now()).isEqualTo(111);
        assertThat(clock.wallTime()).isEqualTo(Instant.EPOCH.plusNanos(111));
        assertThatThrownBy(() -> clock.advanceTo(110))
                .hasMessage("time cannot go back from 111 to 110 ns");
    }

    @Test
    void dueTimersRunInOrderEachAtItsOwnTime() {
        Clock.Timer a = timer("a");
        Clock.Timer b = timer("b");
        Clock.Timer c = timer("c");
        c.arm(150);
        b.arm(150);
        a.arm(170);
        assertThat(clock.nextDeadline()).hasValue(150);
        clock.advanceTo(169);
        assertThat(ran).containsExactly("b@150", "c@150");
        clock.advanceTo(300);
        assertThat(ran).containsExactly("b@150", "c@150", "a@170");
        assertThat(clock.nextDeadline()).isEmpty();
    }

    @Test
    void anOverdueTimerRunsNow() {
        timer("a").arm(50);
        clock.advance(0);
        assertThat(ran).containsExactly("a@100");
    }

    @Test
    void aCancelledTimerDoesNotRunAndARearmedOneRunsOnce() {
        Clock.Timer a = timer("a");
        a.arm(110);
        a.cancel();
        Clock.Timer b = timer("b");
        b.arm(110);
        b.arm(120);
        clock.advance(100);
        assertThat(ran).containsExactly("b@120");
        assertThat(clock.calls()).isEqualTo(4);
    }

    @Test
    void aTimerThatRearmsItselfForNowIsReported() {
        List<Clock.Timer> self = new ArrayList<>();
        self.add(clock.timer(() -> self.getFirst().arm(clock.now())));
        self.getFirst().arm(100);
        assertThatThrownBy(() -> clock.advance(1))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("again and again");
    }
}
