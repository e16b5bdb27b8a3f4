// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Takes the ELF vmlinux out of a bzImage whose payload is LZ4 in the legacy frame, as Debian's are:
 * a magic number, then blocks of up to 8 MiB, each behind its compressed size (lz4_Frame_format.md,
 * lz4_Block_format.md). The payload ends with the size of the whole.
 */
final class Lz4Vmlinux {
    private static final int MAGIC = 0x184C_2102;

    private Lz4Vmlinux() {}

    /** The vmlinux of {@code bzImage}. */
    static byte[] extract(Path bzImage) throws IOException {
        ByteBuffer image =
                ByteBuffer.wrap(Files.readAllBytes(bzImage)).order(ByteOrder.LITTLE_ENDIAN);
        int setup = ((image.get(0x1F1) & 0xFF) + 1) * 512;
        int from = setup + image.getInt(0x248);
        int length = image.getInt(0x24C);
        ByteBuffer payload = image.slice(from, length).order(ByteOrder.LITTLE_ENDIAN);
        if (payload.getInt() != MAGIC) {
            throw new IOException(bzImage + ": its payload is not LZ4");
        }
        byte[] vmlinux = new byte[payload.getInt(length - 4)];
        int done = 0;
        while (done < vmlinux.length) {
            int end = payload.getInt() + payload.position();
            done = block(payload, end, vmlinux, done);
        }
        return vmlinux;
    }

    private static int block(ByteBuffer in, int end, byte[] out, int start) {
        int at = start;
        while (true) {
            int token = in.get() & 0xFF;
            int literals = length(in, token >>> 4);
            in.get(out, at, literals);
            at += literals;
            if (in.position() == end) {
                return at;
            }
            int distance = in.getShort() & 0xFFFF;
            int match = length(in, token & 15) + 4;
            for (int i = 0; i < match; i++, at++) {
                out[at] = out[at - distance];
            }
        }
    }

    private static int length(ByteBuffer in, int nibble) {
        int length = nibble;
        if (nibble == 15) {
            int more;
            do {
                more = in.get() & 0xFF;
                length += more;
            } while (more == 255);
        }
        return length;
    }
}
