// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.testkit;

import dev.frond.machine.irq.MsiPort;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Remembers the messages sent. */
public final class RecordingMsi implements MsiPort, Recorder {
    /** One message. */
    public record Message(long address, int data) {}

    private final List<Message> messages = new ArrayList<>();
    private final List<String> events = new ArrayList<>();

    @Override
    public synchronized void send(long address, int data) {
        messages.add(new Message(address, data));
        events.add("%x -> %x".formatted(data, address));
    }

    /** All messages so far, oldest first. */
    public synchronized List<Message> messages() {
        return List.copyOf(messages);
    }

    @Override
    public synchronized List<String> events() {
        return Collections.unmodifiableList(events);
    }
}
