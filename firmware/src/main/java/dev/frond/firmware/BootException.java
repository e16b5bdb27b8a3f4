// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

/**
 * A guest program cannot be loaded or started. The message is one line for the user: the file, what
 * is wrong with it, and what is accepted.
 */
public final class BootException extends Exception {
    private static final long serialVersionUID = 1;

    public BootException(String message) {
        super(message);
    }

    public BootException(String message, Throwable cause) {
        super(message, cause);
    }
}
