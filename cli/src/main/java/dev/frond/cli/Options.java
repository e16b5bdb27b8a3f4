// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import org.jspecify.annotations.Nullable;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.IGetter;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

import java.util.List;
import java.util.function.Consumer;

/**
 * Adds options to a command. They are said in code, not by annotations: to read those takes a tenth
 * of a second of each start.
 */
final class Options {
    private final CommandSpec spec;

    Options(CommandSpec spec) {
        this.spec = spec;
    }

    /** An option that has a value, and one of its own if it is not given. */
    void value(String name, String label, String unsaid, Consumer<String> to, String description) {
        spec.addOption(
                OptionSpec.builder(name)
                        .paramLabel(label)
                        .type(String.class)
                        .defaultValue(unsaid)
                        .description(description)
                        .setter(text(value -> to.accept(value == null ? unsaid : value)))
                        .build());
    }

    /** An option that need not be given. */
    void maybe(String name, String label, Consumer<@Nullable String> to, String description) {
        spec.addOption(
                OptionSpec.builder(name)
                        .paramLabel(label)
                        .type(String.class)
                        .description(description)
                        .setter(text(to))
                        .build());
    }

    /** What was given so far: each further value is put behind it. */
    private static final class Given implements IGetter, ISetter {
        private final Consumer<List<String>> to;
        private @Nullable Object values;

        Given(Consumer<List<String>> to) {
            this.to = to;
        }

        @Override
        @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"}) // As the interface has it.
        public <T> @Nullable T get() {
            return (T) values;
        }

        @Override
        public <T> T set(T value) {
            values = value;
            to.accept(value instanceof String[] all ? List.of(all) : List.of());
            return value;
        }
    }

    /** An option that may be given several times. */
    void list(String name, String label, Consumer<List<String>> to, String description) {
        Given given = new Given(to);
        spec.addOption(
                OptionSpec.builder(name)
                        .paramLabel(label)
                        .type(String[].class)
                        .description(description)
                        .getter(given)
                        .setter(given)
                        .build());
    }

    /** An option without a value. */
    void flag(String name, Consumer<Boolean> to, String description) {
        spec.addOption(
                OptionSpec.builder(name)
                        .arity("0")
                        .type(boolean.class)
                        .description(description)
                        .setter(
                                new ISetter() {
                                    @Override
                                    public <T> T set(T value) {
                                        to.accept(Boolean.TRUE.equals(value));
                                        return value;
                                    }
                                })
                        .build());
    }

    /** The help that every command has. */
    static OptionSpec help() {
        return OptionSpec.builder("-h", "--help").usageHelp(true).description("this help").build();
    }

    /** A parameter that is a text. */
    static PositionalParamSpec.Builder parameter(String arity, String label) {
        return PositionalParamSpec.builder().paramLabel(label).arity(arity).type(String.class);
    }

    /** What takes a text, or null for none. */
    static ISetter text(Consumer<@Nullable String> to) {
        return new ISetter() {
            @Override
            public <T> T set(T value) {
                to.accept(value == null ? null : value.toString());
                return value;
            }
        };
    }
}
