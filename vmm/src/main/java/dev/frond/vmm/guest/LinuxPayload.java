// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;
import java.util.zip.GZIPInputStream;

/**
 * Takes the kernel proper, an ELF file, out of a Linux bzImage, in which it lies compressed
 * (Documentation/arch/x86/boot.rst, payload_offset). The host does in a moment what would be the
 * first seconds of an interpreted guest.
 */
final class LinuxPayload {
    private static final int SETUP_SECTS = 0x1F1;
    private static final int HEADER = 0x202;
    private static final int HDRS = 0x53726448;
    private static final int VERSION = 0x206;
    private static final int PAYLOAD_OFFSET = 0x248;
    private static final int PAYLOAD_LENGTH = 0x24C;
    private static final int HEADER_END = 0x250;
    private static final int SECTOR = 512;

    private static final short GZIP = (short) 0x8B1F;
    private static final int LZ4_LEGACY = 0x184C2102;
    private static final int LZ4_MIN_MATCH = 4;

    /** No kernel is as large; a size beyond it is a mistake in the file. */
    private static final int MOST = 1 << 29;

    private LinuxPayload() {}

    /**
     * The ELF file in a bzImage, if it is compressed with LZ4 or gzip and can be started through
     * PVH; empty for everything else, a damaged file too.
     */
    static Optional<byte[]> vmlinux(byte[] bzImage) {
        try {
            Optional<byte[]> elf = decompress(bzImage);
            return elf.filter(bytes -> new Elf64(bytes).hasPvhEntry());
        } catch (IOException | IndexOutOfBoundsException damaged) {
            return Optional.empty();
        }
    }

    private static Optional<byte[]> decompress(byte[] bzImage) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(bzImage).order(ByteOrder.LITTLE_ENDIAN);
        if (bzImage.length < HEADER_END
                || file.getInt(HEADER) != HDRS
                || file.getShort(VERSION) < 0x208) {
            return Optional.empty();
        }
        int setup = Byte.toUnsignedInt(file.get(SETUP_SECTS));
        long start =
                (setup == 0 ? 5 : setup + 1L) * SECTOR
                        + Integer.toUnsignedLong(file.getInt(PAYLOAD_OFFSET));
        long length = Integer.toUnsignedLong(file.getInt(PAYLOAD_LENGTH));
        if (length < 8 || start + length > bzImage.length) {
            return Optional.empty();
        }
        int from = (int) start;
        // The last four bytes hold the size of what comes out.
        int end = (int) (start + length - 4);
        int size = file.getInt(end);
        if (size <= 0 || size > MOST) {
            return Optional.empty();
        }
        if (file.getInt(from) == LZ4_LEGACY) {
            return Optional.of(lz4(bzImage, from + 4, end, size));
        }
        // gzip ends with that size itself.
        return file.getShort(from) == GZIP
                ? Optional.of(gzip(bzImage, from, end + 4, size))
                : Optional.empty();
    }

    private static byte[] gzip(byte[] in, int from, int end, int size) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream(size);
        try (GZIPInputStream stream =
                new GZIPInputStream(new ByteArrayInputStream(in, from, end - from))) {
            byte[] chunk = new byte[1 << 16];
            for (int n = stream.read(chunk); n >= 0 && out.size() <= size; n = stream.read(chunk)) {
                out.write(chunk, 0, n);
            }
        }
        return out.toByteArray();
    }

    /**
     * LZ4's legacy frame: blocks, each after its size (lz4_Frame_format.md, "Legacy frame";
     * lz4_Block_format.md).
     */
    private static byte[] lz4(byte[] in, int from, int end, int size) throws IOException {
        byte[] out = new byte[size];
        ByteBuffer file = ByteBuffer.wrap(in).order(ByteOrder.LITTLE_ENDIAN);
        int at = 0;
        int position = from;
        while (position + 4 <= end && at < size) {
            int block = file.getInt(position);
            position += 4;
            if (block <= 0 || block > end - position) {
                throw new IOException("an LZ4 block of " + block + " bytes");
            }
            at = block(in, position, position + block, out, at);
            position += block;
        }
        return at == size ? out : Arrays.copyOf(out, at);
    }

    private static int block(byte[] in, int from, int end, byte[] out, int start)
            throws IOException {
        int i = from;
        int o = start;
        while (i < end) {
            int token = Byte.toUnsignedInt(in[i++]);
            int literals = token >>> 4;
            if (literals == 15) {
                int more;
                do {
                    more = Byte.toUnsignedInt(in[i++]);
                    literals += more;
                } while (more == 255);
            }
            System.arraycopy(in, i, out, o, literals);
            i += literals;
            o += literals;
            if (i >= end) {
                break;
            }
            int offset = Byte.toUnsignedInt(in[i]) | Byte.toUnsignedInt(in[i + 1]) << 8;
            i += 2;
            int match = token & 15;
            if (match == 15) {
                int more;
                do {
                    more = Byte.toUnsignedInt(in[i++]);
                    match += more;
                } while (more == 255);
            }
            match += LZ4_MIN_MATCH;
            if (offset == 0 || offset > o) {
                throw new IOException("an LZ4 match before the beginning");
            }
            // The match may overlap what it makes: then it repeats.
            while (match > 0) {
                int n = Math.min(match, offset);
                System.arraycopy(out, o - offset, out, o, n);
                o += n;
                match -= n;
                offset += n;
            }
        }
        return o;
    }
}
