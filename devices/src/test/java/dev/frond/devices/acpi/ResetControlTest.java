// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.devices.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.memory.AccessWidths;
import dev.frond.machine.memory.Region;
import dev.frond.testkit.DeviceContract;
import dev.frond.testkit.ManualClock;
import dev.frond.testkit.RecordingControl;
import dev.frond.testkit.Rig;

import org.junit.jupiter.api.Test;

import java.util.Random;

/** Stories of port CF9h. */
class ResetControlTest extends DeviceContract<ResetControl.State> {
    private final RecordingControl machine = new RecordingControl();
    private final ResetControl control = new ResetControl(machine);

    @Override
    protected Rig<ResetControl.State> newRig() {
        RecordingControl recorder = new RecordingControl();
        ResetControl device = new ResetControl(recorder);
        return new Rig<>(device, new ManualClock(), recorder)
                .region(new Region.Io(device, 1, AccessWidths.BYTE, device.lock()))
                .favourites(0x02, 0x06, 0x0E);
    }

    @Override
    protected ResetControl.State randomState(ResetControl.State reset, Random random) {
        return new ResetControl.State(random.nextInt() & 0x0E);
    }

    @Test
    void rstCpuGoingFrom0To1Resets() {
        control.write(0, 1, 0x02);
        assertThat(machine.events()).isEmpty();
        control.write(0, 1, ResetControl.RESET_VALUE);
        assertThat(machine.events()).containsExactly("reset");
        control.write(0, 1, 0x06);
        assertThat(machine.events()).hasSize(1);
        control.write(0, 1, 0x02);
        control.write(0, 1, 0x0E);
        assertThat(machine.events()).hasSize(2);
    }

    @Test
    void aSoftResetResetsAsWell() {
        control.write(0, 1, 0x04);
        assertThat(machine.events()).containsExactly("reset");
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
