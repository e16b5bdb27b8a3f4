// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import dev.frond.machine.backend.CharBackend;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The far end of an installing guest's serial line: reads off it how far dpkg is, and keeps the
 * last lines for whoever has to say what went wrong. Thread-safe.
 */
final class InstallLog implements CharBackend {
    private static final String DONE = "install: done";
    private static final String FAILED = "install: failed: ";
    private static final int KEPT_LINES = 8;
    private static final int LONGEST_LINE = 1000;

    /** dpkg names the architecture where several can be installed. */
    private static final Pattern STEP =
            Pattern.compile("^(Unpacking|Setting up) ([a-z0-9+.-]+)(:[a-z0-9]+)? \\(");

    private final Set<String> known = new HashSet<>();
    private final Set<String> steps = new HashSet<>();
    private final Deque<String> last = new ArrayDeque<>();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private Optional<String> failure = Optional.empty();
    private boolean done;

    InstallLog(List<AptPackage> packages) {
        packages.forEach(each -> known.add(each.name()));
    }

    @Override
    public synchronized void send(int value) {
        if (value == '\n' || line.size() == LONGEST_LINE) {
            line(line.toString(StandardCharsets.UTF_8));
            line.reset();
        } else if (value != '\r') {
            line.write(value);
        }
    }

    private void line(String text) {
        Matcher step = STEP.matcher(text);
        if (step.find() && known.contains(step.group(2))) {
            steps.add(step.group(1) + step.group(2));
        }
        done |= text.equals(DONE);
        if (failure.isEmpty() && text.startsWith(FAILED)) {
            failure = Optional.of(text.substring(FAILED.length()));
        }
        // What the kernel says on its way down would push out what matters.
        if (!text.isBlank() && failure.isEmpty()) {
            last.add(text);
            if (last.size() > KEPT_LINES) {
                last.remove();
            }
        }
    }

    @Override
    public void connect(Receiver device) {}

    @Override
    public void ready() {}

    /** The steps that are done: two of each package, to unpack it and to set it up. */
    synchronized int steps() {
        return steps.size();
    }

    /** How many there are in all. */
    synchronized int total() {
        return 2 * known.size();
    }

    /** Whether the installation is complete. */
    synchronized boolean isDone() {
        return done;
    }

    /** What failed, with the last lines before, in one line. */
    synchronized String reason() {
        return failure.map(what -> what + " failed; ").orElse("")
                + "the last lines were: "
                + String.join(" | ", last);
    }
}
