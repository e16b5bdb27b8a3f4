// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import java.io.Serial;

/**
 * A machine that cannot be: the message is one line for its user, naming thing, value and remedy.
 */
public final class VmException extends Exception {
    @Serial private static final long serialVersionUID = 1;

    /** What kind of mistake or misfortune it is. */
    public enum Kind {
        /** A field of the description that is not accepted. */
        SPEC,
        /** A file that is missing, not readable, or not what it should be. */
        INPUT,
        /** The host or Frond. */
        HOST
    }

    private final Kind kind;

    VmException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    VmException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** What kind it is. */
    public Kind kind() {
        return kind;
    }
}
