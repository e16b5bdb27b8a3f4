// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Checks files that the user names, before anything starts. Each failure names the option and the
 * file.
 */
final class InputFiles {
    private static final int SECTOR = 512;

    /** The Linux/x86 boot protocol, section "The real-mode kernel header": the magic at 0x202. */
    private static final int LINUX_MAGIC_AT = 0x202;

    private static final byte[] LINUX_MAGIC = {'H', 'd', 'r', 'S'};

    private InputFiles() {}

    /** A file with something in it, to be read. */
    static Path readable(String option, String name) throws CliException {
        Path file = path(option, name);
        try {
            // Not Files.exists: that is false, too, in a directory that must not be searched.
            file.getFileSystem().provider().checkAccess(file);
        } catch (NoSuchFileException e) {
            throw bad(option, name, "no such file");
        } catch (IOException e) {
            throw bad(option, name, Failures.reason(e));
        }
        if (Files.isDirectory(file)) {
            throw bad(option, name, "is a directory");
        }
        if (!Files.isReadable(file)) {
            throw bad(option, name, "permission denied");
        }
        try {
            if (Files.isRegularFile(file) && Files.size(file) == 0) {
                throw bad(option, name, "is empty");
            }
        } catch (IOException e) {
            throw bad(option, name, Failures.reason(e));
        }
        return file;
    }

    /** A raw disk image, "FILE" or "FILE,ro". */
    static RunSpec.Disk disk(String option, String value) throws CliException {
        boolean readOnly = value.endsWith(",ro");
        String name = readOnly ? value.substring(0, value.length() - ",ro".length()) : value;
        if (!readOnly && name.contains(",") && !Files.exists(path(option, name))) {
            throw CliException.badValue(option, value, "a file, or a file and ',ro'");
        }
        Path file = readable(option, name);
        if (!readOnly && !Files.isWritable(file)) {
            throw bad(
                    option, name, "not writable; with " + name + ",ro the guest gets it read-only");
        }
        try {
            long size = Files.size(file);
            if (Files.isRegularFile(file) && size % SECTOR != 0) {
                throw bad(
                        option,
                        name,
                        "is no raw disk image: its size of %d bytes is not a multiple of %d"
                                .formatted(size, SECTOR));
            }
        } catch (IOException e) {
            throw bad(option, name, Failures.reason(e));
        }
        return new RunSpec.Disk(file, readOnly);
    }

    /** Refuses one file as two disks of which one is written. */
    static void distinct(String option, RunSpec.Disk disk, RunSpec.Disk other) throws CliException {
        try {
            if (!(disk.readOnly() && other.readOnly())
                    && Files.isSameFile(disk.file(), other.file())) {
                throw bad(
                        option,
                        disk.file().toString(),
                        "given twice; accepted: once, or each time with ,ro");
            }
        } catch (IOException e) {
            throw bad(option, disk.file().toString(), Failures.reason(e));
        }
    }

    /** A file that is or can be created in a directory that is there. */
    static Path writable(String option, String name) throws CliException {
        Path file = path(option, name);
        if (Files.isDirectory(file)) {
            throw bad(option, name, "is a directory");
        }
        Path directory = file.toAbsolutePath().getParent();
        if (directory == null || !Files.isDirectory(directory)) {
            throw bad(option, name, "no such directory");
        }
        if (Files.exists(file) ? !Files.isWritable(file) : !Files.isWritable(directory)) {
            throw bad(option, name, "permission denied");
        }
        return file;
    }

    /** Whether this is a Linux bzImage. */
    static boolean isLinux(Path file) throws CliException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(LINUX_MAGIC_AT + LINUX_MAGIC.length);
            return start.length == LINUX_MAGIC_AT + LINUX_MAGIC.length
                    && Arrays.equals(
                            start,
                            LINUX_MAGIC_AT,
                            start.length,
                            LINUX_MAGIC,
                            0,
                            LINUX_MAGIC.length);
        } catch (IOException e) {
            throw bad("--kernel", file.toString(), Failures.reason(e));
        }
    }

    private static Path path(String option, String name) throws CliException {
        if (name.isEmpty()) {
            throw CliException.badValue(option, name, "the name of a file");
        }
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw CliException.badValue(option, name, "the name of a file");
        }
    }

    private static CliException bad(String option, String name, String reason) {
        return new CliException(ExitStatus.NO_INPUT, option + ": " + name + ": " + reason);
    }
}
