// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.Longs;

import org.junit.jupiter.api.Test;

import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

class RandomStateTest {
    enum Mode {
        OFF,
        ON,
        BROKEN
    }

    sealed interface Phase {}

    record Idle() implements Phase {}

    record Busy(int left) implements Phase {}

    record Inner(byte narrow, List<Integer> queue) {}

    record State(
            int low,
            int high,
            Mode mode,
            Bytes fifo,
            Longs times,
            String name,
            Inner inner,
            List<Phase> phases) {
        static final State RESET =
                new State(
                        0,
                        0,
                        Mode.OFF,
                        Bytes.zeros(16),
                        Longs.zeros(2),
                        "",
                        new Inner((byte) 0, List.of()),
                        List.of());

        State {
            if (low < 0 || high < low || high > 255) {
                throw new IllegalArgumentException("out of order");
            }
            if (fifo.length() != 16) {
                throw new IllegalArgumentException("another fifo");
            }
        }
    }

    @Test
    void statesAreValidVariedAndRepeatable() {
        Random random = new Random(1);
        Random again = new Random(1);
        Set<State> states = new HashSet<>();
        for (int i = 0; i < 300; i++) {
            State state = RandomState.from(State.RESET, random);
            assertThat(RandomState.from(State.RESET, again)).isEqualTo(state);
            states.add(state);
        }
        assertThat(states).hasSizeGreaterThan(290);
        assertThat(states).extracting(State::mode).contains(Mode.values());
        assertThat(states).anyMatch(s -> s.low() > 0).anyMatch(s -> s.high() > 200);
        assertThat(states).anyMatch(s -> s.inner().queue().size() > 2);
        assertThat(states)
                .anyMatch(s ->
                        s.phases().stream().anyMatch(p -> p instanceof Busy b && b.left() != 0));
        assertThat(states).anyMatch(s -> s.phases().contains(new Idle()));
    }
}
