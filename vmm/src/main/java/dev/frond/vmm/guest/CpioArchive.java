// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * Writes a cpio archive in the "newc" format (magic 070701), the one that Linux unpacks as its
 * initramfs (Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to
 * root and carries the time 0, so that equal contents give equal bytes.
 *
 * <p>Paths are relative, separated by slashes. A directory goes in before what it holds: the kernel
 * creates nothing on its own. Breaking these rules throws {@link IllegalArgumentException}.
 */
public final class CpioArchive implements AutoCloseable {
    private static final int S_IFCHR = 0020000;
    private static final int S_IFDIR = 0040000;
    private static final int S_IFREG = 0100000;
    private static final int S_IFLNK = 0120000;
    private static final int PERMISSIONS = 07777;

    /** c_filesize has eight hexadecimal digits. */
    private static final long MAX_FILE_SIZE = 0xFFFF_FFFFL;

    /** Linux refuses longer names (PATH_MAX, init/initramfs.c). */
    private static final int MAX_NAME_SIZE = 4096;

    /** What block devices like; readers of the archive skip it. */
    private static final int BLOCK_SIZE = 512;

    private static final String TRAILER = "TRAILER!!!";

    private final OutputStream out;
    private final Set<String> directories = new HashSet<>();
    private final Set<String> names = new HashSet<>();
    private long position;
    private int inode;
    private boolean closed;

    /** An archive written to {@code out}, which {@link #close} closes. */
    public CpioArchive(OutputStream out) {
        this.out = out;
    }

    /** Adds a directory. */
    public void directory(String path, int permissions) throws IOException {
        add(path, S_IFDIR | permissions & PERMISSIONS, 2, 0, 0, 0);
        directories.add(path);
    }

    /** Adds a regular file with these contents. */
    public void file(String path, int permissions, byte[] contents) throws IOException {
        add(path, S_IFREG | permissions & PERMISSIONS, 1, contents.length, 0, 0);
        write(contents);
        pad(4);
    }

    /**
     * Adds a regular file with the contents of {@code source}, which may be as large as 4 GiB - 1.
     */
    public void file(String path, int permissions, Path source) throws IOException {
        long size = Files.size(source);
        if (size > MAX_FILE_SIZE) {
            throw new IllegalArgumentException(
                    source
                            + " has "
                            + size
                            + " bytes; a cpio archive holds files up to "
                            + MAX_FILE_SIZE);
        }
        add(path, S_IFREG | permissions & PERMISSIONS, 1, size, 0, 0);
        try (InputStream in = Files.newInputStream(source)) {
            long copied = in.transferTo(out);
            position += copied;
            if (copied != size) {
                throw new IOException(source + " changed while it was read");
            }
        }
        pad(4);
    }

    /** Adds a symbolic link to {@code target}. */
    public void symlink(String path, String target) throws IOException {
        byte[] contents = target.getBytes(StandardCharsets.UTF_8);
        add(path, S_IFLNK | 0777, 1, contents.length, 0, 0);
        write(contents);
        pad(4);
    }

    /** Adds a character device with this number. */
    public void characterDevice(String path, int permissions, int major, int minor)
            throws IOException {
        add(path, S_IFCHR | permissions & PERMISSIONS, 1, 0, major, minor);
    }

    /** Ends the archive and closes the stream. Closing again does nothing. */
    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try (out) {
            header(TRAILER, 0, 0, 1, 0, 0, 0);
            pad(BLOCK_SIZE);
        }
    }

    private void add(String path, int mode, int links, long size, int major, int minor)
            throws IOException {
        if (path.isEmpty() || path.startsWith("/") || path.endsWith("/") || path.indexOf(0) >= 0) {
            throw new IllegalArgumentException("not a relative path: '" + path + "'");
        }
        if (path.equals(TRAILER)) {
            throw new IllegalArgumentException(TRAILER + " marks the end of a cpio archive");
        }
        int slash = path.lastIndexOf('/');
        if (slash >= 0 && !directories.contains(path.substring(0, slash))) {
            throw new IllegalArgumentException(
                    "the directory of " + path + " is not in the archive yet");
        }
        if (!names.add(path)) {
            throw new IllegalArgumentException(path + " is in the archive already");
        }
        header(path, ++inode, mode, links, size, major, minor);
    }

    private void header(String path, int ino, int mode, int links, long size, int major, int minor)
            throws IOException {
        byte[] name = path.getBytes(StandardCharsets.UTF_8);
        if (name.length >= MAX_NAME_SIZE) {
            throw new IllegalArgumentException(
                    "a name of "
                            + name.length
                            + " bytes; up to "
                            + (MAX_NAME_SIZE - 1)
                            + " are accepted");
        }
        // c_ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize
        // check
        long[] fields = {ino, mode, 0, 0, links, 0, size, 0, 0, major, minor, name.length + 1, 0};
        StringBuilder header = new StringBuilder(110).append("070701");
        for (long field : fields) {
            header.append("%08x".formatted(field));
        }
        write(header.toString().getBytes(StandardCharsets.US_ASCII));
        write(name);
        write(new byte[1]);
        pad(4);
    }

    private void write(byte[] bytes) throws IOException {
        out.write(bytes);
        position += bytes.length;
    }

    private void pad(int alignment) throws IOException {
        write(new byte[(int) (-position & (alignment - 1))]);
    }
}
