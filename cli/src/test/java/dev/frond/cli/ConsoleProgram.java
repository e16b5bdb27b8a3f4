// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.guest.GuestCatalog;

import java.util.Arrays;
import java.util.concurrent.CountDownLatch;

/**
 * {@code frond} with a {@link FakeMachine}; its stop never ends if the first argument is "stuck".
 */
final class ConsoleProgram {
    private ConsoleProgram() {}

    public static void main(String[] args) {
        boolean stuck = args[0].equals("stuck");
        FakeMachine machine = stuck ? new FakeMachine(new CountDownLatch(1)) : new FakeMachine();
        String[] command = stuck ? Arrays.copyOfRange(args, 1, args.length) : args;
        System.exit(Main.commandLine(machine, GuestCatalog::ofUser).execute(command));
    }
}
