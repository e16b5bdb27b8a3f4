// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

class TransferProgressTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final AtomicLong time = new AtomicLong();

    @Test
    void withoutATerminalThereAreOnlyWholeLines() {
        run(OptionalInt.empty());
        assertThat(text())
                .isEqualToNormalizingNewlines(
                        """
                        Looking up packages
                        Downloading 2 packages, 40.0 MB
                        Downloaded 40.0 MB in 4.0 s
                        Building
                        """);
    }

    @Test
    void onATerminalOneLineIsDrawnAgainWithBarBytesAndRate() {
        run(OptionalInt.of(120));
        List<String> drawn = List.of(text().split("[\r\n]+", -1));
        assertThat(drawn)
                .containsExactly(
                        "Looking up packages",
                        "Downloading 2 packages [                                        ]   0 %  0"
                                + " B of 40.0 MB\033[K",
                        "Downloading 2 packages [##########                              ]  25 % "
                                + " 10.0 MB of 40.0 MB  10.0 MB/s\033[K",
                        "Downloading 2 packages [####################                    ]  50 % "
                                + " 20.0 MB of 40.0 MB  10.0 MB/s\033[K",
                        "Downloading 2 packages [##############################          ]  75 % "
                                + " 30.0 MB of 40.0 MB  10.0 MB/s\033[K",
                        "Downloading 2 packages [########################################] 100 % "
                                + " 40.0 MB of 40.0 MB  10.0 MB/s\033[K",
                        "Building",
                        "");
    }

    @Test
    void workIsShownInWholeLinesOrAsABar() {
        work(OptionalInt.empty());
        assertThat(text())
                .isEqualToNormalizingNewlines("Installing 3 packages\nFinished in 2.0 s\n");
        bytes.reset();
        work(OptionalInt.of(120));
        assertThat(text().split("[\r\n]+", -1))
                .containsExactly(
                        "",
                        "Installing 3 packages [" + " ".repeat(40) + "]   0 %\033[K",
                        "Installing 3 packages ["
                                + "#".repeat(20)
                                + " ".repeat(20)
                                + "]  50 %\033[K",
                        "Installing 3 packages [" + "#".repeat(40) + "] 100 % in 2.0 s\033[K",
                        "");
    }

    private void work(OptionalInt columns) {
        try (TransferProgress progress = progress(columns)) {
            progress.worked("Installing 3 packages", 0, 6);
            time.addAndGet(TimeUnit.SECONDS.toNanos(1));
            progress.worked("Installing 3 packages", 3, 6);
            time.addAndGet(TimeUnit.SECONDS.toNanos(1));
            progress.worked("Installing 3 packages", 6, 6);
        }
    }

    @Test
    void noLineIsWiderThanTheTerminal() {
        for (int columns = 1; columns < 120; columns++) {
            bytes.reset();
            run(OptionalInt.of(columns));
            for (String line : text().split("\r|\033\\[K", -1)) {
                if (line.startsWith("Downloading")) {
                    assertThat(line.length()).isLessThan(columns);
                }
            }
        }
    }

    @Test
    void aFailureHalfWayStartsOnALineOfItsOwn() {
        try (TransferProgress progress = progress(OptionalInt.of(80))) {
            progress.transferred("x", 0, 100);
        }
        assertThat(text()).endsWith("\n");
    }

    private void run(OptionalInt columns) {
        try (TransferProgress progress = progress(columns)) {
            progress.step("Looking up packages");
            for (int i = 0; i < 4; i++) {
                progress.transferred("2 packages", i * 10_000_000L, 40_000_000L);
                // Too soon to be drawn again.
                progress.transferred("2 packages", i * 10_000_000L + 1, 40_000_000L);
                time.addAndGet(TimeUnit.SECONDS.toNanos(1));
            }
            progress.transferred("2 packages", 40_000_000L, 40_000_000L);
            progress.step("Building");
        }
    }

    private TransferProgress progress(OptionalInt columns) {
        return new TransferProgress(
                new PrintStream(bytes, true, StandardCharsets.UTF_8), columns, time::get);
    }

    private String text() {
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
