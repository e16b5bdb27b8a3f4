// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.bench;

import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A bar for each program and contender, on a logarithmic scale of times slower than native, as SVG.
 */
final class Chart {
    private static final int LEFT = 110;
    private static final int WIDTH = 560;
    private static final int BAR = 7;
    private static final int GAP = 8;
    private static final int TOP = 40;
    private static final double MOST = 1000;
    private static final List<String> COLOURS = List.of("#9aa5b1", "#2f855a", "#2b6cb0");

    private Chart() {}

    static String of(Figures figures, List<String> contenders) {
        StringBuilder svg = new StringBuilder();
        int line = contenders.size() * BAR + GAP;
        int height = TOP + figures.programs().size() * line + 30;
        svg.append(
                String.format(
                        Locale.ROOT,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\""
                                + " font-family=\"sans-serif\" font-size=\"11\">%n"
                                + "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n",
                        LEFT + WIDTH + 90,
                        height));
        for (int times = 1; times <= MOST; times *= 10) {
            int x = LEFT + (int) length(times);
            svg.append(
                    String.format(
                            Locale.ROOT,
                            "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>"
                                    + "<text x=\"%d\" y=\"%d\" fill=\"#555\">%d x native</text>%n",
                            x,
                            x,
                            TOP - 6,
                            height - 24,
                            x + 2,
                            height - 10,
                            times));
        }
        for (int i = 0; i < contenders.size(); i++) {
            svg.append(
                    String.format(
                            Locale.ROOT,
                            "<rect x=\"%d\" y=\"10\" width=\"10\" height=\"10\" fill=\"%s\"/>"
                                    + "<text x=\"%d\" y=\"19\">%s</text>%n",
                            LEFT + 120 * i,
                            COLOURS.get(i % COLOURS.size()),
                            LEFT + 120 * i + 14,
                            contenders.get(i)));
        }
        int y = TOP;
        for (Map.Entry<String, Figures.Line> program : figures.programs().entrySet()) {
            svg.append(
                    String.format(
                            Locale.ROOT,
                            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>%n",
                            LEFT - 6,
                            y + contenders.size() * BAR / 2 + 4,
                            program.getKey()));
            for (int i = 0; i < contenders.size(); i++) {
                double ratio = program.getValue().ratio(contenders.get(i), Figures.NATIVE);
                if (Double.isNaN(ratio)) {
                    continue;
                }
                svg.append(
                        String.format(
                                Locale.ROOT,
                                "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
                                        + "<text x=\"%.1f\" y=\"%d\" font-size=\"8\">%.1f</text>%n",
                                LEFT,
                                y + i * BAR,
                                Math.max(1, length(ratio)),
                                BAR - 1,
                                COLOURS.get(i % COLOURS.size()),
                                LEFT + Math.max(1, length(ratio)) + 3,
                                y + i * BAR + BAR - 1,
                                ratio));
            }
            y += line;
        }
        return svg.append("</svg>\n").toString();
    }

    private static double length(double ratio) {
        return Math.clamp(Math.log10(ratio) / Math.log10(MOST), 0, 1) * WIDTH;
    }
}
