// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.host.Terminal;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The guest's serial line on standard input and output. With a terminal every key goes to the
 * guest, Ctrl-C too, except Ctrl-A and the key after it. Without one it is a plain pipe both ways;
 * the end of the input is no event for the guest.
 */
final class StdioConsole implements Console {
    private static final int CHUNK = 4096;

    private final InputStream in;
    private final OutputPump output;
    private final Optional<Terminal> terminal;
    private final Consumer<EscapeKeys.Command> commands;
    private volatile @Nullable InputFeed feed;

    /**
     * A console on these streams.
     *
     * @param terminal the raw terminal that {@code in} reads from; empty for a pipe or a file
     * @param commands is told of the keys that are meant for Frond, on the thread that reads the
     *     keyboard
     * @param outputFailed is told of the first error on {@code out}
     */
    StdioConsole(
            InputStream in,
            OutputStream out,
            Optional<Terminal> terminal,
            Consumer<EscapeKeys.Command> commands,
            Consumer<IOException> outputFailed) {
        this.in = in;
        this.output = new OutputPump("frond-stdout", out, outputFailed);
        this.terminal = terminal;
        this.commands = commands;
    }

    @Override
    public void send(int value) {
        output.put(value);
    }

    @Override
    public void connect(Receiver receiver) {
        InputFeed created = new InputFeed("frond-stdin-feed", receiver);
        feed = created;
        Thread.ofPlatform().name("frond-stdin").daemon(true).start(() -> read(created));
    }

    @Override
    public void ready() {
        InputFeed connected = feed;
        if (connected != null) {
            connected.ready();
        }
    }

    private void read(InputFeed feed) {
        byte[] chunk = new byte[CHUNK];
        // Keys for Frond must work also while the guest takes no input, so a full buffer loses what
        // is typed.
        EscapeKeys keys = new EscapeKeys(feed::offer, commands);
        try {
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                for (int i = 0; i < n; i++) {
                    int value = Byte.toUnsignedInt(chunk[i]);
                    if (terminal.isPresent()) {
                        keys.accept(value);
                    } else {
                        feed.put(value);
                    }
                }
            }
        } catch (IOException end) {
            // A terminal that hangs up, or an input that fails, has nothing more to say; SIGHUP
            // tells the rest.
        }
    }

    @Override
    public void release() {
        output.release();
    }

    @Override
    public void close(Duration patience) {
        output.close(patience);
        terminal.ifPresent(Terminal::close);
    }
}
