// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * The guests on disk: {@code NAME/VERSION/} holds {@code vmlinuz}, {@code initrd.cpio}, mostly
 * {@code vmlinux}, sometimes {@code root.img}, and {@code manifest.properties} with their sizes,
 * CRC-32C and SHA-256 digests. A version appears by one rename of a finished directory; whatever is
 * unfinished has a name that begins with a dot.
 */
final class GuestCache {
    static final String KERNEL = "vmlinuz";
    static final String INITRD = "initrd.cpio";
    static final String VMLINUX = "vmlinux";
    static final String DISK = "root.img";
    static final String MANIFEST = "manifest.properties";
    private static final String WORK = ".work-";
    private static final List<String> FILES = List.of(KERNEL, INITRD, VMLINUX, DISK);

    /** File locks are held by the whole process; these order its threads. */
    private static final Map<Path, ReentrantLock> THREADS = new ConcurrentHashMap<>();

    private final Path root;

    GuestCache(Path root) {
        this.root = root.toAbsolutePath();
    }

    /** A version in the cache. */
    record Entry(
            String name,
            String version,
            String recipe,
            Path directory,
            Map<String, String> sha256,
            Map<String, String> crc32c,
            long size) {
        Path kernel() {
            return directory.resolve(KERNEL);
        }

        Path initrd() {
            return directory.resolve(INITRD);
        }

        Optional<Path> vmlinux() {
            return sha256.containsKey(VMLINUX)
                    ? Optional.of(directory.resolve(VMLINUX))
                    : Optional.empty();
        }

        Optional<Path> disk() {
            return sha256.containsKey(DISK)
                    ? Optional.of(directory.resolve(DISK))
                    : Optional.empty();
        }

        /** Whether all files are still what was put here. */
        boolean isIntact() throws IOException {
            for (Map.Entry<String, String> file : sha256.entrySet()) {
                Path path = directory.resolve(file.getKey());
                String now =
                        file.getKey().equals(DISK)
                                ? SparseFile.contents(path).sha256()
                                : Digests.sha256(path);
                if (!now.equals(file.getValue())) {
                    return false;
                }
            }
            return true;
        }

        /** The same against accidents only, in a few milliseconds: for each run. */
        boolean looksIntact() throws IOException {
            for (Map.Entry<String, String> file : crc32c.entrySet()) {
                if (!Digests.crc32c(directory.resolve(file.getKey())).equals(file.getValue())) {
                    return false;
                }
            }
            return true;
        }
    }

    /** Held while a guest is made or removed; other processes wait. */
    final class Lock implements AutoCloseable {
        private final String name;
        private final ReentrantLock threads;
        private final FileChannel channel;
        private final FileLock lock;

        private Lock(String name, GuestProgress progress) throws IOException {
            this.name = name;
            Files.createDirectories(root.resolve(name));
            Path file = root.resolve(name).resolve(".lock");
            threads = THREADS.computeIfAbsent(file, _ -> new ReentrantLock());
            threads.lock();
            boolean held = false;
            try {
                channel =
                        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                try {
                    FileLock free = channel.tryLock();
                    if (free == null) {
                        progress.step("Waiting for another frond that is at work on " + name);
                        free = channel.lock();
                    }
                    lock = free;
                    held = true;
                } finally {
                    if (!held) {
                        channel.close();
                    }
                }
            } finally {
                if (!held) {
                    threads.unlock();
                }
            }
        }

        /** Deletes what processes that were killed have left. */
        void sweep() throws IOException {
            List<Path> leftovers;
            try (Stream<Path> list = Files.list(root.resolve(name))) {
                leftovers =
                        list.filter(each -> each.getFileName().toString().startsWith(WORK))
                                .toList();
            }
            for (Path leftover : leftovers) {
                Apt.delete(leftover);
            }
        }

        /** A new empty directory beside the versions. */
        Path work() throws IOException {
            return Files.createTempDirectory(root.resolve(name), WORK);
        }

