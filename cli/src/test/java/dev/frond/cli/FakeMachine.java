// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import dev.frond.machine.backend.CharBackend;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * A machine whose guest is a few lines of Java: it prints "ready", echoes each line that comes in,
 * and obeys the lines "poweroff", "reset", "crash", "fail", "debug N" and "flood". Its one CPU is a
 * thread that really waits in the serial line's backend; stop joins it.
 */
final class FakeMachine implements MachineRunner {
    /** What was asked of it, in order. */
    final List<String> events = new CopyOnWriteArrayList<>();

    final List<RunSpec> specs = new CopyOnWriteArrayList<>();

    /** Opened by a test that wants stop to take long. */
    private final CountDownLatch stopGate;

    FakeMachine() {
        this(new CountDownLatch(0));
    }

    FakeMachine(CountDownLatch stopGate) {
        this.stopGate = stopGate;
    }

    @Override
    public Running start(RunSpec spec, CharBackend serial, Consumer<Outcome> ended) {
        specs.add(spec);
        events.add("start");
        return new Guest(spec, serial, ended);
    }

    private final class Guest implements Running {
        private final CharBackend serial;
        private final Consumer<Outcome> ended;
        private final BlockingQueue<Integer> fifo = new LinkedBlockingQueue<>(16);
        private final Thread cpu;
        private volatile boolean stopping;
        private final AtomicLong bytes = new AtomicLong();

        Guest(RunSpec spec, CharBackend serial, Consumer<Outcome> ended) {
            this.serial = serial;
            this.ended = ended;
            serial.connect(value -> fifo.offer(value));
            // A command line is the first input, so that guests without a keyboard can be told what
            // to do.
            this.cpu = Thread.ofPlatform().daemon(true).start(() -> run(spec.commandLine()));
        }

        private void run(String first) {
            print("ready\r\n");
            if (!first.isEmpty() && obey(first)) {
                return;
            }
            StringBuilder line = new StringBuilder();
            try {
                while (!stopping) {
                    int value = fifo.take();
                    serial.ready();
                    if (value == '\r' || value == '\n') {
                        if (obey(line.toString())) {
                            return;
                        }
                        line.setLength(0);
                    } else {
                        line.append((char) value);
                    }
                }
            } catch (InterruptedException stopped) {
                // As a kick that makes a CPU leave guest code.
            }
        }

        private boolean obey(String line) {
            switch (line) {
                case "poweroff" -> ended.accept(new Outcome.PoweredOff());
                case "reset" -> ended.accept(new Outcome.Reset());
                case "crash" ->
                        ended.accept(new Outcome.TripleFault("CPU 0 at 0xffff800000001234"));
                case "fail" -> ended.accept(new Outcome.Failed("the host is out of memory"));
                case "flood" -> {
                    while (!stopping) {
                        print("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n");
                    }
                }
                case "long" -> {
                    for (int i = 0; i < 100_000; i++) {
                        print("line " + i + "\n");
                    }
                    ended.accept(new Outcome.PoweredOff());
                }
                default -> {
                    if (line.startsWith("debug ")) {
                        ended.accept(new Outcome.DebugExit(Long.decode(line.substring(6))));
                        return true;
                    }
                    StringBuilder visible = new StringBuilder();
                    line.chars()
                            .forEach(c ->
                                    visible.append(
                                            c < ' ' ? "^" + (char) (c + '@') : "" + (char) c));
                    print("got <" + visible + ">\r\n");
                    return false;
                }
            }
            return true;
        }

        private void print(String text) {
            for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
                serial.send(b);
                bytes.incrementAndGet();
            }
        }

        @Override
        public void stop() {
            events.add("stop");
            stopping = true;
            cpu.interrupt();
            try {
                cpu.join();
                stopGate.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            events.add("flushed");
        }

        @Override
        public RunStats stats() {
            return new RunStats(
                    "fake",
                    3_000_000,
                    Duration.ofMillis(1500),
                    Duration.ofSeconds(1),
                    Map.of("io", bytes.get(), "halt", 2L));
        }
    }
}
