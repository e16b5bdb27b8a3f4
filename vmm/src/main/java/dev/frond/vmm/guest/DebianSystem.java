// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.BufferedOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A whole Debian on a root disk, of the packages that the host's apt offers. The packages are
 * unpacked and set up by a machine of Frond's own, so that their scripts run as root of that
 * machine and nobody on the host: see {@link Installer}.
 */
final class DebianSystem implements GuestSource {
    /**
     * What dpkg itself and the scripts of packages rely on: Debian's essential packages (Debian
     * Policy, 3.8) and what makes the file system.
     */
    private static final List<String> FIRST =
            List.of(
                    "base-files",
                    "base-passwd",
                    "bash",
                    "bsdutils",
                    "coreutils",
                    "dash",
                    "debconf",
                    "debianutils",
                    "diffutils",
                    "dpkg",
                    "e2fsprogs",
                    "findutils",
                    "grep",
                    "gzip",
                    "hostname",
                    "init-system-helpers",
                    "libc-bin",
                    "login",
                    "mawk",
                    "mount",
                    "ncurses-base",
                    "ncurses-bin",
                    "passwd",
                    "perl-base",
                    "sed",
                    "sysvinit-utils",
                    "tar",
                    "usr-is-merged",
                    "util-linux");

    /** What makes it a system that one works on. */
    private static final List<String> BASE =
            List.of(
                    "apt",
                    "dbus",
                    "iproute2",
                    "kmod",
                    "less",
                    "libpam-systemd",
                    "nano",
                    "procps",
                    "systemd-sysv",
                    "tzdata",
                    "udev");

    /** Compilers, languages and programs that test a processor. */
    private static final List<String> PROGRAMS =
            List.of(
                    "busybox-static",
                    "gcc",
                    "libc6-dev",
                    "libpython3.11-testsuite",
                    "openjdk-17-jre-headless",
                    "openssl",
                    "python3",
                    "stress-ng");

    private static final String MKFS = "e2fsprogs";

    /**
     * The scripts of the directory {@code debian} beside this class, and their names in archives.
     */
    private static final String INIT = "boot-disk";

    private static final String INSTALL = "install-disk";

    private static final List<String> CONFIGURATION =
            List.of(
                    "etc/fstab",
                    "etc/hosts",
                    "etc/profile.d/frond.sh",
                    "etc/systemd/system/serial-getty@ttyS0.service.d/frond.conf");

    /** Sparse: it takes what is on it. */
    private static final long DISK = 4L << 30;

    /** To be changed with what this class makes of the same parts. */
    private static final byte FORMAT = 1;

    private final String name;
    private final String description;
    private final List<String> packages;
    private final String path;
    private final Installer installer;
    private final long diskSize;

    private DebianSystem(
            String name,
            String description,
            List<String> packages,
            String path,
            Installer installer,
            long diskSize) {
        this.name = name;
        this.description = description;
        this.packages = packages;
        this.path = path;
        this.installer = installer;
        this.diskSize = diskSize;
    }

    /** A small Debian with systemd, by the apt that is found in {@code path}. */
    static DebianSystem base(String path, Installer installer) {
        return base(path, installer, DISK);
    }

    /** The same on a disk of {@code diskSize} bytes. */
    static DebianSystem base(String path, Installer installer, long diskSize) {
        return new DebianSystem(
                "debian", "Debian with systemd on a root disk", BASE, path, installer, diskSize);
    }

