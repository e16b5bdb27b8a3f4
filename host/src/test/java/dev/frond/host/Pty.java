// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** A pseudo terminal (pty(7)) to hold a {@link Terminal} against; the test is the person at its other end. */
final class Pty implements AutoCloseable {
    private static final int O_RDWR = 2;
    private static final int O_NOCTTY = 0x100;
    private static final int O_CLOEXEC = 0x80000;
    private static final int TIOCGPTN = 0x80045430;
    private static final int TIOCSPTLCK = 0x40045431;
    private static final int TIOCSWINSZ = 0x5414;

    private static final Pattern SEPARATOR = Pattern.compile("[\\s;]+");

    final int master;
    final int slave;
    final String path;

    Pty() {
        master = open("/dev/ptmx");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocate(JAVA_INT);
            Libc.IOCTL.check(Libc.IOCTL.callInt(master, TIOCSPTLCK, number.address()), "unlock");
            Libc.IOCTL.check(Libc.IOCTL.callInt(master, TIOCGPTN, number.address()), "number");
            path = "/dev/pts/" + number.get(JAVA_INT, 0);
        }
        slave = open(path);
    }

    void resize(int rows, int columns) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment winsize = arena.allocate(8);
            winsize.set(JAVA_INT, 0, rows | (columns << 16));
            Libc.IOCTL.check(Libc.IOCTL.callInt(master, TIOCSWINSZ, winsize.address()), "resize");
        }
    }

    /** The settings as stty(1) prints them. */
    String settings() throws Exception {
        Process stty =
                new ProcessBuilder("stty", "-a", "-F", path).redirectErrorStream(true).start();
        String text = new String(stty.getInputStream().readAllBytes(), ISO_8859_1);
        if (stty.waitFor() != 0) {
            throw new AssertionError(text);
        }
        return text;
    }

    /** Settings that tell raw from cooked, by name. */
    Map<String, Boolean> flags() throws Exception {
        Map<String, Boolean> flags = new TreeMap<>();
        for (String word : SEPARATOR.splitAsStream(settings()).toList()) {
            String name = word.startsWith("-") ? word.substring(1) : word;
            switch (name) {
                case "icanon", "echo", "isig", "iexten", "icrnl", "ixon", "opost" ->
                        flags.put(name, !word.startsWith("-"));
                default -> {}
            }
        }
        return flags;
    }

    boolean isRaw() throws Exception {
        return Boolean.FALSE.equals(flags().get("icanon"));
    }

    @Override
    public void close() {
        Mapping.closeFile(slave);
        Mapping.closeFile(master);
    }

    private static int open(String path) {
        try (Arena arena = Arena.ofConfined()) {
            long name = arena.allocateFrom(path).address();
            return (int)
                    Libc.OPEN.check(
                            Libc.OPEN.callInt(name, O_RDWR | O_NOCTTY | O_CLOEXEC, 0), path);
        }
    }
}
