// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * How long one thread waited for a processor of the host while it could have run: the second number
 * of /proc/PID/task/TID/schedstat (Linux, Documentation/scheduler/sched-stats.rst).
 */
public final class RunDelay implements AutoCloseable {
    private static final Path OWN = Path.of("/proc/thread-self/schedstat");

    private final FileChannel file;
    private final ByteBuffer text = ByteBuffer.allocateDirect(96);

    private RunDelay(FileChannel file) {
        this.file = file;
    }

    /** That of the calling thread; empty where the host does not tell. */
    public static Optional<RunDelay> ofThisThread() {
        try {
            // The link is resolved now: the file stays that of this thread.
            return Optional.of(new RunDelay(FileChannel.open(OWN, StandardOpenOption.READ)));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Nanoseconds so far; empty if the thread has ended or the host tells no more. */
    public Optional<Long> nanoseconds() {
        text.clear();
        try {
            file.read(text, 0);
        } catch (IOException e) {
            return Optional.empty();
        }
        text.flip();
        return second();
    }

    private Optional<Long> second() {
        int at = 0;
        while (at < text.limit() && text.get(at) != ' ') {
            at++;
        }
        long value = 0;
        int first = ++at;
        for (; at < text.limit() && Character.isDigit(text.get(at)); at++) {
            value = value * 10 + text.get(at) - '0';
        }
        return at > first ? Optional.of(value) : Optional.empty();
    }

    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw new HostException("close", OWN.toString(), String.valueOf(e.getMessage()));
        }
    }
}
