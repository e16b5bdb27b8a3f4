// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.block;

import java.io.IOException;

/** A disk image cannot be opened; the message is one line for its user that names the image. */
public final class ImageException extends IOException {
    private static final long serialVersionUID = 1;

    /** An exception with {@code message}. */
    public ImageException(String message) {
        super(message);
    }

    /** An exception with {@code message} that {@code cause} led to. */
    public ImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
