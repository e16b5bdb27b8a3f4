// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The host's apt: finds packages, downloads them into a directory and unpacks them there. Nothing
 * is installed and nothing of the system is changed, so that no root is needed; package lists that
 * the system lacks are fetched into a directory of our own.
 */
final class Apt {
    /** The guest's architecture, whatever the host's is. */
    private static final String ARCHITECTURE = "amd64";

    /** A package that apt-get -s would install, with its version. */
    private static final Pattern PLANNED =
            Pattern.compile("^Inst ([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)? \\(([^ ]+) ");

    private static final int POLL_MILLIS = 100;
    private static final int MOST_OUTPUT = 1 << 22;

    private final Path aptGet;
    private final Path aptCache;
    private final Path dpkgDeb;
    private final Path work;
    private boolean ownLists;

    private Apt(Path aptGet, Path aptCache, Path dpkgDeb, Path work) {
        this.aptGet = aptGet;
        this.aptCache = aptCache;
        this.dpkgDeb = dpkgDeb;
        this.work = work;
    }

    /**
     * The apt of this host; empty if it has none.
     *
     * @param path directories separated as in the variable PATH
     * @param work an existing empty directory for everything that this object writes
     */
    static Optional<Apt> find(String path, Path work) {
        Optional<Path> aptGet = program(path, "apt-get");
        Optional<Path> aptCache = program(path, "apt-cache");
        Optional<Path> dpkgDeb = program(path, "dpkg-deb");
        return aptGet.isPresent() && aptCache.isPresent() && dpkgDeb.isPresent()
                ? Optional.of(new Apt(aptGet.get(), aptCache.get(), dpkgDeb.get(), work))
                : Optional.empty();
    }

    /** The apt of this host, which the guest {@code name} is made with. */
    static Apt need(String path, Path work, String name) throws GuestException {
        return find(path, work)
                .orElseThrow(() ->
                        new GuestException(
                                name
                                        + " is made of Debian packages, but this system has"
                                        + " no apt-get and dpkg-deb; run a kernel of your"
                                        + " own with 'frond run --kernel FILE --initrd"
                                        + " FILE'"));
    }

    /** That {@code packages} are offered nowhere. */
    static GuestException nowhere(String packages) {
        return new GuestException(
                "no package source of this system offers "
                        + packages
                        + " for amd64 (see /etc/apt/sources.list)");
    }

    private static Optional<Path> program(String path, String name) {
        for (String directory : path.split(File.pathSeparator, -1)) {
            Path candidate = Path.of(directory.isEmpty() ? "." : directory).resolve(name);
            if (Files.isRegularFile(candidate) && Files.isExecutable(candidate)) {
                return Optional.of(candidate.toAbsolutePath());
            }
        }
        return Optional.empty();
    }

    /** The package that apt would install now, by the lists that there are. */
    Optional<AptPackage> candidate(String name) throws GuestException {
        Result result = run("apt-cache", List.of("show", "--no-all-versions", name), aptCache);
        return result.status == 0 ? AptPackage.parse(result.output) : Optional.empty();
    }

    /**
     * These packages and all that they depend on, recommendations left out, as apt would install
     * them on a system that has none; empty if the lists lack one of them.
     */
    Optional<List<AptPackage>> closure(List<String> names) throws GuestException {
        Path status = work.resolve("no-packages");
        try {
            Files.write(status, new byte[0]);
        } catch (IOException e) {
            throw GuestException.of("cannot ask apt-get", e);
        }
        List<String> install = new ArrayList<>();
        option(install, "Dir::State::status=" + status);
        option(install, "Dir::State::extended_states=" + work.resolve("no-states"));
        option(install, "APT::Architecture=" + ARCHITECTURE);
        option(install, "APT::Architectures=" + ARCHITECTURE);
        option(install, "APT::Install-Recommends=false");
        option(install, "Debug::NoLocking=true");
        install.addAll(List.of("-q", "-s", "-y", "install"));
        install.addAll(names);
        Result result = run("apt-get", install, aptGet);
        if (result.status != 0) {
            return Optional.empty();
        }
        List<String> pinned = new ArrayList<>(List.of("show"));
        Set<String> chosen = new LinkedHashSet<>();
        for (String line : result.output.lines().toList()) {
            Matcher planned = PLANNED.matcher(line);
            if (planned.find() && chosen.add(planned.group(1))) {
                pinned.add(planned.group(1) + "=" + planned.group(2));
            }
        }
        Map<String, AptPackage> records = new HashMap<>();
        for (AptPackage each : AptPackage.parseAll(run("apt-cache", pinned, aptCache).output)) {
            records.putIfAbsent(each.name(), each);
        }
        return records.keySet().containsAll(chosen)
                ? Optional.of(chosen.stream().map(records::get).toList())
                : Optional.empty();
    }

