// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm;

import dev.frond.machine.MachineState;
import dev.frond.machine.MachineStateCodec;
import dev.frond.machine.device.StateException;
import dev.frond.machine.memory.GuestMemory;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.function.Function;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;

/**
 * A paused machine in a file: a header, the {@link MachineState}, and each run of memory pages that
 * are not all zero. All numbers are big-endian.
 *
 * <pre>
 * file   := "FRONDVM1" i64 clock i64 wallClock i64 memory i32 length state i32 sum run* i64 -1 i32 sum
 * run    := i64 offset i32 length bytes
 * </pre>
 *
 * A sum is the CRC-32C of all bytes since the one before.
 */
final class Snapshot {
    private static final long MAGIC = 0x46524F4E44564D31L;
    private static final int PAGE = 4096;
    private static final int MAX_RUN = 256 * PAGE;
    private static final int MAX_STATE = 64 << 20;
    private static final byte[] ZEROES = new byte[PAGE];

    private Snapshot() {}

    /** The start of the file. */
    record Header(long clock, long wallClock, long memory) {}

    /** Writes the file whole or not at all. */
    static void write(Path file, MachineState state, GuestMemory memory) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        try {
            CRC32C sum = new CRC32C();
            try (DataOutputStream out =
                    new DataOutputStream(
                            new CheckedOutputStream(
                                    new BufferedOutputStream(Files.newOutputStream(part), MAX_RUN),
                                    sum))) {
                out.writeLong(MAGIC);
                out.writeLong(state.clock());
                out.writeLong(state.wallClock());
                out.writeLong(memory.size());
                byte[] encoded = MachineStateCodec.encode(state);
                out.writeInt(encoded.length);
                out.write(encoded);
                writeSum(out, sum);
                writeMemory(out, memory);
                out.writeLong(-1);
                writeSum(out, sum);
            }
            Files.move(
                    part,
                    file,
                    StandardCopyOption.REPLACE_EXISTING,
                    StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(part);
        }
    }

    private static void writeSum(DataOutputStream out, CRC32C sum) throws IOException {
        out.writeInt((int) sum.getValue());
        sum.reset();
    }

    private static void writeMemory(DataOutputStream out, GuestMemory memory) throws IOException {
        MemorySegment zeroes = MemorySegment.ofArray(ZEROES);
        byte[] buffer = new byte[MAX_RUN];
        long offset = 0;
        while (offset < memory.size()) {
            int length = 0;
            while (length < MAX_RUN
                    && offset + length < memory.size()
                    && memory.slice(offset + length, PAGE).mismatch(zeroes) != -1) {
                length += PAGE;
            }
            if (length > 0) {
                MemorySegment.copy(
                        memory.segment(), ValueLayout.JAVA_BYTE, offset, buffer, 0, length);
                out.writeLong(offset);
                out.writeInt(length);
                out.write(buffer, 0, length);
                offset += length;
            } else {
                offset += PAGE;
            }
        }
    }

    static Reader open(Path file) throws IOException {
        return new Reader(file);
    }

    /** Reads a file that may hold anything. */
    static final class Reader implements AutoCloseable {
        private final CRC32C sum = new CRC32C();
        private final DataInputStream in;
        private final Header header;
        private final byte[] state;

        private Reader(Path file) throws IOException {
            if (Files.isDirectory(file)) {
                throw new IOException("is a directory");
            }
            in =
                    new DataInputStream(
                            new CheckedInputStream(
                                    new BufferedInputStream(Files.newInputStream(file), MAX_RUN),
                                    sum));
            try {
                if (in.readLong() != MAGIC) {
                    throw new IOException("this is no snapshot of Frond");
                }
                header = new Header(in.readLong(), in.readLong(), in.readLong());
                int length = in.readInt();
                if (length < 0 || length > MAX_STATE || header.clock < 0) {
                    throw new IOException("the snapshot is damaged: its header");
                }
                state = in.readNBytes(length);
                if (state.length != length) {
                    throw new EOFException();
                }
                checkSum("its state");
            } catch (EOFException e) {
                in.close();
                throw new IOException("the snapshot is not whole", e);
            } catch (IOException e) {
                in.close();
                throw e;
            }
        }

        private void checkSum(String what) throws IOException {
            int computed = (int) sum.getValue();
            if (in.readInt() != computed) {
                throw new IOException("the snapshot is damaged: " + what);
            }
            sum.reset();
        }

        Header header() {
            return header;
        }

        MachineState state(Function<String, Optional<Record>> resetStates) throws IOException {
            try {
                return MachineStateCodec.decode(state, resetStates);
            } catch (StateException e) {
                throw new IOException("the snapshot's state: " + e.getMessage(), e);
            }
        }

        /** Fills {@code memory}, which must hold zeroes. */
        void memory(GuestMemory memory) throws IOException {
            if (memory.size() != header.memory) {
                throw new IOException(
                        "the snapshot has %d bytes of memory, the machine %d"
                                .formatted(header.memory, memory.size()));
            }
            byte[] buffer = new byte[MAX_RUN];
            try {
                while (true) {
                    long offset = in.readLong();
                    if (offset == -1) {
                        checkSum("its memory");
                        return;
                    }
                    int length = in.readInt();
                    if (length <= 0
                            || length > MAX_RUN
                            || offset < 0
                            || offset > memory.size() - length) {
                        throw new IOException("the snapshot is damaged: a run of memory");
                    }
                    in.readFully(buffer, 0, length);
                    MemorySegment.copy(
                            buffer, 0, memory.segment(), ValueLayout.JAVA_BYTE, offset, length);
                    memory.wrote(offset, length);
                }
            } catch (EOFException e) {
                throw new IOException("the snapshot is not whole", e);
            }
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
