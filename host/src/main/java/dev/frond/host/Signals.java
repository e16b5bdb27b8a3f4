// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import sun.misc.Signal;
import sun.misc.SignalHandler;

import java.util.Set;

/**
 * Answers signals that the user or the system sends to the process, each on a thread of its own,
 * where everything is allowed.
 *
 * <p>It stands on {@code sun.misc.Signal} of the module jdk.unsupported, the one interface to the
 * virtual machine's own signal handling. Shutdown hooks alone would not do: they run all at once
 * after the decision to die, cannot set the exit status, and know nothing of stopping and
 * continuing. A handler of our own could not do anything useful either, because it would interrupt
 * a thread in the middle of whatever it holds. What javac has to say of the mere name is switched
 * off in the room's pom.xml: to reach the class by reflection takes 0.06 s of each start.
 */
public final class Signals {
    /** The signals that can be answered. */
    public enum Name {
        /** The terminal's interrupt key. */
        INT(2),
        /** A polite request to end. */
        TERM(15),
        /** The terminal is gone. */
        HUP(1),
        /** The terminal's suspend key. */
        TSTP(20),
        /** The process runs again after a stop. */
        CONT(18),
        /** The terminal has another size. */
        WINCH(28);

        private final int number;

        Name(int number) {
            this.number = number;
        }

        /**
         * The number that shells add to 128 for the status of a process that it ended: Linux's
         * signal(7), x86-64 and AArch64.
         */
        public int number() {
            return number;
        }
    }

    /** A handler in place; closing it brings the previous one back. */
    @FunctionalInterface
    public interface Registration extends AutoCloseable {
        @Override
        void close();
    }

    private Signals() {}

    /**
     * Runs {@code action} at each arrival of the signal, until the registration is closed. A signal
     * that the process was started to ignore, as nohup does with HUP, stays ignored.
     *
     * @throws HostException if the virtual machine keeps the signal for itself, as with -Xrs
     */
    public static Registration handle(Name name, Runnable action) {
        try {
            Signal signal = new Signal(name.name());
            SignalHandler previous = Signal.handle(signal, _ -> action.run());
            if (previous.equals(SignalHandler.SIG_IGN) && !IGNORABLE.contains(name)) {
                Signal.handle(signal, previous);
                return () -> {};
            }
            return () -> Signal.handle(signal, previous);
        } catch (IllegalArgumentException e) {
            throw new HostException("signal handler", "SIG" + name, String.valueOf(e.getMessage()));
        }
    }

    /** Signals whose "ignored" means no more than "the default is to do nothing". */
    private static final Set<Name> IGNORABLE = Set.of(Name.CONT, Name.WINCH);
}
