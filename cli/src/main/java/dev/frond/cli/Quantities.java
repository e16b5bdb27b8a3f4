// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes and durations as the user writes and reads them. */
final class Quantities {
    static final String SIZE_SYNTAX = "a whole number with K, M, G or T";
    static final String DURATION_SYNTAX = "a whole number with ms, s, m or h";

    private static final Pattern SIZE =
            Pattern.compile("([0-9]{1,15})([KMGT])(i?B)?", Pattern.CASE_INSENSITIVE);
    private static final Pattern DURATION = Pattern.compile("([0-9]{1,12})(ms|s|m|h)");

    private Quantities() {}

    /**
     * Bytes; K, M, G and T are powers of 1024. Empty if the text is no size or too large for a
     * long.
     */
    static OptionalLong size(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches()) {
            return OptionalLong.empty();
        }
        long number = Long.parseLong(matcher.group(1));
        int shift = 10 * (1 + "KMGT".indexOf(Character.toUpperCase(matcher.group(2).charAt(0))));
        return number > Long.MAX_VALUE >> shift
                ? OptionalLong.empty()
                : OptionalLong.of(number << shift);
    }

    /** Nanoseconds. Empty if the text is no duration or longer than 292 years. */
    static OptionalLong nanos(String text) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            return OptionalLong.empty();
        }
        long unit =
                switch (matcher.group(2)) {
                    case "ms" -> 1_000_000L;
                    case "s" -> 1_000_000_000L;
                    case "m" -> 60_000_000_000L;
                    default -> 3_600_000_000_000L;
                };
        long number = Long.parseLong(matcher.group(1));
        return number > Long.MAX_VALUE / unit
                ? OptionalLong.empty()
                : OptionalLong.of(number * unit);
    }

    /** For people, in decimal units: "27.6 MB". */
    static String bytes(long bytes) {
        if (bytes < 1000) {
            return bytes + " B";
        }
        double value = bytes;
        int unit = -1;
        while (value >= 999.95) {
            value /= 1000;
            unit++;
        }
        return String.format(Locale.ROOT, "%.1f %cB", value, "kMGTPE".charAt(unit));
    }

    /** For people: "90 ms", "2.5 s", "3 min 20 s". */
    static String time(Duration time) {
        if (time.toMillis() < 1000) {
            return time.toMillis() + " ms";
        }
        if (time.toSeconds() < 60) {
            return String.format(Locale.ROOT, "%.1f s", time.toMillis() / 1000.0);
        }
        if (time.toMinutes() < 60) {
            return time.toMinutes() + " min " + time.toSecondsPart() + " s";
        }
        return time.toHours() + " h " + time.toMinutesPart() + " min";
    }
}
