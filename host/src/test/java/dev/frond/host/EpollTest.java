// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Event counters, and waiting for them. */
class EpollTest {
    @Test
    void aCounterGivesWhatWasAddedOnce() {
        try (EventFd event = new EventFd()) {
            assertThat(event.take()).isZero();
            event.signal();
            event.signal();
            assertThat(event.take()).isEqualTo(2);
            assertThat(event.take()).isZero();
        }
    }

    @Test
    void whoWaitsIsToldWhichCounterWasAddedTo() throws Exception {
        try (Epoll epoll = new Epoll();
                EventFd first = new EventFd();
                EventFd second = new EventFd()) {
            epoll.add(first, 0x1_0000_0001L);
            epoll.add(second, -2);
            long[] keys = new long[4];
            CompletableFuture<Integer> waiting =
                    CompletableFuture.supplyAsync(() -> epoll.await(keys));
            Thread.sleep(20);
            assertThat(waiting).isNotDone();
            second.signal();
            assertThat(waiting.get(10, TimeUnit.SECONDS)).isEqualTo(1);
            assertThat(keys[0]).isEqualTo(-2);
            first.signal();
            assertThat(epoll.await(keys)).as("the second was not taken").isEqualTo(2);
            epoll.remove(second);
            assertThat(epoll.await(keys)).isEqualTo(1);
            assertThat(keys[0]).isEqualTo(0x1_0000_0001L);
        }
    }
}
