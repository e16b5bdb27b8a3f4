// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.host.Terminal;
import dev.frond.vmm.guest.GuestProgress;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongSupplier;

/**
 * Shows how the work on a guest goes on: on a terminal one line that is drawn again and again, with
 * a bar, bytes and rate; elsewhere a line at the start and one at the end.
 */
final class TransferProgress implements GuestProgress, AutoCloseable {
    private static final int NARROWEST_BAR = 10;
    private static final int WIDEST_BAR = 40;
    private static final String LONGEST_NUMBERS = " 100 %  999.9 MB of 999.9 MB  999.9 MB/s";
    private static final int REDRAW_MILLIS = 100;

    private final PrintStream out;
    private final OptionalInt columns;
    private final LongSupplier nanoTime;
    private boolean lineOpen;
    private boolean begun;
    private long start;
    private long drawn;

    /**
     * Progress on {@code out}.
     *
     * @param columns the terminal's width; empty if it is none
     */
    TransferProgress(PrintStream out, OptionalInt columns, LongSupplier nanoTime) {
        this.out = out;
        this.columns = columns;
        this.nanoTime = nanoTime;
    }

    static TransferProgress onStandardError() {
        OptionalInt columns = OptionalInt.empty();
        if (Terminal.isTerminal(2)) {
            Optional<Terminal.WindowSize> size = Terminal.windowSize(2);
            columns = OptionalInt.of(size.isPresent() ? size.get().columns() : 80);
        }
        return new TransferProgress(System.err, columns, System::nanoTime);
    }

    @Override
    public void step(String what) {
        endLine();
        out.println(what);
    }

    @Override
    public void transferred(String what, long bytes, long total) {
        long now = nanoTime.getAsLong();
        if (!begun) {
            begun = true;
            start = now;
            drawn = now;
            if (columns.isEmpty()) {
                out.println("Downloading " + what + ", " + Quantities.bytes(total));
            } else {
                draw(what, bytes, total, Duration.ZERO);
            }
        } else if (bytes >= total) {
            begun = false;
            Duration taken = Duration.ofNanos(now - start);
            if (columns.isPresent()) {
                draw(what, total, total, taken);
                endLine();
            } else {
                out.println(
                        "Downloaded " + Quantities.bytes(total) + " in " + Quantities.time(taken));
            }
        } else if (columns.isPresent()
                && now - drawn >= Duration.ofMillis(REDRAW_MILLIS).toNanos()) {
            drawn = now;
            draw(what, bytes, total, Duration.ofNanos(now - start));
        }
    }

    /** Ends a line that a failure has left open. */
    @Override
    public void close() {
        endLine();
    }

    private void draw(String what, long bytes, long total, Duration taken) {
        double part = total > 0 ? Math.min(1, (double) bytes / total) : 1;
        String left = "Downloading " + what + " ";
        String right =
                String.format(
                        Locale.ROOT,
                        " %3d %%  %s of %s%s",
                        (int) (part * 100),
                        Quantities.bytes(bytes),
                        Quantities.bytes(total),
                        rate(bytes, taken));
        int width = columns.orElse(80) - 1;
        // The bar keeps its width whatever the numbers are.
        int bar = Math.min(WIDEST_BAR, width - left.length() - LONGEST_NUMBERS.length() - 2);
        String line =
                bar >= NARROWEST_BAR
                        ? left
                                + "["
                                + "#".repeat((int) (part * bar))
                                + " ".repeat(bar - (int) (part * bar))
                                + "]"
                                + right
                        : left.strip() + right;
        // Erase to the end of the line: the line before may have been longer.
        out.print("\r" + line.substring(0, Math.min(line.length(), Math.max(width, 0))) + "\033[K");
        out.flush();
        lineOpen = true;
    }

    private static String rate(long bytes, Duration taken) {
        return taken.toMillis() < 200
                ? ""
                : "  " + Quantities.bytes((long) (bytes / (taken.toNanos() / 1e9))) + "/s";
    }

    private void endLine() {
        if (lineOpen) {
            out.println();
            lineOpen = false;
        }
    }
}
