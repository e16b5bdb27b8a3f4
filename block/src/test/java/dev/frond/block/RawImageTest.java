// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

@Timeout(60)
class RawImageTest {
    @TempDir private Path folder = Path.of(".");

    private Path file(String name, long size) throws IOException {
        Path file = folder.resolve(name);
        try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
            f.setLength(size);
        }
        return file;
    }

    private static byte[] chance(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    private static byte[] read(RawImage image, long offset, int length) throws IOException {
        byte[] bytes = new byte[length];
        image.read(offset, MemorySegment.ofArray(bytes));
        return bytes;
    }

    private static void assertRefused(Path file, boolean readOnly, String message) {
        assertThatThrownBy(() -> RawImage.open(file, readOnly).close())
                .isInstanceOf(ImageException.class)
                .hasMessage(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void whatIsWrittenIsInTheFileAtOnce() throws IOException {
        Path file = file("disk.img", 1 << 20);
        byte[] bytes = chance(1, 5000);
        try (RawImage image = RawImage.open(file, false)) {
            assertThat(image.size()).isEqualTo(1 << 20);
            assertThat(image.isReadOnly()).isFalse();
            assertThat(image.warning()).isEmpty();
            image.write(777, MemorySegment.ofArray(bytes));
            assertThat(Arrays.copyOfRange(Files.readAllBytes(file), 777, 5777)).isEqualTo(bytes);
            assertThat(read(image, 777, 5000)).isEqualTo(bytes);
            image.flush();
        }
        assertThat(Files.size(file)).isEqualTo(1 << 20);
    }

    @Test
    void nativeMemoryIsReadIntoAndWrittenFrom() throws IOException {
        Path file = file("disk.img", 1 << 20);
        MemorySegment memory = Arena.ofAuto().allocate(8192, 4096);
        MemorySegment.copy(MemorySegment.ofArray(chance(2, 4096)), 0, memory, 0, 4096);
        try (RawImage image = RawImage.open(file, false)) {
            image.write(4096, memory.asSlice(0, 4096));
            image.read(4096, memory.asSlice(4096, 4096));
        }
        assertThat(memory.asSlice(0, 4096).mismatch(memory.asSlice(4096))).isEqualTo(-1);
    }

    @Test
    void aMissingFileIsNamed() {
        Path file = folder.resolve("missing.img");
        assertRefused(file, false, "disk image " + file + " does not exist");
        assertRefused(file, true, "disk image " + file + " does not exist");
        assertThat(file).doesNotExist();
    }

    @Test
    void aDanglingLinkIsNamedAsSuch() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link.img"), folder.resolve("gone"));
        assertRefused(
                link, false, "disk image " + link + " is a link to a file that does not exist");
    }

    @Test
    void aDirectoryIsNoImage() {
        assertRefused(
                folder,
                true,
                "disk image " + folder + " is a directory; accepted are files and block devices");
    }

    @Test
    void aCharacterDeviceIsNoImage() {
        Path device = Path.of("/dev/null");
        assumeThat(Files.exists(device)).isTrue();
        assertRefused(
                device,
                false,
                "disk image /dev/null is neither a file nor a block device; accepted are these");
    }

    @Test
    void anEmptyFileIsRefusedAndLeftAsItIs() throws IOException {
        Path file = file("empty.img", 0);
        assertRefused(
                file,
                false,
                "disk image "
                        + file
                        + " is empty (0 bytes); make one with, for example, truncate -s 1G "
                        + file);
        assertThat(Files.size(file)).isZero();
        assertThat(Files.size(file("empty.img", 512))).isEqualTo(512);
        try (RawImage image = RawImage.open(file, false)) {
            assertThat(image.size()).as("the refusal gave up its lock").isEqualTo(512);
        }
    }

    @Test
    void aFileWithoutPermissionIsNamed() throws IOException {
        Path file = file("disk.img", 512);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
        assumeThat(Files.isWritable(file)).as("root may write everything").isFalse();
        assertRefused(
                file,
                false,
                "disk image "
                        + file
                        + ": no permission to write it; with the option ro it is only read");
        try (RawImage image = RawImage.open(file, true)) {
            assertThat(image.size()).isEqualTo(512);
        }
    }

    @Test
    void theHostsReasonsBecomeOneLine() {
        Path file = Path.of("a.img");
        assertThat(RawImage.explain(file, true, new AccessDeniedException("a.img")))
                .isEqualTo("disk image a.img: no permission to read it");
        assertThat(RawImage.explain(file, false, new AccessDeniedException("a.img")))
                .isEqualTo(
                        "disk image a.img: no permission to write it; with the option ro it is only"
                                + " read");
        assertThat(
                        RawImage.explain(
                                file,
                                false,
                                new FileSystemException("a.img", null, "Read-only file system")))
                .isEqualTo(
                        "disk image a.img: Read-only file system; with the option ro it is only"
                                + " read");
        assertThat(
                        RawImage.explain(
                                file,
                                false,
                                new FileSystemException("a.img", null, "Too many open files")))
                .isEqualTo("disk image a.img: Too many open files");
        assertThat(RawImage.explain(file, false, new IOException("Input/output error")))
                .isEqualTo("disk image a.img: Input/output error");
    }

    @Test
    void aReadOnlyImageRefusesEveryChange() throws IOException {
        Path file = file("disk.img", 4096);
        try (RawImage image = RawImage.open(file, true)) {
            assertThat(image.isReadOnly()).isTrue();
            String message = "disk image " + file + " is only read";
            assertThatThrownBy(() -> image.write(0, MemorySegment.ofArray(new byte[512])))
                    .isInstanceOf(IOException.class)
                    .hasMessage(message);
            assertThatThrownBy(() -> image.writeZeroes(0, 512)).hasMessage(message);
            assertThatThrownBy(() -> image.discard(0, 512)).hasMessage(message);
            image.flush();
            assertThat(read(image, 0, 4096)).containsOnly(0);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 511, 513, 1000, 4097})
    void anIncompleteLastSectorIsFilledUpWithZeroes(long size) throws IOException {
        Path file = file("odd.img", size);
        byte[] contents = chance(3, (int) size);
        Files.write(file, contents);
        int whole = (int) ((size + 511) / 512 * 512);
        try (RawImage image = RawImage.open(file, false)) {
            assertThat(image.size()).isEqualTo(whole);
            assertThat(image.warning())
                    .contains(
                            "disk image "
                                    + file
                                    + ": its size of "
                                    + size
                                    + " bytes is not a multiple of 512; the last sector is filled"
                                    + " up with zeroes");
            assertThat(read(image, 0, whole)).isEqualTo(Arrays.copyOf(contents, whole));
            assertThat(Files.size(file)).as("reading changes nothing").isEqualTo(size);

            byte[] sector = chance(4, 512);
            image.write(whole - 512, MemorySegment.ofArray(sector));
            assertThat(read(image, whole - 512, 512)).isEqualTo(sector);
        }
        assertThat(Files.size(file)).isEqualTo(whole);
    }

    @Test
    void anImageThatIsCutOffWhileInUseIsAnErrorNotZeroes() throws IOException {
        Path file = file("disk.img", 8192);
        try (RawImage image = RawImage.open(file, true)) {
            file("disk.img", 4096);
            assertThat(read(image, 0, 4096)).containsOnly(0);
            assertThatThrownBy(() -> read(image, 2048, 4096))
                    .isInstanceOf(IOException.class)
                    .hasMessage(
                            "disk image "
                                    + file
                                    + " is shorter than the 8192 bytes that it had when it was"
                                    + " opened");
        }
    }

    @Test
    void accessesOutsideAreTheCallersFault() throws IOException {
        try (RawImage image = RawImage.open(file("disk.img", 4096), false)) {
            assertThatThrownBy(() -> read(image, 4096, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> read(image, -1, 1))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> image.writeZeroes(4095, 2))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThatThrownBy(() -> image.discard(0, Long.MAX_VALUE))
                    .isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void zeroesReplaceWhatWasThereAndNothingBeside() throws IOException {
        Path file = file("disk.img", 1 << 20);
        byte[] contents = chance(5, 1 << 20);
        Files.write(file, contents);
        try (RawImage image = RawImage.open(file, false)) {
            image.writeZeroes(512, 300_000);
            image.writeZeroes(900_000, 0);
        }
        Arrays.fill(contents, 512, 300_512, (byte) 0);
        assertThat(Files.readAllBytes(file)).isEqualTo(contents);
    }

    @Test
    void zeroesLeaveTheHolesOfASparseFile() throws Exception {
        Path file = file("sparse.img", 256 << 20);
        try (RawImage image = RawImage.open(file, false)) {
            image.write(128 << 20, MemorySegment.ofArray(chance(6, 4096)));
            image.writeZeroes(0, image.size());
            image.flush();
            assertThat(read(image, 128 << 20, 4096)).containsOnly(0);
        }
        Process du = new ProcessBuilder("du", "-k", file.toString()).start();
        String used = new String(du.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(Long.parseLong(used.split("\\s", -1)[0])).as("KiB on disk").isLessThan(1024);
    }

    @Test
    void aDiscardIsAllowedAndHarmsNothingElse() throws IOException {
        Path file = file("disk.img", 1 << 20);
        byte[] contents = chance(7, 1 << 20);
        Files.write(file, contents);
        try (RawImage image = RawImage.open(file, false)) {
            image.discard(4096, 8192);
            assertThat(read(image, 0, 4096)).isEqualTo(Arrays.copyOf(contents, 4096));
            assertThat(read(image, 12288, 4096))
                    .isEqualTo(Arrays.copyOfRange(contents, 12288, 16384));
        }
    }

    @Test
    void anImageThatIsWrittenIsUsedOnce() throws IOException {
        Path file = file("disk.img", 4096);
        Path link = Files.createLink(folder.resolve("same.img"), file);
        String message =
                ": another disk of this process uses it; an image that is written can be used once,"
                        + " one that is only read as often as wanted";
        try (RawImage image = RawImage.open(file, false)) {
            assertRefused(file, false, "disk image " + file + message);
            assertRefused(file, true, "disk image " + file + message);
            assertRefused(link, false, "disk image " + link + message);
            assertThat(read(image, 0, 512)).containsOnly(0);
        }
        RawImage.open(link, false).close();
    }

    @Test
    void anImageThatIsReadIsShared() throws IOException {
        Path file = file("disk.img", 4096);
        RawImage first = RawImage.open(file, true);
        RawImage second = RawImage.open(file, true);
        first.close();
        first.close();
        assertThat(read(second, 0, 512)).containsOnly(0);
        assertThatThrownBy(() -> RawImage.open(file, false)).isInstanceOf(ImageException.class);
        second.close();
        RawImage.open(file, false).close();
    }

    private static String firstLine(Process process) throws IOException {
        try (BufferedReader lines = process.inputReader()) {
            return String.valueOf(lines.readLine());
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void aSecondProcessIsRefusedEvenAfterARefusalInThisOne() throws IOException {
        Path file = file("disk.img", 4096);
        try (RawImage image = RawImage.open(file, false)) {
            assertThatThrownBy(() -> RawImage.open(file, false)).isInstanceOf(ImageException.class);
            assertThat(firstLine(OtherProcess.command("open", file).start()))
                    .isEqualTo("disk image " + file + ": another process uses it");
            assertThat(firstLine(OtherProcess.command("ro", file).start()))
                    .isEqualTo(
                            "disk image "
                                    + file
                                    + ": another process writes it; it can be read once that has"
                                    + " ended");
            assertThat(image.size()).isEqualTo(4096);
        }
        try (RawImage image = RawImage.open(file, true)) {
            assertThat(firstLine(OtherProcess.command("ro", file).start())).isEqualTo("open");
            assertThat(firstLine(OtherProcess.command("open", file).start()))
                    .isEqualTo("disk image " + file + ": another process uses it");
            assertThat(image.size()).isEqualTo(4096);
        }
    }

    @Test
    void whatWasWrittenSurvivesTheKillOfItsProcess() throws Exception {
        int blocks = 100_000;
        Path file = file("disk.img", (long) blocks * OtherProcess.BLOCK);
        Path said = folder.resolve("said");
        Process writer = OtherProcess.command("write", file).redirectOutput(said.toFile()).start();
        while (Files.size(said) < 5_000) {
            assertThat(writer.isAlive()).isTrue();
            Thread.sleep(1);
        }
        writer.destroyForcibly();
        assertThat(writer.waitFor()).as("ended by SIGKILL").isEqualTo(137);
        String complete = Files.readString(said);
        List<String> lines = complete.substring(0, complete.lastIndexOf('\n')).lines().toList();
        int last = Integer.parseInt(lines.getLast());
        assertThat(last).isBetween(1_000, blocks - 2);
        try (RawImage image = RawImage.open(file, false)) {
            for (int i = 0; i <= last; i++) {
                assertThat(read(image, (long) i * OtherProcess.BLOCK, OtherProcess.BLOCK))
                        .as("block %d", i)
                        .isEqualTo(OtherProcess.block(i));
            }
        }
    }

    @Test
    void manyThreadsUseOneImageAtOnce() throws Exception {
        int threads = 8;
        int area = 64 * 1024;
        Path file = file("disk.img", (long) threads * area);
        byte[] expected = new byte[threads * area];
        try (RawImage image = RawImage.open(file, false);
                ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<byte[]>> running = new ArrayList<>();
            for (int i = 0; i < threads; i++) {
                long start = (long) i * area;
                Random random = new Random(i);
                Callable<byte[]> work =
                        () -> {
                            byte[] model = new byte[area];
                            for (int n = 0; n < 300; n++) {
                                int length = random.nextInt(1, 8192);
                                int at = random.nextInt(area - length);
                                byte[] bytes = new byte[length];
                                if (n % 7 == 0) {
                                    image.writeZeroes(start + at, length);
                                } else {
                                    random.nextBytes(bytes);
                                    image.write(start + at, MemorySegment.ofArray(bytes));
                                }
                                System.arraycopy(bytes, 0, model, at, length);
                                assertThat(read(image, start, area)).isEqualTo(model);
                            }
                            return model;
                        };
                running.add(executor.submit(work));
            }
            for (int i = 0; i < threads; i++) {
                System.arraycopy(running.get(i).get(), 0, expected, i * area, area);
            }
        }
        assertThat(Files.readAllBytes(file)).isEqualTo(expected);
    }

    @Test
    void anInterruptedThreadStillFinishesItsAccess() throws IOException {
        try (RawImage image = RawImage.open(file("disk.img", 4096), false)) {
            Thread.currentThread().interrupt();
            image.write(0, MemorySegment.ofArray(chance(8, 512)));
            assertThat(Thread.interrupted()).as("the interrupt is passed on").isTrue();
            assertThat(read(image, 0, 512)).isEqualTo(chance(8, 512));
        }
    }

    @Test
    void anImageBeyondFourGigabytesIsReachedEverywhere() throws IOException {
        long size = 6L << 30;
        try (RawImage image = RawImage.open(file("large.img", size), false)) {
            for (long offset : new long[] {0, (1L << 31) - 100, (1L << 32) - 100, size - 512}) {
                image.write(offset, MemorySegment.ofArray(chance(offset, 512)));
            }
            for (long offset : new long[] {0, (1L << 31) - 100, (1L << 32) - 100, size - 512}) {
                assertThat(read(image, offset, 512)).isEqualTo(chance(offset, 512));
            }
        }
    }
}
