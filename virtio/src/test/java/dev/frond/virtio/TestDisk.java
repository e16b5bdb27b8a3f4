// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.virtio;

import dev.frond.machine.backend.BlockBackend;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/** A disk in memory that a test can hold up or let fail, and that keeps a log. */
final class TestDisk implements BlockBackend {
    final MemorySegment image;
    final List<String> log = new CopyOnWriteArrayList<>();
    volatile Optional<CountDownLatch> gate = Optional.empty();
    volatile Optional<String> failure = Optional.empty();
    private final boolean readOnly;

    TestDisk(long size, boolean readOnly) {
        image = Arena.ofAuto().allocate(size);
        this.readOnly = readOnly;
    }

    @Override
    public long size() {
        return image.byteSize();
    }

    @Override
    public boolean isReadOnly() {
        return readOnly;
    }

    private void enter(String what) throws IOException {
        if (gate.isPresent()) {
            try {
                gate.get().await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
        if (failure.isPresent()) {
            throw new IOException(failure.get());
        }
        log.add(what);
    }

    @Override
    public void read(long offset, MemorySegment target) throws IOException {
        enter("read " + offset + " " + target.byteSize());
        MemorySegment.copy(image, offset, target, 0, target.byteSize());
    }

    @Override
    public void write(long offset, MemorySegment source) throws IOException {
        enter("write " + offset + " " + source.byteSize());
        MemorySegment.copy(source, 0, image, offset, source.byteSize());
    }

    @Override
    public void flush() throws IOException {
        enter("flush");
    }

    @Override
    public void discard(long offset, long length) throws IOException {
        enter("discard " + offset + " " + length);
    }

    @Override
    public void writeZeroes(long offset, long length) throws IOException {
        enter("zero " + offset + " " + length);
        image.asSlice(offset, length).fill((byte) 0);
    }

    @Override
    public void close() {}
}
