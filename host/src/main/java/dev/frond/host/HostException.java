// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.io.Serial;

/**
 * A call into the host failed. It names the operation, the thing it was done to and the host's own
 * reason, for example {@code mmap of 8192 bytes: ENOMEM (Cannot allocate memory)}. Unchecked: most
 * callers can only hand it on to the machine, which turns it into a guest-visible I/O error or its
 * failed phase.
 */
public final class HostException extends RuntimeException {
    @Serial private static final long serialVersionUID = 1;

    private final String operation;
    private final String subject;
    private final Errno errno;
    private final int errnoNumber;

    /** The failure of {@code operation} on {@code subject} with the errno {@code errnoNumber}. */
    public HostException(String operation, String subject, int errnoNumber) {
        super(message(operation, subject, reason(errnoNumber)));
        this.operation = operation;
        this.subject = subject;
        this.errnoNumber = errnoNumber;
        this.errno = Errno.of(errnoNumber);
    }

    /** A failure that has no errno: the host lacks what is needed, as {@code reason} says. */
    public HostException(String operation, String subject, String reason) {
        super(message(operation, subject, reason));
        this.operation = operation;
        this.subject = subject;
        this.errnoNumber = 0;
        this.errno = Errno.UNKNOWN;
    }

    private HostException(HostException failure, String advice) {
        super(failure.getMessage() + "; " + advice, failure);
        this.operation = failure.operation;
        this.subject = failure.subject;
        this.errnoNumber = failure.errnoNumber;
        this.errno = failure.errno;
    }

    /** The same failure with what a person can do about it, added to its line. */
    public HostException withAdvice(String advice) {
        return new HostException(this, advice);
    }

    /** The C library's function, or what was attempted. */
    public String operation() {
        return operation;
    }

    /** The path, size, address or other thing that the operation was done to. */
    public String subject() {
        return subject;
    }

    /** The host's reason, {@link Errno#UNKNOWN} if it gave none that is known. */
    public Errno errno() {
        return errno;
    }

    /** The host's number for the reason, 0 if it gave none. */
    public int errnoNumber() {
        return errnoNumber;
    }

    private static String message(String operation, String subject, String reason) {
        return operation + (subject.isEmpty() ? "" : " of " + subject) + ": " + reason;
    }

    private static String reason(int number) {
        Errno errno = Errno.of(number);
        return errno == Errno.UNKNOWN
                ? "errno " + number
                : errno.name() + " (" + errno.text() + ")";
    }
}
