// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.machine.backend;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/**
 * The medium behind a disk: bytes {@code 0 .. size()-1}. Calls may come from several threads at
 * once. An {@link IOException} carries the host's error name; the controller shows the guest an I/O
 * error.
 */
public interface BlockBackend extends AutoCloseable {
    /** The size in bytes. */
    long size();

    /** Whether {@link #write}, {@link #discard} and {@link #writeZeroes} are refused. */
    boolean isReadOnly();

    /** Fills {@code target} from {@code offset} on; the range must lie within the medium. */
    void read(long offset, MemorySegment target) throws IOException;

    /** Writes all of {@code source} at {@code offset}; durable after the next {@link #flush}. */
    void write(long offset, MemorySegment source) throws IOException;

    /** Makes all completed writes durable. */
    void flush() throws IOException;

    /** Tells that the contents are no longer needed; they read as anything afterwards. */
    void discard(long offset, long length) throws IOException;

    /** Makes the range read as zeroes. */
    void writeZeroes(long offset, long length) throws IOException;

    /** Flushes and lets go of the medium. */
    @Override
    void close() throws IOException;
}
