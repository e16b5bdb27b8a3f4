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
import java.util.function.Function;
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
        String title = "Downloading " + what;
        long done = Math.min(bytes, total);
        advance(
                title,
                done,
                total,
                title + ", " + Quantities.bytes(total),
                "Downloaded " + Quantities.bytes(total),
                taken -> numbers(done, total, taken));
    }

    @Override
    public void worked(String what, int done, int total) {
        advance(
                what,
                done,
                total,
                what,
                "Finished",
                taken ->
                        percent(done, total)
                                + (done >= total ? " in " + Quantities.time(taken) : ""));
    }

    /**
     * Shows a step of something: on a terminal a bar with {@code numbers} of the time taken, else
     * one line when it begins and one when it ends.
     */
    private void advance(
            String title,
            long done,
            long total,
            String opening,
            String closing,
            Function<Duration, String> numbers) {
        long now = nanoTime.getAsLong();
        boolean first = !begun;
        boolean last = begun && done >= total;
        if (first) {
            start = now;
            drawn = now;
        }
        begun = !last;
        Duration taken = Duration.ofNanos(now - start);
        if (columns.isEmpty()) {
            if (first) {
                out.println(opening);
            } else if (last) {
                out.println(closing + " in " + Quantities.time(taken));
            }
        } else if (first || last || now - drawn >= Duration.ofMillis(REDRAW_MILLIS).toNanos()) {
            drawn = now;
            draw(title, done, total, numbers.apply(taken));
            if (last) {
                endLine();
            }
        }
    }

    /** Ends a line that a failure has left open. */
    @Override
    public void close() {
        endLine();
    }

    private static String numbers(long bytes, long total, Duration taken) {
        return percent(bytes, total)
                + "  "
                + Quantities.bytes(bytes)
                + " of "
                + Quantities.bytes(total)
                + rate(bytes, taken);
    }

    private static String percent(long done, long total) {
        return String.format(Locale.ROOT, " %3d %%", (int) (part(done, total) * 100));
    }

    private static double part(long done, long total) {
        return total > 0 ? Math.min(1, (double) done / total) : 1;
    }

    private void draw(String what, long done, long total, String numbers) {
        String left = what + " ";
        int width = columns.orElse(80) - 1;
        // The bar keeps its width whatever the numbers are.
        int bar = Math.min(WIDEST_BAR, width - left.length() - LONGEST_NUMBERS.length() - 2);
        int full = (int) (part(done, total) * bar);
        String line =
                bar >= NARROWEST_BAR
                        ? left + "[" + "#".repeat(full) + " ".repeat(bar - full) + "]" + numbers
                        : left.strip() + numbers;
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
