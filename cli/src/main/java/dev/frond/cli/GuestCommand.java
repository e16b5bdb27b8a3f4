// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestException;

import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;

/** {@code frond guest}: lists, obtains and deletes the guests that can be run by name. */
final class GuestCommand implements Runnable {
    private final Supplier<GuestCatalog> catalog;
    private final CommandSpec spec;

    /** What {@code get} and {@code rm} are about. */
    private String guest = "";

    private GuestCommand(Supplier<GuestCatalog> catalog) {
        this.catalog = catalog;
        spec = CommandSpec.wrapWithoutInspection(this).name("guest");
        spec.usageMessage()
                .description("Lists, obtains and deletes guests that can be run by name.");
        add("list", this::list, "Lists the guests, and which of them are in the cache.");
        withGuest(add("get", this::get, "Obtains a guest, or brings it up to date."));
        withGuest(add("rm", this::rm, "Deletes a guest from the cache."));
    }

    /** The command with those that it consists of. */
    static CommandSpec spec(Supplier<GuestCatalog> catalog) {
        return new GuestCommand(catalog).spec;
    }

    private CommandSpec add(String name, Callable<Integer> action, String description) {
        CommandSpec one = CommandSpec.wrapWithoutInspection(action);
        one.usageMessage().description(description);
        spec.addSubcommand(name, new CommandLine(one));
        return one;
    }

    private void withGuest(CommandSpec one) {
        one.addPositional(
                Options.parameter("1", "GUEST")
                        .required(true)
                        .description("a guest of 'frond guest list'")
                        .setter(Options.text(value -> guest = value == null ? "" : value))
                        .build());
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "guest: a command is missing; accepted: list, get GUEST, rm GUEST");
    }

    private void checkName() throws CliException {
        if (!catalog.get().names().contains(guest)) {
            throw CliException.badValue("GUEST", guest, String.join(", ", catalog.get().names()));
        }
    }

    private int list() throws CliException {
        try {
            PrintWriter out = spec.commandLine().getOut();
            for (GuestCatalog.Listing listing : catalog.get().list()) {
                Optional<Guest> cached = listing.cached();
                out.println(listing.name() + "  " + listing.description());
                out.println(
                        cached.isPresent()
                                ? "    in the cache: "
                                        + cached.get().version()
                                        + ", "
                                        + Quantities.bytes(cached.get().size())
                                : "    not in the cache");
            }
            out.flush();
            return ExitStatus.SUCCESS.number();
        } catch (GuestException e) {
            throw new CliException(ExitStatus.NO_GUEST, String.valueOf(e.getMessage()), e);
        }
    }

    private int get() throws CliException {
        checkName();
        try (TransferProgress progress = TransferProgress.onStandardError()) {
            Guest found = catalog.get().get(guest, progress);
            PrintWriter out = spec.commandLine().getOut();
            out.println(
                    found.name() + " " + found.version() + ", " + Quantities.bytes(found.size()));
            out.flush();
            return ExitStatus.SUCCESS.number();
        } catch (GuestException e) {
            throw new CliException(ExitStatus.NO_GUEST, String.valueOf(e.getMessage()), e);
        }
    }

    private int rm() throws CliException {
        checkName();
        try {
            PrintWriter out = spec.commandLine().getOut();
            out.println(
                    catalog.get().rm(guest) ? guest + " deleted" : guest + " was not in the cache");
            out.flush();
            return ExitStatus.SUCCESS.number();
        } catch (GuestException e) {
            throw new CliException(ExitStatus.NO_GUEST, String.valueOf(e.getMessage()), e);
        }
    }
}
