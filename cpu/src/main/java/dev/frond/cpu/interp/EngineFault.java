// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cpu.interp;

/** An engine met a fault of its own; the message is a report for a person. It ends the CPU. */
public final class EngineFault extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** A fault that {@code report} describes, in several lines if need be. */
    public EngineFault(String report) {
        super(report);
    }
}
