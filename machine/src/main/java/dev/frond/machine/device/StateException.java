// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.device;

/**
 * A stream that holds no acceptable state; the message names the record, the component and the
 * problem.
 */
public final class StateException extends Exception {
    private static final long serialVersionUID = 1;

    /** For {@code place}, such as {@code Uart16550.State.lcr}, and what is wrong there. */
    public StateException(String place, String problem) {
        super(place + ": " + problem);
    }
}
