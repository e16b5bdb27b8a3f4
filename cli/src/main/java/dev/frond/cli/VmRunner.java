// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.backend.CharBackend;

import java.util.function.Consumer;

/** Runs machines with the virtual machine monitor of the room vmm. */
final class VmRunner implements MachineRunner {
    @Override
    public Running start(RunSpec spec, CharBackend serial, Consumer<Outcome> ended) throws CliException {
        throw new CliException(ExitStatus.FAILURE, "this build has no engine");
    }
}
