// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.translate.Translator;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.SplittableRandom;

/** 16- and 32-bit code that is translated. */
final class TranslatedNarrowTest {
    @BeforeEach
    void check() {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
    }

    @Test
    @Timeout(300)
    void randomCodeOfEachModeDoesWhatTheInterpreterDoes() {
        long random = new SplittableRandom().nextLong() & 0xFFFF_FFFFL;
        long seed = Long.getLong("frond.random.seed", random);
        int count = Integer.getInteger("frond.random.count", 40);
        try (NarrowRun run = new NarrowRun(seed)) {
            run.run(count, 3);
            assertThat(run.differences()).as("seed %d", seed).isEmpty();
            assertThat(run.compared()).isGreaterThan(5L * count);
            assertThat(run.faults()).isPositive();
            assertThat(run.blocks()).isGreaterThan(5L * count);
        }
    }
}
