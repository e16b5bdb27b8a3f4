// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

final class HostFileTest {
    @TempDir Path directory;

    @Test
    void aHoleReadsAsZeroAndFreesItsBlocks() throws Exception {
        byte[] content = new byte[1 << 20];
        Arrays.fill(content, (byte) 0x5A);
        Path path = Files.write(directory.resolve("disk.img"), content);
        long before = allocatedBytes(path);
        try (HostFile file = HostFile.open(path, true)) {
            file.punchHole(256 << 10, 512 << 10);
        }
        Arrays.fill(content, 256 << 10, 768 << 10, (byte) 0);
        assertThat(Files.readAllBytes(path)).isEqualTo(content);
        assertThat(allocatedBytes(path)).isEqualTo(before - (512 << 10));
    }

    @Test
    void aHoleBehindTheEndDoesNotGrowTheFile() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[4096]);
        try (HostFile file = HostFile.open(path, true)) {
            file.punchHole(1 << 20, 4096);
        }
        assertThat(Files.size(path)).isEqualTo(4096);
    }

    @Test
    void aHoleInAFileThatIsOnlyReadIsRefusedByName() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[4096]);
        try (HostFile file = HostFile.open(path, false)) {
            assertThatThrownBy(() -> file.punchHole(0, 4096))
                    .isInstanceOf(HostException.class)
                    .hasMessageContaining("disk.img: EBADF");
        }
    }

    @Test
    void aSecondWriterIsKeptOutUntilTheFirstIsDone() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        try (HostFile first = HostFile.open(path, true);
                HostFile reader = HostFile.open(path, false)) {
            assertThat(first.tryLock(HostFile.Lock.EXCLUSIVE)).isTrue();
            try (HostFile second = HostFile.open(path, true)) {
                assertThat(second.tryLock(HostFile.Lock.EXCLUSIVE)).isFalse();
                assertThat(reader.tryLock(HostFile.Lock.SHARED)).isFalse();
                first.unlock();
                assertThat(second.tryLock(HostFile.Lock.EXCLUSIVE)).isTrue();
                assertThat(reader.tryLock(HostFile.Lock.SHARED)).isFalse();
            }
            assertThat(reader.tryLock(HostFile.Lock.SHARED)).isTrue();
        }
    }

    @Test
    void readersShareTheLock() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        try (HostFile first = HostFile.open(path, false);
                HostFile second = HostFile.open(path, false);
                HostFile writer = HostFile.open(path, true)) {
            assertThat(first.tryLock(HostFile.Lock.SHARED)).isTrue();
            assertThat(second.tryLock(HostFile.Lock.SHARED)).isTrue();
            assertThat(writer.tryLock(HostFile.Lock.EXCLUSIVE)).isFalse();
        }
    }

    @Test
    void closingAChannelOfTheSameFileKeepsTheLock() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        try (HostFile first = HostFile.open(path, true);
                HostFile second = HostFile.open(path, true)) {
            assertThat(first.tryLock(HostFile.Lock.EXCLUSIVE)).isTrue();
            FileChannel.open(path, StandardOpenOption.WRITE).close();
            assertThat(second.tryLock(HostFile.Lock.EXCLUSIVE)).isFalse();
        }
    }

    @Test
    void aLockKeepsAnotherProcessOut() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        assertThat(lockElsewhere(path)).isEqualTo("true");
        try (HostFile file = HostFile.open(path, true)) {
            assertThat(file.tryLock(HostFile.Lock.EXCLUSIVE)).isTrue();
            assertThat(lockElsewhere(path)).isEqualTo("false");
        }
    }

    @Test
    void missingFilesAndDirectoriesAreNamed() {
        Path missing = directory.resolve("missing.img");
        assertThatThrownBy(() -> HostFile.open(missing, false).close())
                .isInstanceOf(HostException.class)
                .hasMessage("open of " + missing + ": ENOENT (No such file or directory)");
        assertThatThrownBy(() -> HostFile.open(directory, true).close())
                .isInstanceOf(HostException.class)
                .hasMessage("open of " + directory + ": EISDIR (Is a directory)");
    }

    @Test
    void aFileIsNoBlockDevice() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        try (HostFile file = HostFile.open(path, false)) {
            assertThatThrownBy(file::blockDeviceSize)
                    .isInstanceOf(HostException.class)
                    .hasMessageContaining("ENOTTY");
        }
    }

    @Test
    void aBlockDeviceTellsTheSizeThatTheKernelKnows() throws Exception {
        Optional<Path> device = readableBlockDevice();
        assumeThat(device).as("a block device that this user may read").isPresent();
        String name = device.orElseThrow().getFileName().toString();
        long sectors =
                Long.parseLong(Files.readString(Path.of("/sys/class/block", name, "size")).strip());
        try (HostFile file = HostFile.open(device.orElseThrow(), false)) {
            assertThat(file.blockDeviceSize()).isEqualTo(sectors * 512);
        }
    }

    @Test
    void aClosedFileIsRefused() throws Exception {
        Path path = Files.write(directory.resolve("disk.img"), new byte[1]);
        HostFile file = HostFile.open(path, true);
        file.close();
        file.close();
        assertThatThrownBy(() -> file.punchHole(0, 1)).isInstanceOf(IllegalStateException.class);
    }

    /** A program for {@link #aLockKeepsAnotherProcessOut}: prints whether it got the lock. */
    static final class LockingProgram {
        private LockingProgram() {}

        public static void main(String[] args) {
            try (HostFile file = HostFile.open(Path.of(args[0]), true)) {
                System.out.print(file.tryLock(HostFile.Lock.EXCLUSIVE));
            }
        }
    }

    private static String lockElsewhere(Path path) throws Exception {
        Process program =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-XX:TieredStopAtLevel=1",
                                "--enable-native-access=ALL-UNNAMED",
                                "-cp",
                                System.getProperty("java.class.path"),
                                LockingProgram.class.getName(),
                                path.toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        String output = new String(program.getInputStream().readAllBytes(), UTF_8);
        assertThat(program.waitFor()).isZero();
        return output;
    }

    private static long allocatedBytes(Path path) throws IOException, InterruptedException {
        Process stat = new ProcessBuilder("stat", "-c", "%b", path.toString()).start();
        String blocks = new String(stat.getInputStream().readAllBytes(), UTF_8).strip();
        assertThat(stat.waitFor()).isZero();
        return Long.parseLong(blocks) * 512;
    }

    private static Optional<Path> readableBlockDevice() throws IOException {
        Path block = Path.of("/sys/class/block");
        if (!Files.isDirectory(block)) {
            return Optional.empty();
        }
        try (Stream<Path> devices = Files.list(block)) {
            List<Path> names =
                    devices.map(path -> Path.of("/dev").resolve(path.getFileName())).toList();
            for (Path device : names) {
                if (!Files.isReadable(device)) {
                    continue;
                }
                try (HostFile file = HostFile.open(device, false)) {
                    if (file.blockDeviceSize() > 0) {
                        return Optional.of(device);
                    }
                } catch (HostException absent) {
                    // A drive without a medium, for example: the next one may do.
                }
            }
        }
        return Optional.empty();
    }
}
