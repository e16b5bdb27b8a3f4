// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.util.function.Consumer;
import java.util.function.IntConsumer;

/** Tells the keys that are meant for Frond, which follow Ctrl-A, from those for the guest. */
final class EscapeKeys {
    /** What the user can ask of Frond. */
    enum Command {
        QUIT,
        HELP,
        STATS
    }

    /** Shown by Ctrl-A h. */
    static final String HELP =
            """
            Ctrl-A h   this help
            Ctrl-A x   end the machine at once
            Ctrl-A s   show what it has done so far
            Ctrl-A Ctrl-A   send Ctrl-A to the guest\
            """;

    private static final int CTRL_A = 1;

    private final IntConsumer guest;
    private final Consumer<Command> frond;
    private boolean escaped;

    EscapeKeys(IntConsumer guest, Consumer<Command> frond) {
        this.guest = guest;
        this.frond = frond;
    }

    /**
     * Takes one byte from the terminal. A key that means nothing after Ctrl-A goes to the guest
     * with it.
     */
    void accept(int value) {
        if (!escaped) {
            escaped = value == CTRL_A;
            if (!escaped) {
                guest.accept(value);
            }
            return;
        }
        escaped = false;
        switch (value) {
            case 'x', 'X' -> frond.accept(Command.QUIT);
            case 'h', 'H', '?' -> frond.accept(Command.HELP);
            case 's', 'S' -> frond.accept(Command.STATS);
            case CTRL_A -> guest.accept(CTRL_A);
            default -> {
                guest.accept(CTRL_A);
                guest.accept(value);
            }
        }
    }
}
