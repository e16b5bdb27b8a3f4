// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.block;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Another process that uses an image; tests start it and talk to it through its streams. */
final class OtherProcess {
    static final int BLOCK = 4096;

    private OtherProcess() {}

    /**
     * {@code open|ro|write FILE}: opens, says so or why not, then writes or waits until it is
     * ended.
     */
    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[1]);
        try (RawImage image = RawImage.open(file, args[0].equals("ro"))) {
            System.out.println("open");
            if (args[0].equals("write")) {
                for (int i = 0; i < image.size() / BLOCK; i++) {
                    image.write((long) i * BLOCK, MemorySegment.ofArray(block(i)));
                    System.out.println(i);
                }
            }
            int end = System.in.read();
            System.out.println(end < 0 ? "closed" : "asked");
        } catch (ImageException e) {
            System.out.println(e.getMessage());
        }
    }

    /** The contents of block number {@code i}. */
    static byte[] block(int i) {
        byte[] bytes = new byte[BLOCK];
        Arrays.fill(bytes, (byte) (i * 31 + 1));
        return bytes;
    }

    static ProcessBuilder command(String mode, Path file) {
        return new ProcessBuilder(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:TieredStopAtLevel=1",
                                "-Xmx64m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                OtherProcess.class.getName(),
                                mode,
                                file.toString()))
                .redirectError(ProcessBuilder.Redirect.INHERIT);
    }
}
