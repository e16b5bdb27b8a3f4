// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.StateException;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;

import org.junit.jupiter.api.Test;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;

class MachineStateCodecTest {
    public record Uart(int ier, Bytes fifo) {
        static final Uart RESET = new Uart(0, Bytes.EMPTY);

        public Uart {
            if (ier < 0 || ier > 15) {
                throw new IllegalArgumentException("ier " + ier + ": accepted are 0..15");
            }
        }
    }

    public record Nothing() {}

    private static final MachineState STATE =
            new MachineState(
                    "microvm",
                    "x86-64-v2",
                    List.of(CpuFeature.FPU, CpuFeature.KVM_PV_EOI),
                    512L << 20,
                    123_456_789L,
                    1_700_000_000_000_000_000L,
                    List.of(CpuState.powerOn(0x20FC1), CpuState.powerOn(0x206C1)),
                    List.of(
                            new MachineState.DeviceState("com1", new Uart(5, Bytes.of((byte) 'x'))),
                            new MachineState.DeviceState("exit", new Nothing())));

    private static Optional<Record> resetState(String id) {
        return switch (id) {
            case "com1" -> Optional.of(Uart.RESET);
            case "exit" -> Optional.of(new Nothing());
            default -> Optional.empty();
        };
    }

    @Test
    void aMachineStateComesBack() throws StateException {
        assertThat(
                        MachineStateCodec.decode(
                                MachineStateCodec.encode(STATE), MachineStateCodecTest::resetState))
                .isEqualTo(STATE);
    }

    @Test
    void aDeviceThatTheMachineLacksIsRefused() {
        byte[] stream =
                MachineStateCodec.encode(with(new MachineState.DeviceState("com2", Uart.RESET)));
        assertRefused(stream, "device com2: this machine has no such device");
    }

    @Test
    void aDeviceThatOccursTwiceIsRefused() {
        MachineState.DeviceState exit = new MachineState.DeviceState("exit", new Nothing());
        assertRefused(MachineStateCodec.encode(with(exit, exit)), "device exit: occurs twice");
    }

    @Test
    void theStateOfAnotherDeviceIsRefusedUnderItsId() {
        byte[] stream =
                MachineStateCodec.encode(with(new MachineState.DeviceState("exit", Uart.RESET)));
        assertRefused(
                stream,
                "device exit: MachineStateCodecTest.Nothing: a 'MachineStateCodecTest.Uart' stands"
                        + " where a MachineStateCodecTest.Nothing is expected");
    }

    @Test
    void anotherFileIsRefused() {
        assertRefused(
                new byte[0],
                "machine state: the stream does not start as a machine state of Frond, version 1");
        assertRefused(
                new byte[4096],
                "machine state: the stream does not start as a machine state of Frond, version 1");
    }

    @Test
    void everyTruncationIsRefused() {
        byte[] stream = MachineStateCodec.encode(STATE);
        for (int length = 0; length < stream.length; length++) {
            byte[] cut = Arrays.copyOf(stream, length);
            assertThatThrownBy(
                            () -> MachineStateCodec.decode(cut, MachineStateCodecTest::resetState))
                    .isInstanceOf(StateException.class);
        }
    }

    @Test
    void randomDamageGivesAStateOrARefusal() {
        byte[] stream = MachineStateCodec.encode(STATE);
        Random random = new Random(3);
        int refused = 0;
        for (int round = 0; round < 5_000; round++) {
            byte[] damaged = stream.clone();
            for (int flips = 1 + random.nextInt(3); flips > 0; flips--) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
            }
            try {
                MachineState state =
                        MachineStateCodec.decode(damaged, MachineStateCodecTest::resetState);
                assertThat(state.devices()).hasSizeLessThanOrEqualTo(2);
            } catch (StateException e) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
    }

    private static MachineState with(MachineState.DeviceState... devices) {
        return new MachineState(
                STATE.board(),
                STATE.cpuModel(),
                STATE.cpuFeatures(),
                STATE.memory(),
                STATE.clock(),
                STATE.wallClock(),
                STATE.cpus(),
                List.of(devices));
    }

    private static void assertRefused(byte[] stream, String message) {
        assertThatThrownBy(
                        () -> MachineStateCodec.decode(stream, MachineStateCodecTest::resetState))
                .isInstanceOf(StateException.class)
                .hasMessage(message);
    }
}
