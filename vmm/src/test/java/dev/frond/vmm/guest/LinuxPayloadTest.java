// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

class LinuxPayloadTest {
    private static final byte[] LZ4_MAGIC = {0x02, 0x21, 0x4C, 0x18};

    @Test
    void aGzippedKernelComesOut() throws Exception {
        byte[] kernel = ElfFiles.pvhKernel(100_000);
        assertThat(LinuxPayload.vmlinux(bzImage(gzip(kernel)))).hasValue(kernel);
    }

    @Test
    void anLz4KernelComesOut() {
        byte[] kernel = ElfFiles.pvhKernel(100_000);
        byte[] payload =
                join(
                        LZ4_MAGIC,
                        literals(Arrays.copyOf(kernel, 70_000)),
                        literals(Arrays.copyOfRange(kernel, 70_000, kernel.length)),
                        size(kernel.length));
        assertThat(LinuxPayload.vmlinux(bzImage(payload))).hasValue(kernel);
    }

    @Test
    void lz4MatchesRepeatWhatCameBefore() {
        // The header as literals, then 1000 zeroes as one match that overlaps itself, then
        // "abcabcab" and an end.
        byte[] kernel = ElfFiles.pvhKernel(0);
        byte[] zeroes = {
            (byte) 0x1F, 0, 1, 0, (byte) 255, (byte) 255, (byte) 255, (byte) (999 - 15 - 4 - 765)
        };
        byte[] repeat = {(byte) 0x31, 'a', 'b', 'c', 3, 0};
        byte[] last = {(byte) 0x50, 't', 'h', 'e', 'n', 'd'};
        byte[] block = join(rawLiterals(kernel), new byte[] {1, 0}, zeroes, repeat, last);
        // The first literals' token asks for a match of 4 at distance 1.
        byte[] expected =
                join(
                        kernel,
                        repeated(kernel[kernel.length - 1], 4),
                        new byte[1000],
                        "abcabcabthend".getBytes(StandardCharsets.US_ASCII));
        byte[] payload = join(LZ4_MAGIC, size(block.length), block, size(expected.length));
        byte[] actual = LinuxPayload.vmlinux(bzImage(payload)).orElseThrow();
        assertThat(new String(actual, StandardCharsets.ISO_8859_1))
                .isEqualTo(new String(expected, StandardCharsets.ISO_8859_1));
    }

    @Test
    void whatIsNoKernelForPvhStaysInItsFile() throws Exception {
        assertThat(LinuxPayload.vmlinux(bzImage(gzip(ElfFiles.program(true, new byte[1000])))))
                .isEmpty();
        assertThat(LinuxPayload.vmlinux(bzImage(gzip(new byte[1000])))).isEmpty();
        assertThat(LinuxPayload.vmlinux(new byte[0])).isEmpty();
        assertThat(LinuxPayload.vmlinux(new byte[100_000])).isEmpty();
        byte[] xz =
                join(new byte[] {(byte) 0xFD, '7', 'z', 'X', 'Z', 0}, new byte[100], size(1000));
        assertThat(LinuxPayload.vmlinux(bzImage(xz))).isEmpty();
    }

    @Test
    void aDamagedKernelIsNoKernelAndNoHarm() throws Exception {
        Random random = new Random(3);
        byte[] kernel = ElfFiles.pvhKernel(2000);
        byte[] lz4 = join(LZ4_MAGIC, literals(kernel), size(kernel.length));
        for (byte[] payload : new byte[][] {gzip(kernel), lz4}) {
            byte[] whole = bzImage(payload);
            for (int length = 0; length < whole.length; length += 7) {
                assertThat(LinuxPayload.vmlinux(Arrays.copyOf(whole, length))).isEmpty();
            }
            for (int i = 0; i < 5000; i++) {
                byte[] noise = whole.clone();
                for (int j = 0; j < 3; j++) {
                    noise[0x1F0 + random.nextInt(noise.length - 0x1F0)] = (byte) random.nextInt();
                }
                LinuxPayload.vmlinux(noise)
                        .ifPresent(bytes -> assertThat(bytes.length).isLessThanOrEqualTo(1 << 29));
            }
        }
    }

    /** A bzImage with a setup of two sectors and this payload. */
    private static byte[] bzImage(byte[] payload) {
        byte[] file = new byte[3 * 512 + payload.length];
        ByteBuffer header = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        header.put(0x1F1, (byte) 1).putInt(0x202, 0x53726448).putShort(0x206, (short) 0x20F);
        header.putInt(0x248, 512).putInt(0x24C, payload.length).put(3 * 512, payload);
        return file;
    }

    private static byte[] gzip(byte[] contents) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(contents);
        }
        return out.toByteArray();
    }

    /** A block of literals alone, after its size. */
    private static byte[] literals(byte[] contents) {
        byte[] block = rawLiterals(contents);
        return join(size(block.length), block);
    }

    private static byte[] rawLiterals(byte[] contents) {
        ByteArrayOutputStream block = new ByteArrayOutputStream();
        block.write(0xF0);
        int rest = contents.length - 15;
        for (; rest >= 255; rest -= 255) {
            block.write(255);
        }
        block.write(rest);
        block.writeBytes(contents);
        return block.toByteArray();
    }

    private static byte[] repeated(byte value, int times) {
        byte[] bytes = new byte[times];
        Arrays.fill(bytes, value);
        return bytes;
    }

    private static byte[] size(int value) {
        return ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0, value)
                .array()
                .clone();
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
