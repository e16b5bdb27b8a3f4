// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Failures of the host in a few words. */
final class Failures {
    private Failures() {}

    /** The reason alone, without the file's name. */
    static String reason(IOException e) {
        return switch (e) {
            case NoSuchFileException _ -> "no such file or directory";
            case AccessDeniedException _ -> "permission denied";
            case FileSystemException f when f.getReason() != null -> f.getReason();
            default -> {
                // java.io's messages of the form "name (reason)" and "reason".
                String text = String.valueOf(e.getMessage());
                yield text.endsWith(")") && text.contains(" (")
                        ? text.substring(text.lastIndexOf(" (") + 2, text.length() - 1)
                        : text;
            }
        };
    }
}
