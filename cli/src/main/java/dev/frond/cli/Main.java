// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.guest.GuestCatalog;

import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

/** The command {@code frond}. Its exit statuses are those of {@link ExitStatus}. */
public final class Main implements Callable<Integer> {
    /**
     * Set by someone who looks for a mistake in Frond: internal errors come with their stack trace.
     */
    private static final String TRACE = "FROND_TRACE";

    private final CommandSpec spec;

    private Main() {
        spec = CommandSpec.wrapWithoutInspection(this).name("frond");
        spec.usageMessage()
                .header("Frond runs virtual machines.%n")
                .synopsisHeading("")
                .customSynopsis(
                        "  frond run                        boot a small Debian Linux in this"
                                + " terminal",
                        "  frond run --memory 2G --cpus 2   the same, larger",
                        "  frond run --disk data.img        with a disk, /dev/vda in the guest",
                        "  frond run --kernel bzImage --initrd root.cpio --append console=ttyS0",
                        "  frond guest list                 guests that can be run by name")
                .commandListHeading("%nCommands ('frond help COMMAND' explains one):%n")
                .footer(
                        "",
                        "In a running machine Ctrl-A h helps and Ctrl-A x quits; exit or poweroff"
                                + " ends it.");
    }

    /** Without a command: the help, as for a mistake. */
    @Override
    public Integer call() {
        spec.commandLine().usage(spec.commandLine().getErr());
        return ExitStatus.USAGE.number();
    }

    /** The command line of Frond, ready to execute. */
    static CommandLine commandLine(MachineRunner runner, Supplier<GuestCatalog> catalog) {
        CommandSpec run = RunCommand.spec(runner, catalog);
        run.usageMessage().exitCodeListHeading("%nExit status:%n").exitCodeList(statuses());
        CommandLine frond = new CommandLine(new Main().spec);
        for (CommandSpec each :
                List.of(
                        run,
                        GuestCommand.spec(catalog),
                        EnginesCommand.spec(),
                        VersionCommand.spec(),
                        HelpCommand.spec())) {
            frond.addSubcommand(each.name(), new CommandLine(each));
        }
        addHelp(frond);
        return frond.setExpandAtFiles(false)
                .setParameterExceptionHandler((e, args) -> misunderstood(e))
                .setExecutionExceptionHandler((e, commandLine, result) -> failed(e, commandLine));
    }

    private static void addHelp(CommandLine commandLine) {
        commandLine.getCommandSpec().addOption(Options.help());
        commandLine.getSubcommands().values().forEach(Main::addHelp);
    }

    private static Map<String, String> statuses() {
        Map<String, String> statuses = new LinkedHashMap<>();
        statuses.put("(v<<1)|1", "with --debug-exit, after a write of v");
        for (ExitStatus status : ExitStatus.values()) {
            statuses.put(Integer.toString(status.number()), status.meaning());
        }
        return statuses;
    }

    private static int misunderstood(ParameterException e) {
        CommandLine commandLine = e.getCommandLine();
        StringBuilder message = new StringBuilder(oneLine(String.valueOf(e.getMessage())));
        if (e instanceof UnmatchedArgumentException unmatched) {
            List<String> near = unmatched.getSuggestions();
            message.append(
                    near.isEmpty() ? "" : "; did you mean " + String.join(" or ", near) + "?");
        }
        print(
                commandLine,
                message
                        + " ('"
                        + commandLine.getCommandSpec().qualifiedName()
                        + " --help' explains)");
        return ExitStatus.USAGE.number();
    }

    private static int failed(Exception e, CommandLine commandLine) {
        if (e instanceof CliException known) {
            print(commandLine, oneLine(String.valueOf(known.getMessage())));
            return known.status().number();
        }
        StackTraceElement[] trace = e.getStackTrace();
        print(
                commandLine,
                "internal error: %s%s; %s=1 shows more"
                        .formatted(
                                oneLine(e.toString()),
                                trace.length > 0 ? " at " + trace[0] : "",
                                TRACE));
        if (System.getenv(TRACE) != null) {
            e.printStackTrace(commandLine.getErr());
            commandLine.getErr().flush();
        }
        return ExitStatus.FAILURE.number();
    }

    private static void print(CommandLine commandLine, String message) {
        PrintWriter err = commandLine.getErr();
        err.println("frond: " + message);
        err.flush();
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " ");
    }

    public static void main(String[] args) {
        System.exit(commandLine(new VmRunner(), GuestCatalog::ofUser).execute(args));
    }
}
