// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.block;

import org.jspecify.annotations.Nullable;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;

/**
 * The open images of this process, each with one channel and one lock. A lock belongs to a process,
 * and on POSIX closing any descriptor of the file drops it: so a second opening in this process
 * must not open the file again. Readers share the channel, a writer is alone.
 */
final class SharedChannel {
    private static final Map<Object, SharedChannel> OPEN = new HashMap<>();

    private final Object key;
    private final FileChannel channel;
    private final boolean writable;
    private int users = 1;

    private SharedChannel(Object key, FileChannel channel, boolean writable) {
        this.key = key;
        this.channel = channel;
        this.writable = writable;
    }

    /** Opens and locks {@code file}, or joins those who read it already. */
    static SharedChannel open(Path file, boolean writable) throws IOException {
        // Links and other names of the same file lead to the same key.
        @Nullable Object fileKey = Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        Object key = fileKey == null ? file.toRealPath() : fileKey;
        synchronized (OPEN) {
            SharedChannel open = OPEN.get(key);
            if (open != null) {
                if (writable || open.writable) {
                    throw new ImageException(
                            "disk image "
                                    + file
                                    + ": another disk of this process uses it; an image that is"
                                    + " written can be used once, one that is only read as often as"
                                    + " wanted");
                }
                open.users++;
                return open;
            }
            FileChannel channel =
                    writable
                            ? FileChannel.open(
                                    file, StandardOpenOption.READ, StandardOpenOption.WRITE)
                            : FileChannel.open(file, StandardOpenOption.READ);
            try {
                lock(file, channel, writable);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
            SharedChannel opened = new SharedChannel(key, channel, writable);
            OPEN.put(key, opened);
            return opened;
        }
    }

    private static void lock(Path file, FileChannel channel, boolean writable) throws IOException {
        @Nullable FileLock lock;
        try {
            lock = channel.tryLock(0, Long.MAX_VALUE, !writable);
        } catch (OverlappingFileLockException e) {
            throw new ImageException(
                    "disk image " + file + ": another part of this process has locked it", e);
        } catch (IOException e) {
            throw new ImageException(
                    "disk image " + file + ": its file system cannot lock it: " + e.getMessage(),
                    e);
        }
        if (lock == null) {
            throw new ImageException(
                    "disk image "
                            + file
                            + (writable
                                    ? ": another process uses it"
                                    : ": another process writes it; it can be read once that has"
                                            + " ended"));
        }
    }

    FileChannel channel() {
        return channel;
    }

    /** Lets go; the last user's call closes the channel, which gives up the lock. */
    void release() throws IOException {
        synchronized (OPEN) {
            if (--users == 0) {
                OPEN.remove(key);
                channel.close();
            }
        }
    }
}
