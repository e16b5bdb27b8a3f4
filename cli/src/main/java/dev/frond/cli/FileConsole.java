// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Consumer;

/** The guest's serial output in a file; nothing comes in. */
final class FileConsole implements Console {
    private final OutputStream out;
    private final OutputPump output;
    private final Consumer<IOException> failed;

    /** Creates the file or makes it empty; {@code failed} is told of the first error of a write. */
    FileConsole(Path file, Consumer<IOException> failed) throws IOException {
        this.failed = failed;
        this.out = Files.newOutputStream(file);
        this.output = new OutputPump("frond-serial-file", out, failed);
    }

    @Override
    public void send(int value) {
        output.put(value);
    }

    @Override
    public void connect(Receiver receiver) {}

    @Override
    public void ready() {}

    @Override
    public void release() {
        output.release();
    }

    @Override
    public void close(Duration patience) {
        if (output.close(patience)) {
            try {
                out.close();
            } catch (IOException e) {
                failed.accept(e);
            }
        }
    }
}
