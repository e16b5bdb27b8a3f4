// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.Engines;

import picocli.CommandLine.Model.CommandSpec;

import java.io.PrintWriter;
import java.util.concurrent.Callable;

/** {@code frond engines}: what can execute guests on this host, and why the rest cannot. */
final class EnginesCommand implements Callable<Integer> {
    private final CommandSpec spec;

    private EnginesCommand() {
        spec = CommandSpec.wrapWithoutInspection(this).name("engines");
        spec.usageMessage()
                .description(
                        "Lists what can execute guests on this host, and why the rest cannot.");
    }

    /** The command. */
    static CommandSpec spec() {
        return new EnginesCommand().spec;
    }

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        for (Engines.Listing engine : Engines.list()) {
            out.println(engine.name() + "  " + engine.description());
            String state =
                    engine.unavailable()
                            .map(why -> "not here: " + why)
                            .or(() -> engine.limited().map(why -> "here, with limits: " + why))
                            .orElse("here");
            out.println("    " + state);
        }
        Engines.Choice choice = Engines.automatic();
        out.println(Engines.AUTO + "  what 'frond run' takes without --engine");
        out.println("    " + choice.name() + ": " + choice.why());
        out.flush();
        return ExitStatus.SUCCESS.number();
    }
}
