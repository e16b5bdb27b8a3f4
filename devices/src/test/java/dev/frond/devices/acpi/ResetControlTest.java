// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** Stories of port CF9h. */
class ResetControlTest {
    private final RecordingMachine machine = new RecordingMachine();
    private final ResetControl control = new ResetControl(machine);

    @Test
    void rstCpuGoingFrom0To1Resets() {
        control.write(0, 1, 0x02);
        assertThat(machine.calls).isEmpty();
        control.write(0, 1, ResetControl.RESET_VALUE);
        assertThat(machine.calls).containsExactly("reset");
        control.write(0, 1, 0x06);
        assertThat(machine.calls).hasSize(1);
        control.write(0, 1, 0x02);
        control.write(0, 1, 0x0E);
        assertThat(machine.calls).hasSize(2);
    }

    @Test
    void aSoftResetResetsAsWell() {
        control.write(0, 1, 0x04);
        assertThat(machine.calls).containsExactly("reset");
    }

    @Test
    void reservedBitsReadZeroAndAResetClearsTheRegister() {
        control.write(0, 1, 0xFB);
        assertThat(control.read(0, 1)).isEqualTo(0x0A);
        control.reset();
        assertThat(control.read(0, 1)).isZero();
        assertThatThrownBy(() -> new ResetControl.State(1)).hasMessageContaining("0x1");
    }
}
