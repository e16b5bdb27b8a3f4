// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.vmm.guest.Guest;
import dev.frond.vmm.guest.GuestCatalog;
import dev.frond.vmm.guest.GuestException;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

import java.io.PrintWriter;
import java.util.Optional;
import java.util.function.Supplier;

/** {@code frond guest}: lists, obtains and deletes the guests that can be run by name. */
@Command(name = "guest", description = "Lists, obtains and deletes guests that can be run by name.")
final class GuestCommand implements Runnable {
    private final Supplier<GuestCatalog> catalog;
    @Spec private CommandSpec spec;

    GuestCommand(Supplier<GuestCatalog> catalog) {
        this.catalog = catalog;
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "guest: a command is missing; accepted: list, get GUEST, rm GUEST");
    }

    private void checkName(String guest) throws CliException {
        if (!catalog.get().names().contains(guest)) {
            throw CliException.badValue("GUEST", guest, String.join(", ", catalog.get().names()));
        }
    }

    @Command(name = "list", description = "Lists the guests, and which of them are in the cache.")
    int list() throws CliException {
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

    @Command(name = "get", description = "Obtains a guest, or brings it up to date.")
    int get(
            @Parameters(paramLabel = "GUEST", description = "a guest of 'frond guest list'")
                    String guest)
            throws CliException {
        checkName(guest);
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

    @Command(name = "rm", description = "Deletes a guest from the cache.")
    int rm(
            @Parameters(paramLabel = "GUEST", description = "a guest of 'frond guest list'")
                    String guest)
            throws CliException {
        checkName(guest);
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
