// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.vmm.guest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Debian's kernel for virtual machines and busybox, both out of the packages that the host's apt
 * offers.
 */
final class DebianTiny implements GuestSource {
    static final String NAME = "debian-tiny";

    /** Meta packages that depend on the newest kernel: Debian's and Ubuntu's. */
    private static final List<String> KERNELS =
            List.of("linux-image-cloud-amd64", "linux-image-virtual");

    private static final String BUSYBOX = "busybox-static";

    private static final Pattern IMAGE = Pattern.compile("linux-image-(unsigned-)?[0-9].*");
    private static final Pattern MODULES = Pattern.compile("linux-modules-[0-9].*");

    private final String path;

    /**
     * With the apt that is found in {@code path}, directories separated as in the variable PATH.
     */
    DebianTiny(String path) {
        this.path = path;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String description() {
        return "Debian's cloud kernel and busybox: a root shell in seconds";
    }

    @Override
    public String commandLine() {
        return TinyInitramfs.COMMAND_LINE;
    }

    @Override
    public boolean isAtHand() {
        return false;
    }

    @Override
    public Plan plan(Path work, GuestProgress progress) throws GuestException {
        Apt apt =
                Apt.find(path, work)
                        .orElseThrow(() ->
                                new GuestException(
                                        NAME
                                                + " is made of Debian packages, but this system has"
                                                + " no apt-get and dpkg-deb; run a kernel of your"
                                                + " own with 'frond run --kernel FILE --initrd"
                                                + " FILE'"));
        return plan(apt, work, progress);
    }

    private static Plan plan(Apt apt, Path work, GuestProgress progress) throws GuestException {
        progress.step("Looking up packages");
        Optional<Parts> parts = Parts.find(apt);
        if (parts.isEmpty()) {
            apt.update(progress);
            parts = Parts.find(apt);
        }
        if (parts.isEmpty()) {
            throw new GuestException(
                    "no package source of this system offers "
                            + KERNELS.getFirst()
                            + " and "
                            + BUSYBOX
                            + " for amd64 (see /etc/apt/sources.list)");
        }
        return new AptPlan(apt, work, parts.get());
    }

    /** The packages that hold a kernel's image, its modules, and busybox. */
    private record Parts(AptPackage image, List<AptPackage> modules, AptPackage busybox) {
        static Optional<Parts> find(Apt apt) throws GuestException {
            Optional<AptPackage> busybox = apt.candidate(BUSYBOX);
            if (busybox.isEmpty()) {
                return Optional.empty();
            }
            for (String kernel : KERNELS) {
                Optional<AptPackage> image = dependency(apt, apt.candidate(kernel), IMAGE);
                if (image.isPresent()) {
                    List<AptPackage> modules =
                            dependency(apt, image, MODULES).map(List::of).orElse(List.of());
                    return Optional.of(new Parts(image.get(), modules, busybox.get()));
                }
            }
            return Optional.empty();
        }

        private static Optional<AptPackage> dependency(
                Apt apt, Optional<AptPackage> of, Pattern name) throws GuestException {
            if (of.isEmpty()) {
                return Optional.empty();
            }
            Optional<String> found =
                    of.get().depends().stream()
                            .filter(each -> name.matcher(each).matches())
                            .findFirst();
            return found.isPresent() ? apt.candidate(found.get()) : Optional.empty();
        }

        List<AptPackage> all() {
            List<AptPackage> all = new ArrayList<>();
            all.add(image);
            all.addAll(modules);
            all.add(busybox);
            return all;
        }
    }

    private record AptPlan(Apt apt, Path work, Parts parts) implements Plan {
        @Override
        public String version() {
            return parts.image.plainVersion() + "_busybox-" + parts.busybox.plainVersion();
        }

        @Override
        public void make(Path kernel, Path initrd, GuestProgress progress)
                throws GuestException, IOException {
            List<Path> files;
            try {
                files = apt.download(parts.all(), progress);
            } catch (GuestException e) {
                // Lists that are older than the repository name files that it no longer has.
                if (apt.isUpdated() || !String.valueOf(e.getMessage()).contains("404")) {
                    throw e;
                }
                progress.step("The system's package lists are out of date");
                Plan newer = plan(fresh(progress), work, progress);
                newer.make(kernel, initrd, progress);
                return;
            }
            progress.step("Building the guest's initramfs");
            Path root = work.resolve("root");
            for (Path file : files) {
                apt.unpack(file, root);
            }
            String release = release(root);
            Path modules = root.resolve("lib/modules").resolve(release);
            if (!Files.isDirectory(modules)) {
                modules = root.resolve("usr/lib/modules").resolve(release);
            }
            byte[] busybox = Files.readAllBytes(busybox(root));
            if (!Busybox.isUsable(busybox)) {
                throw new GuestException(
                        "the package " + BUSYBOX + " holds no static busybox for x86-64");
            }
            TinyInitramfs.write(initrd, NAME, release, KernelModules.in(modules), busybox);
            Files.move(root.resolve("boot/vmlinuz-" + release), kernel);
        }

        private Apt fresh(GuestProgress progress) throws GuestException {
            apt.update(progress);
            return apt;
        }

        private static String release(Path root) throws GuestException, IOException {
            String prefix = "vmlinuz-";
            Path boot = root.resolve("boot");
            if (Files.isDirectory(boot)) {
                try (Stream<Path> files = Files.list(boot)) {
                    Optional<String> name =
                            files.map(file -> file.getFileName().toString())
                                    .filter(each -> each.startsWith(prefix))
                                    .findFirst();
                    if (name.isPresent()) {
                        return name.get().substring(prefix.length());
                    }
                }
            }
            throw new GuestException("the kernel's package holds no /boot/vmlinuz");
        }

        private static Path busybox(Path root) throws GuestException {
            for (String path : List.of("bin/busybox", "usr/bin/busybox")) {
                if (Files.isRegularFile(root.resolve(path))) {
                    return root.resolve(path);
                }
            }
            throw new GuestException("the package " + BUSYBOX + " holds no busybox");
        }
    }
}