    /** Whether a download failed because these lists name files that the source no longer has. */
    boolean isOutOfDate(GuestException failure) {
        return !ownLists && String.valueOf(failure.getMessage()).contains("404");
    }

    /** Fetches newer lists, and says why. */
    void renew(GuestProgress progress) throws GuestException {
        progress.step("The system's package lists are out of date");
        update(progress);
    }

    /** Whether {@link #update} has been called. */
    boolean isUpdated() {
        return ownLists;
    }

    /**
     * Fetches the package lists of the system's sources for ourselves; from now on these are asked.
     * That some sources fail is no error as long as one answers.
     */
    void update(GuestProgress progress) throws GuestException {
        progress.step("Fetching package lists");
        try {
            Files.createDirectories(work.resolve("lists/partial"));
            Files.createDirectories(work.resolve("archives/partial"));
        } catch (IOException e) {
            throw GuestException.of("cannot store package lists", e);
        }
        ownLists = true;
        Result result = run("apt-get", List.of("-q", "update"), aptGet);
        if (!hasLists()) {
            throw new GuestException("cannot fetch package lists: " + result.reasonOrStatus());
        }
    }

    private boolean hasLists() {
        try (Stream<Path> lists = Files.list(work.resolve("lists"))) {
            return lists.anyMatch(file -> file.toString().contains("_Packages"));
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Downloads these packages and checks them against apt's metadata.
     *
     * @return the files, in the same order
     */
    List<Path> download(List<AptPackage> packages, GuestProgress progress) throws GuestException {
        Path directory = work.resolve("download");
        long total = packages.stream().mapToLong(AptPackage::size).sum();
        List<String> arguments = new ArrayList<>(List.of("-q", "download"));
        packages.forEach(each -> arguments.add(each.pinned()));
        String what =
                packages.size() == 1 ? packages.getFirst().name() : packages.size() + " packages";
        Result result;
        try {
            delete(directory);
            Files.createDirectories(directory);
            Path output = Files.createTempFile(work, "apt", ".log");
            progress.transferred(what, 0, total);
            Process process = start("apt-get", arguments, aptGet, directory, output);
            try (Child child = new Child(process)) {
                while (!child.process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                    progress.transferred(
                            what, Math.min(sizeOf(directory), Math.max(0, total - 1)), total);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new GuestException("interrupted while downloading " + what);
            }
            result = new Result(process.exitValue(), text(output));
        } catch (IOException e) {
            throw GuestException.of("cannot download " + what, e);
        }
        if (result.status != 0) {
            throw new GuestException("cannot download " + what + ": " + result.reasonOrStatus());
        }
        List<Path> files = new ArrayList<>();
        for (AptPackage each : packages) {
            files.add(check(each, directory));
        }
        progress.transferred(what, total, total);
        return files;
    }

    private static Path check(AptPackage expected, Path directory) throws GuestException {
        try {
            // apt writes the colon of an epoch as %3a; the name up to the first underscore is the
            // package's.
            Path file;
            try (Stream<Path> files = Files.list(directory)) {
                file =
                        files.filter(each ->
                                        each.getFileName()
                                                .toString()
                                                .startsWith(expected.name() + "_"))
                                .filter(each -> each.toString().endsWith(".deb"))
                                .findFirst()
                                .orElseThrow(() ->
                                        new GuestException(
                                                "apt-get downloaded no file for "
                                                        + expected.name()));
            }
            long size = Files.size(file);
            if (size != expected.size()) {
                throw new GuestException(
                        "%s has %d bytes where apt's metadata says %d; nothing was kept"
                                .formatted(file.getFileName(), size, expected.size()));
            }
            String digest = Digests.sha256(file);
            if (!digest.equals(expected.sha256())) {
                throw new GuestException(
                        "%s has the SHA-256 digest %s where apt's metadata says %s; nothing was kept"
                                .formatted(file.getFileName(), digest, expected.sha256()));
            }
            return file;
        } catch (IOException e) {
            throw GuestException.of("cannot read the package " + expected.name(), e);
        }
    }

    /** Unpacks the files of a package below {@code directory}. */
    void unpack(Path packageFile, Path directory) throws GuestException {
        Result result =
                run(
                        "dpkg-deb",
                        List.of("-x", packageFile.toString(), directory.toString()),
                        dpkgDeb);
        if (result.status != 0) {
            throw new GuestException(
                    "cannot unpack " + packageFile.getFileName() + ": " + result.reasonOrStatus());
        }
    }

    /** Writes the files of a package to {@code target} as an uncompressed tar archive. */
    void tar(Path packageFile, Path target) throws GuestException {
        List<String> arguments = List.of("--fsys-tarfile", packageFile.toString());
        try {
            Path errors = Files.createTempFile(work, "dpkg-deb", ".log");
            Process process =
                    builder("dpkg-deb", arguments, dpkgDeb, work)
                            .redirectError(errors.toFile())
                            .redirectOutput(target.toFile())
                            .start();
            try (Child child = new Child(process)) {
                Result result = new Result(child.process.waitFor(), text(errors));
                if (result.status != 0) {
                    throw new GuestException(
                            "cannot unpack "
                                    + packageFile.getFileName()
                                    + ": "
                                    + result.reasonOrStatus());
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new GuestException("interrupted while dpkg-deb ran");
            }
        } catch (IOException e) {
            throw GuestException.of("cannot unpack " + packageFile.getFileName(), e);
        }
    }

    private Result run(String name, List<String> arguments, Path program) throws GuestException {
        try {
            Path output = Files.createTempFile(work, name, ".log");
            Process process = start(name, arguments, program, work, output);
            try (Child child = new Child(process)) {
                int status = child.process.waitFor();
                return new Result(status, text(output));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new GuestException("interrupted while " + name + " ran");
            }
        } catch (IOException e) {
            throw GuestException.of("cannot run " + name, e);
        }
    }

    private Process start(
            String name, List<String> arguments, Path program, Path directory, Path output)
            throws IOException {
        return builder(name, arguments, program, directory)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
    }

    private ProcessBuilder builder(
            String name, List<String> arguments, Path program, Path directory) {
        List<String> command = new ArrayList<>();
        command.add(program.toString());
        if (name.startsWith("apt")) {
            // Root's apt would hand the download to the user _apt, who cannot write here.
            option(command, "APT::Sandbox::User=root");
            if (ownLists) {
                option(command, "Dir::Cache=" + work);
                option(command, "Dir::Cache::Archives=" + work.resolve("archives"));
                option(command, "Dir::State::Lists=" + work.resolve("lists"));
                option(command, "APT::Architecture=" + ARCHITECTURE);
                option(command, "APT::Architectures=" + ARCHITECTURE);
                option(command, "Acquire::Languages=none");
            }
        }
        command.addAll(arguments);
        ProcessBuilder builder =
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectInput(new File("/dev/null"));
        builder.environment().put("LC_ALL", "C");
        builder.environment().put("DEBIAN_FRONTEND", "noninteractive");
        return builder;
    }

    private static void option(List<String> command, String option) {
        command.add("-o");
        command.add(option);
    }

    private static String text(Path file) throws IOException {
        try (var in = Files.newInputStream(file)) {
            return new String(in.readNBytes(MOST_OUTPUT), StandardCharsets.UTF_8);
        } finally {
            Files.delete(file);
        }
    }

    private static long sizeOf(Path directory) throws IOException {
        long size = 0;
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                // apt renames what it has finished.
                File each = file.toFile();
                size += each.isFile() ? each.length() : 0;
            }
        } catch (UncheckedIOException renamed) {
            return size;
        }
        return size;
    }

    /** Deletes a file or a directory with everything in it, if it is there. */
    static void delete(Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            List<Path> children;
            try (Stream<Path> list = Files.list(path)) {
                children = list.toList();
            }
            for (Path child : children) {
                delete(child);
            }
        }
        Files.deleteIfExists(path);
    }

    /** A running program that does not outlive what it was started for, nor this process. */
    private static final class Child implements AutoCloseable {
        private final Process process;
        private final Thread hook;

        Child(Process process) {
            this.process = process;
            this.hook = Thread.ofPlatform().unstarted(process::destroy);
            Runtime.getRuntime().addShutdownHook(hook);
        }

        @Override
        public void close() {
            process.destroyForcibly();
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException shuttingDown) {
                // Then the hook does it.
            }
        }
    }

    /** How a program ended, and everything that it said. */
    private record Result(int status, String output) {
        /**
         * The first error that apt or dpkg reports, or else the first warning, without its
         * decoration.
         */
        Optional<String> reason() {
            return Stream.of("E: ", "tar: ", "dpkg-deb: error: ", "W: ")
                    .flatMap(mark ->
                            output.lines()
                                    .filter(line -> line.startsWith(mark))
                                    .map(line -> line.substring(mark.length())))
                    .map(line -> line.replaceAll("\\s+", " ").strip())
                    .findFirst();
        }

        String reasonOrStatus() {
            return reason().orElse("status " + status);
        }
    }
}
