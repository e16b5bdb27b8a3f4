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

/** The packages that hold a kernel for virtual machines, its modules, and static busybox. */
record KernelParts(AptPackage image, List<AptPackage> modules, AptPackage busybox) {
    /** Meta packages that depend on the newest kernel: Debian's and Ubuntu's. */
    private static final List<String> KERNELS =
            List.of("linux-image-cloud-amd64", "linux-image-virtual");

    private static final String BUSYBOX = "busybox-static";

    private static final Pattern IMAGE = Pattern.compile("linux-image-(unsigned-)?[0-9].*");
    private static final Pattern MODULES = Pattern.compile("linux-modules-[0-9].*");

    /** What {@link #find} looks for, to tell a user who has no source of it. */
    static final String WANTED = KERNELS.getFirst() + " and " + BUSYBOX;

    KernelParts {
        modules = List.copyOf(modules);
    }

    /** By the lists that apt has now; empty if one of them is offered nowhere. */
    static Optional<KernelParts> find(Apt apt) throws GuestException {
        Optional<AptPackage> busybox = apt.candidate(BUSYBOX);
        if (busybox.isEmpty()) {
            return Optional.empty();
        }
        for (String kernel : KERNELS) {
            Optional<AptPackage> image = dependency(apt, apt.candidate(kernel), IMAGE);
            if (image.isPresent()) {
                List<AptPackage> modules =
                        dependency(apt, image, MODULES).map(List::of).orElse(List.of());
                return Optional.of(new KernelParts(image.get(), modules, busybox.get()));
            }
        }
        return Optional.empty();
    }

    private static Optional<AptPackage> dependency(Apt apt, Optional<AptPackage> of, Pattern name)
            throws GuestException {
        if (of.isEmpty()) {
            return Optional.empty();
        }
        Optional<String> found =
                of.get().depends().stream()
                        .filter(each -> name.matcher(each).matches())
                        .findFirst();
        return found.isPresent() ? apt.candidate(found.get()) : Optional.empty();
    }

    /** All of them, in the order to download. */
    List<AptPackage> all() {
        List<AptPackage> all = new ArrayList<>();
        all.add(image);
        all.addAll(modules);
        all.add(busybox);
        return all;
    }

    /**
     * The files of these packages.
     *
     * @param release the kernel's, as uname -r gives it
     * @param kernel the bzImage
     * @param modules the directory /lib/modules/RELEASE, which need not exist
     * @param busybox a program that {@link Busybox#isUsable} accepts
     */
    record Unpacked(String release, Path kernel, Path modules, Path busybox) {}

    /** Unpacks the packages, downloaded as {@code files}, below {@code root}. */
    static Unpacked unpack(Apt apt, List<Path> files, Path root)
            throws GuestException, IOException {
        for (Path file : files) {
            apt.unpack(file, root);
        }
        String release = release(root);
        Path modules = root.resolve("lib/modules").resolve(release);
        if (!Files.isDirectory(modules)) {
            modules = root.resolve("usr/lib/modules").resolve(release);
        }
        Path busybox = busybox(root);
        if (!Busybox.isUsable(Files.readAllBytes(busybox))) {
            throw new GuestException(
                    "the package " + BUSYBOX + " holds no static busybox for x86-64");
        }
        return new Unpacked(release, root.resolve("boot/vmlinuz-" + release), modules, busybox);
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
