// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.io.PrintWriter;
import java.util.concurrent.Callable;

/** {@code frond help}: explains Frond, or one of its commands. */
final class HelpCommand implements Callable<Integer> {
    private final CommandSpec spec;
    private String command = "";

    private HelpCommand() {
        spec = CommandSpec.wrapWithoutInspection(this).name("help").helpCommand(true);
        spec.usageMessage().description("Explains Frond, or one of its commands.");
        spec.addPositional(
                Options.parameter("0..1", "COMMAND")
                        .description("a command; without it all are listed")
                        .setter(Options.text(value -> command = value == null ? "" : value))
                        .build());
    }

    /** The command. */
    static CommandSpec spec() {
        return new HelpCommand().spec;
    }

    @Override
    public Integer call() {
        CommandLine frond = spec.parent().commandLine();
        CommandLine explained = command.isEmpty() ? frond : frond.getSubcommands().get(command);
        if (explained == null) {
            throw new ParameterException(
                    spec.commandLine(),
                    "help: there is no command '"
                            + command
                            + "'; accepted: "
                            + String.join(", ", frond.getSubcommands().keySet()));
        }
        PrintWriter out = spec.commandLine().getOut();
        explained.usage(out);
        out.flush();
        return ExitStatus.SUCCESS.number();
    }
}
