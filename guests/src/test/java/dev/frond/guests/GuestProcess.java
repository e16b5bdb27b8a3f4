// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import dev.frond.vmm.SerialConsole;

import org.jspecify.annotations.NullMarked;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A program of the tests in a JVM of its own, whose standard streams are a guest's console. */
@NullMarked
final class GuestProcess implements AutoCloseable {
    private final Process process;
    private final SerialConsole output = new SerialConsole();
    private final Thread reader;

    private GuestProcess(Process process) {
        this.process = process;
        reader = Thread.ofPlatform().daemon().name("guest-process-output").start(this::read);
    }

    /** Starts {@code program}, a class with a main method on the class path of the tests. */
    static GuestProcess start(Class<?> program, Object... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-XX:+UseSerialGC");
        command.add("-cp");
        command.add(System.getProperty("java.class.path"));
        command.add(program.getName());
        for (Object argument : arguments) {
            command.add(argument.toString());
        }
        return new GuestProcess(new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    private void read() {
        try (InputStream in = process.getInputStream()) {
            for (int value = in.read(); value >= 0; value = in.read()) {
                output.send(value);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until {@code text} appears after what was awaited before, and returns all up to it. */
    String await(String text, Duration timeout) throws InterruptedException, TimeoutException {
        return output.await(text, timeout);
    }

    /** Everything that was written. */
    String all() {
        return output.all();
    }

    /** Types a line. */
    void type(String line) throws IOException {
        process.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
        process.getOutputStream().flush();
    }

    /** Sends SIGTERM. */
    void terminate() {
        // The process's own method would close its streams.
        process.toHandle().destroy();
    }

    /** The exit status of the program, which must end by itself. */
    int status(Duration timeout) throws InterruptedException {
        if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
            throw new AssertionError("still running after " + timeout + ":\n" + output.all());
        }
        reader.join();
        return process.exitValue();
    }

    /** Ends the program if it still runs. */
    @Override
    public void close() {
        process.destroyForcibly();
    }
}
