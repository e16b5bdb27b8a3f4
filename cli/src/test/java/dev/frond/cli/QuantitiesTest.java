// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.time.Duration;

class QuantitiesTest {
    @ParameterizedTest
    @CsvSource({
        "1K, 1024",
        "512M, 536870912",
        "2G, 2147483648",
        "2g, 2147483648",
        "1T, 1099511627776",
        "3GiB, 3221225472",
        "7MB, 7340032"
    })
    void sizesArePowersOf1024(String text, long bytes) {
        assertThat(Quantities.size(text)).hasValue(bytes);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "512",
                "M",
                "-1M",
                "1.5G",
                "1 G",
                "1X",
                "0x10M",
                "9999999999999999M",
                "99999999999999T",
                "1Mi",
                "١M"
            })
    void whatIsNoSizeIsNone(String text) {
        assertThat(Quantities.size(text)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "500ms, 500000000",
        "30s, 30000000000",
        "5m, 300000000000",
        "1h, 3600000000000",
        "0s, 0"
    })
    void durationsAreNanoseconds(String text, long nanos) {
        assertThat(Quantities.nanos(text)).hasValue(nanos);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "30", "s", "-1s", "1.5s", "1d", "1S", "5 m", "999999999999h"})
    void whatIsNoDurationIsNone(String text) {
        assertThat(Quantities.nanos(text)).isEmpty();
    }

    @Test
    void bytesAreShownInDecimalUnits() {
        assertThat(Quantities.bytes(999)).isEqualTo("999 B");
        assertThat(Quantities.bytes(1000)).isEqualTo("1.0 kB");
        assertThat(Quantities.bytes(27_641_680)).isEqualTo("27.6 MB");
        assertThat(Quantities.bytes(999_999)).isEqualTo("1.0 MB");
        assertThat(Quantities.bytes(Long.MAX_VALUE)).isEqualTo("9.2 EB");
    }

    @Test
    void timesAreShownAsPeopleSayThem() {
        assertThat(Quantities.time(Duration.ofMillis(90))).isEqualTo("90 ms");
        assertThat(Quantities.time(Duration.ofMillis(2540))).isEqualTo("2.5 s");
        assertThat(Quantities.time(Duration.ofSeconds(200))).isEqualTo("3 min 20 s");
        assertThat(Quantities.time(Duration.ofMinutes(125))).isEqualTo("2 h 5 min");
    }
}
