// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.backend.CharBackend;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/**
 * The far end of a serial line as a test plays it: keeps what the guest sent, and offers what the
 * test types until the device refuses; the rest waits for {@link #pump}.
 */
public final class RecordingCharBackend implements CharBackend, Recorder {
    private final StringBuilder sent = new StringBuilder();
    private final List<String> events = new ArrayList<>();
    private final Deque<Integer> waiting = new ArrayDeque<>();
    private Optional<Receiver> receiver = Optional.empty();
    private int readies;

    @Override
    public synchronized void send(int value) {
        sent.append((char) (value & 0xFF));
        events.add("sent %02x".formatted(value & 0xFF));
    }

    @Override
    public void connect(Receiver device) {
        if (receiver.isPresent()) {
            throw new AssertionError("the line is connected a second time");
        }
        receiver = Optional.of(device);
    }

    @Override
    public synchronized void ready() {
        readies++;
        events.add("ready");
    }

    /** What the guest sent so far, one character a byte. */
    public synchronized String sent() {
        return sent.toString();
    }

    /** How often the device said that it has room again. */
    public synchronized int readies() {
        return readies;
    }

    /** Types {@code text} (Latin-1) and offers as much of it as the device takes. */
    public void type(String text) {
        for (byte b : text.getBytes(StandardCharsets.ISO_8859_1)) {
            waiting.add(b & 0xFF);
        }
        pump();
    }

    /** Offers what still waits until the device refuses. */
    public void pump() {
        while (!waiting.isEmpty() && offer(waiting.getFirst())) {
            waiting.removeFirst();
        }
    }

    /** How many typed bytes the device has not taken yet. */
    public int waiting() {
        return waiting.size();
    }

    /** Offers one byte, which is lost if the device refuses it. */
    public boolean offer(int value) {
        return receiver.orElseThrow(() -> new AssertionError("no device is connected"))
                .offer(value);
    }

    @Override
    public synchronized List<String> events() {
        return Collections.unmodifiableList(events);
    }
}
