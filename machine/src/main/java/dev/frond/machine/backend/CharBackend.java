// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.backend;

/** The far end of a serial line: a terminal, a pipe, a file. */
public interface CharBackend {
    /**
     * Takes one byte that the guest sent, in the low 8 bits. Called with the device's lock held.
     */
    void send(int value);

    /** Connects the device that wants input; called once, before the machine runs. */
    void connect(Receiver receiver);

    /** Tells that the device has room again after {@link Receiver#offer} refused a byte. */
    void ready();

    /**
     * The device's side of the line. May be called from any thread; takes the device's lock itself.
     */
    interface Receiver {
        /** Offers one input byte in the low 8 bits; false if there is no room for it now. */
        boolean offer(int value);
    }

    /** A line with nobody at the far end. */
    CharBackend NONE =
            new CharBackend() {
                @Override
                public void send(int value) {}

                @Override
                public void connect(Receiver receiver) {}

                @Override
                public void ready() {}
            };
}
