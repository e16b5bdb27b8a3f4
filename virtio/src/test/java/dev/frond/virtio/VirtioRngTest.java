// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import static dev.frond.virtio.DriverQueue.Element.in;
import static dev.frond.virtio.DriverQueue.Element.out;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.Arrays;
import java.util.Random;

/** The entropy device, as Linux's virtio-rng uses it. */
@Timeout(30)
class VirtioRngTest {
    private final Guest guest = new Guest(new VirtioRng(() -> new Random(11)));

    private DriverQueue start() {
        guest.negotiateAll();
        DriverQueue queue = guest.queue(0, 64);
        guest.driverOk();
        return queue;
    }

    @Test
    void itIsDeviceFourWithoutConfiguration() {
        assertThat(guest.read(8)).isEqualTo(4);
        assertThat(guest.config(0, 4)).isZero();
    }

    @Test
    void aBufferIsFilledWithTheSourcesBytes() {
        DriverQueue queue = start();
        queue.enableInterrupt();
        int id = queue.add(in(0x8000, 48), in(0x9000, 16));
        guest.kick(queue);
        assertThat(queue.poll()).contains(new DriverQueue.Used(id, 64));
        assertThat(guest.irq.isActive()).isTrue();
        byte[] expected = new byte[64];
        new Random(11).nextBytes(expected);
        assertThat(guest.bytes(0x8000, 48)).isEqualTo(Arrays.copyOf(expected, 48));
        assertThat(guest.bytes(0x9000, 16)).isEqualTo(Arrays.copyOfRange(expected, 48, 64));
    }

    @Test
    void aHugeBufferIsFilledInPart() {
        DriverQueue queue = start();
        int id = queue.add(in(0x10_0000, 0x80_0000));
        guest.kick(queue);
        assertThat(queue.poll()).contains(new DriverQueue.Used(id, 4096));
        assertThat(guest.bytes(0x10_1000, 16)).containsOnly(0);
    }

    @Test
    void aBufferThatCannotBeWrittenComesBackEmpty() {
        DriverQueue queue = start();
        int id = queue.add(out(0x8000, 64));
        guest.kick(queue);
        assertThat(queue.poll()).contains(new DriverQueue.Used(id, 0));
    }

    @Test
    void aThousandRequestsAreServedInOrder() {
        DriverQueue queue = start();
        for (int i = 0; i < 1000; i++) {
            int id = queue.add(in(0x8000, 64));
            guest.kick(queue);
            assertThat(queue.poll()).contains(new DriverQueue.Used(id, 64));
        }
    }
}
