// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.device.Bytes;

import org.jspecify.annotations.Nullable;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * An entropy device (virtio 1.2, section 5.4): the driver lends buffers, the device fills them with
 * chance.
 */
public final class VirtioRng implements VirtioDevice<VirtioRng.State> {
    /** The driver can set nothing in this device. */
    public record State() {}

    private static final int TYPE = 4;
    private static final int QUEUE_SIZE = 64;

    /**
     * The most bytes given for one request: the specification allows less than was asked for
     * (section 5.4.6.2).
     */
    private static final int MAX_BYTES = 4096;

    private final ReentrantLock lock = new ReentrantLock();
    private final Supplier<? extends RandomGenerator> source;
    private @Nullable VirtioTransport transport;

    /**
     * A device that hands out what {@code source} gives, a {@link java.security.SecureRandom}
     * outside tests; it is asked for when the driver first wants something.
     */
    public VirtioRng(Supplier<? extends RandomGenerator> source) {
        this.source = source;
    }

    @Override
    public int type() {
        return TYPE;
    }

    @Override
    public long features() {
        return 0;
    }

    @Override
    public List<Integer> queueSizes() {
        return List.of(QUEUE_SIZE);
    }

    @Override
    public Bytes config() {
        return Bytes.EMPTY;
    }

    @Override
    public void start(VirtioTransport transport) {
        this.transport = transport;
    }

    @Override
    public void notified(int queue) {
        if (transport != null) {
            transport.queue(queue).ifPresent(VirtioRng.this::serve);
        }
    }

    private void serve(VirtQueue queue) {
        // All are taken before the first goes back, so that a driver that keeps adding cannot hold
        // this
        // thread for longer than one ring.
        List<Chain> chains = new ArrayList<>();
        for (Optional<Chain> next = queue.next(); next.isPresent(); next = queue.next()) {
            chains.add(next.get());
        }
        for (Chain chain : chains) {
            byte[] bytes = new byte[(int) Math.min(chain.writable().size(), MAX_BYTES)];
            source.get().nextBytes(bytes);
            chain.writable().copyFrom(MemorySegment.ofArray(bytes));
            queue.complete(chain, bytes.length);
        }
    }

    @Override
    public void stop() {
        transport = null;
    }

    @Override
    public State resetState() {
        return new State();
    }

    @Override
    public State save() {
        return new State();
    }

    @Override
    public void load(State state) {}

    @Override
    public void settle() {}

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
