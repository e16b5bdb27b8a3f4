// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.interp;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Records what {@code qemu-system-x86_64} (TCG) does with {@link RecordedCases}. */
final class VectorRecorder {
    private static final String MODEL = "max";
    private static final int SECONDS = 5;

    private VectorRecorder() {}

    /** {@code PROGRAM RESOURCE SEED COUNT}. */
    @SuppressWarnings("SystemOut") // A command talks to its user.
    public static void main(String[] args) throws IOException, InterruptedException {
        byte[] program = Files.readAllBytes(Path.of(args[0]));
        long seed = Long.parseLong(args[2]);
        List<byte[]> cases = RecordedCases.all(seed, Integer.parseInt(args[3]));
        Path folder = Files.createTempDirectory("frond-vectors");
        byte[] told;
        try {
            told = qemu(folder, program, RecordedVectors.table(cases));
        } finally {
            for (String name : List.of("rom", "program", "table", "told")) {
                Files.deleteIfExists(folder.resolve(name));
            }
            Files.delete(folder);
        }
        List<byte[]> results = RecordedVectors.results(told);
        if (results.size() != cases.size()) {
            System.err.println(
                    "record-vectors: no end of case "
                            + results.size()
                            + ": "
                            + new RecordedVectors.Start(cases.get(results.size())));
            System.exit(1);
        }
        List<RecordedVectors.Vector> vectors = new ArrayList<>();
        for (int i = 0; i < cases.size(); i++) {
            RecordedVectors.Start start = new RecordedVectors.Start(cases.get(i));
            if (RecordedCases.isRecorded(start, results.get(i))) {
                vectors.add(new RecordedVectors.Vector(cases.get(i), results.get(i)));
            }
        }
        String origin = version() + ", TCG, -cpu " + MODEL + ", seed " + seed;
        try (OutputStream out = Files.newOutputStream(Path.of(args[1]))) {
            new RecordedVectors(origin, program, vectors).write(out);
        }
        System.out.println(
                origin
                        + ": "
                        + vectors.size()
                        + " of "
                        + cases.size()
                        + " cases, "
                        + Files.size(Path.of(args[1]))
                        + " bytes");
    }

    private static byte[] qemu(Path folder, byte[] program, byte[] table)
            throws IOException, InterruptedException {
        // A ROM of 64 KiB whose last 16 bytes jump to the program.
        byte[] rom = new byte[0x1_0000];
        byte[] jump = {(byte) 0xEA, 0x00, 0x10, 0x00, 0x00};
        System.arraycopy(jump, 0, rom, 0xFFF0, jump.length);
        Files.write(folder.resolve("rom"), rom);
        Files.write(folder.resolve("program"), program);
        Files.write(folder.resolve("table"), table);
        String loader = "loader,force-raw=on,file=";
        Process process =
                new ProcessBuilder(
                                "qemu-system-x86_64",
                                "-accel",
                                "tcg",
                                "-cpu",
                                MODEL,
                                "-machine",
                                "pc",
                                "-m",
                                "32",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-no-reboot",
                                "-bios",
                                folder.resolve("rom").toString(),
                                "-device",
                                loader + folder.resolve("program") + ",addr=0",
                                "-device",
                                loader + folder.resolve("table") + ",addr=" + RecordedVectors.TABLE,
                                "-chardev",
                                "file,id=told,path=" + folder.resolve("told"),
                                "-device",
                                "isa-debugcon,iobase=0xe9,chardev=told",
                                "-device",
                                "isa-debug-exit,iobase=0x501,iosize=1")
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                        .start();
        Path told = folder.resolve("told");
        long before = -1;
        while (!process.waitFor(SECONDS, TimeUnit.SECONDS)) {
            long now = Files.exists(told) ? Files.size(told) : 0;
            if (now == before) {
                // A case that does not end.
                process.destroyForcibly().waitFor();
            }
            before = now;
        }
        return Files.readAllBytes(told);
    }

    private static String version() throws IOException {
        Process process = new ProcessBuilder("qemu-system-x86_64", "--version").start();
        String text = new String(process.getInputStream().readAllBytes(), UTF_8);
        return text.lines().findFirst().orElse("QEMU");
    }
}
