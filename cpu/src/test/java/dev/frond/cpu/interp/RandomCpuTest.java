// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.interp.RandomCode.Kind;
import dev.frond.host.NativeCode;

import org.junit.jupiter.api.Test;

import java.util.SplittableRandom;

/**
 * Random code on the interpreter, the translator and the host's processor, other code in each run:
 * the seed stands in the output. {@code -Dfrond.random.seed=S} chooses it, {@code
 * -Dfrond.random.instructions=N} how much; {@code tools/random-cpu} goes on for longer.
 */
final class RandomCpuTest {
    @Test
    @SuppressWarnings("SystemOut") // What repeats a failure must be seen even without one.
    void randomCodeLeavesWhatTheHostLeaves() {
        assumeThat(NativeCode.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        long seed =
                Long.getLong("frond.random.seed", new SplittableRandom().nextInt() & 0x7FFF_FFFFL);
        long instructions = Long.getLong("frond.random.instructions", 5_000_000);
        System.out.println("random code: seed " + seed + ", " + instructions + " instructions");
        try (RandomRun run = new RandomRun(seed)) {
            run.run(instructions, 3);
            assertThat(run.differences()).as("seed %d", seed).isEmpty();
            for (Kind kind : Kind.values()) {
                assertThat(run.sequences(kind))
                        .as("%s", kind)
                        .matches(n -> n > 0 || !run.runs(kind));
            }
            assertThat(run.compared()).isGreaterThanOrEqualTo(instructions);
        }
    }
}
