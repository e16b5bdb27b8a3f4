// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.backend.CharBackend;

import java.time.Duration;

/** The user's end of the guest's serial line. */
interface Console extends CharBackend {
    /**
     * From now on the guest never waits for whoever reads the output: what does not fit is lost.
     */
    void release();

    /**
     * Delivers what the guest has sent, for at most this time, and gives the terminal or the file
     * back.
     */
    void close(Duration patience);

    /** Nobody at the other end. */
    Console NONE =
            new Console() {
                @Override
                public void send(int value) {}

                @Override
                public void connect(Receiver receiver) {}

                @Override
                public void ready() {}

                @Override
                public void release() {}

                @Override
                public void close(Duration patience) {}
            };
}
