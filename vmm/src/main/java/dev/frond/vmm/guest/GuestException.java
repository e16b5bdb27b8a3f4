// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/**
 * A guest cannot be had. The message is one line for the user: what failed, on what, and what to
 * do.
 */
public final class GuestException extends Exception {
    @Serial private static final long serialVersionUID = 1;

    /** A failure that the user can read as it is. */
    public GuestException(String message) {
        super(oneLine(message));
    }

    private GuestException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /**
     * The failure of {@code what}, for example "cannot store debian-tiny", with the host's own
     * reason.
     */
    static GuestException of(String what, IOException cause) {
        return new GuestException(what + ": " + reason(cause), cause);
    }

    private static String reason(IOException e) {
        String file =
                e instanceof FileSystemException f && f.getFile() != null ? f.getFile() + ": " : "";
        return switch (e) {
            case NoSuchFileException _ -> file + "no such file or directory";
            case AccessDeniedException _ -> file + "permission denied";
            case FileSystemException f when f.getReason() != null -> file + f.getReason();
            default -> String.valueOf(e.getMessage());
        };
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s*\\R\\s*", " ");
    }
}
