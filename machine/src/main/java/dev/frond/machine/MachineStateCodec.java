// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine;

import dev.frond.machine.device.Bytes;
import dev.frond.machine.device.StateCodec;
import dev.frond.machine.device.StateException;
import dev.frond.machine.vcpu.CpuFeature;
import dev.frond.machine.vcpu.CpuState;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * A {@link MachineState} to bytes and back: eight bytes that name the format, then the state as
 * {@link StateCodec} writes it, with each device's and each CPU's state as a stream of its own
 * inside, so that it is read with the type that the machine at hand has for it.
 */
public final class MachineStateCodec {
    private static final byte[] MAGIC = {'F', 'r', 'o', 'n', 'd', 'M', 'S', 1};

    private record Stream(
            String board,
            String cpuModel,
            List<CpuFeature> cpuFeatures,
            long memory,
            long clock,
            long wallClock,
            List<Bytes> cpus,
            List<DeviceStream> devices) {
        static final Stream RESET = new Stream("", "", List.of(), 0, 0, 0, List.of(), List.of());
    }

    private record DeviceStream(String id, Bytes state) {}

    private MachineStateCodec() {}

    /** The stream of {@code state}. */
    public static byte[] encode(MachineState state) {
        byte[] body =
                StateCodec.encode(
                        new Stream(
                                state.board(),
                                state.cpuModel(),
                                state.cpuFeatures(),
                                state.memory(),
                                state.clock(),
                                state.wallClock(),
                                state.cpus().stream()
                                        .map(cpu -> Bytes.of(StateCodec.encode(cpu)))
                                        .toList(),
                                state.devices().stream()
                                        .map(d ->
                                                new DeviceStream(
                                                        d.id(),
                                                        Bytes.of(StateCodec.encode(d.state()))))
                                        .toList()));
        byte[] stream = Arrays.copyOf(MAGIC, MAGIC.length + body.length);
        System.arraycopy(body, 0, stream, MAGIC.length, body.length);
        return stream;
    }

    /**
     * The state in {@code stream}; {@code resetStates} gives the reset state of the device with
     * that id, or nothing where the machine has none. A device that occurs twice is refused;
     * whether one is missing is the machine's to see.
     */
    public static MachineState decode(byte[] stream, Function<String, Optional<Record>> resetStates)
            throws StateException {
        if (stream.length < MAGIC.length
                || !Arrays.equals(stream, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw new StateException(
                    "machine state",
                    "the stream does not start as a machine state of Frond, version 1");
        }
        Stream body =
                StateCodec.decode(
                        Arrays.copyOfRange(stream, MAGIC.length, stream.length), Stream.RESET);
        List<CpuState> cpus = new ArrayList<>();
        for (Bytes cpu : body.cpus) {
            try {
                cpus.add(StateCodec.decode(cpu.toArray(), CpuState.powerOn(0)));
            } catch (StateException e) {
                throw new StateException("cpu " + cpus.size(), String.valueOf(e.getMessage()));
            }
        }
        List<MachineState.DeviceState> devices = new ArrayList<>();
        for (DeviceStream device : body.devices) {
            devices.add(new MachineState.DeviceState(device.id, device(device, resetStates)));
            if (devices.stream().filter(d -> d.id().equals(device.id)).count() > 1) {
                throw new StateException("device " + device.id, "occurs twice");
            }
        }
        return new MachineState(
                body.board,
                body.cpuModel,
                body.cpuFeatures,
                body.memory,
                body.clock,
                body.wallClock,
                cpus,
                devices);
    }

    private static Record device(
            DeviceStream device, Function<String, Optional<Record>> resetStates)
            throws StateException {
        Record reset =
                resetStates
                        .apply(device.id)
                        .orElseThrow(() ->
                                new StateException(
                                        "device " + device.id, "this machine has no such device"));
        try {
            return StateCodec.decode(device.state.toArray(), reset);
        } catch (StateException e) {
            throw new StateException("device " + device.id, String.valueOf(e.getMessage()));
        }
    }
}