        /**
         * Puts a finished guest in place, instead of every other version.
         *
         * @param made a directory below {@link #work} with the files and nothing else
         */
        Entry put(Path made, String version, String recipe) throws IOException {
            Properties manifest = new Properties();
            manifest.setProperty("name", name);
            manifest.setProperty("version", version);
            manifest.setProperty("recipe", recipe);
            for (String file : FILES) {
                Path path = made.resolve(file);
                if (!Files.exists(path)) {
                    continue;
                }
                manifest.setProperty(file + ".size", Long.toString(Files.size(path)));
                if (file.equals(DISK)) {
                    // Too large to be read for each run; its file system guards itself.
                    SparseFile.Contents contents = SparseFile.contents(path);
                    manifest.setProperty(file + ".used", Long.toString(contents.used()));
                    manifest.setProperty(file + ".sha256", contents.sha256());
                } else {
                    manifest.setProperty(file + ".sha256", Digests.sha256(path));
                    manifest.setProperty(file + ".crc32c", Digests.crc32c(path));
                }
                force(path);
            }
            StringBuilder text = new StringBuilder();
            manifest.stringPropertyNames().stream()
                    .sorted()
                    .forEach(key ->
                            text.append(key)
                                    .append('=')
                                    .append(manifest.getProperty(key))
                                    .append('\n'));
            Files.writeString(made.resolve(MANIFEST), text);
            force(made.resolve(MANIFEST));
            Path target = root.resolve(name).resolve(version);
            Apt.delete(target);
            Files.move(made, target, StandardCopyOption.ATOMIC_MOVE);
            for (Path other : versions()) {
                if (!other.equals(target)) {
                    Apt.delete(other);
                }
            }
            return read(target)
                    .orElseThrow(() ->
                            new IOException(target + " is damaged right after it was written"));
        }

        /** Deletes every version; whether there was one. */
        boolean clear() throws IOException {
            boolean any = false;
            for (Path version : versions()) {
                Apt.delete(version);
                any = true;
            }
            return any;
        }

        private List<Path> versions() throws IOException {
            try (Stream<Path> list = Files.list(root.resolve(name))) {
                return list.filter(each -> !each.getFileName().toString().startsWith(".")).toList();
            }
        }

        private static void force(Path file) throws IOException {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
        }

        @Override
        public void close() throws IOException {
            try (channel) {
                lock.release();
            } finally {
                threads.unlock();
            }
        }
    }

    Lock lock(String name, GuestProgress progress) throws IOException {
        return new Lock(name, progress);
    }

    /**
     * The complete versions of that guest, the newest first. Files whose sizes are wrong are as
     * good as missing.
     */
    List<Entry> find(String name) throws IOException {
        List<Path> directories;
        try (Stream<Path> list = Files.list(root.resolve(name))) {
            directories =
                    list.filter(each -> !each.getFileName().toString().startsWith(".")).toList();
        } catch (NoSuchFileException | NotDirectoryException none) {
            return List.of();
        }
        Map<Entry, FileTime> entries = new HashMap<>();
        for (Path directory : directories) {
            Optional<Entry> entry = read(directory);
            if (entry.isPresent()) {
                entries.put(entry.get(), Files.getLastModifiedTime(directory.resolve(MANIFEST)));
            }
        }
        List<Entry> sorted = new ArrayList<>(entries.keySet());
        sorted.sort(Comparator.comparing((Entry entry) -> entries.get(entry)).reversed());
        return sorted;
    }

    private static Optional<Entry> read(Path directory) {
        Properties manifest = new Properties();
        try (var reader = Files.newBufferedReader(directory.resolve(MANIFEST))) {
            manifest.load(reader);
            Map<String, String> sha256 = new HashMap<>();
            Map<String, String> crc32c = new HashMap<>();
            long total = Files.size(directory.resolve(MANIFEST));
            for (String file : FILES) {
                if ((file.equals(VMLINUX) || file.equals(DISK))
                        && manifest.getProperty(file + ".size") == null) {
                    continue;
                }
                long size = Files.size(directory.resolve(file));
                if (!Long.toString(size).equals(manifest.getProperty(file + ".size"))) {
                    return Optional.empty();
                }
                sha256.put(file, manifest.getProperty(file + ".sha256", ""));
                if (file.equals(DISK)) {
                    total += Long.parseLong(manifest.getProperty(file + ".used", ""));
                } else {
                    total += size;
                    crc32c.put(file, manifest.getProperty(file + ".crc32c", ""));
                }
            }
            return Optional.of(
                    new Entry(
                            manifest.getProperty("name", ""),
                            manifest.getProperty("version", ""),
                            manifest.getProperty("recipe", ""),
                            directory,
                            sha256,
                            crc32c,
                            total));
        } catch (IOException | IllegalArgumentException notWhole) {
            return Optional.empty();
        }
    }
}
