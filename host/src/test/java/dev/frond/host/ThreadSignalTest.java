// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A thread gets out of a system call, and nothing else happens. */
class ThreadSignalTest {
    private static final Libc PAUSE = new Libc("pause");

    @Test
    @Timeout(60)
    void aThreadThatWaitsInTheKernelComesBack() throws Exception {
        CompletableFuture<ThreadSignal> way = new CompletableFuture<>();
        CompletableFuture<Integer> result = new CompletableFuture<>();
        Thread waiting =
                Thread.ofPlatform()
                        .start(() -> {
                            way.complete(ThreadSignal.ofCurrentThread());
                            result.complete(PAUSE.callInt(0, 0, 0));
                        });
        // The signal may come before the thread waits: again until it is back.
        while (!result.isDone()) {
            way.get().send();
            try {
                result.get(10, TimeUnit.MILLISECONDS);
            } catch (java.util.concurrent.TimeoutException e) {
                assertThat(waiting.isAlive()).isTrue();
            }
        }
        assertThat(result.get()).isEqualTo(-Errno.EINTR.number());
        waiting.join();
        way.get().send();
    }
}
