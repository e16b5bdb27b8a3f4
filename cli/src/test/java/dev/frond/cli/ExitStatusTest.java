// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.stream.Stream;

class ExitStatusTest {
    @Test
    void eachHasItsOwnNumber() {
        assertThat(Stream.of(ExitStatus.values()).map(ExitStatus::number)).doesNotHaveDuplicates();
    }

    @Test
    void onlyThoseOfSignalsMeetThoseOfTheDebugExit() {
        assertThat(
                        Stream.of(ExitStatus.values())
                                .map(ExitStatus::number)
                                .filter(number -> number % 2 == 1))
                .containsExactly(129, 141, 143);
    }

    @Test
    void theDebugExitIsShiftedAndOdd() {
        assertThat(ExitStatus.ofDebugExit(0)).isEqualTo(1);
        assertThat(ExitStatus.ofDebugExit(0x10)).isEqualTo(33);
        assertThat(ExitStatus.ofDebugExit(0xFFFF_FFFFL)).isEqualTo(255);
    }
}
