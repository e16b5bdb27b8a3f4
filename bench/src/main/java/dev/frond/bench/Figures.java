// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * What was measured, by contender and program: nanoseconds a round, one value a run.
 *
 * @param programs family and program by name, in the order in which they ran
 */
record Figures(Map<String, Line> programs) {
    /** The contender that everything else is compared with: the programs run by the host itself. */
    static final String NATIVE = "native";

    /** A program's figures. */
    record Line(String family, Map<String, double[]> nanoseconds) {
        /** The median of a contender's runs, or NaN if it did not run the program. */
        double median(String contender) {
            double[] runs = nanoseconds.getOrDefault(contender, new double[0]);
            if (runs.length == 0) {
                return Double.NaN;
            }
            return Figures.median(runs);
        }

        /** How many times slower than another contender, by medians. */
        double ratio(String contender, String to) {
            return median(contender) / median(to);
        }
    }

    Figures() {
        this(new LinkedHashMap<>());
    }

    void add(String contender, String family, String program, double nanoseconds) {
        Line line =
                programs.computeIfAbsent(program, each -> new Line(family, new LinkedHashMap<>()));
        line.nanoseconds.merge(
                contender,
                new double[] {nanoseconds},
                (before, now) -> {
                    double[] all = Arrays.copyOf(before, before.length + 1);
                    all[before.length] = now[0];
                    return all;
                });
    }

    /** The median of at least one value. */
    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    List<String> families() {
        return programs.values().stream().map(Line::family).distinct().toList();
    }

    /** The geometric mean of the ratios of the programs of these families that both have run. */
    double mean(String contender, String to, Predicate<String> family) {
        return Math.exp(
                programs.values().stream()
                        .filter(line -> family.test(line.family))
                        .mapToDouble(line -> Math.log(line.ratio(contender, to)))
                        .filter(each -> !Double.isNaN(each))
                        .average()
                        .orElse(Double.NaN));
    }
}
