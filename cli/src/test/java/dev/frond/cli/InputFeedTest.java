// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.frond.machine.backend.CharBackend.Receiver;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.time.Duration;

class InputFeedTest {
    /** A device with a FIFO of 16 bytes that its driver empties now and then. */
    private static final class Fifo implements Receiver {
        private final ByteArrayOutputStream taken = new ByteArrayOutputStream();
        private final byte[] fifo = new byte[16];
        private int level;
        private int refused;

        @Override
        public synchronized boolean offer(int value) {
            if (level == fifo.length) {
                refused++;
                return false;
            }
            fifo[level++] = (byte) value;
            return true;
        }

        synchronized int drain() {
            taken.write(fifo, 0, level);
            level = 0;
            return taken.size();
        }

        synchronized int refused() {
            return refused;
        }
    }

    @Test
    void everyByteArrivesInOrderAtADeviceThatIsOftenFull() throws Exception {
        Fifo fifo = new Fifo();
        InputFeed feed = new InputFeed("test", fifo);
        int total = 20_000;
        Thread writer =
                Thread.ofPlatform()
                        .start(() -> {
                            for (int i = 0; i < total; i++) {
                                feed.put(i * 7);
                            }
                        });
        while (fifo.drain() < total) {
            feed.ready();
            Thread.onSpinWait();
        }
        writer.join();
        byte[] expected = new byte[total];
        for (int i = 0; i < total; i++) {
            expected[i] = (byte) (i * 7);
        }
        assertThat(fifo.taken.toByteArray()).isEqualTo(expected);
        assertThat(fifo.refused()).isPositive();
    }

    @Test
    void aDeviceThatTakesNothingFillsTheBufferAndNoMore() throws Exception {
        InputFeed feed = new InputFeed("test", _ -> false);
        int accepted = 0;
        while (feed.offer('x')) {
            accepted++;
        }
        assertThat(accepted).isEqualTo(InputFeed.CAPACITY);

        Thread writer = Thread.ofPlatform().daemon(true).start(() -> feed.put('y'));
        assertThat(writer.join(Duration.ofMillis(50))).as("put waits").isFalse();
    }
}
