// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import static dev.frond.guests.TinyGuest.on;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.frond.cpu.translate.Translator;
import dev.frond.vmm.SerialConsole;
import dev.frond.vmm.Vm;

import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.time.Duration;
import java.util.List;

/** The beginning of a boot with the interpreter checking the translator; all: tools/lockstep. */
@NullMarked
class LockstepBootTest {
    private static final Duration TIME = Duration.ofSeconds(60);

    @Test
    @Timeout(300)
    void theBeginningOfABootIsTheSameOnBothEngines() throws Exception {
        assumeThat(Translator.isSupported()).as("x86-64 Linux with executable memory").isTrue();
        TinyGuest tiny = TinyGuest.obtain();
        SerialConsole console = new SerialConsole();
        try (Vm vm = Vm.start(on("lockstep", tiny.spec(1, 256L << 20, List.of())), console)) {
            long end = System.nanoTime() + TIME.toNanos();
            while (!vm.end().isDone()
                    && !console.all().contains(TinyGuest.PROMPT)
                    && System.nanoTime() < end) {
                Thread.sleep(100);
            }
            assertThat(vm.end().getNow(null)).as("the machine's end").isNull();
            assertThat(console.all())
                    .contains("Linux version 6.1")
                    .doesNotContain("Call Trace", "Oops", "BUG", "panic");
            assertThat(vm.cpus().getFirst().stats().exits())
                    .hasEntrySatisfying(
                            "stretches compared", count -> assertThat(count).isGreaterThan(10_000))
                    .hasEntrySatisfying(
                            "instructions compared",
                            count -> assertThat(count).isGreaterThan(1_000_000));
        }
    }
}
