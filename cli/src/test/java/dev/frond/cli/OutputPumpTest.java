// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

class OutputPumpTest {
    private static final Duration PATIENCE = Duration.ofMinutes(1);

    private final List<IOException> failures = new CopyOnWriteArrayList<>();

    /** A stream that can be held up. */
    private static final class Gate extends OutputStream {
        final CountDownLatch open = new CountDownLatch(1);
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        final AtomicInteger writes = new AtomicInteger();
        final CountDownLatch reached = new CountDownLatch(1);

        @Override
        public void write(int b) {
            throw new AssertionError("one byte at a time");
        }

        @Override
        public void write(byte[] b, int offset, int length) throws IOException {
            reached.countDown();
            try {
                open.await();
            } catch (InterruptedException e) {
                throw new IOException(e);
            }
            synchronized (this) {
                writes.incrementAndGet();
                bytes.write(b, offset, length);
            }
        }
    }

    @Test
    void everyByteArrivesInOrder() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        OutputPump pump = new OutputPump("test", out, failures::add);
        byte[] expected = new byte[1_000_003];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = (byte) (i * 31 >> 3);
            pump.put(expected[i]);
        }
        assertThat(pump.close(PATIENCE)).isTrue();
        assertThat(out.toByteArray()).isEqualTo(expected);
        assertThat(failures).isEmpty();
    }

    @Test
    void aByteAfterAPauseGoesOutAlone() throws Exception {
        Gate gate = new Gate();
        gate.open.countDown();
        OutputPump pump = new OutputPump("test", gate, failures::add);
        pump.put('x');
        assertThat(gate.reached.await(1, TimeUnit.MINUTES)).isTrue();
        assertThat(pump.close(PATIENCE)).isTrue();
        assertThat(gate.bytes.toByteArray()).containsExactly('x');
    }

    @Test
    void manyBytesGoOutInFewWrites() {
        Gate gate = new Gate();
        gate.open.countDown();
        OutputPump pump = new OutputPump("test", gate, failures::add);
        for (int i = 0; i < 50_000; i++) {
            pump.put(i);
        }
        assertThat(pump.close(PATIENCE)).isTrue();
        assertThat(gate.bytes.size()).isEqualTo(50_000);
        assertThat(gate.writes.get()).isLessThan(5_000);
    }

    @Test
    void aWriterThatIsFasterThanTheStreamWaits() throws Exception {
        Gate gate = new Gate();
        OutputPump pump = new OutputPump("test", gate, failures::add);
        AtomicInteger put = new AtomicInteger();
        int total = 4 * OutputPump.CAPACITY;
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            for (int i = 0; i < total; i++) {
                                pump.put(i);
                                put.incrementAndGet();
                            }
                        });
        while (writer.getState() != Thread.State.WAITING) {
            Thread.sleep(1);
        }
        // One buffer is in the stream's hands, one is full.
        assertThat(put.get()).isLessThanOrEqualTo(2 * OutputPump.CAPACITY);
        gate.open.countDown();
        writer.join();
        assertThat(pump.close(PATIENCE)).isTrue();
        assertThat(gate.bytes.size()).isEqualTo(total);
    }

    @Test
    void onceReleasedNobodyWaits() throws Exception {
        Gate gate = new Gate();
        OutputPump pump = new OutputPump("test", gate, failures::add);
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            for (int i = 0; i < 4 * OutputPump.CAPACITY; i++) {
                                pump.put(i);
                            }
                        });
        assertThat(gate.reached.await(1, TimeUnit.MINUTES)).isTrue();
        pump.release();
        writer.join();
        assertThat(pump.close(Duration.ofMillis(10))).isFalse();
        gate.open.countDown();
        assertThat(pump.close(PATIENCE)).isTrue();
    }

    @Test
    void aStreamThatFailsIsReportedOnceAndHoldsNobodyUp() {
        OutputPump pump =
                new OutputPump(
                        "test",
                        new OutputStream() {
                            @Override
                            public void write(int b) throws IOException {
                                throw new IOException("Broken pipe");
                            }
                        },
                        failures::add);
        for (int i = 0; i < 4 * OutputPump.CAPACITY; i++) {
            pump.put(i);
        }
        assertThat(pump.close(PATIENCE)).isTrue();
        assertThat(failures)
                .singleElement()
                .satisfies(e -> assertThat(e).hasMessage("Broken pipe"));
    }
}
