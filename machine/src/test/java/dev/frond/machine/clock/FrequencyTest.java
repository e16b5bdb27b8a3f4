// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.math.BigInteger;
import java.util.Random;

class FrequencyTest {
    private static final BigInteger SECOND = BigInteger.valueOf(Frequency.SECOND);

    @Test
    void ticksAreTheExactFloor() {
        Random random = new Random(1);
        for (int i = 0; i < 100_000; i++) {
            long hertz = 1 + random.nextLong(4 * Frequency.SECOND);
            long nanos = random.nextLong() >>> (1 + random.nextInt(62));
            BigInteger exact =
                    BigInteger.valueOf(nanos).multiply(BigInteger.valueOf(hertz)).divide(SECOND);
            if (exact.bitLength() < 64) {
                assertThat(new Frequency(hertz).ticks(nanos)).isEqualTo(exact.longValueExact());
            }
        }
    }

    @Test
    void nanosIsTheFirstNanosecondOfATick() {
        Random random = new Random(2);
        for (int i = 0; i < 100_000; i++) {
            Frequency frequency = new Frequency(1 + random.nextLong(Frequency.SECOND));
            long ticks = random.nextLong(Long.MAX_VALUE) >>> (5 + random.nextInt(50));
            long nanos = frequency.nanos(ticks);
            if (nanos != Long.MAX_VALUE) {
                assertThat(frequency.ticks(nanos)).isEqualTo(ticks);
                assertThat(frequency.ticks(nanos - 1)).isEqualTo(ticks - 1);
            }
        }
    }

    @Test
    void aTickBeyondTheEndOfTimeIsAtTheEndOfTime() {
        assertThat(new Frequency(1).nanos(Long.MAX_VALUE)).isEqualTo(Long.MAX_VALUE);
        assertThat(new Frequency(2).nanos(Long.MAX_VALUE)).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aFrequencyOutOfRangeIsRefused() {
        assertThatThrownBy(() -> new Frequency(0))
                .hasMessage("frequency of 0 Hz: accepted are 1 to 4000000000");
    }
}
