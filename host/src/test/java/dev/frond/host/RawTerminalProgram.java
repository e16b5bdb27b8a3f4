// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import java.util.concurrent.CountDownLatch;

/** A program that makes its standard input raw and ends in the way its argument names; {@link TerminalTest} watches it. */
final class RawTerminalProgram {
    private RawTerminalProgram() {}

    @SuppressWarnings("SystemExitOutsideMain")
    public static void main(String[] args) throws Exception {
        Terminal terminal = Terminal.raw(0);
        System.err.println("raw");
        switch (args[0]) {
            case "wait" -> new CountDownLatch(1).await();
            case "exit" -> Runtime.getRuntime().exit(3);
            case "throw" -> throw new IllegalStateException("an error of the program");
            case "term" -> {
                CountDownLatch asked = new CountDownLatch(1);
                try (Signals.Registration _ =
                        Signals.handle(Signals.Name.TERM, asked::countDown)) {
                    System.err.println("listening");
                    asked.await();
                }
                terminal.close();
                System.err.println("bye");
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
