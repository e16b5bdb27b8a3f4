// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.isa;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.memory.AddressSpace;
import dev.frond.testkit.RecordingControl;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class DebugExitPortTest {
    private static final int PORT = 0xF4;

    private final RecordingControl machine = new RecordingControl();
    private final AddressSpace ports = new AddressSpace("ports");

    @BeforeEach
    void map() {
        ports.map(PORT, new DebugExitPort(machine).registers());
    }

    @Test
    void aWriteOfAnyWidthEndsTheMachineWithItsValue() {
        ports.write(PORT, 1, 0x2A);
        ports.write(PORT, 2, 0xBEEF);
        ports.write(PORT, 4, 0xFFFF_FFFFL);
        assertThat(machine.events())
                .containsExactly("debug exit 42", "debug exit 48879", "debug exit 4294967295");
    }

    @Test
    void bitsAboveTheWidthDoNotCount() {
        new DebugExitPort(machine).write(0, 1, 0x1FF);
        assertThat(machine.events()).containsExactly("debug exit 255");
    }

    @Test
    void readsGiveZeroAndEndNothing() {
        assertThat(ports.read(PORT, 1)).isZero();
        assertThat(ports.read(PORT, 4)).isZero();
        assertThat(machine.events()).isEmpty();
    }
}
