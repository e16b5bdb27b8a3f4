// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

import java.util.List;

class MemoryMapTest {
    @Test
    void smallMemoryEndsInTheAcpiTables() {
        assertThat(MemoryMap.pc(16 << 20, 5000).ranges())
                .containsExactly(
                        new MemoryMap.Range(0, 0x9FC00, MemoryMap.Type.RAM),
                        new MemoryMap.Range(0x9FC00, 0x400, MemoryMap.Type.RESERVED),
                        new MemoryMap.Range(0xE0000, 0x20000, MemoryMap.Type.RESERVED),
                        new MemoryMap.Range(0x10_0000, 0xEF_E000, MemoryMap.Type.RAM),
                        new MemoryMap.Range(0xFF_E000, 0x2000, MemoryMap.Type.ACPI));
    }

    @Test
    void whatDoesNotFitBelow3GibStandsAt4Gib() {
        MemoryMap map = MemoryMap.pc(6L << 30, 4096);
        assertThat(map.lowTop()).isEqualTo(0xBFFF_F000L);
        assertThat(map.ranges().getLast())
                .isEqualTo(new MemoryMap.Range(1L << 32, 3L << 30, MemoryMap.Type.RAM));
        assertThat(map.isRam(1L << 32, 3L << 30)).isTrue();
        assertThat(map.isRam(1L << 32, (3L << 30) + 1)).isFalse();
        assertThat(MemoryMap.pc(3L << 30, 4096).ranges()).hasSize(5);
        assertThat(MemoryMap.pc((3L << 30) + 4096, 4096).ranges().getLast().size()).isEqualTo(4096);
    }

    @Test
    void onlyRangesOfRamCount() {
        MemoryMap map = MemoryMap.pc(16 << 20, 4096);
        assertThat(map.isRam(0, 0x9FC00)).isTrue();
        assertThat(map.isRam(0, 0x9FC01)).isFalse();
        assertThat(map.isRam(0xA0000, 1)).isFalse();
        assertThat(map.isRam(0xE0000, 1)).isFalse();
        assertThat(map.isRam(-1, 1)).isFalse();
        assertThat(map.isRam(0x10_0000, Long.MAX_VALUE)).isFalse();
        assertThat(map.isRam(0xFF_F000, 1)).isFalse();
        assertThat(map.ram()).isEqualTo(0x9FC00 + (15 << 20) - 4096);
    }

    @Test
    void badMapsAreRefused() {
        assertThatThrownBy(() -> MemoryMap.pc(1 << 20, 4096))
                .hasMessageContaining("accepted are multiples of 4096 from 1056768");
        assertThatThrownBy(() -> MemoryMap.pc((16 << 20) + 1, 0)).hasMessageContaining("16777217");
        assertThatThrownBy(() -> new MemoryMap(List.of())).hasMessageContaining("0 ranges");
        assertThatThrownBy(() ->
                        new MemoryMap(
                                List.of(
                                        new MemoryMap.Range(0, 0x2000, MemoryMap.Type.RAM),
                                        new MemoryMap.Range(0x1000, 1, MemoryMap.Type.RAM))))
                .hasMessageContaining("range 1 is not above");
        assertThatThrownBy(() -> new MemoryMap.Range(Long.MAX_VALUE, 1, MemoryMap.Type.RAM))
                .hasMessageContaining("7fffffffffffffff");
    }
}
