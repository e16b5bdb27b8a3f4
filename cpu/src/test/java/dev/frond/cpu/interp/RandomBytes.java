// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import java.time.Duration;
import java.util.SplittableRandom;

/** The command {@code tools/random-bytes}. */
public final class RandomBytes {
    private RandomBytes() {}

    private static final String USAGE =
            """
            Usage: tools/random-bytes [--seed S] [--seconds T] [--first CASE] [--lockstep]

            Executes random bytes as code in every mode of the processor, for T seconds (10 unless told), from case CASE on.
            With --lockstep only by the translator, whose work the interpreter checks block by block.
            Ends with 1 when an exception comes out, engines differ, or a case hangs, and says which.
            """;

    /** Options as the usage says. */
    @SuppressWarnings("SystemOut") // A command talks to its user.
    public static void main(String[] args) throws InterruptedException {
        long seed = new SplittableRandom().nextInt() & 0x7FFF_FFFF;
        long seconds = 10;
        long first = 0;
        boolean lockstep = false;
        for (int i = 0; i < args.length; i += 2) {
            if (args[i].equals("--lockstep")) {
                lockstep = true;
                i--;
                continue;
            }
            try {
                String value = i + 1 < args.length ? args[i + 1] : "";
                switch (args[i]) {
                    case "--seed" -> seed = Long.parseLong(value);
                    case "--seconds" -> seconds = Long.parseLong(value);
                    case "--first" -> first = Long.parseLong(value);
                    default -> throw new NumberFormatException(args[i]);
                }
            } catch (NumberFormatException e) {
                System.err.print(USAGE);
                System.exit(64);
            }
        }
        System.out.println("seed " + seed + ", " + seconds + " seconds");
        System.exit(run(seed, seconds, first, lockstep));
    }

    @SuppressWarnings("SystemOut")
    private static int run(long seed, long seconds, long first, boolean lockstep)
            throws InterruptedException {
        try (RandomBytesRun run = new RandomBytesRun(seed, first, lockstep)) {
            long end = System.nanoTime() + seconds * 1_000_000_000;
            Thread worker =
                    Thread.ofPlatform()
                            .name("random-bytes")
                            .start(() -> {
                                while (System.nanoTime() < end && run.failures().isEmpty()) {
                                    run.run(100, 5);
                                }
                            });
            long told = System.nanoTime();
            while (worker.isAlive()) {
                worker.join(200);
                String hang = run.hang();
                if (hang != null) {
                    System.out.println("hangs: " + hang);
                    for (StackTraceElement frame : worker.getStackTrace()) {
                        System.out.println("        at " + frame);
                    }
                    return 1;
                }
                if (System.nanoTime() - told > 60_000_000_000L) {
                    told = System.nanoTime();
                    System.out.println(run.cases() + " cases");
                }
            }
            run.failures().forEach(System.out::println);
            System.out.printf(
                    "%d cases, %d instructions, %d failures, %d s of CPU%n",
                    run.cases(),
                    run.instructions(),
                    run.failures().size(),
                    ProcessHandle.current()
                            .info()
                            .totalCpuDuration()
                            .map(Duration::toSeconds)
                            .orElse(0L));
            return run.failures().isEmpty() ? 0 : 1;
        }
    }
}
