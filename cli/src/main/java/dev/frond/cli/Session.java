// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.host.Signals;

import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One run of a machine in the user's terminal, from its start to the exit status: the first thing
 * that happens of guest's end, key, signal and timeout decides. Whatever it is, the machine is
 * stopped, its disks are flushed and the terminal is given back; a second signal does not wait for
 * that.
 */
final class Session {
    /** What a reader of the output gets when the end is not the guest's own. */
    private static final Duration SHORT = Duration.ofSeconds(1);

    /** A reader that is slow gets everything that a guest said before its own end. */
    private static final Duration LONG = Duration.ofDays(1);

    private static final List<Signals.Name> SIGNALS =
            List.of(Signals.Name.INT, Signals.Name.TERM, Signals.Name.HUP);

    private final MachineRunner runner;
    private final PrintStream err;
    private final BlockingQueue<End> ends = new LinkedBlockingQueue<>();
    private volatile Optional<MachineRunner.Running> machine = Optional.empty();
    private final AtomicInteger arrivals = new AtomicInteger();
    private volatile boolean stopped;
    private volatile Console console = Console.NONE;

    Session(MachineRunner runner, PrintStream err) {
        this.runner = runner;
        this.err = err;
    }

    /** Why a session ends. */
    private sealed interface End {
        record Guest(MachineRunner.Outcome outcome) implements End {}

        record Quit() implements End {}

        record Signal(Signals.Name name) implements End {}

        record TimedOut(Duration after) implements End {}

        record OutputClosed() implements End {}
    }

    /** Makes the user's end of the serial line, which reports to the session. */
    @FunctionalInterface
    interface ConsoleFactory {
        Console open(Session session) throws CliException;
    }

    /** A key for Frond was pressed. */
    void command(EscapeKeys.Command command) {
        switch (command) {
            case QUIT -> ends.add(new End.Quit());
            case HELP -> say("\n" + EscapeKeys.HELP);
            case STATS -> {
                err.println();
                printStats();
            }
        }
    }

    /** Standard output takes no more. */
    void outputFailed(IOException e) {
        ends.add(new End.OutputClosed());
    }

    /** The serial line's file takes no more; the guest goes on without it. */
    void fileFailed(String file, IOException e) {
        say(
                "frond: --serial: "
                        + file
                        + ": "
                        + Failures.reason(e)
                        + "; the serial output from here on is lost");
    }

    /** Runs the machine to its end and returns the exit status, 0 to 255. */
    int run(RunSpec spec, ConsoleFactory consoles, Optional<Duration> timeout, boolean stats)
            throws CliException {
        List<Signals.Registration> signals = new ArrayList<>();
        Duration patience = SHORT;
        try {
            for (Signals.Name name : SIGNALS) {
                signals.add(Signals.handle(name, () -> signal(name)));
            }
            console = consoles.open(this);
            machine =
                    Optional.of(
                            runner.start(
                                    spec, console, outcome -> ends.add(new End.Guest(outcome))));
            End end = await(timeout);
            if (end instanceof End.Guest) {
                patience = LONG;
            } else {
                // A CPU that waits for a reader could not be stopped.
                console.release();
            }
            stop(patience);
            int status = report(end);
            if (stats) {
                printStats();
            }
            return status;
        } finally {
            // Only after a failure is anything left to do here.
            console.release();
            console.close(SHORT);
            signals.forEach(Signals.Registration::close);
        }
    }

    private void stop(Duration patience) throws CliException {
        try {
            machine.orElseThrow().stop();
            stopped = true;
        } finally {
            console.close(patience);
        }
    }

    private End await(Optional<Duration> timeout) {
        try {
            if (timeout.isEmpty()) {
                return ends.take();
            }
            End end = ends.poll(timeout.get().toNanos(), TimeUnit.NANOSECONDS);
            return end == null ? new End.TimedOut(timeout.get()) : end;
        } catch (InterruptedException e) {
            throw new AssertionError("nobody interrupts the main thread", e);
        }
    }

    private int report(End end) {
        return switch (end) {
            case End.Quit() -> ExitStatus.SUCCESS.number();
            case End.OutputClosed() -> ExitStatus.BROKEN_PIPE.number();
            case End.TimedOut(Duration after) -> {
                say("frond: stopped after " + Quantities.time(after) + " (--timeout)");
                yield ExitStatus.TIMEOUT.number();
            }
            case End.Signal(Signals.Name name) -> {
                say("frond: stopped by SIG" + name);
                yield statusOf(name).number();
            }
            case End.Guest(MachineRunner.Outcome outcome) ->
                    switch (outcome) {
                        case MachineRunner.Outcome.PoweredOff() -> ExitStatus.SUCCESS.number();
                        case MachineRunner.Outcome.Reset() -> ExitStatus.SUCCESS.number();
                        case MachineRunner.Outcome.DebugExit(long value) ->
                                ExitStatus.ofDebugExit(value);
                        case MachineRunner.Outcome.TripleFault(String where) -> {
                            say("frond: the guest crashed: triple fault, " + where);
                            yield ExitStatus.TRIPLE_FAULT.number();
                        }
                        case MachineRunner.Outcome.Failed(String reason) -> {
                            say("frond: " + reason);
                            yield ExitStatus.FAILURE.number();
                        }
                    };
        };
    }

    private static ExitStatus statusOf(Signals.Name name) {
        return switch (name) {
            case INT -> ExitStatus.INTERRUPTED;
            case HUP -> ExitStatus.HANGUP;
            default -> ExitStatus.TERMINATED;
        };
    }

    private void signal(Signals.Name name) {
        if (arrivals.getAndIncrement() == 0 && !stopped) {
            ends.add(new End.Signal(name));
            return;
        }
        // The user insists, or only a slow reader is waited for: the terminal comes back.
        console.release();
        console.close(Duration.ZERO);
        Runtime.getRuntime().halt(statusOf(name).number());
    }

    private void printStats() {
        machine.ifPresent(running -> running.stats().lines().forEach(err::println));
    }

    private void say(String text) {
        err.println(text);
    }
}
