// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A terminal in raw mode (termios(3)): every key reaches the guest at once, unechoed, the interrupt and suspend keys too. The
 * output side stays as it was, so that lines of Frond's own still begin at the left.
 *
 * <p>The terminal is given back by {@link #close}, by the end of the virtual machine, and while the process is stopped; after a
 * stop it becomes raw again when the process is continued in the foreground. In the background the terminal is left alone: it
 * then belongs to the shell.
 */
public final class Terminal implements AutoCloseable {
    /** The size of a terminal's window in characters. */
    public record WindowSize(int rows, int columns) {}

    // struct termios of glibc and musl on Linux: four flag words, the line discipline, 32 control characters, two speeds.
    private static final int TERMIOS_SIZE = 60;
    private static final int C_IFLAG = 0;
    private static final int C_CFLAG = 8;
    private static final int C_LFLAG = 12;
    private static final int C_CC = 17;

    // c_iflag
    private static final int IGNBRK = 0x0001;
    private static final int BRKINT = 0x0002;
    private static final int PARMRK = 0x0008;
    private static final int ISTRIP = 0x0020;
    private static final int INLCR = 0x0040;
    private static final int IGNCR = 0x0080;
    private static final int ICRNL = 0x0100;
    private static final int IXON = 0x0400;
    // c_cflag
    private static final int CSIZE = 0x0030;
    private static final int CS8 = 0x0030;
    private static final int PARENB = 0x0100;
    // c_lflag
    private static final int ISIG = 0x0001;
    private static final int ICANON = 0x0002;
    private static final int ECHO = 0x0008;
    private static final int ECHONL = 0x0040;
    private static final int IEXTEN = 0x8000;
    // c_cc
    private static final int VTIME = 5;
    private static final int VMIN = 6;

    private static final int TCSANOW = 0;
    private static final int TIOCGWINSZ = 0x5413;
    private static final int SIGSTOP = 19;

    private static final Set<Integer> RAW = new HashSet<>();

    private final int fd;
    private final byte[] cooked;
    private final byte[] raw;
    private final List<Signals.Registration> signals = new ArrayList<>();
    private final Thread hook;
    private boolean closed;

    private Terminal(int fd, byte[] cooked) {
        this.fd = fd;
        this.cooked = cooked;
        this.raw = raw(cooked);
        this.hook = Thread.ofPlatform().unstarted(this::restore);
    }

    /** Whether the file descriptor is a terminal. */
    public static boolean isTerminal(int fd) {
        return Libc.ISATTY.callInt(fd, 0, 0) == 1;
    }

    /** The window's size; empty if the file descriptor is no terminal or the terminal does not know. */
    public static Optional<WindowSize> windowSize(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment winsize = arena.allocate(8);
            if (Libc.IOCTL.callInt(fd, TIOCGWINSZ, winsize.address()) < 0) {
                return Optional.empty();
            }
            int rows = Short.toUnsignedInt(winsize.get(JAVA_SHORT, 0));
            int columns = Short.toUnsignedInt(winsize.get(JAVA_SHORT, 2));
            return rows == 0 || columns == 0
                    ? Optional.empty()
                    : Optional.of(new WindowSize(rows, columns));
        }
    }

    /**
     * Puts the terminal into raw mode until the result is closed.
     *
     * @throws HostException ENOTTY if the file descriptor is no terminal
     * @throws IllegalStateException if it is in raw mode already
     */
    public static Terminal raw(int fd) {
        synchronized (RAW) {
            if (RAW.contains(fd)) {
                throw new IllegalStateException("file descriptor " + fd + " is in raw mode already");
            }
            Terminal terminal = new Terminal(fd, attributes(fd));
            // The way back is prepared before the first step.
            Runtime.getRuntime().addShutdownHook(terminal.hook);
            RAW.add(fd);
            try {
                terminal.signals.add(Signals.handle(Signals.Name.TSTP, terminal::stop));
                terminal.signals.add(Signals.handle(Signals.Name.CONT, terminal::resume));
                terminal.set(terminal.raw);
            } catch (RuntimeException e) {
                terminal.close();
                throw e;
            }
            return terminal;
        }
    }

    /** Gives the terminal back as it was. Closing again does nothing. */
    @Override
    public void close() {
        synchronized (RAW) {
            if (isClosed()) {
                return;
            }
            signals.forEach(Signals.Registration::close);
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException shuttingDown) {
                // Then the hook runs or has run; restoring twice is harmless.
            }
            restore();
            RAW.remove(fd);
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    private synchronized void restore() {
        if (!closed) {
            closed = true;
            set(cooked);
        }
    }

    /** SIGTSTP: give the terminal back, then stop in fact. The kernel returns from kill when somebody continues the process. */
    private void stop() {
        synchronized (this) {
            if (!closed) {
                set(cooked);
            }
        }
        int self = Libc.GETPID.callInt(0, 0, 0);
        Libc.KILL.check(Libc.KILL.callInt(self, SIGSTOP, 0), "process " + self);
        resume();
    }

    private synchronized void resume() {
        if (!closed) {
            set(raw);
        }
    }

    private void set(byte[] termios) {
        if (!isForeground()) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(TERMIOS_SIZE, 4);
            segment.copyFrom(MemorySegment.ofArray(termios));
            int result;
            do {
                result = Libc.TCSETATTR.callInt(fd, TCSANOW, segment.address());
            } while (result == -Errno.EINTR.number());
            // A terminal that has been hung up has no mode to restore; the reads and writes on it report the end.
            if (result != -Errno.EIO.number()) {
                Libc.TCSETATTR.check(result, "file descriptor " + fd);
            }
        }
    }

    /** Whether the terminal listens to this process; true too for a terminal that does not control its jobs. */
    private boolean isForeground() {
        int group = Libc.TCGETPGRP.callInt(fd, 0, 0);
        return group < 0 || group == Libc.GETPGRP.callInt(0, 0, 0);
    }

    private static byte[] attributes(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(TERMIOS_SIZE, 4);
            Libc.TCGETATTR.check(
                    Libc.TCGETATTR.callInt(fd, segment.address(), 0), "file descriptor " + fd);
            return segment.toArray(JAVA_BYTE);
        }
    }

    private static byte[] raw(byte[] cooked) {
        byte[] termios = cooked.clone();
        MemorySegment segment = MemorySegment.ofArray(termios);
        // A byte array's segment is aligned for bytes only.
        var word = JAVA_INT.withByteAlignment(1);
        int input = IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON;
        segment.set(word, C_IFLAG, segment.get(word, C_IFLAG) & ~input);
        segment.set(word, C_CFLAG, (segment.get(word, C_CFLAG) & ~(CSIZE | PARENB)) | CS8);
        int local = ISIG | ICANON | ECHO | ECHONL | IEXTEN;
        segment.set(word, C_LFLAG, segment.get(word, C_LFLAG) & ~local);
        termios[C_CC + VMIN] = 1;
        termios[C_CC + VTIME] = 0;
        return termios;
    }
}
