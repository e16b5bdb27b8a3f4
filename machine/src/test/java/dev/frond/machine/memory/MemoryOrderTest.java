// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryOrderTest {
    @ParameterizedTest
    @CsvSource({"amd64, false", "x86_64, false", "aarch64, true", "riscv64, true", "'', true"})
    void onlyX86HostsNeedNoFences(String architecture, boolean weak) {
        assertThat(MemoryOrder.isWeak(architecture)).isEqualTo(weak);
    }
}
