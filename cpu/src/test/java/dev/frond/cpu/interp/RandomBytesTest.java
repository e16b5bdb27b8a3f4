// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.SplittableRandom;

/** Random bytes as code: a short run of what {@code tools/random-bytes} does for longer. */
final class RandomBytesTest {
    private static final int CASES = 6000;

    @Test
    @Timeout(300)
    @SuppressWarnings("SystemOut") // What repeats a failure must be seen even without one.
    void noBytesMakeAnExceptionComeOut() {
        long seed =
                Long.getLong("frond.random.seed", new SplittableRandom().nextInt() & 0x7FFF_FFFFL);
        System.out.println("random bytes: seed " + seed + ", " + CASES + " cases");
        try (RandomBytesRun run = new RandomBytesRun(seed, 0)) {
            run.run(CASES, 3);
            assertThat(run.failures()).as("seed %d", seed).isEmpty();
            assertThat(run.hang()).isNull();
            assertThat(run.instructions()).isPositive();
        }
    }
}
