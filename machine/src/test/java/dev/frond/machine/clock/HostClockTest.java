// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.clock;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.time.Instant;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

@Timeout(60)
class HostClockTest {
    private static final Instant WALL = Instant.parse("2026-01-01T00:00:00Z");
    private static final long MILLISECOND = 1_000_000;

    private final HostClock clock = new HostClock(1000, WALL);

    @AfterEach
    void close() {
        clock.close();
    }

    @Test
    void aNewClockStandsAtItsStart() {
        assertThat(clock.now()).isEqualTo(1000);
        assertThat(clock.wallTime()).isEqualTo(WALL.plusNanos(1000));
        assertThat(clock.now()).isEqualTo(1000);
    }

    @Test
    void timeRunsAfterResumeAndStandsAfterPause() throws InterruptedException {
        clock.resume();
        long before = clock.now();
        Thread.sleep(2);
        assertThat(clock.now()).isGreaterThanOrEqualTo(before + 2 * MILLISECOND);
        clock.pause();
        long paused = clock.now();
        Thread.sleep(2);
        assertThat(clock.now()).isEqualTo(paused);
        clock.resume();
        assertThat(clock.now()).isBetween(paused, paused + 1000 * MILLISECOND);
    }

    @Test
    void timeNeverGoesBackWhilePausesComeAndGo() throws InterruptedException {
        AtomicBoolean stop = new AtomicBoolean();
        AtomicBoolean wentBack = new AtomicBoolean();
        Thread reader =
                Thread.ofPlatform()
                        .start(() -> {
                            long last = clock.now();
                            while (!stop.get()) {
                                long now = clock.now();
                                if (now < last) {
                                    wentBack.set(true);
                                }
                                last = now;
                            }
                        });
        for (int i = 0; i < 20_000; i++) {
            clock.resume();
            clock.pause();
        }
        stop.set(true);
        reader.join();
        assertThat(wentBack).isFalse();
    }

    @Test
    void timersRunInTheOrderOfTheirDeadlines() throws InterruptedException {
        List<Integer> order = new CopyOnWriteArrayList<>();
        CountDownLatch done = new CountDownLatch(3);
        for (int i : new int[] {2, 0, 1}) {
            clock.timer(
                            () -> {
                                order.add(i);
                                done.countDown();
                            })
                    .arm(2000 + i);
        }
        clock.resume();
        done.await();
        assertThat(order).containsExactly(0, 1, 2);
    }

    @Test
    void aTimerDoesNotRunBeforeItsDeadline() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        long[] ranAt = new long[1];
        Clock.Timer timer =
                clock.timer(() -> {
                    ranAt[0] = clock.now();
                    done.countDown();
                });
        clock.resume();
        long deadline = clock.now() + 5 * MILLISECOND;
        timer.arm(deadline);
        done.await();
        assertThat(ranAt[0]).isGreaterThanOrEqualTo(deadline);
    }

    @Test
    void aCancelledOrRearmedTimerKeepsOnlyItsLastDeadline() throws InterruptedException {
        AtomicInteger cancelled = new AtomicInteger();
        AtomicInteger rearmed = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(1);
        Clock.Timer a = clock.timer(cancelled::incrementAndGet);
        Clock.Timer b = clock.timer(rearmed::incrementAndGet);
        a.arm(2000);
        a.cancel();
        b.arm(2000);
        b.arm(3000);
        b.arm(3000);
        clock.timer(done::countDown).arm(MILLISECOND);
        clock.resume();
        done.await();
        assertThat(cancelled).hasValue(0);
        assertThat(rearmed).hasValue(1);
    }

    @Test
    void noTimerRunsWhilePaused() throws InterruptedException {
        AtomicInteger runs = new AtomicInteger();
        clock.timer(runs::incrementAndGet).arm(0);
        Thread.sleep(10);
        assertThat(runs).hasValue(0);
    }

    @Test
    void pauseWaitsForARunningAction() throws InterruptedException {
        CountDownLatch entered = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        AtomicBoolean left = new AtomicBoolean();
        clock.timer(
                        () -> {
                            entered.countDown();
                            awaitUninterruptibly(leave);
                            left.set(true);
                        })
                .arm(0);
        clock.resume();
        entered.await();
        AtomicBoolean leftBeforePauseReturned = new AtomicBoolean();
        Thread pauser =
                Thread.ofPlatform()
                        .start(() -> {
                            clock.pause();
                            leftBeforePauseReturned.set(left.get());
                        });
        assertThat(pauser.join(java.time.Duration.ofMillis(20))).isFalse();
        leave.countDown();
        pauser.join();
        assertThat(leftBeforePauseReturned).isTrue();
    }

    @Test
    void anActionMayPauseTheClock() throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        clock.timer(
                        () -> {
                            clock.pause();
                            done.countDown();
                        })
                .arm(0);
        clock.resume();
        assertThat(done.await(30, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void onlyAPausedClockCanBeSet() {
        clock.set(77);
        assertThat(clock.now()).isEqualTo(77);
        clock.resume();
        assertThatThrownBy(() -> clock.set(1)).isInstanceOf(IllegalStateException.class);
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
