// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a machine has done.
 *
 * @param engine what executed the guest, and if it was chosen, why
 * @param instructions executed by all CPUs; 0 where the engine cannot tell
 * @param elapsed since the start, as the user's clock goes
 * @param busy how long all CPUs together executed guest code, the time in HLT left out; zero if
 *     unknown
 * @param exits how often a CPU left guest code, by reason
 */
record RunStats(
        String engine,
        long instructions,
        Duration elapsed,
        Duration busy,
        Map<String, Long> exits) {
    RunStats {
        exits = Map.copyOf(exits);
    }

    /** Lines to show, without line ends. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add("engine        " + engine);
        if (instructions > 0) {
            double seconds = (busy.isZero() ? elapsed : busy).toNanos() / 1e9;
            String mips =
                    seconds > 0
                            ? String.format(Locale.ROOT, "%.1f", instructions / seconds / 1e6)
                            : "-";
            lines.add(String.format(Locale.ROOT, "instructions  %,d", instructions));
            lines.add("MIPS          " + mips);
        }
        lines.add(
                "time          "
                        + Quantities.time(elapsed)
                        + (busy.isZero() ? "" : ", CPUs busy " + Quantities.time(busy)));
        lines.add(
                String.format(
                        Locale.ROOT,
                        "exits         %,d",
                        exits.values().stream().mapToLong(Long::longValue).sum()));
        new TreeMap<>(exits)
                .entrySet().stream()
                        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                        .forEach(exit ->
                                lines.add(
                                        String.format(
                                                Locale.ROOT,
                                                "  %-25s %,d",
                                                exit.getKey(),
                                                exit.getValue())));
        return lines;
    }
}
