// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.concurrent.Callable;

/** {@code frond version}: prints the versions of Frond and of the Java runtime, one line each. */
@Command(name = "version", description = "Prints the version of Frond and of its Java runtime.")
final class VersionCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;

    VersionCommand() {}

    @Override
    public Integer call() {
        PrintWriter out = spec.commandLine().getOut();
        out.println("frond " + version());
        out.println("java " + Runtime.version() + " " + System.getProperty("java.vendor"));
        out.flush();
        return 0;
    }

    /** The project's version, which the build writes into {@code version.properties}. */
    static String version() {
        Properties properties = new Properties();
        try (InputStream in = VersionCommand.class.getResourceAsStream("version.properties")) {
            properties.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return properties.getProperty("version");
    }
}