    /** The same with compilers, languages and programs that test a processor. */
    static DebianSystem programs(String path, Installer installer) {
        return new DebianSystem(
                "debian-programs",
                "the same with gcc, Python, Java, OpenSSL and stress-ng",
                Stream.concat(BASE.stream(), PROGRAMS.stream()).toList(),
                path,
                installer,
                DISK);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public String commandLine() {
        return TinyInitramfs.COMMAND_LINE
                + " rdinit=/"
                + INIT
                + " root=/dev/vda overlayroot=tmpfs"
                // The last is what init opens, and flushes: the serial line is left to the shell.
                + " console=tty0"
                // systemd gives devices 90 s, which an interpreter on a busy host may well take.
                + " systemd.default_timeout_start_sec=900";
    }

    @Override
    public boolean isAtHand() {
        return false;
    }

    @Override
    public boolean hasDisk() {
        return true;
    }

    @Override
    public String recipe() throws IOException {
        MessageDigest digest = Digests.sha256();
        digest.update(FORMAT);
        digest.update(TinyInitramfs.recipe().getBytes(StandardCharsets.UTF_8));
        digest.update(String.join("\n", wanted()).getBytes(StandardCharsets.UTF_8));
        List<String> resources = new ArrayList<>(List.of(INIT, INSTALL));
        CONFIGURATION.forEach(each -> resources.add("root/" + each));
        for (String each : resources) {
            digest.update(each.getBytes(StandardCharsets.UTF_8));
            digest.update(resource(each));
        }
        return Digests.hex(digest).substring(0, 8);
    }

    /** The packages that the system is made of, beside those that they depend on. */
    List<String> wanted() {
        return Stream.concat(FIRST.stream(), packages.stream()).toList();
    }

    @Override
    public Plan plan(Path work, GuestProgress progress) throws GuestException {
        return plan(Apt.need(path, work, name), work, progress);
    }

    private Plan plan(Apt apt, Path work, GuestProgress progress) throws GuestException {
        progress.step("Looking up packages");
        Optional<Parts> parts = parts(apt);
        if (parts.isEmpty()) {
            apt.update(progress);
            parts = parts(apt);
        }
        return new SystemPlan(
                apt,
                work,
                parts.orElseThrow(
                        () -> Apt.nowhere(KernelParts.WANTED + ", or all of " + wanted())));
    }

    private Optional<Parts> parts(Apt apt) throws GuestException {
        Optional<KernelParts> kernel = KernelParts.find(apt);
        Optional<List<AptPackage>> mkfs = apt.closure(List.of(MKFS));
        Optional<List<AptPackage>> first = apt.closure(FIRST);
        Optional<List<AptPackage>> all = apt.closure(wanted());
        if (kernel.isEmpty() || mkfs.isEmpty() || first.isEmpty() || all.isEmpty()) {
            return Optional.empty();
        }
        Set<AptPackage> early = new HashSet<>(first.get());
        List<AptPackage> rest = all.get().stream().filter(each -> !early.contains(each)).toList();
        return Optional.of(new Parts(kernel.get(), mkfs.get(), first.get(), rest));
    }

    /**
     * What the system is made of.
     *
     * @param mkfs those of {@code first} that mke2fs runs from
     * @param first what must be there before dpkg runs
     * @param rest what dpkg installs then
     */
    private record Parts(
            KernelParts kernel,
            List<AptPackage> mkfs,
            List<AptPackage> first,
            List<AptPackage> rest) {
        List<AptPackage> system() {
            return Stream.concat(first.stream(), rest.stream()).toList();
        }

        /** Kernel and busybox first; busybox may be one of the system's, too. */
        List<AptPackage> all() {
            return Stream.concat(kernel.all().stream(), system().stream()).distinct().toList();
        }
    }

    private final class SystemPlan implements Plan {
        private final Apt apt;
        private final Path work;
        private final Parts parts;

        SystemPlan(Apt apt, Path work, Parts parts) {
            this.apt = apt;
            this.work = work;
            this.parts = parts;
        }

        @Override
        public String version() {
            MessageDigest digest = Digests.sha256();
            parts.all().stream()
                    .map(AptPackage::pinned)
                    .sorted()
                    .forEach(each -> digest.update(each.getBytes(StandardCharsets.UTF_8)));
            return parts.kernel.image().plainVersion()
                    + "_"
                    + parts.system().size()
                    + "-packages-"
                    + Digests.hex(digest).substring(0, 8);
        }

        @Override
        public void make(Made made, GuestProgress progress) throws GuestException, IOException {
            List<AptPackage> all = parts.all();
            List<Path> files;
            try {
                files = apt.download(all, progress);
            } catch (GuestException e) {
                if (!apt.isOutOfDate(e)) {
                    throw e;
                }
                apt.renew(progress);
                plan(apt, work, progress).make(made, progress);
                return;
            }
            progress.step("Building the guest's initramfs");
            int kernelFiles = parts.kernel.all().size();
            KernelParts.Unpacked kernel =
                    KernelParts.unpack(apt, files.subList(0, kernelFiles), work.resolve("root"));
            Files.move(kernel.kernel(), made.kernel());
            TinyInitramfs.write(
                    made.initrd(),
                    "debian",
                    kernel.release(),
                    KernelModules.in(kernel.modules()),
                    Files.readAllBytes(kernel.busybox()));
            // Linux takes several archives one after the other.
            Path installation = work.resolve("installation.cpio");
            Files.copy(made.initrd(), installation);
            try (CpioArchive archive = append(made.initrd())) {
                archive.file(INIT, 0755, resource(INIT));
            }
            try (CpioArchive archive = append(installation)) {
                archive.file(INSTALL, 0755, resource(INSTALL));
                parts(archive, all, files, kernel);
            }
            SparseFile.create(made.disk(), diskSize);
            installer.install(
                    made.kernel(),
                    installation,
                    TinyInitramfs.COMMAND_LINE + " rdinit=/" + INSTALL,
                    made.disk(),
                    parts.system(),
                    progress);
        }

        private void parts(
                CpioArchive archive,
                List<AptPackage> all,
                List<Path> files,
                KernelParts.Unpacked kernel)
                throws GuestException, IOException {
            for (String each : List.of("parts", "parts/first", "parts/rest", "parts/root")) {
                archive.directory(each, 0755);
            }
            archive.file(
                    "parts/mkfs",
                    0644,
                    String.join("\n", parts.mkfs.stream().map(AptPackage::name).toList())
                            .getBytes(StandardCharsets.UTF_8));
            for (AptPackage each : parts.first) {
                Path file = files.get(all.indexOf(each));
                Path tar = work.resolve("files.tar");
                apt.tar(file, tar);
                archive.file("parts/first/" + each.name() + ".tar", 0644, tar);
                archive.file("parts/first/" + each.name() + ".deb", 0644, file);
            }
            for (AptPackage each : parts.rest) {
                archive.file(
                        "parts/rest/" + each.name() + ".deb", 0644, files.get(all.indexOf(each)));
            }
            configuration(archive);
            archive.directory("parts/modules", 0755);
            tree(archive, "parts/modules/" + kernel.release(), kernel.modules());
        }
    }

    private static CpioArchive append(Path archive) throws IOException {
        return new CpioArchive(
                new BufferedOutputStream(
                        Files.newOutputStream(archive, StandardOpenOption.APPEND), 1 << 16));
    }

    private static void configuration(CpioArchive archive) throws IOException {
        Set<String> made = new HashSet<>();
        for (String path : CONFIGURATION) {
            String full = "parts/root/" + path;
            for (int slash = full.indexOf('/', "parts/root/".length());
                    slash >= 0;
                    slash = full.indexOf('/', slash + 1)) {
                if (made.add(full.substring(0, slash))) {
                    archive.directory(full.substring(0, slash), 0755);
                }
            }
            archive.file(full, 0644, resource("root/" + path));
        }
        archive.file("parts/root/etc/hostname", 0644, "debian\n".getBytes(StandardCharsets.UTF_8));
    }

    /** A directory with its files and directories; links of the kernel's package lead nowhere. */
    private static void tree(CpioArchive archive, String name, Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(directory)) {
            paths = walk.sorted().toList();
        }
        for (Path path : paths) {
            String relative = directory.relativize(path).toString();
            String target = relative.isEmpty() ? name : name + "/" + relative;
            if (Files.isSymbolicLink(path)) {
                continue;
            }
            if (Files.isDirectory(path)) {
                archive.directory(target, 0755);
            } else {
                archive.file(target, 0644, path);
            }
        }
    }

    private static byte[] resource(String path) throws IOException {
        try (InputStream in = DebianSystem.class.getResourceAsStream("debian/" + path)) {
            if (in == null) {
                throw new FileNotFoundException("the build lacks the resource debian/" + path);
            }
            return in.readAllBytes();
        }
    }
}
