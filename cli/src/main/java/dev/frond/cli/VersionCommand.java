// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import picocli.CommandLine.Model.CommandSpec;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.concurrent.Callable;

/** {@code frond version}: prints the versions of Frond and of the Java runtime, one line each. */
final class VersionCommand implements Callable<Integer> {
    private final CommandSpec spec;

    private VersionCommand() {
        spec = CommandSpec.wrapWithoutInspection(this).name("version");
        spec.usageMessage().description("Prints the version of Frond and of its Java runtime.");
    }

    /** The command. */
    static CommandSpec spec() {
        return new VersionCommand().spec;
    }

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
