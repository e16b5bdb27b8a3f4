// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.io.Serial;

/** Ends the command with one line on standard error and a status. */
final class CliException extends Exception {
    @Serial private static final long serialVersionUID = 1;

    private final ExitStatus status;

    CliException(ExitStatus status, String message) {
        super(message);
        this.status = status;
    }

    CliException(ExitStatus status, String message, Throwable cause) {
        super(message, cause);
        this.status = status;
    }

    /** A value of an option that is not accepted. */
    static CliException badValue(String option, String value, String accepted) {
        return new CliException(
                ExitStatus.USAGE,
                "%s: '%s' is not accepted; accepted: %s".formatted(option, value, accepted));
    }

    ExitStatus status() {
        return status;
    }
}
