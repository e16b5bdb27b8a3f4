// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.device.StateCodec;
import dev.frond.machine.device.StateException;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Random;

/**
 * The laws that every device keeps; a device's test extends this and adds its stories. All
 * randomness is seeded: a failure names the seed and comes back.
 */
public abstract class DeviceContract<S extends Record> {
    private static final int STATES = 150;
    private static final int HISTORIES = 5;
    private static final int STEPS_BEFORE = 1_000;
    private static final int STEPS_AFTER = 10_000;

    /**
     * A new device with surroundings of its own, right after power-on at 0 ns; the same each time.
     */
    protected abstract Rig<S> newRig();

    /** An arbitrary state that the device must take, for {@code reset} of the device at hand. */
    protected S randomState(S reset, Random random) {
        return RandomState.from(reset, random);
    }

    @Test
    public void aNewDeviceIsInItsResetState() {
        Rig<S> rig = newRig();
        assertThat(rig.save()).isEqualTo(rig.device().resetState());
    }

    @Test
    public void resetGivesTheResetState() {
        for (int seed = 0; seed < HISTORIES; seed++) {
            Rig<S> rig = newRig();
            live(rig, new Random(seed), STEPS_BEFORE);
            rig.device().reset();
            assertThat(rig.save()).as("seed %d", seed).isEqualTo(rig.device().resetState());
        }
    }

    @Test
    public void loadThenSaveIsTheIdentity() {
        Random random = new Random(1);
        Rig<S> rig = newRig();
        for (int i = 0; i < STATES; i++) {
            S state = randomState(rig.device().resetState(), random);
            rig.load(state);
            assertThat(rig.save()).as("state %d", i).isEqualTo(state);
            rig.clock().advance(random.nextInt(1_000_000));
        }
    }

    @Test
    public void loadDrivesNoWireAndArmsNoTimer() {
        Random random = new Random(2);
        Rig<S> rig = newRig();
        for (int i = 0; i < STATES; i++) {
            S state = randomState(rig.device().resetState(), random);
            rig.news();
            int calls = rig.clock().calls();
            rig.load(state);
            assertThat(rig.news()).as("what loading state %d (%s) did", i, state).isEmpty();
            assertThat(rig.clock().calls())
                    .as("timers after loading state %d (%s)", i, state)
                    .isEqualTo(calls);
            rig.settle();
        }
    }

    @Test
    public void everyStateSurvivesTheCodec() throws StateException {
        Random random = new Random(3);
        S reset = newRig().device().resetState();
        for (int i = 0; i < STATES; i++) {
            S state = randomState(reset, random);
            assertThat(StateCodec.decode(StateCodec.encode(state), reset))
                    .as("state %d", i)
                    .isEqualTo(state);
        }
    }

    @Test
    public void noGuestMakesItThrow() {
        for (int seed = 0; seed < HISTORIES; seed++) {
            live(newRig(), new Random(seed), STEPS_AFTER);
        }
    }

    @Test
    public void noStateMakesItThrow() {
        Random random = new Random(4);
        for (int i = 0; i < STATES; i++) {
            Rig<S> rig = newRig();
            S state = randomState(rig.device().resetState(), random);
            rig.clock().advance(random.nextInt(1_000_000));
            try {
                rig.load(state);
                rig.settle();
                live(rig, random, 50);
            } catch (RuntimeException | AssertionError e) {
                throw new AssertionError("state " + i + ": " + state, e);
            }
        }
    }

    @Test
    public void aRestoredDeviceGoesOnAsTheOriginalWould() throws StateException {
        for (int seed = 0; seed < HISTORIES; seed++) {
            Rig<S> original = newRig();
            live(original, new Random(seed), STEPS_BEFORE);
            S state = original.save();

            Rig<S> restored = newRig();
            restored.clock().advanceTo(original.clock().now());
            restored.load(
                    StateCodec.decode(StateCodec.encode(state), restored.device().resetState()));
            // The original settles too: a wire may lag behind the state where no one can tell.
            original.settle();
            restored.settle();
            original.news();
            restored.news();
            assertThat(restored.standing())
                    .as("wires, seed %d", seed)
                    .isEqualTo(original.standing());

            compare(original, restored, seed);
        }
    }

    private static <S extends Record> void compare(Rig<S> original, Rig<S> restored, int seed) {
        Random one = new Random(~seed);
        Random two = new Random(~seed);
        for (int i = 0; i < STEPS_AFTER; i++) {
            Rig.Step step = original.step(one);
            long expected = step.take();
            long answer = restored.step(two).take();
            List<String> expectedNews = original.news();
            List<String> news = restored.news();
            if (answer != expected || !news.equals(expectedNews)) {
                assertThat("%x %s".formatted(answer, news))
                        .as("seed %d, step %d: %s", seed, i, step.words())
                        .isEqualTo("%x %s".formatted(expected, expectedNews));
            }
        }
        assertThat(restored.standing())
                .as("wires at the end, seed %d", seed)
                .isEqualTo(original.standing());
        assertThat(restored.save())
                .as("state at the end, seed %d", seed)
                .isEqualTo(original.save());
    }

    private static void live(Rig<?> rig, Random random, int steps) {
        for (int i = 0; i < steps; i++) {
            Rig.Step step = rig.step(random);
            try {
                step.take();
            } catch (RuntimeException e) {
                throw new AssertionError("step " + i + ": " + step.words(), e);
            }
        }
    }
}
