// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.device.Bytes;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/** A virtio device that keeps what it is given until a test decides. */
final class TestDevice implements VirtioDevice<TestDevice.State> {
    /** One register that the driver can set through the configuration space. */
    record State(int setting) {
        static final State RESET = new State(0);
    }

    static final long FEATURE_A = 1L << 0;
    static final long FEATURE_B = 1L << 23;

    final List<Chain> taken = new ArrayList<>();
    final List<String> calls = new ArrayList<>();
    Optional<VirtioTransport> transport = Optional.empty();
    private final ReentrantLock lock = new ReentrantLock();
    private final List<Integer> queueSizes;
    private int setting;
    private byte[] config = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

    TestDevice(Integer... queueSizes) {
        this.queueSizes = List.of(queueSizes);
    }

    @Override
    public int type() {
        return 42;
    }

    @Override
    public long features() {
        return FEATURE_A | FEATURE_B;
    }

    @Override
    public List<Integer> queueSizes() {
        return queueSizes;
    }

    @Override
    public Bytes config() {
        byte[] now = config.clone();
        now[0] = (byte) setting;
        return Bytes.of(now);
    }

    @Override
    public void writeConfig(int offset, int size, long value) {
        calls.add("config " + offset + " " + size + " " + value);
        if (offset == 0) {
            setting = (int) value & 0xFF;
        }
    }

    @Override
    public boolean accept(long features) {
        return (features & (FEATURE_A | FEATURE_B)) != FEATURE_B;
    }

    @Override
    public void start(VirtioTransport transport) {
        calls.add("start");
        this.transport = Optional.of(transport);
    }

    @Override
    public void notified(int queue) {
        calls.add("notified " + queue);
        VirtQueue from = queue(queue);
        for (var chain = from.next(); chain.isPresent(); chain = from.next()) {
            taken.add(chain.get());
        }
    }

    VirtQueue queue(int index) {
        return transport.orElseThrow().queue(index).orElseThrow();
    }

    void changeConfig(byte... bytes) {
        lock.lock();
        try {
            config = bytes.clone();
            transport.orElseThrow().configChanged();
        } finally {
            lock.unlock();
        }
    }

    /** Gives back the chain that was taken first. */
    void complete(long written) {
        complete(taken.getFirst(), written);
    }

    void complete(Chain chain, long written) {
        lock.lock();
        try {
            taken.remove(chain);
            chain.queue().complete(chain, written);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void stop() {
        calls.add("stop");
        transport = Optional.empty();
    }

    @Override
    public State resetState() {
        return State.RESET;
    }

    @Override
    public State save() {
        return new State(setting);
    }

    @Override
    public void load(State state) {
        setting = state.setting();
    }

    @Override
    public void settle() {}

    @Override
    public ReentrantLock lock() {
        return lock;
    }
}
