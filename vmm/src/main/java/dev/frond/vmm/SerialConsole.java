// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.machine.backend.CharBackend;

import org.jspecify.annotations.Nullable;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeoutException;

/**
 * The far end of a guest's serial line for a program: types lines and waits for text. Thread-safe;
 * it keeps all that the guest wrote.
 */
public final class SerialConsole implements CharBackend {
    private final StringBuilder output = new StringBuilder();
    private final Deque<Integer> input = new ArrayDeque<>();
    private @Nullable Receiver receiver;
    private int read;

    /** A line that nobody has written to yet. */
    public SerialConsole() {}

    @Override
    public void send(int value) {
        synchronized (this) {
            output.append((char) (value & 0xFF));
            notifyAll();
        }
    }

    @Override
    public synchronized void connect(Receiver device) {
        receiver = device;
    }

    @Override
    public void ready() {
        // Called with the device's lock held, which offering takes too: it is re-entrant.
        feed();
    }

    private void feed() {
        while (true) {
            Receiver device;
            int next;
            synchronized (this) {
                Integer first = input.peek();
                if (receiver == null || first == null) {
                    return;
                }
                device = receiver;
                next = first;
            }
            if (!device.offer(next)) {
                return;
            }
            synchronized (this) {
                input.remove();
            }
        }
    }

    /** Types a line. */
    public void type(String line) {
        synchronized (this) {
            (line + "\n").chars().forEach(input::add);
        }
        feed();
    }

    /**
     * Waits until {@code text} appears after what was awaited before, and returns all up to it.
     *
     * @throws TimeoutException if it does not; the message ends with what the guest wrote
     */
    public synchronized String await(String text, Duration timeout)
            throws InterruptedException, TimeoutException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (true) {
            int at = output.indexOf(text, read);
            if (at >= 0) {
                String seen = output.substring(read, at + text.length());
                read = at + text.length();
                return seen;
            }
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                throw new TimeoutException(
                        "'"
                                + text
                                + "' did not appear within "
                                + timeout
                                + "; the guest wrote:\n"
                                + output);
            }
            wait(Math.max(1, left / 1_000_000));
        }
    }

    /** Everything that the guest wrote. */
    public synchronized String all() {
        return output.toString();
    }
}
