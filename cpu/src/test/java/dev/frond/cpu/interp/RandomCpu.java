// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import dev.frond.host.NativeCode;

import java.util.SplittableRandom;

/** The command {@code tools/random-cpu}. */
public final class RandomCpu {
    private RandomCpu() {}

    private static final String USAGE =
            """
            Usage: tools/random-cpu [--seed S] [--instructions N]

            Compares the interpreter and the translator with the host's processor on random code, N instructions of it
            (5000000 unless told). Ends with 1 when they differ, and says where.
            """;

    /** Options as the usage says. */
    @SuppressWarnings("SystemOut") // A command talks to its user.
    public static void main(String[] args) {
        long seed = new SplittableRandom().nextInt() & 0x7FFF_FFFF;
        long instructions = 5_000_000;
        for (int i = 0; i < args.length; i += 2) {
            try {
                String value = i + 1 < args.length ? args[i + 1] : "";
                switch (args[i]) {
                    case "--seed" -> seed = Long.parseLong(value);
                    case "--instructions" -> instructions = Long.parseLong(value);
                    default -> throw new NumberFormatException(args[i]);
                }
            } catch (NumberFormatException e) {
                System.err.print(USAGE);
                System.exit(64);
            }
        }
        if (!NativeCode.isSupported()) {
            System.err.println("random-cpu: this host is no x86-64 Linux with executable memory");
            System.exit(69);
        }
        System.exit(compare(seed, instructions));
    }

    @SuppressWarnings("SystemOut")
    private static int compare(long seed, long instructions) {
        long began = System.nanoTime();
        System.out.println("seed " + seed + ", " + instructions + " instructions");
        try (RandomRun run = new RandomRun(seed)) {
            for (int part = 1; part <= 20 && run.differences().isEmpty(); part++) {
                run.run(instructions * part / 20, 10);
                double seconds = (System.nanoTime() - began) / 1e9;
                System.out.printf(
                        "%d instructions in %d sequences, %.0f s, %.2f million a second%n",
                        run.compared(), run.sequences(), seconds, run.compared() / seconds / 1e6);
            }
            run.differences().forEach(System.out::println);
            System.out.println(run.differences().size() + " differences");
            return run.differences().isEmpty() ? 0 : 1;
        }
    }
}
