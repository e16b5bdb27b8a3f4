// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.MachineEnd;
import dev.frond.machine.backend.CharBackend;
import dev.frond.machine.vcpu.VcpuStats;
import dev.frond.vmm.Engines;
import dev.frond.vmm.Vm;
import dev.frond.vmm.VmException;
import dev.frond.vmm.VmSpec;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** Runs machines with the virtual machine monitor of the room vmm. */
final class VmRunner implements MachineRunner {
    // The end of a machine is never exceptional: a failure is MachineEnd.Failed.
    @SuppressWarnings("FutureReturnValueIgnored")
    @Override
    public Running start(RunSpec spec, CharBackend serial, Consumer<Outcome> ended)
            throws CliException {
        VmSpec machine = vmSpec(spec);
        Engines.limits(machine.engine())
                .ifPresent(why ->
                        System.err.println("frond: engine " + machine.engine() + ": " + why));
        try {
            Vm vm = Vm.start(machine, serial);
            vm.end().thenAccept(end -> outcome(end).ifPresent(ended));
            String engine =
                    machine.engine().equals(Engines.AUTO)
                            ? vm.engine() + ": " + vm.whyEngine()
                            : vm.engine();
            return new RunningVm(vm, engine, System.nanoTime());
        } catch (VmException e) {
            throw cliException(e);
        }
    }

    private static VmSpec vmSpec(RunSpec spec) {
        return new VmSpec(
                spec.kernel(),
                // In the list that it is, a comma of a name is written twice.
                spec.initrd().map(file -> file.toString().replace(",", ",,")),
                spec.commandLine(),
                spec.memory(),
                spec.cpus(),
                spec.cpu(),
                spec.engine().name().toLowerCase(Locale.ROOT),
                VmSpec.IrqChip.valueOf(spec.irqChip().name()),
                spec.disks().stream()
                        .map(disk -> new VmSpec.Disk(disk.file(), disk.readOnly()))
                        .toList(),
                spec.debugExit(),
                spec.reboot(),
                spec.counted());
    }

    /** What the command tells; nothing if it stopped the machine itself. */
    private static Optional<Outcome> outcome(MachineEnd end) {
        return switch (end) {
            case MachineEnd.PoweredOff _ -> Optional.of(new Outcome.PoweredOff());
            case MachineEnd.Reset _ -> Optional.of(new Outcome.Reset());
            case MachineEnd.DebugExit exit -> Optional.of(new Outcome.DebugExit(exit.value()));
            case MachineEnd.TripleFault fault ->
                    Optional.of(
                            new Outcome.TripleFault(
                                    "CPU "
                                            + fault.cpu()
                                            + " at 0x"
                                            + Long.toHexString(fault.rip())));
            case MachineEnd.Failed failed -> Optional.of(new Outcome.Failed(failed.reason()));
            case MachineEnd.Stopped _ -> Optional.empty();
        };
    }

    private static CliException cliException(VmException e) {
        ExitStatus status =
                switch (e.kind()) {
                    case SPEC -> ExitStatus.USAGE;
                    case INPUT -> ExitStatus.NO_INPUT;
                    case HOST -> ExitStatus.FAILURE;
                };
        return new CliException(status, String.valueOf(e.getMessage()), e);
    }

    private record RunningVm(Vm vm, String engine, long startedAt) implements Running {
        @Override
        public void stop() throws CliException {
            try {
                vm.close();
            } catch (VmException e) {
                throw cliException(e);
            }
        }

        @Override
        public RunStats stats() {
            long instructions = 0;
            Map<String, Long> exits = new LinkedHashMap<>();
            for (var cpu : vm.cpus()) {
                VcpuStats stats = cpu.stats();
                instructions += stats.instructions();
                stats.exits().forEach((reason, count) -> exits.merge(reason, count, Long::sum));
            }
            return new RunStats(
                    engine,
                    instructions,
                    Duration.ofNanos(System.nanoTime() - startedAt),
                    Duration.ZERO,
                    exits);
        }
    }
}
